"""Pack and unpack archives; nothing is written outside the given folder."""

from __future__ import annotations

import io
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from backports import tarfile
from debian.arfile import ArError, ArFile

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Row, rows_digest, stream_digest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


BROKEN = (tarfile.TarError, zipfile.BadZipFile, ArError, EOFError, lzma.LZMAError, zlib.error)
"""The exceptions that an unsafe or broken archive raises."""


class BlockReader(io.RawIOBase):
    """A readable binary file over an iterator of blocks, for archives that are downloaded."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Copy at most one block into ``buffer``; returns the number of bytes, 0 at the end."""
        view = memoryview(buffer)
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def unpack(archive: Path, folder: Path, *, strip: int, keep: Sequence[str]) -> None:
    """Unpack a ``.whl``, ``.deb`` or tar archive into a folder.

    ``strip`` is the number of leading path parts to drop. Then only files at or below a path in
    ``keep`` are written, or all if ``keep`` is empty. A ``*`` in such a path matches any
    characters, slashes too. Raises WheelhouseError for an unsafe or broken archive.
    """
    try:
        if archive.suffix == ".whl":
            _unzip(archive, folder, keep)
        elif archive.suffix == ".deb":
            with archive.open("rb") as stream:
                package = ArFile(fileobj=stream)
                names = [name for name in package.getnames() if name.startswith("data.tar")]
                if not names:
                    raise ArError("it holds no data.tar")
                data = package.getmember(names[0])
                untar(cast(IO[bytes], data), folder, strip=strip, keep=keep)
        else:
            with archive.open("rb") as stream:
                untar(stream, folder, strip=strip, keep=keep)
    except BROKEN as error:
        raise _refused(archive.name, str(error)) from error


def is_kept(name: str, keep: Sequence[str]) -> bool:
    """Whether :func:`unpack` writes the file with that path, given the same ``keep``."""
    return not keep or bool(_pattern(tuple(keep)).fullmatch(name))


def pack(folder: Path, keep: Sequence[str], archive: Path) -> None:
    """Pack the files of a folder that :func:`unpack` would keep into a tar archive."""
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if is_kept(name, keep) and (path.is_symlink() or not path.is_dir()):
                tar.add(path, name)


def tree_digest(archive: Path) -> str:
    """The :func:`store.tree_digest` of a tar archive's files; raises one of ``BROKEN``."""
    rows: list[Row] = []
    with tarfile.open(archive) as tar:
        for member in tar:
            name = PurePosixPath(member.name).as_posix()
            if member.issym():
                rows.append((name, "link", member.linkname))
            elif content := tar.extractfile(member):
                kind = "program" if member.mode & 0o100 else "file"
                rows.append((name, kind, stream_digest(content)))
    return rows_digest(rows)


def copy(source: Path, folder: Path, keep: Sequence[str]) -> None:
    """Copy the files of the folder ``source`` that :func:`unpack` would keep."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "tar")
        pack(source, keep, archive)
        unpack(archive, folder, strip=0, keep=())


def untar(stream: IO[bytes], folder: Path, *, strip: int, keep: Sequence[str]) -> None:
    """Unpack a tar archive, compressed or not, while it is read, as :func:`unpack` does.

    Raises one of ``BROKEN`` for an unsafe or broken archive.
    """
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            _check(member.name)
            parts = PurePosixPath(member.name).parts[strip:]
            name = "/".join(parts)
            if not parts or not is_kept(name, keep):
                continue
            if member.islnk():
                _check(member.linkname)
                target = "/".join(PurePosixPath(member.linkname).parts[strip:])
                if not (folder / target).is_file():
                    raise tarfile.TarError(f"{name} is a link to {target}, which is not unpacked")
                member = member.replace(linkname=target, deep=False)
            member = member.replace(name=name, deep=False)
            tar.extract(member, folder, filter="data")


def _unzip(archive: Path, folder: Path, keep: Sequence[str]) -> None:
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            _check(name)
            if is_kept(name, keep):
                wheel.extract(name, folder)


def _check(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"{name} would be written outside its folder")


@cache
def _pattern(keep: tuple[str, ...]) -> re.Pattern[str]:
    paths = "|".join(".*".join(map(re.escape, path.split("*"))) for path in keep)
    return re.compile(f"({paths})(/.*)?", re.DOTALL)


def _refused(name: str, reason: str) -> WheelhouseError:
    return WheelhouseError(
        f"{name} was not unpacked: {reason}.",
        "Do not trust this file; correct its entry in sources.toml.",
        Kind.FETCH,
    )
