"""The memory that a training needs on each device, predicted from shapes, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from jaxdl.report.format import readable_bytes


def memory_lines(
    parts: Mapping[str, int], limit: int | None, devices: int, example: int, flops: Mapping[str, int]
) -> str:
    """Returns the predicted memory, whether it fits, and the operations of a step.

    Args:
        parts: bytes of one device by what they are for, without ``data`` where these are not known; the last is their
            sum.
        limit: bytes of one device's memory; None: not known.
        devices: how many devices share the training.
        example: bytes of one example.
        flops: floating-point operations of one train step, by dtype.
    """
    width = max(map(len, parts))
    lines = [f"  {name:<{width}}  {readable_bytes(size):>10}" for name, size in parts.items()]
    if "data" not in parts:
        lines.append(f"  and {readable_bytes(example)} for each example that is kept on the device")
    (*_, needed) = parts.values()
    if limit is None:
        fits = "how much memory the device has is not known"
    elif needed <= limit:
        fits = f"fits into the {readable_bytes(limit)} of the device"
    else:
        more = "use more --devices" if devices == 1 else "divide the parameters with --shard=fsdp"
        fits = (
            f"DOES NOT FIT into the {readable_bytes(limit)} of the device: lower --batch_size, give --remat or "
            f"--accumulate=4, or {more}"
        )
    where = "" if devices == 1 else f" on each of {devices} devices"
    counted = ", ".join(f"{count / 1e9:,.4g} GFLOP in {dtype}" for dtype, count in flops.items()) or "no products"
    return "\n".join([f"predicted for training{where}", *lines, f"  {fits}", f"  operations of one step: {counted}"])
