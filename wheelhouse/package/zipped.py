"""Members of a zip as they are compressed in it: to read them fast, and to copy them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import IO, cast


@dataclass(frozen=True)
class Packed:
    """A file of another zip: its entry there, its compressed content, and its row in RECORD."""

    entry: zipfile.ZipInfo
    content: bytes
    row: str


def compressed(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A member's compressed content.

    Raises BadZipFile if the header before it is not that of the member.
    """
    stored = zipfile.ZipInfo(member.orig_filename)  # without a CRC, which zipfile would compare
    stored.header_offset, stored.flag_bits = member.header_offset, member.flag_bits
    stored.compress_size = stored.file_size = member.compress_size
    return archive.open(stored)


def write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, packed: Packed) -> None:
    """Write a packed file under a new entry, as if it were compressed again."""
    archive.writestr(entry, packed.content, zipfile.ZIP_STORED)
    entry.compress_type, entry.file_size = packed.entry.compress_type, packed.entry.file_size
    entry.CRC = packed.entry.CRC
    stream = cast("IO[bytes]", archive.fp)
    stream.seek(entry.header_offset)
    stream.write(entry.FileHeader())
