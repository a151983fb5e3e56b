"""The cache: one folder for each step's output, named by the digest of everything that made it.

An output is made in a folder beside its final path and then renamed, so a folder with its final
name is complete. Each output has a lock, so that two builds at once do not make it twice.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The ``errno`` values of a full disk and of an exhausted quota."""

Row = tuple[str, str, str]
"""A relative path, its kind (file, program or link), and its content's SHA-256 or its target."""


_OURS: set[str] = set()
"""The locks that threads of this process hold: nobody else need be waited for."""

_INTACT: dict[Path, tuple[str, str]] = {}
"""Folders that this process found to be as sealed: their seal, and their state then."""

_SETTLED_NS = 2_000_000_000
"""A file that changed longer ago than that gets another time if it changes again."""


def digest(*parts: object) -> str:
    """The SHA-256, in hex, of JSON-serialisable values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256, in hex, of a file's bytes."""
    with path.open("rb") as stream:
        return stream_digest(stream)


def stream_digest(stream: IO[bytes]) -> str:
    """The SHA-256, in hex, of the rest of a binary stream."""
    hasher = hashlib.sha256()
    while block := stream.read(1 << 20):
        hasher.update(block)
    return hasher.hexdigest()


def tree_digest(root: Path, keep: Callable[[str], bool] = lambda name: True) -> str:
    """The SHA-256, in hex, of a folder: sorted relative paths, kinds, executable bits, contents.

    ``keep`` gets each relative path and says whether to include it.
    """
    rows: list[Row] = []
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if not keep(name):
            continue
        if path.is_symlink():
            rows.append((name, "link", str(path.readlink())))
        elif path.is_file():
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            rows.append((name, kind, file_digest(path)))
    return rows_digest(rows)


def _tree_state(root: Path) -> str | None:
    """A digest of all that the file system tells of what is below a folder, without reading files.

    Each change gives a file another change time (``ctime``), which no program can set. None if
    something changed just now: a further change could have the same time.
    """
    rows, newest, folders = [], 0, [str(root)]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                told = entry.stat(follow_symlinks=False)
                rows.append((entry.path, told.st_mode, told.st_ino, told.st_size, told.st_ctime_ns))
                newest = max(newest, told.st_ctime_ns)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return digest(sorted(rows)) if newest < time.time_ns() - _SETTLED_NS else None


def rows_digest(rows: list[Row]) -> str:
    """The :func:`tree_digest` of a folder that has these paths."""
    return digest(sorted(rows, key=lambda row: row[0].split("/")))


@dataclass(frozen=True)
class Entry:
    """The name of an output in the cache."""

    kind: str
    """The kind of step, as in ``trees``: the folder of the cache that the output lies in."""
    label: str
    """What messages call it, as in ``ruy-1``."""
    key: str
    """The digest, in hex, of everything that decides its content."""

    @property
    def folder(self) -> str:
        """The name of its folder; 16 digits of the key tell apart all that share a label."""
        return f"{self.label}-{self.key[:16]}"


@dataclass(frozen=True)
class Store:
    """The cache below one root folder.

    Example: ``Store.default().get_or_make(Entry("trees", "ruy-1", key), unpack)``.
    """

    root: Path
    compilers: Path | None = None
    """The folder of compilers' own caches, for the one step whose recipe gets this store."""

    @classmethod
    def default(cls) -> Store:
        """The cache in the folder ``WHEELHOUSE_CACHE``, or else in the user's cache folder.

        Raises WheelhouseError if the user has no home folder.
        """
        named = os.environ.get("WHEELHOUSE_CACHE")
        if named:
            return cls(Path(named).absolute())
        try:
            return cls(user_cache_path("tflite-wheelhouse"))
        except RuntimeError as error:  # neither HOME nor the user database names a home folder
            raise WheelhouseError(
                "This user has no home folder to put the cache in.",
                "Set WHEELHOUSE_CACHE to a folder for the cache.",
                Kind.MACHINE,
            ) from error

    def path(self, entry: Entry) -> Path:
        """The folder of an output, whether it exists or not."""
        return self.root / entry.kind / entry.folder

    def get_or_make(
        self, entry: Entry, make: Callable[[Path], None], *, resume: bool = False
    ) -> Path:
        """The folder of an output; ``make(folder)`` fills it if it does not exist.

        With ``resume`` the folder that an interrupted run left is handed to ``make`` again; without
        it ``make`` gets an empty one. An output that was changed since it was made is made again.
        Raises what ``make`` raises, and WheelhouseError if the disk is full or the cache cannot be
        written.
        """
        final = self.path(entry)
        lock = self.locked(f"{entry.kind}-{entry.folder}", f"{entry.label} is being made")
        with disk_space(self.root), lock:
            if self.cached(entry):
                return final
            partial = final.with_name(f"{final.name}.partial")
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True, exist_ok=True)
            try:
                make(partial)
            except BaseException:
                if not resume:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            self.seal(final).write_text(tree_digest(partial))
            partial.rename(final)
        return final

    def cached(self, entry: Entry) -> Path | None:
        """The folder of an output, or None if it does not exist.

        An output that was changed since it was made is removed.
        """
        final = self.path(entry)
        if not final.is_dir():
            return None
        seal = self.seal(final)
        if _is_intact(final, seal):
            with suppress(OSError):  # the cache may be another user's
                os.utime(final)  # when it was last used
            return final
        fault = "is damaged" if seal.is_file() else "has no digest to check it by"
        console.warn(f"{entry.label} in the cache {fault}; it is made again.")
        shutil.rmtree(final)
        return None

    def discard(self, entry: Entry) -> None:
        """Remove the folder of an output, if it exists."""
        with self.locked(f"{entry.kind}-{entry.folder}", f"{entry.label} is being made"):
            shutil.rmtree(self.path(entry), ignore_errors=True)
            self.seal(self.path(entry)).unlink(missing_ok=True)

    def seal(self, final: Path) -> Path:
        """The file that holds the :func:`tree_digest` of an output's folder."""
        return final.with_name(f"{final.name}.sha256")

    def log(self, name: str) -> Path:
        """The path of an empty log file with that name; an older one is emptied."""
        path = self.root / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        return path

    @contextmanager
    def locked(self, name: str, waiting: str) -> Iterator[None]:
        """Hold the lock with that name.

        If another process holds it, say ``waiting``, as in "ruy-1 is being made", and wait.
        Raises WheelhouseError if the cache cannot be written.
        """
        lock = FileLock(self.root / "locks" / f"{name}.lock")
        try:
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            if lock.lock_file not in _OURS:
                console.say(f"{waiting} by another build; waiting for it")
            lock.acquire()
        except OSError as error:
            if error.errno in FULL:
                raise
            raise WheelhouseError(
                f"The cache {self.root} cannot be written: {error.strerror}.",
                "Correct that, or set WHEELHOUSE_CACHE to another folder.",
                Kind.MACHINE,
                "cache-folder",
            ) from error
        _OURS.add(lock.lock_file)
        try:
            yield
        finally:
            _OURS.discard(lock.lock_file)
            lock.release()


def _is_intact(final: Path, seal: Path) -> bool:
    """Whether a folder is as it was sealed.

    Its content is read once in a process, and again if the file system tells of any change.
    """
    if not seal.is_file():
        return False
    sealed, state = seal.read_text(), _tree_state(final)
    if state and _INTACT.get(final) == (sealed, state):
        return True
    if sealed != tree_digest(final):
        return False
    if state:
        _INTACT[final] = (sealed, state)
    return True


@contextmanager
def disk_space(folder: Path) -> Iterator[None]:
    """Raise WheelhouseError instead of an OSError that means a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise WheelhouseError(
            f"The disk that holds {folder} is full.",
            "Free some space there (a build needs 4 GB) or choose another folder "
            "(WHEELHOUSE_CACHE names the cache), then run the same command again; finished steps "
            "are kept.",
            Kind.DISK,
            "full-disk",
        ) from error
