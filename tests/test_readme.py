"""The README's examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
EXAMPLES = [code for language, code in BLOCKS if language == "python"]


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
def test_a_python_block_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), namespace)
    if "logits" in namespace:
        stated = re.search(r"# \((\d+), (\d+)\)", code)
        assert stated is not None
        assert namespace["logits"].shape == (int(stated[1]), int(stated[2]))  # type: ignore[attr-defined]
    elif "results" in namespace:
        assert [trial.state for trial in namespace["results"].trials] == ["completed"] * 6  # type: ignore[attr-defined]
    else:
        assert namespace["summary"]["status"] == "completed"  # type: ignore[index]
        assert namespace["state"].step == 1  # type: ignore[attr-defined]


def test_the_readme_begins_with_the_two_bash_blocks() -> None:
    languages = [language for language, _ in BLOCKS]
    assert languages[:2] == ["bash", "bash"]
    assert "launch.py --experiment=mnist_cnn" in BLOCKS[0][1]
    assert "pytest" in BLOCKS[1][1]
    assert "EXPECT_" not in README.read_text(encoding="utf-8")


def test_every_test_that_the_table_of_faults_names_is_there() -> None:
    tests = Path(__file__).resolve().parent
    named = re.findall(r"`([\w/]*test_\w+\.py)(?:::(test_\w+)\.\.\.)?`", README.read_text(encoding="utf-8"))
    assert len(named) > 10
    for file, name in named:
        assert f"def {name}" in (tests / file).read_text(encoding="utf-8"), (file, name)
