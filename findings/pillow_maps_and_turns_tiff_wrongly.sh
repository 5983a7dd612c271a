#!/usr/bin/env bash
# Library: Pillow 13.0.0.
# Behaviour: a TIFF without compression whose orientation tag swaps height and width (5 to 8) is read correctly from a
#   stream. Opened by its path, its pixels are mapped into memory in the wrong shape: the same file gives other numbers,
#   without an error or a warning. A data set of scanned pages can be trained on garbage that way.
# Seen: stream [[1, 4], [2, 5], [3, 6]] path [[1, 3, 5], [2, 4, 6]]
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "pillow==13.0.0" "numpy==2.4.6"
cat >"$folder/turned.py" <<'PYTHON'
import sys

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 274
path = sys.argv[1]
image = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
image.save(path, tiffinfo={ORIENTATION: 5})  # 5: mirrored at the diagonal, which a transposition shows


def pixels(source):
    with Image.open(source) as file:
        return np.asarray(ImageOps.exif_transpose(file)).tolist()


with open(path, "rb") as stream:
    print("stream", pixels(stream), "path", pixels(path))
PYTHON
found="$("$folder/venv/bin/python" "$folder/turned.py" "$folder/page.tif")"
echo "$found"
[ "$found" = "stream [[1, 4], [2, 5], [3, 6]] path [[1, 3, 5], [2, 4, 6]]" ]
