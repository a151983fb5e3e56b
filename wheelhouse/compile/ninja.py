"""Run CMake and ninja: show progress, write a log, report the first compiler error."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.jobs import jobs
from wheelhouse.common.plain import plain_path
from wheelhouse.common.store import Store
from wheelhouse.compile.toolchain import EPOCH, NINJA, ZIG

Env = Mapping[str, str]

_INTERRUPTED = 128 + signal.SIGINT
_STEP = re.compile(r"\[(\d+)/(\d+)\] ")
_FULL = re.compile("No space left on device|NoSpaceLeft")  # as the C library and as zig say it


def launcher() -> str | None:
    """The path of ccache or sccache, to start compilers with, or None if neither is installed."""
    found = shutil.which("ccache") or shutil.which("sccache")
    return str(plain_path(Path(found))) if found else None


def environment(store: Store) -> dict[str, str]:
    """The environment variables that a process needs to run a toolchain's compiler."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return {
        # Compiler caches need a writable one.
        "HOME": home if os.access(home, os.W_OK) else str(store.root),
        "TMPDIR": str(plain_path(Path(tempfile.gettempdir()))),
        "WHEELHOUSE_ZIG": str(plain_path(ZIG)),
        # Else zig would put the real path of its folder into objects.
        "ZIG_LIB_DIR": str(plain_path(ZIG).with_name("lib")),
        "ZIG_GLOBAL_CACHE_DIR": str(plain_path(store.root) / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(plain_path(store.root) / "zig"),
        "SOURCE_DATE_EPOCH": str(EPOCH),  # compiler caches must see it too
        "CCACHE_COMPILERCHECK": f"string:zig {version('ziglang')}",
        "CCACHE_DEPEND": "1",  # take headers from -MD, not from the preprocessor
    }


def configure(command: Sequence[str], folder: Path, label: str, log: Path, env: Env) -> None:
    """Run the CMake ``command`` in ``folder``, appending to ``log``; raises as :func:`build`."""
    console.say(label)
    _logged(command, folder, label, log, env, lambda done, total: None)


def build(folder: Path, label: str, log: Path, env: Env) -> None:
    """Build all targets of ``folder/build.ninja``, appending to ``log``.

    ``label`` is for messages, as in "Compiling ruy". Raises WheelhouseError with the first compiler
    error, and OSError if the disk is full. Finished objects stay, so the next run resumes.
    """
    count = jobs(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)
    command = [str(plain_path(NINJA)), "-C", str(plain_path(folder)), "-j", str(count)]
    with console.steps(label) as bar:
        env = {**env, "NINJA_STATUS": "[%f/%t] "}
        _logged(command, folder, label, log, env, bar.update)


def _logged(
    command: Sequence[str],
    folder: Path,
    label: str,
    log: Path,
    env: Env,
    step: Callable[[int, int], None],
) -> None:
    output: list[str] = []

    def line(text: str) -> None:
        output.append(text)
        if numbers := _STEP.match(text):
            step(int(numbers[1]), int(numbers[2]))

    # zig's global cache has the C libraries, its local one a copy of every object.
    copies = plain_path(folder) / "zig-cache"
    try:
        env = {**env, "ZIG_LOCAL_CACHE_DIR": str(copies)}
        status = process.stream(command, cwd=folder, log=log, env=env, line=line)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
    if status == 0:
        return
    if status == _INTERRUPTED:  # the command got the signal before this process did
        raise KeyboardInterrupt
    if any(map(_FULL.search, output)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise WheelhouseError(
        f"{label} failed: {process.failure_reason(status, output)}",
        f"The whole log is {log}; correct the cause and run the same command again: it resumes.",
        topic="compile-error",
    )
