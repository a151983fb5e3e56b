"""Run a ninja build: progress, a log, and the first compiler error when it fails."""

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
_FULL = re.compile("No space left on device|NoSpaceLeft")  # as the C library and as zig says it


def launcher() -> str | None:
    """The compiler cache to start compiles with, if one is installed."""
    found = shutil.which("ccache") or shutil.which("sccache")
    return str(plain_path(Path(found))) if found else None


def environment(store: Store) -> dict[str, str]:
    """What to add to the environment of whatever runs a toolchain's compiler."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return {
        # Compiler caches insist on one.
        "HOME": home if os.access(home, os.W_OK) else str(store.root),
        "TMPDIR": str(plain_path(Path(tempfile.gettempdir()))),
        "WHEELHOUSE_ZIG": str(plain_path(ZIG)),
        "ZIG_LIB_DIR": str(plain_path(ZIG).with_name("lib")),  # zig itself would tell its real name
        "ZIG_GLOBAL_CACHE_DIR": str(plain_path(store.root) / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(plain_path(store.root) / "zig"),
        "SOURCE_DATE_EPOCH": str(EPOCH),  # a compiler cache must know it, too
        "CCACHE_COMPILERCHECK": f"string:zig {version('ziglang')}",
        "CCACHE_DEPEND": "1",  # take headers from -MD: no second run of the preprocessor
    }


def configure(command: Sequence[str], folder: Path, label: str, log: Path, env: Env) -> None:
    """Run CMake in ``folder``, appending to ``log``; raises as :func:`build` does."""
    console.say(label)
    _logged(command, folder, label, log, env, lambda done, total: None)


def build(folder: Path, label: str, log: Path, env: Env) -> None:
    """Build all of ``folder/build.ninja``, appending to ``log``.

    Raises WheelhouseError with the first compiler error, and OSError if the disk is full. What was
    compiled stays, so that the next run goes on from there.
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
    said: list[str] = []

    def line(text: str) -> None:
        said.append(text)
        if numbers := _STEP.match(text):
            step(int(numbers[1]), int(numbers[2]))

    # zig's global cache has its C libraries; its local one, a copy of every object.
    copies = plain_path(folder) / "zig-cache"
    try:
        env = {**env, "ZIG_LOCAL_CACHE_DIR": str(copies)}
        status = process.stream(command, cwd=folder, log=log, env=env, line=line)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
    if status == 0:
        return
    if status == _INTERRUPTED:  # the signal went to all, and the command was the first to tell
        raise KeyboardInterrupt
    if any(map(_FULL.search, said)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise WheelhouseError(
        f"{label} failed: {process.failure_reason(status, said)}",
        f"The whole log is {log}; mend the cause and run the same command again, it goes on from "
        "there.",
    )
