"""Make tar archives with any entries and compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from functools import partial

Entry = tuple[tarfile.TarInfo, bytes]

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": partial(lzma.compress, preset=0),
}


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", content: bytes = b"text"
) -> Entry:
    """A file or another kind of entry; ``target`` is the target of a link."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    return member, content


def tarred(*entries: Entry, compression: str = "xz") -> bytes:
    """An archive with these entries."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return COMPRESSIONS[compression](stream.getvalue())


def tar_xz(files: Mapping[str, bytes]) -> bytes:
    """An xz-compressed archive with the content of each file by its name."""
    return tarred(*(entry(name, content=content) for name, content in files.items()))


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """The same, gzip-compressed."""
    entries = (entry(name, content=content) for name, content in files.items())
    return tarred(*entries, compression="gz")
