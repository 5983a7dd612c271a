#!/usr/bin/env bash
# Library: keras 3.15.1 (image_dataset_from_directory) on tensorflow 2.21.0.
# Behaviour: the data set shuffles and batches before it is returned, so a cache behind it keeps the batches of the first
#   epoch. With `shuffle=True` and `.cache()`, which its guides recommend, each later epoch trains on the same pictures
#   together; `.cache().shuffle(1000)` changes the order of whole batches alone. No warning says so. Pictures are mixed
#   again only with `batch_size=None`, and `.shuffle(count).batch(size)` behind the cache.
# Seen: plain: other batches in the second epoch
#       cache: the same batches in the second epoch
#       cache, shuffle: the same batches in the second epoch
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow==2.21.0 pillow==13.0.0
cat >"$folder/batches.py" <<'PYTHON'
import os, pathlib
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
import keras
import numpy as np
from PIL import Image

for number in range(40):
    folder = pathlib.Path("pictures", f"class_{number % 2}")
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / f"{number}.png")


def batches(data):
    """Which pictures are in each batch of one epoch; the order of the batches does not count."""
    return sorted(tuple(sorted(int(picture[0, 0, 0]) for picture in images)) for images, _ in data.as_numpy_iterator())


def made():
    return keras.utils.image_dataset_from_directory(
        "pictures", image_size=(4, 4), batch_size=8, shuffle=True, seed=0, verbose=False
    )


for name, data in (
    ("plain", made()),
    ("cache", made().cache()),
    ("cache, shuffle", made().cache().shuffle(1000, seed=0)),
):
    first, second = batches(data), batches(data)
    print(f"{name}: {'the same batches' if first == second else 'other batches'} in the second epoch")
PYTHON
found="$(cd "$folder" && venv/bin/python batches.py 2>/dev/null)"
echo "$found"
[ "$found" = "plain: other batches in the second epoch
cache: the same batches in the second epoch
cache, shuffle: the same batches in the second epoch" ]
