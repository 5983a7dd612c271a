#!/usr/bin/env bash
# Library: jaxlib 0.10.2 on the CPU (0.12.0 does it right), `jax.checkpoint`.
# Behaviour: XLA's CPU pipeline removes the optimization barriers that `jax.checkpoint` sets (pass cse_barrier_expander)
#   before a later common-subexpression pass, which then finds that the recomputed forward pass equals the first one and
#   merges them. So nothing is computed again, and a gradient needs as much memory as without `jax.checkpoint`, or more.
#   With the compiler option xla_disable_hlo_passes=cse_barrier_expander it needs a third, with the same values.
# Seen: MB beside arguments and results: 138 without checkpoint, 168 with it, 50 with the pass disabled
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax[cpu]==0.10.2"
cat >"$folder/memory.py" <<'PYTHON'
import jax
import jax.numpy as jnp


def gradient(mapped):
    def loss(weights, hidden):
        for first in range(0, len(weights), 4):
            hidden = mapped(block)(hidden, *weights[first : first + 4])
        return hidden.sum()

    return jax.jit(jax.grad(loss))


def block(hidden, *weights):
    for weight in weights:
        hidden = jnp.tanh(hidden @ weight)
    return hidden


def megabytes(mapped, options):
    given = [jax.ShapeDtypeStruct((256, 256), jnp.float32)] * 32, jax.ShapeDtypeStruct((4096, 256), jnp.float32)
    return gradient(mapped).lower(*given).compile(options).memory_analysis().temp_size_in_bytes / 1e6


plain, again = megabytes(lambda function: function, {}), megabytes(jax.checkpoint, {})
kept = megabytes(jax.checkpoint, {"xla_disable_hlo_passes": "cse_barrier_expander"})
print(f"MB: {plain:.0f} without checkpoint, {again:.0f} with it, {kept:.0f} with the pass disabled")
raise SystemExit(0 if again >= plain > 2 * kept else 1)
PYTHON
JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/memory.py"
