#!/usr/bin/env bash
# Library: tensorflow-datasets 4.9.10, installed as it says (pip install tensorflow-datasets).
# Behaviour: tfds.list_builders() and tfds.builder("glue") import the packages of older sets one after the other, and stop
#   without a word at the first one that cannot be imported. `nearest_neighbors` needs h5py, which tensorflow-datasets does
#   not install (TensorFlow does), so that all sets in the packages after it are gone: glue, snli, titanic, wine_quality,
#   ucf101, wmt14_translate and 183 more are "not found", although each can be imported.
# Seen: glue listed: False, found: False; after importing tensorflow_datasets.text: True True; sets lost: 189
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow-datasets==4.9.10" importlib_resources
cat >"$folder/lost.py" <<'PYTHON'
import importlib

import tensorflow_datasets as tfds

AFTER = """question_answering ranking recommendation rl_unplugged rlds.datasets robotics robomimic structured summarization
text text_simplification time_series translate video vision_language""".split()


def listed():
    return tfds.list_builders(with_community_datasets=False)


def found():
    try:
        return tfds.builder_cls("glue") is not None
    except tfds.core.registered.DatasetNotFoundError:
        return False


before = listed()
words = f"glue listed: {'glue' in before}, found: {found()}; after importing tensorflow_datasets.text: "
importlib.import_module("tensorflow_datasets.text")
words += f"{'glue' in listed()} {found()}; "
for package in AFTER:
    importlib.import_module(f"tensorflow_datasets.{package}")
print(f"{words}sets lost: {len(listed()) - len(before)}")
PYTHON
found="$("$folder/venv/bin/python" "$folder/lost.py" 2>/dev/null | tail -n 1)"
echo "$found"
[ "$found" = "glue listed: False, found: False; after importing tensorflow_datasets.text: True True; sets lost: 189" ]
