#!/usr/bin/env bash
# Library: jax 0.10.2, two processes on CPUs over loopback, collectives by gloo (jax 0.12.0.1 with Python 3.12 does the
#   same).
# Behaviour: the compiled program sums 32 small arrays in one all-reduce, as its text says, but the CPU hands each array to
#   gloo by itself, one after the other: a step waits 32 times for the network. The same numbers joined to one array wait
#   once. So counting all-reduces in a program says nothing of its speed there.
# Seen, on two cores with other work: 117 ms a step apart, 1.7 ms joined, a ratio of 70 (40 with jax 0.12).
# Exit status: 0 while it is so (one all-reduce each, and a ratio above 4), 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "jax[cpu]==0.10.2"
cat >"$folder/sums.py" <<'PYTHON'
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

COUNT, SIZE, STEPS = 32, 64, 200
process, port = int(sys.argv[1]), sys.argv[2]
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
mesh = Mesh(np.asarray(jax.devices()), ("devices",))


def program(apart):
    def once(_, arrays):
        if apart:
            return [jax.lax.psum(array, "devices") * 0.5 for array in arrays]
        together = jax.lax.psum(jnp.concatenate(arrays), "devices") * 0.5
        return list(together.reshape(COUNT, SIZE))

    def steps(arrays):
        return jax.lax.fori_loop(0, STEPS, once, arrays)

    return jax.jit(jax.shard_map(steps, mesh=mesh, in_specs=(P(),), out_specs=P(), check_vma=False))


arrays = jax.device_put([np.ones(SIZE, np.float32)] * COUNT, NamedSharding(mesh, P()))
seconds = {}
for apart in (True, False):
    call = program(apart).lower(arrays).compile()
    text = call.as_text()
    count = sum(" all-reduce(" in line for line in text.splitlines())
    for _ in range(3):
        begin = time.perf_counter()
        jax.block_until_ready(call(arrays))
        taken = (time.perf_counter() - begin) / STEPS
        seconds[apart] = min(seconds.get(apart, 1e9), taken)
    if process == 0:
        print(f"{'apart' if apart else 'joined'}: {count} all-reduce in the program, {seconds[apart] * 1e6:.0f} us a step")
if process == 0:
    ratio = seconds[True] / seconds[False]
    print(f"ratio {ratio:.1f}")
    assert ratio > 4, "the arrays of one all-reduce no longer wait for each other"
PYTHON
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"$folder/venv/bin/python" "$folder/sums.py" 1 "$port" >/dev/null 2>&1 &
timeout 300 "$folder/venv/bin/python" "$folder/sums.py" 0 "$port" 2>/dev/null | tee "$folder/found"
grep -q "^apart: 1 all-reduce in the program" "$folder/found"
grep -q "^joined: 1 all-reduce in the program" "$folder/found"
wait
