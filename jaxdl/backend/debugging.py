"""The line of a model at which an error happened, without the frames of the libraries around it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
# All that users write and jaxdl calls, models and losses alike, is called from here.
_STEPS = _ROOT / "steps" / "functions.py"
_LIBRARIES = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")})
# JAX's own name for the trace of the forward operation whose gradient failed.
_OF_FORWARD = "JaxStackTraceBeforeTransformation"


def not_a_number(error: FloatingPointError) -> str:
    """Returns one line on an error of JAX's check for NaN (``jax_debug_nans``): the operation, and its line.

    The line is that of `users_line` or, where there is none, the innermost line of jaxdl.
    """
    of_gradient = type(error.__cause__).__name__ == _OF_FORWARD
    ours = [frame for frame in _frames(error) if _is_ours(frame)]
    place = users_line(error) or (_shown(ours[-1]) if ours else "a line that is not known")
    what = " ".join(str(error).split())
    return f"{what}{', in the gradient of the operation' if of_gradient else ''} at {place}"


def users_line(error: BaseException) -> str | None:
    """Returns the innermost line of a user's own model, loss or the like at which an error happened.

    For an error in a gradient it is the line of the operation whose gradient that is.

    Args:
        error: the error, with its traceback.

    Returns:
        ``FILE:LINE, in FUNCTION: CODE``; None where the error came from no such code.
    """
    frames = _frames(error)
    steps = [number for number, frame in enumerate(frames) if Path(frame.filename) == _STEPS]
    below = frames[steps[-1] + 1 :] if steps else []
    users = [frame for frame in below if not _is_ours(frame) and not _is_of_a_library(frame)]
    return _shown(users[-1]) if users else None


def _frames(error: BaseException) -> Sequence[traceback.FrameSummary]:
    cause = error.__cause__
    found = cause if cause is not None and type(cause).__name__ == _OF_FORWARD else error
    return traceback.extract_tb(found.__traceback__)


def _shown(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(_ROOT)


def _is_of_a_library(frame: traceback.FrameSummary) -> bool:
    return any(Path(frame.filename).is_relative_to(folder) for folder in _LIBRARIES)
