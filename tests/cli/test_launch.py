"""The command line, as a user meets it: real processes, exit statuses and what stands on the screen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jaxlib.version
import pytest

from tests.cli.launched import QUICK, ROOT, files_below, launch


def test_list_names_every_experiment(tmp_path: Path) -> None:
    done = launch(tmp_path, "--list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted(path.stem for path in (ROOT / "experiments").glob("*.py"))


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_directory_of_another_experiment_is_refused(finished: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files_below(finished)}
    for mode in ("train", "eval"):
        done = launch(tmp_path, "--experiment=digits_cnn", f"--run_dir={finished}", f"--mode={mode}")
        assert done.returncode == 2
        assert "digits_mlp" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in files_below(finished)} == before


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
    products = "xla_cpu_experimental_ynn_fusion_type"
    chosen = [name for name, options in record["compiler_options"].items() if products in options]
    assert sorted(chosen) == (["eval", "init", "train"] if per_program else [])


@pytest.mark.slow
def test_sigterm_ends_every_mode_with_its_status(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "launch.py"), "--experiment=digits_cnn", "--mode=batch_find"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stderr.readline().startswith("batch ")
        process.terminate()
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in rest


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
