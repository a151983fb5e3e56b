"""Read a finished wheel for an index; refuse one that is unsafe, mislabelled or unverified.

1. Its name must be a wheel's, and its content a zip whose members stay in their folder.
2. Its RECORD must list all members, with their sizes and SHA-256, and no others.
3. Its METADATA and WHEEL must agree with its name.
4. Its record, which ``invoke verify`` makes, must vouch for it: :func:`wheelhouse.record.vouch`.
5. Its provenance must be signed by the publisher; without a publisher it must have none.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.parser import BytesParser
from pathlib import Path, PurePosixPath
from typing import cast

from isal import isal_zlib
from packaging.metadata import Metadata
from packaging.tags import Tag, parse_tag
from packaging.utils import (
    BuildTag,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import file_digest
from wheelhouse.package import retagged, zipped
from wheelhouse.publish.publisher import Publisher, UnprovenError
from wheelhouse.record import (
    Demand,
    OtherVerifierError,
    UnverifiedError,
    Verifier,
    packed,
    vouch,
)

_NAME = re.compile(r"[\w.+!-]+\.whl", re.ASCII)
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, cast("type[Exception]", isal_zlib.error)),
    *(RuntimeError, ValueError, OSError, EOFError),
)
"""What zipfile and the decompressors raise for a damaged or encrypted zip."""
_LARGEST = 16 << 20
"""Bytes; a larger METADATA or WHEEL is refused before it fills the memory."""
_BLOCK = 64 << 10
"""Bytes read at once; unpacked, a processor's cache has room for them."""


@dataclass(frozen=True)
class Tried:
    """A trial in a wheel's record, with the number of its checks."""

    system: str
    board: str
    numpy: str
    checks: int


@dataclass(frozen=True)
class WheelFile:
    """A checked wheel for an index; ``size`` is in bytes, ``metadata_text`` is its METADATA file.

    ``date``, ``reference`` and ``trials`` are what pages tell of its record. ``packed_record`` is
    the whole one, in gzip's form: an index may have a thousand, of half a megabyte each.
    ``today`` says whether it was tried on every system that this checkout's matrix has for it.
    ``published_metadata`` says whether the file ``<wheel>.metadata`` is beside it. ``tried_as`` is
    empty, or the name of the wheel with the same content that the record is about.
    """

    path: Path
    project: NormalizedName
    version: Version
    tags: frozenset[Tag]
    size: int
    sha256: str
    metadata_text: bytes
    metadata: Metadata
    date: datetime
    reference: str
    trials: tuple[Tried, ...]
    packed_record: bytes
    today: bool
    provenance: bytes | None
    published_metadata: bool
    tried_as: str = ""

    @property
    def name(self) -> str:
        """The wheel's file name."""
        return self.path.name


def for_older_pips(file: WheelFile, folder: Path) -> WheelFile:
    """The file that :func:`wheelhouse.package.retagged.retag` writes into ``folder``.

    It has the checked content of ``file``, which is not compared with its RECORD again.
    """
    path = retagged.retag(file.path, folder)
    _, _, _, tags = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        info = _dist_info(archive.namelist(), file.project, file.version)
        core = _read_member(archive, f"{info}/METADATA")
    return replace(
        file,
        path=path,
        tags=tags,
        size=path.stat().st_size,
        sha256=file_digest(path),
        metadata_text=core,
        metadata=Metadata.from_email(core),
        provenance=None,
        published_metadata=False,
        tried_as=file.name,
    )


class _RefusedError(Exception):
    """A file is refused; the message completes a sentence that begins with the file's name."""


def read(
    path: Path, demand: Demand, verifier: Verifier, publisher: Publisher | None = None
) -> WheelFile:
    """Read a wheel, its record and, if ``publisher`` signs wheels, ``<wheel>.provenance``.

    ``demand`` and ``verifier`` are as for :func:`wheelhouse.record.vouch`. Raises WheelhouseError
    naming the file if anything about it is unsafe, altered, mislabelled, unverified, unproven or
    unreadable.
    """
    with _refusing(path):
        if path.is_symlink() or not path.is_file():
            raise _RefusedError("is no regular file")
        return _accept(path, demand, verifier, publisher)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except UnprovenError as reason:
        raise WheelhouseError(
            f"{path.name} {reason}.",
            "Fetch wheel and provenance again with `invoke releases`, and name the same repository "
            "with --repo.",
            topic="refused-provenance",
        ) from reason
    except UnverifiedError as reason:
        remedy = "Run `invoke verify` on it."
        if isinstance(reason, OtherVerifierError):
            remedy += " If it is of an earlier release, `invoke index --earlier` takes it as it is."
        raise WheelhouseError(f"{path.name} {reason}.", remedy, topic="refused-wheel") from reason
    except _RefusedError as reason:
        raise WheelhouseError(
            f"{path.name} {reason}.",
            f"Remove it from {path.parent}, or replace it by a wheel that `invoke build` made and "
            "`invoke verify` tried.",
            topic="refused-wheel",
        ) from reason


def _accept(
    path: Path, demand: Demand, verifier: Verifier, publisher: Publisher | None
) -> WheelFile:
    project, version, build, tags = _parse_name(path.name)
    core, wheel = _metadata_and_wheel(path, project, version)
    metadata = _parse_metadata(core, project, version)
    _check_tags(wheel, build, tags)
    vouched = vouch(path, demand, verifier)
    provenance = _companion(path, "provenance")
    if publisher:
        # Imported here because sigstore loads slowly, and most tasks verify no provenance.
        from wheelhouse.publish.provenance import verify

        verify(provenance, path.name, vouched.record.sha256, publisher)
    elif provenance is not None:
        raise UnprovenError("has a provenance, but no --repo says who should have signed it")
    published = _companion(path, "metadata")
    if published not in (None, core):
        raise _RefusedError("has METADATA that differs from the file beside it")
    return WheelFile(
        path=path,
        project=project,
        version=version,
        tags=tags,
        size=path.stat().st_size,
        sha256=vouched.record.sha256,
        metadata_text=core,
        metadata=metadata,
        date=vouched.record.date,
        reference=vouched.record.reference,
        trials=tuple(
            Tried(each.system, each.board, each.numpy, len(each.checks))
            for each in vouched.record.trials
        ),
        packed_record=packed(vouched.text),
        today=vouched.today,
        provenance=provenance,
        published_metadata=published is not None,
    )


def _parse_name(name: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    if not _NAME.fullmatch(name):
        raise _RefusedError("has a character in its name that wheel names may not have")
    try:
        return parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise _RefusedError("is not named like a wheel") from error


def _metadata_and_wheel(path: Path, project: str, version: Version) -> tuple[bytes, bytes]:
    """The wheel's METADATA and WHEEL, read after all members were checked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            for member in members:
                _check_member(member)
            if len(names) != len({name.casefold() for name in names}):
                raise _RefusedError("holds two files of one name")
            folder = _dist_info(names, project, version)
            if f"{folder}/RECORD" not in names:
                raise _RefusedError("has no RECORD")
            _check_contents(archive, members, f"{folder}/RECORD")
            texts = [_read_member(archive, f"{folder}/{part}") for part in ("METADATA", "WHEEL")]
    except _UNREADABLE as error:
        raise _RefusedError(f"is not a readable zip: {error}") from error
    return texts[0], texts[1]


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise _RefusedError(f"holds a file that would leave its folder: {name!r}")
    if str(path) != name.removesuffix("/"):
        raise _RefusedError(f"holds a file with another spelling of its path: {name!r}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError(f"holds a file that is not compressed as in wheels: {name!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _RefusedError(f"holds a symbolic link: {name!r}")


def _check_contents(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], record: str) -> None:
    """Compare all members with the wheel's RECORD, which lists itself without a digest."""
    rows = _rows(_read_member(archive, record))
    files = [member for member in members if not member.is_dir()]
    names = {member.filename for member in files}
    for name in sorted(names ^ rows.keys()):
        where = "RECORD does not list" if name in names else "it lacks, though RECORD lists it"
        raise _RefusedError(f"is altered: {where}: {name}")
    for member in files:
        stated = rows[member.filename]
        found = _digest_and_size(archive, member) if member.filename != record else ("", "")
        if stated != found:
            raise _RefusedError(f"is altered: {member.filename} is not what RECORD says")


def _rows(record: bytes) -> dict[str, tuple[str, str]]:
    """The digest and the size, as text, of each file in a RECORD."""
    try:
        rows = list(csv.reader(record.decode().splitlines()))
        found = {name: (digest, size) for name, digest, size in rows}
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _RefusedError(f"has an unreadable RECORD: {error}") from error
    if len(found) != len(rows):
        raise _RefusedError("has a RECORD that lists a file twice")
    return found


def _digest_and_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[str, str]:
    """A member's digest and size as in RECORD; raises BadZipFile if it is not what the zip says."""
    hasher, size, checksum = hashlib.sha256(), 0, 0
    deflated = member.compress_type == zipfile.ZIP_DEFLATED
    inflater = isal_zlib.decompressobj(-zlib.MAX_WBITS) if deflated else None
    with zipped.compressed(archive, member) as stream:
        while size <= member.file_size and (block := stream.read(_BLOCK)):
            content = inflater.decompress(block) if inflater else block
            hasher.update(content)
            checksum = isal_zlib.crc32(content, checksum)
            size += len(content)
    whole = inflater is None or (inflater.eof and not inflater.unused_data)
    if not whole or (size, checksum) != (member.file_size, member.CRC):
        raise zipfile.BadZipFile(f"{member.filename} is broken")
    digest = base64.urlsafe_b64encode(hasher.digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(size)


def _dist_info(names: list[str], project: str, version: Version) -> str:
    folders = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise _RefusedError(f"has {len(folders)} .dist-info folders, not one")
    (folder,) = folders
    named, _, number = folder.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(named) != project or number != str(version):
        raise _RefusedError(f"is mislabelled: the folder inside is {folder}")
    return folder


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise _RefusedError(f"has no {name}") from error
    if member.file_size > _LARGEST:
        raise _RefusedError(f"has a {name} of {member.file_size} bytes")
    return archive.read(member)


def _parse_metadata(core: bytes, project: str, version: Version) -> Metadata:
    try:
        metadata = Metadata.from_email(core)
    except Exception as error:  # an ExceptionGroup, which Python 3.10 does not have
        faults = getattr(error, "exceptions", (error,))
        raise _RefusedError(f"has invalid METADATA: {'; '.join(map(str, faults))}") from error
    if canonicalize_name(metadata.name) != project or metadata.version != version:
        raise _RefusedError(f"is mislabelled: it is {metadata.name} {metadata.version} inside")
    return metadata


def _check_tags(wheel: bytes, build: BuildTag, tags: frozenset[Tag]) -> None:
    header = BytesParser().parsebytes(wheel)
    inside = frozenset(tag for text in header.get_all("Tag", []) for tag in parse_tag(text))
    if inside != tags:
        shown = ", ".join(sorted(map(str, inside))) or "none"
        raise _RefusedError(f"is mislabelled: its tags inside are {shown}")
    if header.get("Build", "") != "".join(map(str, build)):
        raise _RefusedError("is mislabelled: it has another build number inside")


def _companion(path: Path, kind: str) -> bytes | None:
    """The content of ``<wheel>.<kind>`` beside the wheel; None if it does not exist."""
    companion = path.with_name(f"{path.name}.{kind}")
    if companion.is_symlink():
        raise _RefusedError(f"has a {kind} that is no regular file")
    return companion.read_bytes() if companion.is_file() else None
