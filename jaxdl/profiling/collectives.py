"""What the devices of a mesh tell each other in a compiled program."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
_CALL = re.compile(rf"= (?P<type>\(.*?\)|\S+) (?P<kind>{'|'.join(KINDS)})(?:-start)?\(")
_ARRAY = re.compile(r"(?P<dtype>[a-z]+\d*)\[(?P<shape>[\d,]*)\]")
_BITS = {"pred": 8}


class Collective(NamedTuple):
    """One operation in which devices tell each other something.

    Attributes:
        kind: one of `KINDS`.
        bytes: size of its result on each device.
        operation: name of the operation of JAX that it is for, as XLA has it.
    """

    kind: str
    bytes: int
    operation: str


def collectives(text: str) -> list[Collective]:
    """Returns the collectives of a program, in the order of its text.

    Args:
        text: the compiled program, as `jaxdl.training.programs.Programs.optimized_text` returns it.
    """
    found = []
    for line in text.splitlines():
        call = _CALL.search(line)
        if call is not None:
            name = re.search(r'op_name="([^"]*)"', line)
            size = sum(_bytes(array["dtype"], array["shape"]) for array in _ARRAY.finditer(call["type"]))
            found.append(Collective(call["kind"], size, name[1] if name else ""))
    return found


def _bytes(dtype: str, shape: str) -> int:
    bits = _BITS.get(dtype) or int(re.sub(r"\D", "", dtype) or 8)
    return math.prod(int(length) for length in shape.split(",") if length) * bits // 8
