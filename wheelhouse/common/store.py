"""The content-addressed cache: folders named by the digest of what made them.

A step's output is made beside its final place and renamed into it, so whatever has its final
name is whole. A lock per output makes two builds at once wait for each other.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
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
"""The numbers of the system's errors that mean a full disk."""

Row = tuple[str, str, str]
"""A path, its kind (file, program or link), and the SHA-256 of its content or the link's target."""


_OURS: set[str] = set()
"""The locks that threads of this process hold: nobody else need be waited for."""


def digest(*parts: object) -> str:
    """The SHA-256, in hex, of JSON-serialisable parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256, in hex, of a file's bytes."""
    with path.open("rb") as stream:
        return stream_digest(stream)


def stream_digest(stream: IO[bytes]) -> str:
    """The SHA-256, in hex, of what a stream has left."""
    hasher = hashlib.sha256()
    while block := stream.read(1 << 20):
        hasher.update(block)
    return hasher.hexdigest()


def tree_digest(root: Path, keep: Callable[[str], bool] = lambda name: True) -> str:
    """The SHA-256, in hex, of a folder: sorted relative paths, kinds, executable bits, contents.

    ``keep`` says of a path whether it counts.
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


def rows_digest(rows: list[Row]) -> str:
    """:func:`tree_digest` of a folder by its paths, each with its kind and its content's digest."""
    return digest(sorted(rows, key=lambda row: row[0].split("/")))


@dataclass(frozen=True)
class Store:
    """The cache below one root folder.

    Example: ``Store.default().get_or_make("trees", "ruy", digest, unpack)``.
    """

    root: Path

    @classmethod
    def default(cls) -> Store:
        """The cache that ``WHEELHOUSE_CACHE`` names, or the user's cache folder.

        Raises WheelhouseError if the user has none.
        """
        named = os.environ.get("WHEELHOUSE_CACHE")
        if named:
            return cls(Path(named).absolute())
        try:
            return cls(user_cache_path("tflite-wheelhouse"))
        except RuntimeError as error:  # neither HOME nor passwd tells of a home folder
            raise WheelhouseError(
                "This user has no home folder, so there is no place for the cache.",
                "Name a folder for it in WHEELHOUSE_CACHE.",
                Kind.MACHINE,
            ) from error

    def place(self, kind: str, name: str, key: str) -> Path:
        """Where the output of that kind, name and digest lies, made or not."""
        return self.root / kind / f"{name}-{key[:16]}"

    def get_or_make(
        self,
        kind: str,
        name: str,
        key: str,
        make: Callable[[Path], None],
        *,
        resume: bool = False,
        check: bool = True,
    ) -> Path:
        """The output folder of a step, made by ``make(folder)`` unless it exists.

        With ``resume`` a half-made folder of an interrupted run is handed to ``make`` again;
        without it the folder is empty. With ``check`` an output that was changed since it was made
        is made again. Raises what ``make`` raises, and WheelhouseError when the disk is full.
        """
        final = self.place(kind, name, key)
        lock = self.locked(f"{kind}-{final.name}", f"{name} is being made")
        with disk_space(self.root), lock:
            if self.cached(kind, name, key, check=check):
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
            if check:
                self.seal(final).write_text(tree_digest(partial))
            partial.rename(final)
        return final

    def cached(self, kind: str, name: str, key: str, *, check: bool = True) -> Path | None:
        """The output folder of a step if it exists; one that was changed is removed."""
        final = self.place(kind, name, key)
        if not final.is_dir():
            return None
        seal = self.seal(final)
        if not check or (seal.is_file() and seal.read_text() == tree_digest(final)):
            with suppress(OSError):  # the cache may be another user's
                os.utime(final)  # when it was last used
            return final
        console.warn(f"{name} in the cache is damaged; it is made again.")
        shutil.rmtree(final)
        return None

    def discard(self, kind: str, name: str, key: str) -> None:
        """Remove the output folder of a step, if it exists and nobody makes it just now."""
        final = self.place(kind, name, key)
        with self.locked(f"{kind}-{final.name}", f"{name} is being made"):
            shutil.rmtree(final, ignore_errors=True)

    def seal(self, final: Path) -> Path:
        """The file that holds the digest of an output folder's content."""
        return final.with_name(f"{final.name}.sha256")

    def log(self, name: str) -> Path:
        """The file that records a step's output; emptied."""
        path = self.root / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        return path

    @contextmanager
    def locked(self, name: str, waiting: str) -> Iterator[None]:
        """Hold the named lock; say that ``waiting`` if another process holds it.

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
                "Mend that, or name another folder in WHEELHOUSE_CACHE.",
                Kind.MACHINE,
            ) from error
        _OURS.add(lock.lock_file)
        try:
            yield
        finally:
            _OURS.discard(lock.lock_file)
            lock.release()


@contextmanager
def disk_space(folder: Path) -> Iterator[None]:
    """Turn a full disk into a message that says where and how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise WheelhouseError(
            f"The disk that holds {folder} is full.",
            "Free some space there (a build wants 4 GB) or choose another folder "
            "(WHEELHOUSE_CACHE names the cache), then run the same command again; what is finished "
            "is kept.",
            Kind.DISK,
        ) from error
