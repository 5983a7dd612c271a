#!/usr/bin/env bash
# Library: orbax-checkpoint 0.12.8 with jax 0.10.2 (StandardSave through a CheckpointManager, one process).
# Behaviour: an array one of whose sizes is 0 is a valid leaf everywhere in JAX: Flax makes such parameters (a layer of no
#   units), optax updates them, NumPy's own format stores them. Orbax refuses the whole tree with a ValueError as soon as
#   one leaf is such an array, of NumPy or of JAX, so a training that has run until then cannot be saved at all. A shape
#   without any sizes (a scalar) is saved.
# Seen: numpy (0, 3): ValueError; jax (0, 3): ValueError; numpy (): saved
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "orbax-checkpoint==0.12.8" "jax==0.10.2" "jaxlib==0.10.2"
cat >"$folder/save.py" <<'PYTHON'
import sys

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

said = []
options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False)
for number, (kind, array) in enumerate(
    [("numpy", np.zeros((0, 3))), ("jax", jnp.zeros((0, 3))), ("numpy", np.zeros(()))]
):
    with ocp.CheckpointManager(f"{sys.argv[1]}/{number}", options=options) as manager:
        try:
            manager.save(1, args=ocp.args.StandardSave({"x": array, "y": np.ones(2)}))
            found = "saved"
        except Exception as problem:
            found = type(problem).__name__
    said.append(f"{kind} {array.shape}: {found}")
print("; ".join(said))
PYTHON
found="$("$folder/venv/bin/python" "$folder/save.py" "$folder/checkpoints" 2>/dev/null)"
echo "$found"
[ "$found" = "numpy (0, 3): ValueError; jax (0, 3): ValueError; numpy (): saved" ]
