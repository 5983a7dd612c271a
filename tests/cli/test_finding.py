"""Which experiment a command means, and where it is looked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import jaxdl
from jaxdl.cli.finding import docstring, find_experiment, folders_of, list_text
from jaxdl.cli.options import Options
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[2]

RECIPE = """'''{line}'''

import jaxdl


def {name}():
    return jaxdl.Experiment(
        name="{name}",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=({units},)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
    )
"""


def write(folder: Path, name: str, units: int = 8, file: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{file or name}.py"
    path.write_text(RECIPE.format(line=f"Recipe {name}.", name=name, units=units))
    return path


def units_of(asked: Options, folders: list[Path]) -> int:
    found = find_experiment(asked, folders)
    assert found is not None
    return found.model.features[0]


@pytest.mark.slow
def test_a_run_made_from_python_is_known_to_the_modes_that_read_one(made_here: Path, tmp_path: Path) -> None:
    recipe = jaxdl.load_run(made_here).experiment
    for folders in ([ROOT / "experiments"], [tmp_path / "none"]):
        for mode in ("eval", "predict", "export", "reproduce", "train"):
            assert find_experiment(Options(mode=mode, run_dir=str(made_here)), folders) == recipe
    with pytest.raises(UserError, match="has a run of 'made_here', not of 'mnist_cnn'"):
        find_experiment(Options(mode="eval", run_dir=str(made_here), experiment="mnist_cnn"), [ROOT / "experiments"])
    with pytest.raises(UserError, match="no experiment given"):
        find_experiment(Options(run_dir=str(tmp_path / "new")), [ROOT / "experiments"])


def test_the_file_of_an_experiment_is_used_where_there_is_one_and_no_other(made_here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "made_here.py").write_text("raise RuntimeError('executed')")
    with pytest.raises(RuntimeError, match="executed"):
        find_experiment(Options(mode="eval", run_dir=str(made_here)), [folder])
    config = json.loads((made_here / "config.json").read_text())
    (made_here / "config.json").write_text(json.dumps(config | {"name": "../experiments/made_here"}))
    found = find_experiment(Options(mode="eval", run_dir=str(made_here)), [tmp_path / "none"])
    assert found is not None and found.name == "../experiments/made_here"  # read, and no file of that path executed


def test_the_working_folders_experiments_come_first_and_hide_others_which_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = tmp_path / "shipped"
    write(shipped, "one", 1)
    write(shipped, "two", 2)
    monkeypatch.chdir(tmp_path)
    assert folders_of(shipped) == [shipped]
    write(tmp_path / "experiments", "one", 3)
    folders = folders_of(shipped)
    assert folders == [Path("experiments"), shipped]
    assert folders_of(tmp_path / "experiments") == [tmp_path / "experiments"]
    assert units_of(Options(experiment="two"), folders) == 2 and not capsys.readouterr().err
    assert units_of(Options(experiment="one"), folders) == 3
    assert f"experiments/one.py is used; it hides the experiment of that name in {shipped}." in capsys.readouterr().err
    assert units_of(Options(experiment="one", quiet=True), folders) == 3 and not capsys.readouterr().err
    assert list_text(folders) == f"experiments:\none  Recipe one.\n\n{shipped}:\none  Recipe one.\ntwo  Recipe two."
    assert list_text([shipped]) == "one  Recipe one.\ntwo  Recipe two."


def test_a_file_is_named_by_its_path_with_the_function_where_it_has_another_name(tmp_path: Path) -> None:
    write(tmp_path, "own", 5)
    assert units_of(Options(experiment=str(tmp_path / "own.py")), []) == 5
    write(tmp_path, "own", 6, file="recipes")
    assert units_of(Options(experiment=f"{tmp_path}/recipes.py:own"), []) == 6
    with pytest.raises(UserError, match=r"recipes\.py must define the function recipes\(\) without arguments"):
        find_experiment(Options(experiment=f"{tmp_path}/recipes.py"), [])
    with pytest.raises(UserError, match=r"none\.py: there is no such file"):
        find_experiment(Options(experiment=f"{tmp_path}/none.py"), [])


def test_the_recipe_of_a_run_is_taken_for_a_new_one(made_here: Path) -> None:
    recipe = jaxdl.load_run(made_here).experiment
    for named in (made_here, made_here / "config.json"):
        assert find_experiment(Options(config=str(named)), []) == recipe


@pytest.mark.parametrize(("tuned", "devices"), [(True, None), (False, 2)])
def test_devices_that_were_measured_on_the_runs_machine_are_not_taken(
    made_here: Path, tmp_path: Path, tuned: bool, devices: int | None
) -> None:
    config = json.loads((made_here / "config.json").read_text())
    config["training"]["devices"] = 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "record.json").write_text(json.dumps({"tuning": {"devices": 2}} if tuned else {}))
    found = find_experiment(Options(config=str(tmp_path)), [])
    assert found is not None
    assert found.training.devices == devices


def test_a_run_of_a_model_of_ones_own_is_read_with_the_file_that_defines_it(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        RECIPE.format(line="Own.", name="own", units=4).replace("jaxdl.MLP", "Net")
        + "\n\nclass Net(jaxdl.MLP):\n    pass\n"
    )
    asked = Options(experiment=str(path))
    recipe = find_experiment(asked, [])
    assert recipe is not None
    recipe = jaxdl.replace(recipe, {"training.epochs": 1, "training.fast_dev_run": True})
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda line: None)
    run_dir = str(tmp_path / "run")
    with pytest.raises(UserError, match="Net"):
        find_experiment(Options(mode="eval", run_dir=run_dir), [])
    found = find_experiment(Options(mode="eval", run_dir=run_dir, experiment=str(path)), [])
    assert found is not None and type(found.model).__name__ == "Net" and found.training.fast_dev_run
    other = write(tmp_path, "other")
    with pytest.raises(UserError, match=r"has a run of 'own', and .*other\.py defines 'other'"):
        find_experiment(Options(mode="eval", run_dir=run_dir, experiment=str(other)), [])


def test_the_docstring_is_that_of_the_file_that_would_be_used(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    file = write(own, "one")
    write(shipped, "one").write_text('"""Another."""')
    write(shipped, "two")
    assert [docstring(name, [own, shipped]) for name in ("one", "two", "three")] == ["Recipe one.", "Recipe two.", ""]
    assert docstring(str(file), []) == docstring(f"{file}:one", []) == "Recipe one."
