#!/usr/bin/env bash
# Library: tensorflow-datasets 4.9.10, with array_record 0.8.3 or later.
# Behaviour: a slice whose end lies before its start, such as "train[7:3]", is accepted as a split of -4 examples. Alone it
#   fails late ("__len__() should return >= 0"); in a sum it takes examples of the other splits away without a word:
#   "train[7:3]+test" is test without its last four examples.
# Seen: train[7:3]: -4; test: 10; train[7:3]+test: 6
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow-datasets==4.9.10" importlib_resources array_record
cat >"$folder/slices.py" <<'PYTHON'
import sys

import numpy as np
import tensorflow_datasets as tfds


class Numbers(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"x": np.int32}))

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples() for name in ("train", "test")}

    def _generate_examples(self):
        for number in range(10):
            yield number, {"x": number}


builder = Numbers(data_dir=sys.argv[1])
builder.download_and_prepare(file_format="array_record")
counts = {"train[7:3]": builder.info.splits["train[7:3]"].num_examples}
for split in ("test", "train[7:3]+test"):
    counts[split] = len(list(builder.as_data_source(split)))
print("; ".join(f"{split}: {count}" for split, count in counts.items()))
PYTHON
found="$("$folder/venv/bin/python" "$folder/slices.py" "$folder/data" 2>/dev/null | tail -n 1)"
echo "$found"
[ "$found" = "train[7:3]: -4; test: 10; train[7:3]+test: 6" ]
