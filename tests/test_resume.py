"""A training that is stopped anywhere, by anything, and goes on: it ends with the same bits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import jaxdl
from jaxdl import verification
from jaxdl.errors import UserError
from jaxdl.record import read_record, read_summary
from tests.trained import RECIPES

ROOT = Path(__file__).resolve().parent.parent


def command(name: str) -> list[str]:
    """Returns the command that trains one of the small recipes."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.trained import main; "
    return [sys.executable, "-c", f"{script}sys.exit(main([{name!r}, sys.argv[1]]))"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_thirty_kills_at_random_moments_change_no_bit(name: str, tmp_path: Path) -> None:
    proof = jaxdl.verify_resume(command(name), tmp_path / "proof", kills=30, seed=len(name))
    assert proof.different == []
    assert sum(proof.kills.values()) == 30 and set(proof.kills) == {"SIGKILL", "SIGTERM", "SIGINT"}
    assert proof.slowest_stop < 20
    assert json.loads((tmp_path / "proof" / "proof.json").read_text())["trainings"] == proof.trainings


def test_a_difference_is_found(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    jaxdl.train(recipe, run_dir=one, data_dir=tmp_path)
    jaxdl.train(jaxdl.replace(recipe, {"seed": 1}), run_dir=other, data_dir=tmp_path)
    assert verification.compare(one, one) == []
    found = " | ".join(verification.compare(one, other))
    for part in ("params_sha256", "the last state", "metrics.jsonl from line 1 on", "the final figures"):
        assert part in found


def test_a_training_that_fails_is_no_proof(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"]
    with pytest.raises(UserError, match=r"ended with status 3: what went wrong See .*output\.txt"):
        jaxdl.verify_resume(failing, tmp_path / "proof", kills=1)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        jaxdl.verify_resume(command("residual"), tmp_path, kills=1)


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["--experiment=x"], ["--training.epochs=2", "--checkpoint.every=1s"]),
        (["--experiment=x", "--epochs=5", "--mode=verify_resume", "--kills", "3"], ["--checkpoint.every=1s"]),
        (["--checkpoint.every=9steps", "--training.epochs", "1"], []),
    ],
)
def test_the_command_is_shortened_where_it_does_not_say_how_long(
    recipe: jaxdl.Experiment, arguments: list[str], added: list[str]
) -> None:
    _, launch, *rest = verification.short_command(Path("launch.py"), arguments, recipe)
    assert launch == "launch.py"
    kept = [a for a in arguments if a not in ("--mode=verify_resume", "--kills", "3")]
    assert rest == [*kept, *added]


def test_a_run_is_reproduced_to_the_bit(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "original", data_dir=tmp_path)
    found = jaxdl.reproduce(tmp_path / "original", tmp_path / "copy", recipe, tmp_path)
    assert found.identical and found.conditions == []
    assert "reproduced to the bit" in found.text()


def test_what_is_not_reproduced_is_laid_beside_what_is_different(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    original = tmp_path / "original"
    jaxdl.train(recipe, run_dir=original, data_dir=tmp_path)
    # As if an older release had made it, with other results.
    record = read_record(original)
    record["versions"]["jax"] = "0.1.0"
    (original / "record.json").write_text(json.dumps(record))
    summary = read_summary(original) | {"params_sha256": "0" * 64}
    (original / "summary.json").write_text(json.dumps(summary))
    found = jaxdl.reproduce(original, tmp_path / "copy", recipe, tmp_path)
    assert not found.identical
    assert len(found.conditions) == 1 and found.conditions[0].startswith("versions.jax: ")
    assert found.conditions[0].endswith("(was 0.1.0)")
    assert "params_sha256: 0000" in found.text() and "versions.jax" in found.text()


def test_an_unfinished_run_cannot_be_reproduced(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    summary = read_summary(tmp_path / "run") | {"status": "preempted"}
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="status 'preempted'"):
        jaxdl.reproduce(tmp_path / "run", tmp_path / "copy", recipe, tmp_path)
    assert not (tmp_path / "copy").exists()
