#!/usr/bin/env bash
# Library: jax 0.10.2, jaxlib 0.10.2 (persistent compilation cache, JAX_COMPILATION_CACHE_DIR, CPU).
# Behaviour: a compiled program is written straight to its final name in the cache. Where a full disk or a kill leaves only
#   a part of it, every later process warns that it cannot be read, compiles again, and leaves the part as it is: the entry
#   exists, so it is not written. One accident costs the compilation at every start from then on, until the user removes it.
# Seen: warnings in three later starts: 1 1 1; entry mended: no
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax==0.10.2" "jaxlib==0.10.2"
export JAX_COMPILATION_CACHE_DIR="$folder/cache" JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PLATFORMS=cpu
cat >"$folder/program.py" <<'PYTHON'
import warnings

import jax
import jax.numpy as jnp

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")


    def product(x):
        return x @ x + jnp.sin(x)


    jax.jit(product)(jnp.ones((4, 4))).block_until_ready()
print(sum("jit_product" in str(warning.message) for warning in caught))
PYTHON
"$folder/venv/bin/python" "$folder/program.py" >/dev/null 2>&1
entry="$(echo "$folder"/cache/jit_product-*-cache)"
half=$(($(stat -c %s "$entry") / 2))
truncate -s "$half" "$entry" # what a full disk leaves
seen=""
for _ in 1 2 3; do seen="$seen $("$folder/venv/bin/python" "$folder/program.py" 2>/dev/null)"; done
mended=no
[ "$(stat -c %s "$entry")" = "$half" ] || mended=yes
found="warnings in three later starts:$seen; entry mended: $mended"
echo "$found"
[ "$found" = "warnings in three later starts: 1 1 1; entry mended: no" ]
