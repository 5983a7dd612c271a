"""What jaxdl does not do to its user: write over what is there, or open a door to other machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl

ROOT = Path(jaxdl.__file__).parents[1]

# A thread watches the kernel's table, which shows what native code opens, too; Python's own audit events show ports
# that are open for less than the time between two looks.
TRAINING = """
import contextlib, json, os, pathlib, socket, sys, threading
bound = []
internet = (socket.AF_INET, socket.AF_INET6)
sys.addaudithook(lambda event, args: event == "socket.bind" and args[0].family in internet and bound.append(args[1]))

def listening():
    own = set()
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            own.add(os.readlink(entry.path))
    tables = [path for path in map(pathlib.Path, ("/proc/self/net/tcp", "/proc/self/net/tcp6")) if path.exists()]
    rows = [row.split() for path in tables for row in path.read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]

seen, done = [], threading.Event()
def watch():
    while not done.wait(0.02):
        seen.extend(listening())

watcher = threading.Thread(target=watch)
watcher.start()
import jaxdl
recipe = jaxdl.Experiment(
    name="recipe",
    data=jaxdl.Digits(),
    model=jaxdl.MLP(features=(16,)),
    objective=jaxdl.SoftmaxCrossEntropy(),
    optimizer=jaxdl.Adam(learning_rate=1e-2),
    training=jaxdl.Training(epochs=2, batch_size=64),
)
folder = pathlib.Path(sys.argv[1])
jaxdl.train(recipe, run_dir=folder / "run", data_dir=folder, notify=lambda line: None)
done.set()
watcher.join()
training = [seen, bound[:]]
with socket.create_server(("127.0.0.1", 0)):
    print(json.dumps([*training, len(listening()), len(bound)]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="the kernel's table of connections is Linux's")
def test_a_training_listens_on_no_port(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRAINING, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    assert done.returncode == 0, done.stderr
    seen, bound, seen_at_last, bound_at_last = json.loads(done.stdout.splitlines()[-1])
    assert (seen, bound) == ([], [])
    assert (seen_at_last, bound_at_last) == (1, 1), "a port that was opened on purpose is noticed"
