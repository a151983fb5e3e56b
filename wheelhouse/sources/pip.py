"""Fetch wheels and source archives with pip, which uses the index in its configuration."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store, file_digest
from wheelhouse.sources import download

_ANY = (*process.PYTHON, "pip", "download", "--no-deps")
_DOWNLOAD = (*_ANY, "--only-binary=:all:")
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


def fetch(archive: str, sha256: str, size: int, final: Path, store: Store) -> Path:
    """Fetch the wheel or source archive with this file name and SHA-256, in hex, to ``final``.

    Raises UnreachableError if it cannot be fetched, has other content, or exceeds the limits of a
    download of ``size`` bytes. Pip runs the build script of a source archive to read its name,
    after it has checked its SHA-256.
    """
    console.say(f"Fetching {archive} from the Python package index")
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        requirement, command = _request(archive)
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        checked = ("--require-hashes", "-r", requirements, "--dest", scratch)
        limits = download.Limits(size)
        # What pip writes may be no larger than the file; without its cache, it writes only that.
        # A source archive is unpacked, too.
        largest = size if archive.endswith(".whl") else size * _UNPACKED
        try:
            done = process.run(
                ["prlimit", f"--fsize={largest}", *command, "--no-cache-dir", *checked],
                timeout=limits.seconds,
            )
        except WheelhouseError as late:
            raise download.UnreachableError(f"{archive}: {late.what}") from late
        path = Path(scratch, archive)
        if "File too large" in done.stderr:
            raise download.UnreachableError(f"{archive}: {limits.exceeded}")
        if done.status or not path.is_file() or file_digest(path) != sha256:
            log = store.log(f"pip-{archive}")
            error = process.failure(archive, done, log, "", _error(done.stderr))
            raise download.UnreachableError(f"{error.what} {error.hint}")
        return path.rename(final)


def _request(archive: str) -> tuple[str, tuple[str, ...]]:
    """The requirement that an archive fulfils, and the command that downloads such archives."""
    if archive.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(archive)
        return f"{name}=={version}", (*_DOWNLOAD, *tag_options(archive))
    name, version = parse_sdist_filename(archive)
    return f"{name}=={version}", (*_ANY, "--no-binary=:all:")
