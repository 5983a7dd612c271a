#!/usr/bin/env bash
# Library: orbax-checkpoint 0.12.8 with jax 0.10.2 (StandardSave, local file system, one process), Python's pathlib behind etils.
# Behaviour: each process writes arrays into a folder of its own, ocdbt.process_0, and at the end Orbax lists these folders
#   and merges them. pathlib's glob takes a folder that it cannot list at that moment (no free file descriptor, a permission
#   that is gone for a moment) for an empty one, and Orbax takes an empty list for nothing to do: it merges nothing, reports
#   no error, gives the checkpoint its final name, counts it as the latest step, and removes the older, good one. Reading the
#   new one then fails. Here one listing is made to find nothing, as glob does after such an error.
# Seen: error while saving: none; steps: [2]; restored: no
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "orbax-checkpoint==0.12.8" "jax==0.10.2" "jaxlib==0.10.2"
cat >"$folder/save.py" <<'PYTHON'
import sys

import numpy as np
import orbax.checkpoint as ocp
from etils import epath

options = ocp.CheckpointManagerOptions(max_to_keep=1)
local = type(epath.Path(sys.argv[1]))
listed, unlisted, error = local.glob, [], "none"


def glob(path, pattern, *rest, **more):
    if step == 2 and pattern.startswith("ocdbt.process_"):
        unlisted.append(pattern)
        return iter(())
    return listed(path, pattern, *rest, **more)


local.glob = glob
with ocp.CheckpointManager(sys.argv[1], options=options) as manager:
    for step in (1, 2):
        try:
            manager.save(step, args=ocp.args.StandardSave({"x": np.arange(9.0)}))
            manager.wait_until_finished()
        except Exception as problem:
            error = type(problem).__name__
assert unlisted, "the folders of the processes are found in another way now"
local.glob = listed
with ocp.CheckpointManager(sys.argv[1], options=options) as manager:
    steps = manager.all_steps()
    try:
        manager.restore(steps[-1], args=ocp.args.StandardRestore({"x": np.zeros(9)}))
        restored = "yes"
    except Exception:
        restored = "no"
print(f"error while saving: {error}; steps: {list(steps)}; restored: {restored}")
PYTHON
found="$("$folder/venv/bin/python" "$folder/save.py" "$folder/checkpoints" 2>/dev/null)"
echo "$found"
[ "$found" = "error while saving: none; steps: [2]; restored: no" ]
