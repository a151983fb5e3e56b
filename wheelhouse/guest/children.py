"""Start programs under the emulator too, where the kernel does not know it: ``sitecustomize.py``.

pip asks musl's loader for its version that way, to know which wheels fit. In a sandbox of
``machines/qemu.py`` the kernel itself could not start that program.
"""

from __future__ import annotations

import _posixsubprocess
import os
from typing import Any

EMULATOR = "/emulator"
"""Where the sandbox has the emulator, ``qemu-*``, with this machine's loader and libraries."""

_START = _posixsubprocess.fork_exec


def fork_exec(arguments: Any, programs: Any, *rest: Any) -> Any:
    """Start the first of ``programs`` that exists, under the emulator; as CPython's function."""
    # Without pathlib, which every program would import.
    found = [os.fsdecode(each) for each in programs if os.path.exists(each)]  # noqa: PTH110
    if not found:
        return _START(arguments, programs, *rest)
    names = os.listdir(EMULATOR)  # noqa: PTH208
    (qemu,) = (name for name in names if name.startswith("qemu-"))
    loader = f"{EMULATOR}/loader"
    before = [loader, "--library-path", f"{EMULATOR}/lib", f"{EMULATOR}/{qemu}", found[0]]
    return _START([*before, *arguments[1:]], [os.fsencode(loader)], *rest)


if os.path.isdir(EMULATOR):  # noqa: PTH112
    _posixsubprocess.fork_exec = fork_exec
