#!/usr/bin/env bash
# Library: etils 1.15.0 (epy.lazy_imports), through which tensorflow-datasets 4.9.10 imports its own modules.
# Behaviour: `with epy.lazy_imports():` replaces builtins.__import__ for the whole process, not for its own thread. What
#   another thread imports meanwhile is a lazy stand-in, too: `from json import dumps` gives an object that cannot be called
#   ("'LazyModule' object is not callable"), and it stays in that thread's module for good. So one thread that imports
#   tensorflow-datasets for the first time can break any other thread that imports anything in those seconds.
# Seen: LazyModule 'LazyModule' object is not callable
# Exit status: 0 while it is so, 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "etils[epy]==1.15.0"
cat >"$folder/threads.py" <<'PYTHON'
import threading

from etils import epy

inside, imported = threading.Event(), threading.Event()
seen = []


def another_thread():
    inside.wait(10)
    from json import dumps  # as a function of a library does, which knows nothing of etils

    try:
        dumps({})
        seen.append("called")
    except TypeError as error:
        seen.append(f"{type(dumps).__name__} {error}")
    imported.set()


threading.Thread(target=another_thread).start()
with epy.lazy_imports():
    inside.set()
    imported.wait(10)
print(*seen)
PYTHON
found="$("$folder/venv/bin/python" "$folder/threads.py")"
echo "$found"
[ "$found" = "LazyModule 'LazyModule' object is not callable" ]
