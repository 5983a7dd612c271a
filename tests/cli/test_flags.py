"""Every field of an experiment as a flag."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import jaxdl
from jaxdl.cli.flags import parse_command_line, peek
from jaxdl.cli.options import Options, option_fields
from jaxdl.errors import UserError
from tests.experiments.twins import twin


def recipe() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="recipe",
        data=jaxdl.Tfds("mnist"),
        model=jaxdl.CNN(features=(4, 8)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(schedule=jaxdl.Cosine()),
    )


def parsed(*arguments: str) -> jaxdl.Experiment:
    _, experiment = parse_command_line(["--experiment=recipe", *arguments], recipe())
    assert experiment is not None
    return experiment


def test_without_flags_the_recipe_stays() -> None:
    assert parsed() == recipe()


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--optimizer.learning_rate=3e-3"], "optimizer.learning_rate", 3e-3),
        (["--precision=bf16-mixed"], "training.precision", "bfloat16"),
        (["--precision=32"], "training.precision", "float32"),
        (["--learning_rate=3e-3"], "optimizer.learning_rate", 3e-3),
        (["--learning_rate", "3e-3"], "optimizer.learning_rate", 3e-3),
        (["--model.features=32,64"], "model.features", (32, 64)),
        (["--epochs=5"], "training.epochs", 5),
        (["--batch_size=64"], "training.batch_size", 64),
        (["--seed=1"], "seed", 1),
        (["--patience=3"], "training.patience", 3),
        (["--fast_dev_run"], "training.fast_dev_run", True),
        (["--nofast_dev_run"], "training.fast_dev_run", False),
        (["--data.fallback=none"], "data.fallback", "none"),
        (["--optimizer=sgd", "--momentum=0.9"], "optimizer.momentum", 0.9),
        (["--momentum=0.9", "--optimizer=sgd"], "optimizer.momentum", 0.9),
        (["--optimizer=sgd", "--schedule=one_cycle"], "optimizer.schedule", jaxdl.OneCycle()),
        (["--data=fashion_mnist"], "data", jaxdl.Tfds("fashion_mnist")),
        (["--data=digits"], "data", jaxdl.Digits()),
        (["--data=mnist", "--optimizer=adam"], "optimizer.schedule", jaxdl.Cosine()),
        (["--model=cnn"], "model.features", (4, 8)),
        (["--model=mlp", "--model.features=5"], "model", jaxdl.MLP(features=(5,))),
        (["--metrics=accuracy,top_3"], "metrics", ("accuracy", "top_3")),
        (["--augmentation=tables", "--noise=0.1"], "augmentation", jaxdl.TableAugmentation(noise=0.1)),
        (["--augmentation=images", "--mixup=0.2"], "augmentation", jaxdl.Augmentation(mixup=0.2)),
        (["--class_weight=balanced"], "training.class_weight", "balanced"),
        (["--class_weight=1,2.5"], "training.class_weight", (1.0, 2.5)),
        (["--class_weight=none"], "training.class_weight", None),
        (["--weighted_metrics"], "weighted_metrics", True),
    ],
)
def test_a_flag_sets_its_field_and_no_other(arguments: list[str], path: str, value: object) -> None:
    got = parsed(*arguments)
    holder, _, name = path.rpartition(".")
    part = got
    for step in holder.split(".") if holder else []:
        part = getattr(part, step)
    assert getattr(part, name) == value
    untouched = {"optimizer", "data", "model", "training", "objective", "seed", "metrics"} - {path.split(".")[0]}
    for other in untouched:
        assert getattr(got, other) == getattr(recipe(), other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning_rat=1"], r"unknown flag --learning_rat. Did you mean --learning_rate\?"),
        (["--optimizer.lerning_rate=1"], r"Did you mean --optimizer.learning_rate\?"),
        (["--learning_rate=fast"], "--optimizer.learning_rate=fast: must be float"),
        (["--learning_rate=-1"], "optimizer.learning_rate=-1.0: must be greater than 0"),
        (["--epochs=1.5"], "--training.epochs=1.5: must be int"),
        (["--epochs=0"], "must be at least 1"),
        (["--fast_dev_run=maybe"], "fast_dev_run"),
        (["--optimizer=admaw"], r"unknown optimizer 'admaw'. Did you mean 'adamw'\?"),
        (["--schedule=cosin"], r"Did you mean 'cosine'\?"),
        (["--data.fallback=embeded"], r"Did you mean 'embedded'\?"),
        (["--metrics=acuracy"], r"Did you mean 'accuracy'\?"),
        (["--momentum=0.9"], "unknown flag --momentum"),
        (["--mode=trian"], r"Did you mean 'train'\?"),
        (["extra"], "unexpected argument 'extra'"),
        (["--epochs=2", "--training.epochs=3"], "given twice"),
        (["--schedule=cosine", "--optimizer.schedule=constant"], "given twice"),
        (["--objective=validation/accuracy"], "is --sweep_objective=validation/accuracy."),
        (["--data_dir", "--optimizer=sgd"], "--optimizer was read as the value of the flag before it"),
        (["--data_dir", "--run_dir=x"], "--run_dir was read as the value of the flag before it"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parsed(*arguments)
    assert "\n" not in str(caught.value)


def test_an_ambiguous_last_name_lists_the_paths() -> None:
    """Both the training and the cosine schedule have a field of that name."""
    with pytest.raises(UserError, match="--final is ambiguous: write --optimizer.schedule.final or --training.final"):
        parsed("--final=best")
    assert parsed("--training.final=best").training.final == "best"


def test_options_are_read_beside_fields() -> None:
    options, _ = parse_command_line(["--experiment=recipe", "--mode=eval", "--seed=4"], recipe())
    assert options == Options(experiment="recipe", mode="eval")


def test_a_switch_that_is_negated_and_given_a_value_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="--nofast_dev_run"):
        parse_command_line(["--nofast_dev_run=true"], twin("digits_mlp"))


def test_these_options_are_paths() -> None:
    """An option that holds a path is one of them."""
    assert [name for name, field in option_fields().items() if field.declaration.path] == [
        *("config", "data_dir", "run_dir", "input", "output", "sweep_file", "sweep_dir", "sweep_pairs")
    ]


@pytest.mark.parametrize("form", ["--{}=~/x", "--{} ~/x"])
@pytest.mark.parametrize("name", ["config", "data_dir", "run_dir", "input", "output"])
def test_a_path_may_begin_with_the_home_folder(name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    options, _ = parse_command_line(form.format(name).split(), None)
    assert getattr(options, name) == "/home/ada/x"
    assert peek(["--run_dir=~/x"]).run_dir == "/home/ada/x"


def test_files_of_sweeps_and_flags_may_lie_below_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "s.toml").write_text("[fields]\nseed = [0, 1]\n")
    (tmp_path / "flags").write_text("--sweep_dir=~/sweep\n--sweep_file=~/s.toml\n")
    options, _ = parse_command_line(["--flagfile=~/flags"], None)
    assert (options.sweep_dir, options.sweep) == (str(tmp_path / "sweep"), ("seed=0,1",))


def test_an_unknown_home_folder_is_refused() -> None:
    with pytest.raises(UserError, match="no home folder is known for ~nobody-here"):
        parse_command_line(["--run_dir=~nobody-here/x"], None)


@pytest.mark.parametrize(
    ("argument", "flag"),
    [
        ("--seed=0,1,2", "--sweep=seed=0,1,2"),
        ("--seed=0:5", "--sweep=seed=0:5"),
        ("--learning_rate=1e-3,1e-2", "--sweep=learning_rate=1e-3,1e-2"),
        ("--optimizer.learning_rate=log(1e-4,1e-1)", "'--sweep=optimizer.learning_rate=log(1e-4,1e-1)' --trials=N"),
        ("--optimizer=adam,sgd", "--sweep=optimizer=adam,sgd"),
        ("--activation=relu,tanh", "--sweep=activation=relu,tanh"),
        ("--precision=float32,bfloat16", "--sweep=precision=float32,bfloat16"),
        ("--model.features=(8),(16,8)", "'--sweep=model.features=(8),(16,8)'"),
        ("--nesterov=true,false", "--sweep=nesterov=true,false"),
    ],
)
def test_several_values_for_one_name_the_sweep(argument: str, flag: str) -> None:
    with pytest.raises(UserError) as error:
        parsed(argument)
    assert str(error.value) == f"{argument}: a training takes one value; to train with each, write {flag}."


@pytest.mark.parametrize("argument", ["--seed=0,x", "--epochs=5,0", "--trials=1,2", "--optimizer=adam,sdg"])
def test_several_values_that_a_sweep_would_not_take_are_refused_as_one_is(argument: str) -> None:
    with pytest.raises(UserError) as error:
        parsed(argument)
    assert "--sweep=" not in str(error.value)


def test_a_list_is_asked_for_in_words() -> None:
    with pytest.raises(UserError, match=r"--model.features=a,b: must be a list of int, such as 32 or 32,64\.$"):
        parsed("--model.features=a,b")


def test_an_option_of_one_mode_leaves_its_name_to_a_field_in_the_others() -> None:
    experiment = jaxdl.replace(recipe(), {"data": jaxdl.Bits()})
    for mode, expected in (("train", (20, 500)), ("sample", (32, 20))):
        options, changed = parse_command_line(["--experiment=recipe", f"--mode={mode}", "--length=20"], experiment)
        assert changed is not None
        assert isinstance(changed.data, jaxdl.Bits)
        assert (changed.data.length, options.length) == expected


def test_metrics_and_hooks_of_the_recipe_are_chosen_by_their_names() -> None:
    @jaxdl.metric
    def own(outputs, targets):
        return outputs[..., 0]

    @jaxdl.hook(every="2epochs")
    def called(now: jaxdl.Moment) -> None: ...

    made = dataclasses.replace(recipe(), metrics=("accuracy", own()), hooks=(called,))
    arguments = ["--experiment=recipe", "--metrics=own,f1", "--hooks=save_predictions,called(every=2epochs)"]
    _, found = parse_command_line(arguments, made)
    assert found is not None and found.metrics is not None
    assert found.metrics == ("own", "f1") and isinstance(found.metrics[0], jaxdl.objectives.OwnMetric)
    assert found.hooks == ("save_predictions", called) and found.hooks[1] is called


def test_folds_without_a_fold_are_a_sweep_over_all_of_them() -> None:
    recipe = twin("digits_mlp")

    def sweep(*flags: str) -> tuple[str, ...]:
        return parse_command_line(["--experiment=digits_mlp", *flags], recipe)[0].sweep

    assert sweep("--folds=5") == ("data.fold=0:5",)
    assert sweep("--folds=5", "--fold=2") == ()
    assert sweep("--folds=5", "--sweep=seed=0:3") == ("seed=0:3",), "where a space is read, its folds are added"
    assert sweep("--folds=5", "--mode=summary") == ()
