"""What is read from files and command lines: whatever stands there, a value comes back or one line of `UserError`."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import jaxdl
from jaxdl.cli.flags import parse_command_line
from jaxdl.cli.sweep_file import read_sweep_file
from jaxdl.errors import UserError
from jaxdl.inference import read_examples, read_spec
from jaxdl.record import read_config, read_metrics, read_record, read_summary
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.space import parse_flags
from jaxdl.sweeps.trials.schedule import check_values
from tests.drawn import JSON, changed, changed_bytes, fuzzed, json_files, one_line

RECIPE = jaxdl.Experiment(
    name="recipe",
    data=jaxdl.Digits(),
    model=jaxdl.CNN(features=(4,), pool_after=(1,), dropout=0.1),
    objective=jaxdl.SoftmaxCrossEntropy(),
    optimizer=jaxdl.AdamW(schedule=jaxdl.Cosine(warmup=0.1)),
    training=jaxdl.Training(epochs=2),
)
CONFIG = jaxdl.to_config(RECIPE)
SPEC = jaxdl.Spec((8, 8, 1), "uint8", jaxdl.Preprocess(1 / 255), (), 10, tuple(map(str, range(10))))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def png(mode: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (8, 8), 3).save(stream, "PNG")
    return stream.getvalue()


def inputs_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        names, inputs, _ = read_examples(file, SPEC)
    except UserError as error:
        one_line(error)
    else:
        assert len(names) == len(inputs) and inputs.shape[1:] == (8, 8, 1) and inputs.dtype == np.uint8


@fuzzed
@given(changed(CONFIG) | JSON)
def test_a_config_is_read_or_refused(config: Any) -> None:
    for default in (RECIPE, None):
        try:
            experiment = jaxdl.from_config(config, default)
        except UserError as error:
            one_line(error)
        else:
            assert isinstance(experiment, jaxdl.Experiment)
            assert jaxdl.from_config(jaxdl.to_config(experiment), default) == experiment


@fuzzed
@given(json_files(CONFIG))
def test_a_file_of_a_run_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("config.json", "record.json", "summary.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes(content)
    for read in (read_config, read_record, read_summary, read_metrics, read_spec):
        try:
            read(tmp_path)
        except UserError as error:
            one_line(error)


@fuzzed
@given(
    changed_bytes(npy(np.zeros((2, 8, 8, 1), np.uint8)))
    | st.binary(max_size=300)
    | st.sampled_from([npy(np.array([{"a": 1}], object)), npy(np.zeros((0, 8, 8, 1), np.uint8))])
)
def test_an_array_file_is_read_or_refused_and_never_unpickled(tmp_path: Path, content: bytes) -> None:
    inputs_are_read_or_refused(tmp_path / "inputs.npy", content)


@fuzzed
@given(changed_bytes(npz(inputs=np.zeros((2, 8, 8, 1), np.uint8), lengths=np.zeros(2, np.int32))))
def test_a_file_of_arrays_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    inputs_are_read_or_refused(tmp_path / "inputs.npz", content)


@fuzzed
@given(changed_bytes(png("L")) | changed_bytes(png("RGB")) | st.binary(max_size=300))
def test_an_image_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    inputs_are_read_or_refused(tmp_path / "image.png", content)


FLAG_NAMES = ["epochs", "learning_rate", "model.features", "data", "optimizer", "seed", "nan", "every", "mode", "x"]


@fuzzed
@given(
    st.lists(
        st.text(max_size=12)
        | st.builds("--{}={}".format, st.sampled_from(FLAG_NAMES), st.text(max_size=12) | st.integers() | st.floats())
        | st.builds("--{}".format, st.sampled_from(FLAG_NAMES)),
        max_size=4,
    )
)
def test_a_command_line_is_read_or_refused(arguments: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            _, experiment = parse_command_line(arguments, RECIPE)
        except UserError as error:
            one_line(error)
        else:
            assert isinstance(experiment, jaxdl.Experiment)


VALUES = st.sampled_from(
    ["1e-3", "0.5", "3", "-1", "nan", "(8)", "(8,4)", "none", "true", "adam", "sgd", "", "1e400", "x"]
)
SPECS = (
    st.lists(VALUES, max_size=4).map(",".join)
    | st.builds(
        "{}({})".format,
        st.sampled_from(["log", "uniform", "int", "choice"]),
        st.lists(VALUES, max_size=3).map(",".join),
    )
    | st.builds("{}:{}".format, st.integers(-3, 40), st.integers(-3, 40))
    | st.text(max_size=12)
)
SWEPT = st.sampled_from([*FLAG_NAMES, "optimizer.learning_rate", "model.dropout", "training.precision", "batch_size"])


@fuzzed
@given(st.lists(st.builds("{}={}".format, SWEPT, SPECS) | st.text(max_size=12), max_size=3), st.integers(0, 5))
def test_a_sweep_is_read_or_refused(flags: list[str], trials: int) -> None:
    try:
        definition = make_definition(RECIPE, make_space(RECIPE, parse_flags(flags)), Selection(trials=trials))
        check_values(definition)
    except UserError as error:
        one_line(error)
    else:
        assert from_json(json.loads(json.dumps(definition.to_json())), RECIPE).to_json() == definition.to_json()


SWEEP_FILE = b"""sweep_mode = "random"
trials = 4
prune = "asha"
[fields]
learning_rate = "log(1e-4,1e-1)"
"model.features" = [8, [8, 4]]
seed = "0:3"
"""


@fuzzed
@given(changed_bytes(SWEEP_FILE))
def test_a_sweep_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sweep.toml"
    file.write_bytes(content)
    try:
        said = read_sweep_file(file)
        make_space(RECIPE, parse_flags(said["sweep"]))
    except UserError as error:
        one_line(error)
    else:
        assert isinstance(said.get("trials", 0), int)


@fuzzed
@given(changed(make_definition(RECIPE, make_space(RECIPE, {"seed": "0:3"})).to_json()))
def test_the_definition_of_a_sweep_is_read_or_refused(value: Any) -> None:
    try:
        definition = from_json(value, RECIPE)
    except UserError as error:
        one_line(error)
    else:
        assert definition.trials >= 1
