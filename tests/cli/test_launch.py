"""The command line, as a user meets it: real processes, exit statuses and what stands on the screen."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jaxlib.version
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--experiment=digits_mlp", "--epochs=2")


def launch(folder: Path, *arguments: str, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TFDS_DATA_DIR": str(folder / "data"), "COLUMNS": "120"}
    if cache is not None:
        environment["XDG_CACHE_HOME"] = str(cache)
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    return subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a finished training."""
    folder = tmp_path_factory.mktemp("finished")
    done = launch(folder, *QUICK, f"--run_dir={folder / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "test" in done.stdout
    assert str(folder / "run") in done.stdout
    assert "epoch 2/2" in done.stderr
    record = json.loads((folder / "run" / "record.json").read_text())
    assert record["command"] == ["launch.py", *QUICK, f"--run_dir={folder / 'run'}"]
    return folder / "run"


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_list_names_every_experiment(tmp_path: Path) -> None:
    done = launch(tmp_path, "--list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted(path.stem for path in (ROOT / "experiments").glob("*.py"))


def test_help_lists_the_fields_of_an_experiment(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=mnist_cnn", "--help")
    assert done.returncode == 0
    for flag in ("--optimizer.learning_rate=float", "--model.features=int,...", "--platform=", "--mode=train|eval"):
        assert flag in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no experiment given"),
        (["--learning_rate=1e-3"], "no experiment given"),
        (["--experimnt=mnist_cnn", "--epochs=1"], "unknown flag --experimnt. Did you mean --experiment?"),
        (["--experiment=mnist_cn"], "Did you mean 'mnist_cnn'?"),
        ([*QUICK, "--learning_rat=1"], "Did you mean --learning_rate?"),
        ([*QUICK, "--learning_rate=x"], "must be float"),
        ([*QUICK, "--optimizer=adm"], "Did you mean 'adam'?"),
        ([*QUICK, "--platform=quantum"], "unknown value for platform"),
        ([*QUICK, "--platform=tpu"], "this machine has none, or its jaxlib is not installed. Available: cpu"),
        ([*QUICK, "--mode=eval"], "needs --run_dir"),
        (["--mode=eval", "--run_dir=nowhere"], "there is no run in nowhere"),
        ([*QUICK, "--data=mnst:3"], "there is no kind of source 'mnst:'"),
        ([*QUICK, "--learning_rate=inf"], "must be a finite number"),
        ([*QUICK, "--batch_size=1000000000000"], "below 2**24"),
        ([*QUICK, "--nesterov=maybe"], "--nesterov=maybe: must be true or false"),
        ([*QUICK, "--undefok=foo", "--foo=3"], "--undefok is not supported"),
        (["--mode=eval"], "--mode=eval needs --run_dir=DIR"),
        (
            ["--experiment=digits_mlp", "--model=cnn", "--model.features=4,4,4,4,4", "--mode=summary"],
            "does not fit the data",
        ),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line_and_writes_nothing(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = launch(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert files_below(tmp_path) == []


def test_without_data_and_fallback_it_ends_soon_and_says_what_to_do(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=mnist_cnn", "--data.fallback=none", "--data.mirror=http://127.0.0.1:9/")
    assert done.returncode == 2
    assert "train-images-idx3-ubyte.gz" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_stand_in_is_named_everywhere(tmp_path: Path) -> None:
    arguments = ("--experiment=mnist_mlp", "--fast_dev_run", "--data.mirror=http://127.0.0.1:9/", "--run_dir=run")
    done = launch(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["data"]["requested"] == "mnist"
    assert summary["data"]["used"] == "digits"
    assert summary["data"]["substituted"] is True
    assert "digits (stand-in for mnist)" in done.stdout
    assert "STAND-IN DATA" in done.stderr
    assert "stand-in" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_a_second_start_compiles_nothing_whatever_the_learning_rate_and_the_seed(tmp_path: Path) -> None:
    kept = []
    for changes in ([], ["--learning_rate=0.1", "--seed=3"]):
        done = launch(tmp_path, *QUICK, *changes, cache=tmp_path)
        assert done.returncode == 0, done.stderr
        programs = [path.name for path in (tmp_path / "jaxdl" / "compiled").iterdir() if path.name.endswith("-cache")]
        kept.append(sorted(programs))
    assert kept[0] and kept[1] == kept[0]


def test_evaluating_gives_the_figures_of_the_training(finished: Path, tmp_path: Path) -> None:
    done = launch(tmp_path, "--mode=eval", f"--run_dir={finished}")
    assert done.returncode == 0, done.stderr
    figures = json.loads((finished / "summary.json").read_text())["metrics"]
    assert f"{figures['test/accuracy']:.4f}" in done.stdout
    assert f"{figures['test/loss']:.4f}" in done.stdout


def test_predicting_for_a_folder_of_images_writes_a_row_each(finished: Path, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(40):
        pixels = np.round(digits.images[index] / 16 * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    output = tmp_path / "out.csv"
    done = launch(tmp_path, "--mode=predict", f"--run_dir={finished}", f"--input={folder}", f"--output={output}")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(output.open()))
    assert [Path(row["file"]).name for row in rows] == [f"{index:02d}.png" for index in range(40)]
    right = sum(int(row["prediction"]) == label for row, label in zip(rows, digits.target, strict=False))
    assert right >= 30
    for row in rows:
        probabilities = [float(row[str(name)]) for name in range(10)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert max(probabilities) == float(row["probability"]) == probabilities[int(row["prediction"])]


@pytest.mark.slow
def test_a_file_that_is_no_image_is_named_and_nothing_is_written(finished: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    done = launch(tmp_path, "--mode=predict", f"--run_dir={finished}", f"--input={broken}", "--output=out.csv")
    assert done.returncode == 2
    assert "broken.png" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_run_directory_of_another_experiment_is_refused(finished: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files_below(finished)}
    for mode in ("train", "eval"):
        done = launch(tmp_path, "--experiment=digits_cnn", f"--run_dir={finished}", f"--mode={mode}")
        assert done.returncode == 2
        assert "digits_mlp" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in files_below(finished)} == before


def test_the_layer_table_is_printed_from_shapes_alone(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=mnist_cnn", "--mode=summary")
    assert done.returncode == 0, done.stderr
    assert "1,199,882" in done.stdout
    assert files_below(tmp_path) == []


@pytest.mark.slow
def test_an_exported_program_predicts_as_the_run_does(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "program.bin"
    done = launch(tmp_path, "--mode=export", f"--run_dir={finished}", f"--output={output}")
    assert done.returncode == 0, done.stderr
    np.save(tmp_path / "examples.npy", np.full((3, 8, 8, 1), 7, np.uint8))
    csv_file = tmp_path / "out.csv"
    arguments = ("--mode=predict", f"--run_dir={finished}", "--input=examples.npy", f"--output={csv_file}")
    assert launch(tmp_path, *arguments).returncode == 0
    from jax import export

    program = export.deserialize(bytearray(output.read_bytes()))
    probabilities = np.asarray(program.call(np.load(tmp_path / "examples.npy")))
    row = next(csv.DictReader(csv_file.open()))
    np.testing.assert_allclose([float(row[str(name)]) for name in range(10)], probabilities[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("flag", ["--list", "--help"])
def test_listing_and_helping_import_neither_jax_nor_numpy(tmp_path: Path, flag: str) -> None:
    code = (
        f"import runpy, sys; sys.argv = ['launch.py', {flag!r}]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: status = end.code\n"
        "print(status, sorted({'jax', 'jaxlib', 'flax', 'optax', 'numpy', 'rich'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "digits_mlp" in done.stdout if flag == "--list" else "--experiment=" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.slow
@pytest.mark.parametrize(("off", "active"), [((), True), (("--noxla_flags",), False), (("--xla_flags=false",), False)])
def test_the_record_says_which_xla_flags_were_active(
    tmp_path: Path, off: tuple[str, ...], active: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    done = launch(tmp_path, "--experiment=digits_mlp", "--fast_dev_run", "--run_dir=run", *off)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert ("--xla_cpu_experimental_ynn_fusion_type=" in record["xla_flags"]) is active
    per_program = active and jaxlib.version.__version_info__[:2] >= (0, 12)
    assert sorted(record["compiler_options"]) == (["eval", "init", "train"] if per_program else [])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_training_and_says_how_to_go_on(tmp_path: Path, number: int, status: int) -> None:
    arguments = ["--experiment=digits_mlp", "--epochs=100000", "--run_dir=run"]
    # Where the tests themselves run in the background, SIGINT is ignored, and a child would inherit that.
    heed = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", heed, sys.executable, str(ROOT / "launch.py"), *arguments],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "epoch 3/" in line:
                break
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert "--run_dir=run resumes from the last checkpoint" in rest
    assert "Traceback" not in rest
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "preempted"


@pytest.mark.slow
def test_sigterm_ends_every_mode_with_its_status(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "launch.py"), "--experiment=digits_cnn", "--mode=batch_find"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stderr.readline().startswith("batch ")
        process.terminate()
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in rest


@pytest.mark.slow
def test_a_training_that_diverges_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    done = launch(tmp_path, *QUICK, "--optimizer=sgd", "--learning_rate=1e30", "--run_dir=run")
    assert done.returncode == 1
    assert "Lower --learning_rate" in done.stderr and "no longer finite: " in done.stderr
    assert "diverged" in done.stdout


def test_a_model_that_does_not_fit_the_data_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=digits_cnn", "--model.features=4,4,4,4,4", "--padding=VALID")
    assert done.returncode == 2
    assert "CNN: pooling after convolution 2 has a window of 2x2" in done.stderr
    assert "Traceback" not in done.stderr
    assert files_below(tmp_path) == []


@pytest.mark.slow
def test_a_run_is_reproduced_and_its_resumption_proved(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert launch(tmp_path, *QUICK, f"--run_dir={run_dir}").returncode == 0
    again = launch(tmp_path, *QUICK, f"--run_dir={run_dir}")
    assert again.returncode == 0 and "already has this run, and it is finished" in again.stderr
    reproduced = launch(tmp_path, "--mode=reproduce", f"--run_dir={run_dir}")
    assert reproduced.returncode == 0, reproduced.stderr
    assert "reproduced to the bit in runs/digits_mlp/" in reproduced.stderr
    proved = launch(tmp_path, *QUICK, "--mode=verify_resume", "--kills=2", f"--run_dir={tmp_path / 'proof'}")
    assert proved.returncode == 0, proved.stderr
    assert "stopped 2 times in all" in proved.stderr and "ended with the same bits" in proved.stderr
