"""What Jupyter shows, and its stop button: in a kernel of its own, and with a stand-in for IPython."""

from __future__ import annotations

import re
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

import jaxdl.errors
from jaxdl.report.notebook import CellArea, framed, in_notebook, preformatted
from jaxdl.report.progress import Progress, Reached
from jaxdl.report.terminal import announce

ROOT = Path(jaxdl.errors.__file__).parents[1]


class Cell:
    """The output of a cell: the present content of each part that is kept up to date."""

    def __init__(self) -> None:
        self.parts: dict[str, list[dict[str, str]]] = {}

    def publish_display_data(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        shown = self.parts.setdefault(transient["display_id"], [])
        assert update == bool(shown)
        shown.append(data)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Makes this process look like a kernel."""
    cell, shell = Cell(), types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell, display=cell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
    return cell


def test_a_terminal_is_no_notebook_nor_is_ipython_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    ipython = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
    assert not in_notebook()


def test_a_training_is_one_bar_with_the_figures_of_the_last_epochs(
    cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_notebook()
    with Progress("mnist <b>", epochs=20, steps=200) as progress:
        progress.update(Reached(5, 1, {"train": {"loss": 0.75}}))
        for epoch in range(1, 21):
            progress.end_epoch(Reached(10 * epoch, epoch, {"train": {"loss": 1 / epoch}}, 1234.0))
        progress.say("a message")
        announce("another")
    assert capsys.readouterr() == ("a message\nanother\n", "")
    ((first, *_, last),) = cell.parts.values()
    assert "compiling" in first["text/html"] and 'value="0" max="200"' in first["text/html"]
    assert 'value="200" max="200"' in last["text/html"] and "mnist &lt;b&gt;" in last["text/html"]
    rows = re.findall(r'<td class="number">(\d+)</td><td class="number">([\d.]+)</td>', last["text/html"])
    assert [int(epoch) for epoch, _ in rows] == list(range(9, 21))
    assert rows[-1][1] == "0.05" and "1,234" in last["text/html"]
    assert last["text/plain"].startswith("mnist <b>: epoch 20/20, step 200/200, ")


def test_a_part_is_shown_at_most_four_times_a_second(cell: Cell) -> None:
    now = 0.0
    area = CellArea(lambda: (f"<p>{now}</p>", f"{now}"), clock=lambda: now)
    for step in range(100):
        now = step / 100
        area.refresh()
    area.refresh(now=True)
    ((*shown,),) = cell.parts.values()
    assert [each["text/plain"] for each in shown] == ["0.0", "0.25", "0.5", "0.75", "0.99"]


def test_what_a_terminal_shows_is_shown_in_its_own_letters() -> None:
    from rich.text import Text

    html = framed([preformatted(Text("[red] <1>")), ""])
    assert html.startswith('<div class="jaxdl">') and "<pre>[red] &lt;1&gt;\n</pre>" in html


CODE = """
import numpy as np, jaxdl
x = np.random.default_rng(0).normal(size=(4096, 8)).astype(np.float32)
y = (x.sum(1) > 0).astype(int)
result = jaxdl.fit(jaxdl.MLP(features=(8,)), (x, y), epochs=EPOCHS, batch_size=8, learning_rate=0.01)
print(result.summary["params_sha256"], result.summary["last_step"], len(result.history["train/loss"]))
"""


class Kernel:
    """A kernel that runs cells."""

    def __init__(self, folder: Path):
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def run(self, code: str, stop_at: str | None = None) -> tuple[str, str]:
        """Runs a cell, and presses stop once its bar shows a text; returns what it printed, and its error's name."""
        request, printed, error = self.client.execute(code), "", ""
        until = time.monotonic() + 500
        while time.monotonic() < until:
            message = self.client.get_iopub_msg(timeout=500)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "stream":
                printed += content["text"]
            if kind == "error":
                error = content["ename"]
            if stop_at and "data" in content and re.search(stop_at, content["data"]["text/plain"]):
                self.manager.interrupt_kernel()
                stop_at = None
        return printed, error

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.mark.nightly
@pytest.mark.slow
def test_the_stop_button_saves_and_the_same_cell_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ipykernel", reason="needs Jupyter: pip install -c constraints.txt -e '.[test]'")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    kernel = Kernel(tmp_path)
    try:
        code = CODE.replace("EPOCHS", "24")
        printed, error = kernel.run(code, stop_at=r"epoch [3-9]/24")
        assert error == "KeyboardInterrupt", printed
        assert "run the cell again to go on" in printed
        printed, error = kernel.run(code)
        assert not error and "fit: goes on with the same training, which was stopped" in printed, printed
        resumed = printed.splitlines()[-1]
        other, error = kernel.run(code.replace("learning_rate=0.01", "learning_rate=0.02"))
        assert not error and "goes on" not in other and other.splitlines()[-1] != resumed
        whole, _ = kernel.run(code)
        assert whole.splitlines()[-1] == resumed
        assert resumed.split()[1:] == ["12288", "24"]
    finally:
        kernel.close()
