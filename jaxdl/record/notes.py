"""What a user says of a run: tags to find it by, and a note; in ``notes.json``, only where there is something to say.

It is not part of the recipe, so no digest and no result depends on it. It has a file of its own, and not a place in
``record.json``, so that it can be changed while the run writes that, and so that thousands of runs are listed without
reading their records.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.files.paths import expanded
from jaxdl.record.encoding import json_text, parse
from jaxdl.record.reading import CONFIG

NOTES = "notes.json"
_TAG = re.compile(r"[^\s,=<>!()-][^\s,=<>!()]*")
_LONGEST_TAG, _LONGEST_NOTE = 100, 10_000


class Tags(tuple[str, ...]):
    """Tags in the order in which they were given; as text with commas between them."""

    def __str__(self) -> str:
        return ",".join(self)


@dataclasses.dataclass(frozen=True)
class Notes:
    """Tags and a note.

    Attributes:
        tags: words to find the run by; in a change of earlier notes ``-WORD`` takes one away.
        note: a text; empty: none; None: in a change of earlier notes, leaves theirs.
    """

    tags: tuple[str, ...] = ()
    note: str | None = None

    def __bool__(self) -> bool:
        return bool(self.tags) or self.note is not None

    def after(self, earlier: Notes) -> Notes:
        """Returns earlier notes with this change: tags are added or taken away, and a note takes the place of theirs.

        Raises:
            UserError: a tag or the note is not allowed.
        """
        wrong = check_tags(self.tags) or check_note(self.note)
        if wrong:
            raise UserError(f"tags and note of a run: {wrong}.")
        gone = {tag[1:] for tag in self.tags if tag.startswith("-")}
        tags = dict.fromkeys([*earlier.tags, *(tag for tag in self.tags if not tag.startswith("-"))])
        return Notes(tuple(tag for tag in tags if tag not in gone), earlier.note if self.note is None else self.note)


def check_tags(tags: Iterable[str]) -> str | None:
    """Returns what is wrong with tags, or None."""
    for tag in tags:
        word = tag.removeprefix("-")
        if not _TAG.fullmatch(word) or not word.isprintable() or len(word) > _LONGEST_TAG:
            return (
                f"{tag[:_LONGEST_TAG]!r} is no tag: give words without spaces, parentheses and any of , = < > !, of at "
                f"most {_LONGEST_TAG} characters"
            )
    return None


def check_note(note: str | None) -> str | None:
    """Returns what is wrong with a note, or None."""
    return f"a note has at most {_LONGEST_NOTE:,} characters" if note and len(note) > _LONGEST_NOTE else None


def read_notes(run_dir: Path) -> Notes:
    """Returns the notes of a run directory; none where there is no file, or where it is damaged.

    A damaged file does not keep runs from being listed.
    """
    try:
        found = json.loads((run_dir / NOTES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return Notes()
    return _of(found)


def _of(found: object) -> Notes:
    if not isinstance(found, dict):
        return Notes()
    tags, note = found.get("tags"), found.get("note")
    kept = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Notes(Tags(kept), note if isinstance(note, str) else "")


def annotate(run_dir: Path | str, tags: Sequence[str] = (), note: str | None = None) -> Notes:
    """Changes the tags and the note of a run, also of one that is running, and returns what it has now.

    Args:
        run_dir: the run directory.
        tags: words to add; ``-WORD`` takes one away.
        note: a text in the place of the present one; empty: no note; None: leaves it.

    Raises:
        UserError: there is no run, a tag is none, or its notes cannot be read or written.
    """
    if isinstance(tags, str):
        raise UserError(f"tags={tags!r}: give a list of words, such as [{tags!r}].")
    path = expanded(run_dir)
    if not (path / CONFIG).exists():
        raise UserError(f"there is no run in {path} (no {CONFIG}): give the directory of one.")
    file, earlier = path / NOTES, Notes(note="")
    if file.exists():
        with named_cause(file, "read"):
            earlier = _of(parse(file.read_text(encoding="utf-8", errors="replace"), file))
    now = Notes(tuple(tags), note).after(earlier)
    if now != earlier:
        replace_file(file, json_text({"tags": list(now.tags), "note": now.note}))
    return now
