#!/usr/bin/env bash
# Library: jax 0.10.2, on the CPU (jax 0.12.0.1 with Python 3.12 or later does the same).
# Behaviour: most options of JAX are also read from the environment under their name in capitals, such as
#   JAX_ENABLE_X64. Others are not, and nothing says so: JAX_CPU_ENABLE_ASYNC_DISPATCH=false, JAX_CUDA_VISIBLE_DEVICES=1
#   (all GPUs are still used) and JAX_SORT_DEVICES_BY_PROCESS_INDEX=false are ignored. jax.config.update takes them all.
# Seen: read: jax_enable_x64, jax_num_cpu_devices; ignored: jax_cpu_enable_async_dispatch, jax_cuda_visible_devices,
#   jax_sort_devices_by_process_index
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax[cpu]==0.10.2"
cat >"$folder/options.py" <<'PYTHON'
import os

GIVEN = {
    "jax_enable_x64": ("true", True),
    "jax_num_cpu_devices": ("3", 3),
    "jax_cpu_enable_async_dispatch": ("false", False),
    "jax_cuda_visible_devices": ("1", "1"),
    "jax_sort_devices_by_process_index": ("false", False),
}
os.environ |= {name.upper(): text for name, (text, _) in GIVEN.items()}

import jax

read = [name for name, (_, value) in GIVEN.items() if jax.config.values[name] == value]
print(f"read: {', '.join(read)}; ignored: {', '.join(name for name in GIVEN if name not in read)}")
for name, (_, value) in GIVEN.items():
    jax.config.update(name, value)
    assert jax.config.values[name] == value, name
PYTHON
found="$("$folder/venv/bin/python" "$folder/options.py")"
echo "$found"
wanted="read: jax_enable_x64, jax_num_cpu_devices; ignored: jax_cpu_enable_async_dispatch, jax_cuda_visible_devices,"
[ "$found" = "$wanted jax_sort_devices_by_process_index" ]
