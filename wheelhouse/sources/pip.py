"""Let pip fetch wheels, so that its own configuration names the index."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind
from wheelhouse.common.store import Store, file_digest
from wheelhouse.sources import download

_DOWNLOAD = (*process.PYTHON, "pip", "download", "--no-deps", "--only-binary=:all:")


def export_requirements(
    lock: Path,
    folder: Path,
    store: Store,
    python: str = "",
    machine: str = platform.machine(),
) -> None:
    """Download locked requirements into a folder for pip's --find-links.

    They are for this Python, or for the CPython ``python``, as in 3.11, on ``machine``.
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
    """Pip's last error, which tells more than its first, as one line."""
    return " ".join(stderr.rpartition("ERROR: ")[2].split())


def tags(wheel: str) -> tuple[str, ...]:
    """The options that let pip choose among wheels of the same tags as the named one has."""
    known = sorted(parse_wheel_filename(wheel)[3], key=str)
    first = known[0]
    if first.platform == "any":
        return ()
    python = first.interpreter.removeprefix("cp").removeprefix("py")
    platforms = [word for tag in known for word in ("--platform", tag.platform)]
    choice = ("--implementation", first.interpreter[:2], "--python-version", python)
    return (*choice, "--abi", first.abi, *platforms)


def fetch(wheel: str, sha256: str, final: Path, store: Store) -> Path:
    """Let pip fetch a wheel by its file name into ``final``; checks its SHA-256, in hex.

    Raises UnreachableError if it cannot be had.
    """
    console.say(f"Fetching {wheel} from the Python package index")
    name, version, _, _ = parse_wheel_filename(wheel)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        checked = ("--require-hashes", "-r", wanted, "--dest", scratch)
        done = process.run([*_DOWNLOAD, *tags(wheel), *checked])
        got = Path(scratch, wheel)
        if done.status or not got.is_file() or file_digest(got) != sha256:
            log = store.log(f"pip-{wheel}")
            told = process.failure(wheel, done, log, "", _error(done.stderr))
            raise download.UnreachableError(f"{told.what} {told.hint}")
        return got.rename(final)
