"""The record: what is needed to repeat a run, and no secret."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxdl.record import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **identity},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("one = 1\n")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_record_holds_what_the_contract_names(checkout: Path) -> None:
    started = datetime.datetime(2024, 2, 29, 23, 59, 59, tzinfo=datetime.timezone(datetime.timedelta(hours=-1)))
    argv = ["launch.py", "--experiment=x"]
    record = provenance.record(argv, 7, "abc", provenance.surroundings(checkout), started=started)
    assert json.loads(json.dumps(record)) == record
    assert record["command"] == argv
    assert record["started_utc"] == "2024-03-01T00:59:59Z"
    assert (record["seed"], record["data_fingerprint"]) == (7, "abc")
    assert record["versions"]["jax"] == jax.__version__
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["versions"]) >= {"python", "jaxlib", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets"}
    assert record["backend"] == jax.default_backend()
    device = jax.devices()[0]
    assert record["devices"] == [{"platform": device.platform, "kind": device.device_kind, "count": len(jax.devices())}]
    assert record["cpu"]["cores"] == os.cpu_count() and record["cpu"]["model"]


def test_no_secret_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "JAX_COORDINATOR_PASSWORD", "XLA_TOKEN"):
        monkeypatch.setenv(name, "s3cr3t")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    surroundings = provenance.surroundings(checkout)
    record = provenance.record(["a", "--data.mirror=https://me:s3cr3t@host/path"], 0, None, surroundings)
    assert "s3cr3t" not in json.dumps(record)
    assert record["command"][1] == "--data.mirror=https://***@host/path"
    assert record["xla_flags"] == record["environment"]["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert provenance.git_state(checkout) == {"commit": commit, "dirty": False, "untracked": [], "diff": ""}


def test_a_dirty_checkout_has_its_difference(checkout: Path) -> None:
    (checkout / "a.py").write_text("one = 2\n")
    (checkout / "new.py").write_text("secret = 3\n")
    state = provenance.git_state(checkout)
    assert state is not None and state["dirty"] and state["untracked"] == ["new.py"]
    assert "-one = 1\n+one = 2\n" in state["diff"] and "secret" not in state["diff"]
    git(checkout, "checkout", "-q", ".")
    (checkout / "a.py").write_text("one = 2\n")
    git(checkout, "add", "a.py")  # staged changes differ from the commit, too
    state = provenance.git_state(checkout)
    assert state is not None and "+one = 2" in state["diff"]


def test_a_long_difference_is_cut_with_a_note(checkout: Path) -> None:
    (checkout / "a.py").write_text("x" * 1_000_000)
    state = provenance.git_state(checkout)
    assert state is not None
    assert len(state["diff"]) < 300_000 and "characters left out]" in state["diff"]


def test_a_checkout_without_a_commit_and_a_place_without_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    (empty / "a.py").write_text("one = 1\n")
    assert provenance.git_state(empty) == {"commit": None, "dirty": True, "untracked": ["a.py"], "diff": ""}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path.parent) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(checkout) is None


def test_git_is_not_written_to(checkout: Path) -> None:
    def stamps() -> dict[str, Any]:
        return {str(p): p.stat().st_mtime_ns for p in (checkout / ".git").rglob("*")}

    (checkout / "a.py").touch()  # git would renew its index
    before = stamps()
    provenance.git_state(checkout)
    assert stamps() == before
