"""Run CMake and ninja: show progress, write a log, report the first compiler error."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.jobs import jobs
from wheelhouse.common.plain import plain_path
from wheelhouse.common.store import Store
from wheelhouse.compile import sccache
from wheelhouse.compile.toolchain import EPOCH, LIB, NINJA, ZIG

Env = Mapping[str, str]

LAUNCHER = "./sccache"
"""How commands begin whose output the compiler cache keeps; it lies where :func:`build` runs."""

_INTERRUPTED = 128 + signal.SIGINT
_STEP = re.compile(r"\[(\d+)/(\d+)\] ")
_FULL = re.compile("No space left on device|NoSpaceLeft")  # as the C library and as zig say it


def environment(store: Store) -> dict[str, str]:
    """The environment variables that a process needs to run a toolchain's compiler in a step.

    Raises ValueError for a store that is no step's: compilers would keep there what nobody checks.
    """
    if not store.compilers:
        raise ValueError("compilers run in steps")
    cache = str(plain_path(store.compilers))
    return {
        "TMPDIR": str(plain_path(Path(tempfile.gettempdir()))),
        "WHEELHOUSE_ZIG": str(plain_path(ZIG)),
        # Else zig would put the real path of its folder into objects.
        "ZIG_LIB_DIR": str(plain_path(ZIG).with_name("lib")),
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": cache,
        "SOURCE_DATE_EPOCH": str(EPOCH),  # compiler caches must see it too
    }


def configure(command: Sequence[str], folder: Path, label: str, log: Path, env: Env) -> None:
    """Run the CMake ``command`` in ``folder``, appending to ``log``; raises as :func:`build`."""
    console.say(label)
    _logged(command, folder, label, log, env, lambda done, total: None)


def build(folder: Path, label: str, log: Path, env: Env, *, cached: Store | None = None) -> None:
    """Build all targets of ``folder/build.ninja``, appending to ``log``.

    ``label`` is for messages, as in "Compiling ruy". Commands that begin with ``LAUNCHER`` get what
    they make from the compiler cache of the store ``cached``, if they can. Raises WheelhouseError
    with the first compiler error, and OSError if the disk is full. Finished objects stay, so the
    next run resumes.
    """
    lib, launcher = folder / LIB, folder / LAUNCHER
    for path in (lib, launcher):
        path.unlink(missing_ok=True)
    lib.symlink_to(plain_path(ZIG).with_name("lib"))
    with sccache.serving(cached, env) as cache, console.steps(label) as bar:
        free = psutil.virtual_memory().available
        count = jobs(len(os.sched_getaffinity(0)), free, cache.elsewhere)
        command = [str(plain_path(NINJA)), "-C", str(plain_path(folder)), "-j", str(count)]
        launcher.write_text(cache.script)
        launcher.chmod(0o755)
        env = {**env, **cache.environment, "NINJA_STATUS": "[%f/%t] "}
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
