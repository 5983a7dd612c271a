"""Trains on a set of `benchmarks.stream_sets` from disk, with train steps of a given length; see `benchmarks.streams`.

    python -m benchmarks.stream_worker KIND PATH BATCH_SIZE STEP_MS EPOCHS --run_dir=DIR

A step takes its time asleep, as if an accelerator computed it: the processor's cores are left to the reader. When the
first step begins, the line ``first step`` is written to standard output; in the end, a JSON object with the figures.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import jaxdl
from benchmarks.stream_sets import NAME
from jaxdl.backend.signals import Terminated, end_process
from jaxdl.fields import static

_STARTED = False


def _sleep(seconds: Any, inputs: Any) -> np.ndarray:
    global _STARTED
    if not _STARTED:
        _STARTED = True
        print("first step", flush=True)
    time.sleep(float(seconds))
    return np.zeros((), np.float32)


class Slow(nn.Module):
    """A small perceptron whose train step takes some time more.

    Attributes:
        milliseconds: how long it sleeps.
        outputs: size of the last layer.
    """

    milliseconds: float = static(50.0, "how long a train step sleeps, in milliseconds")
    outputs: int | None = static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        hidden = nn.relu(nn.Dense(16)(inputs.mean((1, 2))))
        outputs: jax.Array = nn.Dense(self.outputs)(hidden)
        if train:
            nothing = jax.ShapeDtypeStruct((), jnp.float32)
            # With the inputs, since XLA would take what depends on nothing out of the loop over steps.
            outputs += jax.pure_callback(_sleep, nothing, np.float32(self.milliseconds / 1e3), inputs.mean())
        return outputs


def recipe(kind: str, path: Path, batch_size: int, step_ms: float, epochs: int) -> jaxdl.Experiment:
    """Returns the recipe for a set of a kind."""
    few: dict[str, Any] = {"validation": 0.01, "stream": "on"}
    sources: dict[str, Any] = {
        "arrays": lambda: jaxdl.ArrayFile(path=str(path), test=0.01, **few),
        "array_record": lambda: jaxdl.Tfds(NAME, **few),
        "folder": lambda: jaxdl.Folder(path=str(path), size=32, test=0.01, **few),
    }
    return jaxdl.Experiment(
        name="stream",
        data=sources[kind](),
        model=Slow(step_ms),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=epochs, batch_size=batch_size, eval_batch_size=batch_size),
        checkpoint=jaxdl.Checkpointing(every="2s"),
    )


def peak_bytes() -> int:
    """Returns the largest resident memory of this process so far."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def main(arguments: list[str]) -> int:
    """Trains; returns the exit status."""
    begin = time.perf_counter()
    kind, path, batch_size, step_ms, epochs, run_dir = arguments
    jaxdl.configure(platform="cpu")
    made = recipe(kind, Path(path), int(batch_size), float(step_ms), int(epochs))
    run_dir = run_dir.removeprefix("--run_dir=")
    try:
        summary = jaxdl.train(made, run_dir=run_dir, data_dir=path, notify=_to_stderr, begin=begin)
    except Terminated as stopped:
        return 128 + stopped.number
    except KeyboardInterrupt:
        return 130
    print(json.dumps({"summary": summary, "peak_bytes": peak_bytes()}), flush=True)
    return 0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
