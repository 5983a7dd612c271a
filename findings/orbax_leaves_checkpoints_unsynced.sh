#!/usr/bin/env bash
# Library: orbax-checkpoint 0.12.8 with jax 0.10.2 (StandardCheckpointHandler and JsonCheckpointHandler, local file system).
# Behaviour: when `CheckpointManager.wait_until_finished` returns, the checkpoint has its final name, and the older one is
#   removed. TensorStore has synced the files and folders of the arrays, but what Orbax itself writes and renames is not
#   synced: the metadata, the JSON items, commit_success.txt, the names of the items in the checkpoint, and the name of the
#   checkpoint. After a power failure the file system may have the new name and not its content, or neither checkpoint.
# Seen: synced by Orbax: 0 files, 0 folders; older checkpoint removed: True
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "orbax-checkpoint==0.12.8" "jax==0.10.2" "jaxlib==0.10.2"
cat >"$folder/synced.py" <<'PYTHON'
import os
import stat
import sys

synced = {"files": 0, "folders": 0}
fsync, fdatasync = os.fsync, os.fdatasync


def counted(function):
    def call(descriptor):
        synced["folders" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "files"] += 1
        return function(descriptor)

    return call


os.fsync, os.fdatasync = counted(fsync), counted(fdatasync)

import numpy as np
import orbax.checkpoint as ocp

handlers = {"state": ocp.StandardCheckpointHandler(), "about": ocp.JsonCheckpointHandler()}
options = ocp.CheckpointManagerOptions(max_to_keep=1)
with ocp.CheckpointManager(sys.argv[1], item_handlers=handlers, options=options) as manager:
    for step in (1, 2):
        items = ocp.args.Composite(state=ocp.args.StandardSave({"x": np.arange(9.0)}), about=ocp.args.JsonSave({"a": 1}))
        manager.save(step, args=items)
        manager.wait_until_finished()
removed = not os.path.exists(os.path.join(sys.argv[1], "1"))
print(
    f"synced by Orbax: {synced['files']} files, {synced['folders']} folders; older checkpoint removed: {removed}"
)
PYTHON
found="$("$folder/venv/bin/python" "$folder/synced.py" "$folder/checkpoints" 2>/dev/null)"
echo "$found"
[ "$found" = "synced by Orbax: 0 files, 0 folders; older checkpoint removed: True" ]
