"""The store of `jax.distributed` in the memory of one process, for tests of what processes tell each other."""

from __future__ import annotations

import threading
import time


class Store:
    """Has the methods of JAX's client that jaxdl calls."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._changed = threading.Condition()

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        with self._changed:
            if key in self.values and not allow_overwrite:
                raise RuntimeError(f"ALREADY_EXISTS: {key}")
            self.values[key] = value
            self._changed.notify_all()

    def blocking_key_value_get(self, key: str, timeout_in_ms: int) -> str:
        end = time.monotonic() + timeout_in_ms / 1000
        with self._changed:
            while key not in self.values:
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise RuntimeError(f"DEADLINE_EXCEEDED: {key}")
            return self.values[key]

    def key_value_dir_get(self, folder: str) -> list[tuple[str, str]]:
        with self._changed:
            return [(key, value) for key, value in self.values.items() if key.startswith(folder)]

    def key_value_delete(self, key: str) -> None:
        with self._changed:
            self.values.pop(key, None)
