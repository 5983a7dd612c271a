"""What depends on each field of an experiment, and what of the model follows the data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import linen as nn

from jaxdl import Experiment, replace, train
from jaxdl.data import Addition, Digits, Tfds
from jaxdl.errors import UserError
from jaxdl.experiment.config import differences, from_config, to_config
from jaxdl.experiment.fitting import follows_data
from jaxdl.experiment.recipe import reads_targets
from jaxdl.fields import static, walk
from jaxdl.models import MLP, Seq2Seq
from jaxdl.objectives import OBJECTIVES
from jaxdl.optim import Adam
from jaxdl.sweeps.space.axis import Choices, parse_axis

OBJECTIVE = OBJECTIVES.make("softmax_cross_entropy")
RECIPE = Experiment("test", Tfds(), MLP(), OBJECTIVE, Adam())


@dataclasses.dataclass(frozen=True)
class Own(Digits):  # type: ignore[misc]
    declared: int = static(1, "a field of a user's own data source")
    plain: int = 1


def paths(experiment: Experiment, affected: str) -> set[str]:
    return {field.path for field in walk(experiment) if affected in field.affects}


def test_only_the_checkpoints_say_nothing_but_how_a_run_is_saved() -> None:
    assert paths(RECIPE, "saving") == {"checkpoint", "checkpoint.every", "checkpoint.keep"}
    assert not paths(RECIPE, "saving") & paths(RECIPE, "programs")


def test_examples_follow_the_data_source_whole_and_what_cuts_it_short() -> None:
    cut = {"training.overfit_batches", "training.fast_dev_run"}
    whole = {field.path for field in walk(RECIPE) if field.path.startswith("data")}
    assert {"data", "data.validation", "data.name", "data.fallback", "data.split", "data.test"} <= whole
    assert paths(RECIPE, "data") == (whole - {"data.mirror", "data.stream", "data.fold"}) | cut
    assert {"data.declared", "data.plain"} <= paths(replace(RECIPE, {"data": Own()}), "data")


def test_nothing_depends_on_the_name_the_devices_the_hooks_or_where_the_data_are_fetched_and_kept() -> None:
    assert {field.path for field in walk(RECIPE) if not field.affects} == {
        "name",
        "data.mirror",
        "data.stream",
        "hooks",
        "tracker",
        "training.devices",
        "training.mesh",
        "training.shard",
    }


def test_no_program_depends_on_what_the_loop_does_between_its_calls() -> None:
    early = {"training.watch", "training.patience", "training.min_delta", "training.start_from_epoch"}
    between = {*early, "training.final", "init_from", "init_only", "data.fold"}
    assert paths(RECIPE, "result") - paths(RECIPE, "programs") == between


def test_experiments_are_compared_in_the_fields_that_count() -> None:
    other = replace(RECIPE, {"data.mirror": "https://host/mnist", "training.epochs": 3})
    assert differences(other, RECIPE, lambda field: bool(field.affects)) == ["training.epochs=3 (not 10)"]
    assert len(differences(other, RECIPE)) == 2


def test_the_outputs_of_any_model_follow_the_data_where_the_recipe_leaves_them_open(tmp_path: Path) -> None:
    class Plain(nn.Module):
        outputs: int | None = None

    spec = Digits().spec(tmp_path)
    for model in (MLP(), Plain()):
        recipe = Experiment("test", Digits(), model, OBJECTIVE, Adam())
        assert [field.path for field in walk(recipe) if follows_data(field)] == ["model.outputs"]
        assert recipe.for_spec(spec).model.outputs == 10
    with pytest.raises(UserError, match=r"model\.outputs=3: the data has 10 classes"):
        Experiment("test", Digits(), MLP(outputs=3), OBJECTIVE, Adam()).for_spec(spec)


def test_the_metrics_follow_from_the_objective_where_the_recipe_leaves_them_open(tmp_path: Path) -> None:
    spec = Digits().spec(tmp_path)
    values = dataclasses.replace(spec, outputs=1, class_names=())
    for name, data, measured in (
        ("softmax_cross_entropy", spec, "accuracy"),
        ("sigmoid_cross_entropy", values, "accuracy"),
        ("huber", values, "mean_absolute_error"),
    ):
        recipe = replace(RECIPE, {"objective": OBJECTIVES.make(name)})
        assert recipe.metrics is None and recipe.measured == (measured,) == recipe.for_spec(data).metrics
    assert replace(RECIPE, {"metrics": ()}).for_spec(spec).measured == ()


def test_a_recipe_that_is_fitted_is_fitted_again_only_after_a_change(tmp_path: Path) -> None:
    spec = Digits().spec(tmp_path)
    fitted = RECIPE.for_spec(spec)
    assert fitted.for_spec(spec) is fitted
    assert fitted.for_spec(dataclasses.replace(spec)) == fitted  # of data like these
    with pytest.raises(UserError, match=r"optimizer\.learning_rate=-1\.0: must be greater than 0"):
        replace(fitted, {"optimizer.learning_rate": -1.0}).for_spec(spec)
    with pytest.raises(UserError, match="metrics=top_11: the model has 10 outputs"):
        dataclasses.replace(fitted, metrics=("top_11",)).for_spec(spec)


def test_metrics_that_do_not_fit_the_objective_or_the_classes_are_refused(tmp_path: Path) -> None:
    spec = Digits().spec(tmp_path)
    huber = replace(RECIPE, {"objective": OBJECTIVES.make("huber"), "metrics": ("r_squared", "f1")})
    with pytest.raises(UserError, match="metrics=f1: not defined for the objective huber, .* choose from: mean_sq"):
        huber.for_spec(spec)
    for model in (MLP(), MLP(outputs=10)):
        ranked = Experiment("test", Digits(), model, OBJECTIVE, Adam(), metrics=("accuracy", "top_11"))
        with pytest.raises(UserError, match="metrics=top_11: the model has 10 outputs, but this metric needs 11"):
            ranked.for_spec(spec)
    assert replace(ranked, {"model": MLP(outputs=12)}).for_spec(spec).measured == ("accuracy", "top_11")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (
            "data",
            ([1.0], [0]),
            r"jaxdl.Arrays\(train=\(x, y\), test=\(x, y\)\) for arrays of your own, not \(\[1.0\], \[0\]\)",
        ),
        ("model", "lpm", "unknown model 'lpm'"),
        ("objective", 2, "must be a part such as jaxdl.SoftmaxCrossEntropy"),
        ("optimizer", 1e-3, "must be a part such as jaxdl.Adam.learning_rate=1e-3., not 0.001"),
        ("training", None, "must be a part such as jaxdl.Training.epochs=10., not None"),
        ("metrics", 3, "metrics=3: must be a list of str"),
        ("metrics", ["accuracy", 2], "must be a list of str or none"),
        ("model", MLP(features=["8"]), "must be a list of int, such as 32 or 32,64"),  # type: ignore[arg-type]
        ("optimizer", Adam(learning_rate=np.float32(0.5)), "learning_rate=0.5: must be float of Python, not float32"),  # type: ignore[arg-type]
    ],
)
def test_a_part_or_value_of_another_kind_is_named_with_the_right_one(
    tmp_path: Path, part: str, value: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        wrong = dataclasses.replace(RECIPE, **{"data": Digits(), part: value})
        train(wrong, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)
    assert not (tmp_path / "run").exists()


def test_a_name_is_no_experiment() -> None:
    with pytest.raises(UserError, match="a jaxdl.Experiment is needed, not 'digits_mlp'; jaxdl.load_experiment"):
        train("digits_mlp")  # type: ignore[arg-type]


def test_a_model_that_takes_other_arguments_is_told_which(tmp_path: Path) -> None:
    class Other(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(10)(x.reshape(len(x), -1))

    wrong = dataclasses.replace(RECIPE, data=Digits(), model=Other())
    with pytest.raises(UserError, match=r"unexpected keyword argument.*the arguments \(self, inputs, \*, train=False"):
        train(wrong, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)


def test_the_steps_of_an_answer_follow_the_data_where_the_recipe_leaves_them_open(tmp_path: Path) -> None:
    data = Addition(digits=2, train_examples=20, test_examples=5)
    recipe = Experiment("sums", data, Seq2Seq(units=4), OBJECTIVE, Adam())
    spec = data.spec(tmp_path)
    model: Any = recipe.for_spec(spec).model
    assert (model.output_length, model.outputs, model.vocabulary) == (4, 11, 11)
    with pytest.raises(UserError, match=r"model\.output_length=3: the targets have 4 steps; leave it out"):
        replace(recipe, {"model.output_length": 3}).for_spec(spec)
    assert reads_targets(Seq2Seq()) and not reads_targets(MLP())


@pytest.mark.parametrize(("name", "standard"), [("bf16", "bfloat16"), ("16-mixed", "float16"), ("fp32", "float32")])
def test_other_names_of_precisions_are_read_everywhere_and_never_kept(name: str, standard: str) -> None:
    given = replace(RECIPE, {"training.precision": name})
    assert given == replace(RECIPE, {"training.precision": standard})
    config = to_config(given)
    assert config["training"]["precision"] == standard
    config["training"]["precision"] = name
    assert from_config(config, RECIPE) == given
    (field,) = (field for field in walk(RECIPE) if field.path == "training.precision")
    assert parse_axis(field, name).values == Choices((standard,))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UserError, match="training.precision"):
        replace(RECIPE, {"training.precision": "float61"}).for_spec(Digits().spec(Path()))
