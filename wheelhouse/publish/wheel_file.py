"""Read a finished wheel for an index; refuse one that is unsafe, mislabelled or unverified.

1. Its name must be a wheel's, and its content a zip whose members stay in their folder.
2. Its METADATA and WHEEL must agree with its name.
3. Its record, which ``invoke verify`` makes, must vouch for it: :func:`wheelhouse.record.vouch`.
4. Its provenance, if it has one, must be signed by the project's own workflow.
"""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import dataclass, replace
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

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
from wheelhouse.package import retagged
from wheelhouse.publish.publisher import Publisher, UnprovenError
from wheelhouse.record import Demand, Record, UnverifiedError, vouch

_NAME = re.compile(r"[\w.+!-]+\.whl", re.ASCII)
_LARGEST = 16 << 20
"""Bytes; a larger METADATA or WHEEL is refused before it fills the memory."""


@dataclass(frozen=True)
class WheelFile:
    """A checked wheel for an index; ``size`` is in bytes, ``metadata_text`` is its METADATA file.

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
    record: Record
    record_text: bytes
    today: bool
    provenance: bytes | None
    published_metadata: bool
    tried_as: str = ""

    @property
    def name(self) -> str:
        """The wheel's file name."""
        return self.path.name


def for_older_pips(file: WheelFile, folder: Path) -> WheelFile:
    """The file that :func:`wheelhouse.package.retagged.retag` writes into ``folder``."""
    path = retagged.retag(file.path, folder)
    _, _, _, tags = parse_wheel_filename(path.name)
    core, _ = _metadata_and_wheel(path, file.project, file.version)
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
    path: Path, demand: Demand = Demand.ITS_RELEASE, publisher: Publisher | None = None
) -> WheelFile:
    """Read a wheel, its record and, if it exists, ``<wheel>.provenance``, which ``publisher`` made.

    Raises WheelhouseError naming the file if anything about it is unsafe, mislabelled, unverified
    or unreadable.
    """
    try:
        return _read(path, demand, publisher)
    except UnprovenError as reason:
        raise WheelhouseError(
            f"{path.name} {reason}.",
            "Fetch wheel and provenance again with `invoke releases`. If wheels come from another "
            "workflow or repository now, write it into [publisher] of index.toml.",
            topic="refused-provenance",
        ) from reason
    except (_RefusedError, UnverifiedError) as reason:
        raise WheelhouseError(
            f"{path.name} {reason}.",
            f"Remove it from {path.parent}, or replace it by a wheel that `invoke build` made and "
            "`invoke verify` tried.",
            topic="refused-wheel",
        ) from reason


def _read(path: Path, demand: Demand, publisher: Publisher | None) -> WheelFile:
    if path.is_symlink() or not path.is_file():
        raise _RefusedError("is no regular file")
    project, version, build, tags = _parse_name(path.name)
    core, wheel = _metadata_and_wheel(path, project, version)
    metadata = _parse_metadata(core, project, version)
    _check_tags(wheel, build, tags)
    vouched = vouch(path, demand)
    provenance = _companion(path, "provenance")
    if provenance is not None:
        if not publisher:
            raise UnprovenError("has a provenance, but index.toml names no publisher")
        # Imported here because sigstore loads slowly, and few wheels have a provenance.
        from wheelhouse.publish.provenance import verify

        verify(provenance, path.name, vouched.record.sha256, publisher)
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
        record=vouched.record,
        record_text=vouched.text,
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
            texts = [_read_member(archive, f"{folder}/{part}") for part in ("METADATA", "WHEEL")]
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise _RefusedError(f"is not a readable zip: {error}") from error
    return texts[0], texts[1]


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise _RefusedError(f"holds a file that would leave its folder: {name!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _RefusedError(f"holds a symbolic link: {name!r}")


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
