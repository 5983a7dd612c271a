"""The parts of a run's report that say what was run, where, and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.record import CONFIG
from jaxdl.report.page import escaped, pairs, section

_MACHINE = ("system", "cpu", "backend", "devices", "processes", "layout", "tuning", "xla_flags", "compiler_options")
_SHOWN_ELSEWHERE = ("git", "command", "versions", "spec", *_MACHINE)


def again_section(record: Mapping[str, Any], run_dir: Path) -> str:
    """Returns the commands that run it again: as it was, and as a proof that the bits are the same."""
    command = [str(part) for part in record.get("command") or ()]
    git = mapping(record.get("git"))
    lines = [f"git checkout {git['commit']}"] if git.get("commit") else []
    if command:
        lines.append(_shell(command))
    start = _shell(command[:1]) if command else "python -m jaxdl"
    if len(command) > 2 and command[0] == "-m":
        start = _shell(command[:2])
    lines += [
        f"{start} --config={shlex.quote(str(run_dir / CONFIG))}",
        f"{start} --mode=reproduce --run_dir={shlex.quote(str(run_dir))}",
    ]
    notes = [
        "The line with --config trains the same recipe in a new folder; the last one trains it again and compares bits."
    ]
    if git.get("dirty"):
        notes.append("The working tree had changes: apply the diff under Machine and versions after the checkout.")
    if not command:
        notes.append("It was started from Python.")
    return (
        section("Run it again", f'<pre class="command" tabindex="0">{escaped(chr(10).join(lines))}</pre>')
        + f'<p class="note">{escaped(" ".join(notes))}</p>'
    )


def _shell(command: list[str]) -> str:
    text = " ".join(
        part if part.startswith("--") and part == shlex.quote(part) else shlex.quote(part) for part in command
    )
    return text if text.startswith("python") else f"python {text}"


def machine_section(record: Mapping[str, Any]) -> str:
    """Returns the machine, the versions, and the state of the code."""
    if not record:
        return ""
    git = mapping(record.get("git"))
    shown: dict[str, Any] = {name: record[name] for name in _MACHINE if record.get(name)}
    shown |= {f"versions.{name}": value for name, value in mapping(record.get("versions")).items()}
    shown |= {f"git.{name}": value for name, value in git.items() if name != "diff"}
    shown |= {name: value for name, value in record.items() if name not in _SHOWN_ELSEWHERE}
    command = " ".join(map(str, record.get("command") or ()))
    versions = " ".join(f"{name} {value}" for name, value in mapping(record.get("versions")).items())
    cpu = mapping(record.get("cpu"))
    devices = [
        f"{each.get('count')} x {each.get('kind')}" for each in record.get("devices") or () if isinstance(each, Mapping)
    ]
    brief = {"started": record.get("started_utc"), "processor": cpu.get("model"), "devices": ", ".join(devices),
             "versions": versions}  # fmt: skip
    parts = [f"<p>Started as <code>{escaped(command)}</code></p>" if command else "",
             pairs({name: value for name, value in brief.items() if value}),
             folded("the whole record", pairs(flat(shown)))]  # fmt: skip
    if git.get("diff"):
        parts.append(f'<details><summary>git diff</summary><pre tabindex="0">{escaped(git["diff"])}</pre></details>')
    return section("Machine and versions", "".join(parts))


def folded(summary: str, content: str) -> str:
    """Returns what can be unfolded, and is on paper; empty without content."""
    return f'<details class="print"><summary>{escaped(summary)}</summary>{content}</details>' if content else ""


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a tree of mappings with dotted paths as keys; a part's type is under the part's own name."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping):
            found |= flat(item, path + ".")
        else:
            found[prefix.rstrip(".") if key == "type" and prefix else path] = item
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns a value that is a mapping; of anything else, from a damaged file, an empty one."""
    return value if isinstance(value, Mapping) else {}
