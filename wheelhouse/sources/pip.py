"""Fetch wheels with pip, which uses the index in the user's configuration."""

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
    choice = ("--implementation", first.interpreter[:2], "--python-version", python)
    return (*choice, "--abi", first.abi, *platforms)


def fetch(wheel: str, sha256: str, final: Path, store: Store) -> Path:
    """Fetch the wheel with this file name and SHA-256, in hex, to the path ``final``.

    Raises UnreachableError if it cannot be fetched or has other content.
    """
    console.say(f"Fetching {wheel} from the Python package index")
    name, version, _, _ = parse_wheel_filename(wheel)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        checked = ("--require-hashes", "-r", requirements, "--dest", scratch)
        done = process.run([*_DOWNLOAD, *tag_options(wheel), *checked])
        path = Path(scratch, wheel)
        if done.status or not path.is_file() or file_digest(path) != sha256:
            log = store.log(f"pip-{wheel}")
            error = process.failure(wheel, done, log, "", _error(done.stderr))
            raise download.UnreachableError(f"{error.what} {error.hint}")
        return path.rename(final)
