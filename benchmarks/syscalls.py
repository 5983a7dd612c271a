"""Fails or kills a process at one of its file operations: what a disk, or the end of a process, can do to it.

The operations are system calls, of Python as well as of the C++ libraries and their threads. The kernel stops each one
and asks this process what is to come of it (seccomp_unotify(2)). Linux on x86-64 and arm64; needs no rights.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

KILL = "KILL"
# Which errors a disk, a file server or a limit can give at an operation of each kind.
_OF_NAMES = ("ENOSPC", "EIO", "EACCES", "EROFS")
ERRORS = {
    "read": ("EIO",),
    "look": ("EIO", "EACCES"),
    "open": ("EIO", "EACCES", "EMFILE"),
    "create": (*_OF_NAMES, "EMFILE"),
    "write": ("ENOSPC", "EIO"),
    "sync": ("ENOSPC", "EIO"),
    "name": _OF_NAMES,
    "remove": ("EIO", "EACCES", "EROFS"),
}
WRITING = ("create", "write", "sync", "name")


class _Call(NamedTuple):
    """A system call: its kind, its numbers on x86-64 and arm64 (None: there is none), and where its file is given."""

    kind: str
    x86: int
    arm: int | None
    descriptor: int | None = None
    path: int | None = None


_CALLS = {
    "read": _Call("read", 0, 63, 0),
    "pread64": _Call("read", 17, 67, 0),
    "readv": _Call("read", 19, 65, 0),
    "preadv": _Call("read", 295, 69, 0),
    "getdents64": _Call("read", 217, 61, 0),
    "stat": _Call("look", 4, None, path=0),
    "lstat": _Call("look", 6, None, path=0),
    "newfstatat": _Call("look", 262, 79, 0, 1),
    "statx": _Call("look", 332, 291, 0, 1),
    "open": _Call("open", 2, None, path=0),
    "openat": _Call("open", 257, 56, 0, 1),
    "write": _Call("write", 1, 64, 0),
    "pwrite64": _Call("write", 18, 68, 0),
    "writev": _Call("write", 20, 66, 0),
    "pwritev": _Call("write", 296, 70, 0),
    "ftruncate": _Call("write", 77, 46, 0),
    "copy_file_range": _Call("write", 326, 285, 2),
    "sendfile": _Call("write", 40, 71, 0),
    "fallocate": _Call("write", 285, 47, 0),
    "fsync": _Call("sync", 74, 82, 0),
    "fdatasync": _Call("sync", 75, 83, 0),
    "rename": _Call("name", 82, None, path=0),
    "renameat": _Call("name", 264, 38, 0, 1),
    "renameat2": _Call("name", 316, 276, 0, 1),
    "link": _Call("name", 86, None, path=1),
    "linkat": _Call("name", 265, 37, 2, 3),
    "mkdir": _Call("name", 83, None, path=0),
    "mkdirat": _Call("name", 258, 34, 0, 1),
    "unlink": _Call("remove", 87, None, path=0),
    "unlinkat": _Call("remove", 263, 35, 0, 1),
    "rmdir": _Call("remove", 84, None, path=0),
}
_ARM = platform.machine() == "aarch64"
_BY_NUMBER = {number: name for name, call in _CALLS.items() if (number := call.arm if _ARM else call.x86) is not None}
_SYS_SECCOMP = 277 if _ARM else 317
_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _NEW_LISTENER = 38, 1, 8
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_AT_FDCWD = 0xFFFFFF9C
_AT_EMPTY_PATH = 0x1000
_LOOK_FLAGS = {"newfstatat": 3, "statx": 2}
_LONGEST_PATH = 4096


class Operation(NamedTuple):
    """A file operation that a process is about to do: the call's name, the kind of `ERRORS`, and the file."""

    call: str
    kind: str
    path: str


Decide = Callable[[Operation], str | None]  # the name of an error, KILL, or None to let it happen


class Ended(NamedTuple):
    """How a process ended: its status, negative for a signal, and whether it was killed because it took too long."""

    status: int
    hung: bool


def is_possible() -> bool:
    """Returns whether this system can stop the operations of a process."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return False
    try:
        return run(lambda: os._exit(0), Path("/"), lambda operation: None, 10.0).status == 0
    except OSError:
        return False


def run(function: Callable[[], NoReturn], folder: Path, decide: Decide | None, limit: float) -> Ended:
    """Runs a function in a fork of this process, and decides about each file operation that it does below a folder.

    Args:
        function: what to run; it ends its process.
        folder: an absolute path; other files are not looked at.
        decide: returns the name of an error that the operation fails with, `KILL`, or None to let it happen; itself
            None to look at no operation, which is faster.
        limit: seconds after which the process is killed.

    Raises:
        OSError: the system does not allow to stop the operations of a process.
    """
    ours, theirs = socket.socketpair()
    process = os.fork()
    if process == 0:
        ours.close()
        try:
            if decide is not None:
                _send_listener(theirs)
            theirs.close()
            function()
        finally:
            os._exit(99)
    theirs.close()
    end = time.monotonic() + limit
    ended = os.pidfd_open(process)
    listener = None
    try:
        if decide is not None:
            _, found, _, _ = socket.recv_fds(ours, 1, 1)
            if not found:
                raise OSError(errno.EPERM, "the operations of a process cannot be stopped on this system")
            listener = found[0]
        hung = not _serve(process, ended, listener, str(folder) + os.sep, decide or (lambda operation: None), end)
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(process, 0)
        for descriptor in filter(None, (ended, listener)):
            os.close(descriptor)
        ours.close()
    return Ended(os.waitstatus_to_exitcode(status), hung)


def _send_listener(to: socket.socket) -> None:
    """Installs the filter in this process and its later threads; sends the descriptor by which it is asked."""

    class Instruction(ctypes.Structure):  # of the kernel's packet filter: struct sock_filter
        _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction)))

    load_number, jump_if_equal, give = 0x20, 0x15, 0x06
    numbers = list(_BY_NUMBER)
    code = [(load_number, 0, 0, 0)]
    code += [(jump_if_equal, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    code += [(give, 0, 0, _ALLOW), (give, 0, 0, _NOTIFY)]
    instructions = (Instruction * len(code))(*(Instruction(*each) for each in code))
    program = Program(len(code), instructions)
    system = ctypes.CDLL(None, use_errno=True)
    system.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = system.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    if listener >= 0:
        socket.send_fds(to, [b"x"], [listener])
        os.close(listener)


def _serve(
    process: int,
    ended: int,
    listener: int | None,
    below: str,
    decide: Decide,
    end: float,
) -> bool:
    """Answers until the process has ended; returns whether it ended by itself."""
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    if listener is not None:
        poll.register(listener, select.POLLIN)
    while True:
        ready = dict(poll.poll(max(0.0, (end - time.monotonic()) * 1000)))
        if ended in ready:
            return True
        if not ready:
            os.kill(process, signal.SIGKILL)
            return False
        assert listener is not None
        if ready[listener] & select.POLLIN:
            try:
                _answer(process, listener, below, decide)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINTR):  # the process was killed, or a signal came first
                    raise
        else:
            poll.unregister(listener)


def _answer(process: int, listener: int, below: str, decide: Decide) -> None:
    notice = bytearray(80)
    fcntl.ioctl(listener, _RECEIVE, notice)
    asked, thread, _, number = struct.unpack_from("QIIi", notice)
    arguments = struct.unpack_from("6Q", notice, 32)
    name = _BY_NUMBER[number]
    path = _path(thread, _CALLS[name], arguments)
    answer = None
    if (path + os.sep).startswith(below):
        answer = decide(Operation(name, _kind(name, arguments), path))
    if answer == KILL:
        os.kill(process, signal.SIGKILL)
        return
    code, flags = (0, _CONTINUE) if answer is None else (-getattr(errno, answer), 0)
    fcntl.ioctl(listener, _SEND, struct.pack("QqiI", asked, 0, code, flags))


def _kind(name: str, arguments: tuple[int, ...]) -> str:
    if name in _LOOK_FLAGS and arguments[_LOOK_FLAGS[name]] & _AT_EMPTY_PATH:
        return "read"  # of a file that is open already
    if name not in ("open", "openat"):
        return _CALLS[name].kind
    flags = arguments[1 if name == "open" else 2]
    return "create" if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else "open"


def _path(thread: int, call: _Call, arguments: tuple[int, ...]) -> str:
    """Returns the path of the file of a call; empty if it has none."""
    folder = _AT_FDCWD if call.descriptor is None else arguments[call.descriptor] & 0xFFFFFFFF
    try:
        name = "" if call.path is None else _text(thread, arguments[call.path])
        if name.startswith(os.sep):
            return os.path.normpath(name)
        base = "cwd" if folder == _AT_FDCWD else f"fd/{folder}"
        return os.path.normpath(os.path.join(os.readlink(f"/proc/{thread}/{base}"), name))
    except OSError:
        return ""


def _text(thread: int, address: int) -> str:
    """Reads a text of another process, to its zero byte."""
    page = 4096
    found = b""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        while b"\0" not in found and len(found) < _LONGEST_PATH:
            memory.seek(address + len(found))
            found += memory.read(page - (address + len(found)) % page)  # the next page may not exist
    return os.fsdecode(found.partition(b"\0")[0])
