"""Runs Python blocks and checks what they say of themselves.

A bare expression with a comment on its last line states its value: ``logits.shape  # (8, 10)``.

python -m tests.docs.execute FILE
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

_MARK = "  # "


def execute(code: str, source: str, namespace: dict[str, Any]) -> int:
    """Runs a block in a namespace; returns how many stated values were checked.

    Raises:
        AssertionError: a value is not the one stated.
    """
    lines, checked = code.splitlines(), 0
    for node in ast.parse(code, source).body:
        _, mark, stated = lines[node.end_lineno - 1].rpartition(_MARK)  # type: ignore[operator]
        if isinstance(node, ast.Expr) and mark:
            value = eval(compile(ast.Expression(node.value), source, "eval"), namespace)
            assert stated in (str(value), repr(value)), f"{source}: {ast.unparse(node)} is {value!r}, not {stated}"
            checked += 1
        else:
            exec(compile(ast.Module([node], []), source, "exec"), namespace)
    return checked


if __name__ == "__main__":
    execute(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[1], {"__name__": "__main__"})
