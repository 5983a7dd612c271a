#!/usr/bin/env bash
# Library: keras 3.15.1 on jax 0.10.2, CPU.
# Behaviour: `set_weights` keeps a JAX array as it is given, and `fit` and even `predict` donate the model's weights to
#   their compiled step. So the arrays of whoever called `set_weights`, such as the parameters of a Flax model, are
#   deleted by Keras's first batch. A NumPy array is copied and stays: give `np.asarray(array)`.
# Seen: numpy, fit: there
#       jax, predict: RuntimeError: Array has been deleted
#       jax, fit: RuntimeError: Array has been deleted
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2
cat >"$folder/given.py" <<'PYTHON'
import os

os.environ["KERAS_BACKEND"] = "jax"
import jax.numpy as jnp
import keras
import numpy as np

inputs, targets = np.ones((8, 3), np.float32), np.ones((8, 2), np.float32)
for kind, module, used in (("numpy", np, "fit"), ("jax", jnp, "predict"), ("jax", jnp, "fit")):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    given = [module.ones((3, 2)), module.zeros((2,))]
    model.set_weights(given)
    model.fit(inputs, targets, verbose=0) if used == "fit" else model.predict(inputs, verbose=0)
    try:
        found = "there" if float(given[0].sum()) == 6.0 else "changed"
    except RuntimeError as error:
        found = f"RuntimeError: {' '.join(str(error).split()[:4])}"
    print(f"{kind}, {used}: {found}")
PYTHON
found="$("$folder/venv/bin/python" "$folder/given.py" 2>/dev/null)"
echo "$found"
[ "$found" = "numpy, fit: there
jax, predict: RuntimeError: Array has been deleted
jax, fit: RuntimeError: Array has been deleted" ]
