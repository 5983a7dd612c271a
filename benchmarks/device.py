"""The device of a framework's library; only that library is imported."""

from __future__ import annotations


def name(library: str) -> str:
    """Returns the name of the default device of ``jax``, ``torch`` or ``tensorflow``; ``cpu`` for any CPU."""
    if library == "jax":
        import jax

        kind: str = jax.devices()[0].device_kind
        return kind
    if library == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu") if gpus else "cpu"


def peak_bytes(library: str) -> int | None:
    """Returns the peak device memory of the library's arrays so far; None on a CPU."""
    if name(library) == "cpu":
        return None
    if library == "jax":
        import jax

        return int((jax.devices()[0].memory_stats() or {})["peak_bytes_in_use"])
    if library == "torch":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
