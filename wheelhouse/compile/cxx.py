"""What zig links every shared library with: libc++, its ABI library and unwinder, glibc's symbols.

zig compiles them on first use, which takes 35 CPU seconds, and keeps them in a cache of its own,
which it does not check. So they are the output of a step here, one for each toolchain.

zig knows sources by inode and time. Another installation of the same zig would find nothing in the
output, so the step is of one installation, and its key is another one on each machine.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from wheelhouse.common import process
from wheelhouse.common.plain import plain_path
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import ninja, toolchain
from wheelhouse.compile.toolchain import Toolchain

KIND = "cxx"

_SOURCE = toolchain.ZIG.with_name("lib") / "libcxxabi" / "src" / "cxa_guard.cpp"


def libraries(processor: str, floor: str) -> Step:
    """The step whose output is zig's cache once it has linked a shared library."""
    installed = _SOURCE.stat()
    return Step(
        kind=KIND,
        label=f"cxx-{processor}-{floor}",
        recipe=_compile,
        needs={"toolchain": toolchain.toolchain(processor, floor)},
        parameters={"installed": [installed.st_ino, installed.st_mtime_ns]},
    )


def _compile(inputs: Inputs, folder: Path) -> None:
    compiler = Toolchain(inputs.needs["toolchain"]).cxx
    with tempfile.TemporaryDirectory() as name:
        scratch = plain_path(Path(name))
        (scratch / "none.cc").touch()
        (scratch / toolchain.LIB).symlink_to(plain_path(toolchain.ZIG).with_name("lib"))
        command = (compiler, *toolchain.LINK_FLAGS, "none.cc", "-o", "none.so")
        env = {
            **ninja.environment(replace(inputs.store, compilers=folder)),
            "ZIG_LOCAL_CACHE_DIR": str(scratch / "local"),
        }
        done = process.run(command, cwd=scratch, env=env)
    if done.status:
        log = inputs.store.log(inputs.needs["toolchain"].name)
        raise process.failure("The C++ libraries did not compile", done, log, "Look at the log.")
