"""The memory that a training needs on each device, predicted from shapes, as lines for a terminal."""

from __future__ import annotations

from jaxdl.report.format import readable_bytes


def memory_lines(parts: dict[str, int], limit: int | None, devices: int) -> str:
    """Returns the predicted memory, and whether it fits.

    Args:
        parts: bytes of one device by what they are for; the last is their sum.
        limit: bytes of one device's memory; None: not known.
        devices: how many devices share the training.
    """
    width = max(map(len, parts))
    lines = [f"  {name:<{width}}  {readable_bytes(size):>10}" for name, size in parts.items()]
    (*_, needed) = parts.values()
    if limit is None:
        fits = "how much memory the device has is not known"
    elif needed <= limit:
        fits = f"fits into the {readable_bytes(limit)} of the device"
    else:
        fits = f"DOES NOT FIT into the {readable_bytes(limit)} of the device: lower --batch_size, or use more devices"
    where = "" if devices == 1 else f" on each of {devices} devices"
    return "\n".join([f"predicted for training{where}, without the data", *lines, f"  {fits}"])
