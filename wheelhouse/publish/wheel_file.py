"""A finished wheel as an index shows it; one that is unsafe, mislabelled or unverified is refused.

1. Its name is a wheel's, its content a zip whose members stay inside.
2. METADATA and WHEEL inside say what the name says.
3. Its record, made by ``invoke verify``, vouches for it: see :func:`wheelhouse.record.vouch`.
"""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

import msgspec
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
from wheelhouse.record import Demand, Record, UnverifiedError, vouch

_NAME = re.compile(r"[\w.+!-]+\.whl", re.ASCII)
_LARGEST = 16 << 20
"""No METADATA is as large, in bytes; whatever claims to be would only fill the memory."""


class Provenance(msgspec.Struct, frozen=True):
    """A provenance object of PEP 740, as far as an index must know it."""

    version: int
    attestation_bundles: list[dict[str, object]]


@dataclass(frozen=True)
class File:
    """A wheel on its way into an index; ``size`` is in bytes.

    ``today`` tells whether it was tried on every system that this checkout's matrix names for it.
    ``published_metadata`` tells whether ``<wheel>.metadata`` lies beside it.
    """

    path: Path
    project: NormalizedName
    version: Version
    tags: frozenset[Tag]
    size: int
    sha256: str
    core: bytes
    metadata: Metadata
    record: Record
    record_text: bytes
    today: bool
    provenance: bytes | None
    published_metadata: bool

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name


class _RefusedError(Exception):
    """Why a file does not get into an index: the end of a sentence that begins with its name."""


def read(path: Path, demand: Demand = Demand.ITS_RELEASE) -> File:
    """The wheel, its record and, if there is one, its ``<wheel>.provenance``.

    Raises WheelhouseError naming the file if anything about it is unsafe, mislabelled, unverified
    or unreadable.
    """
    try:
        return _read(path, demand)
    except (_RefusedError, UnverifiedError) as reason:
        raise WheelhouseError(
            f"{path.name} {reason}.",
            f"Take it out of {path.parent}, or put a wheel there that `invoke build` made and "
            "`invoke verify` tried.",
        ) from reason


def _read(path: Path, demand: Demand) -> File:
    if path.is_symlink() or not path.is_file():
        raise _RefusedError("is no regular file")
    project, version, build, tags = _named(path.name)
    core, wheel = _inside(path, project, version)
    metadata = _described(core, project, version)
    _tagged(wheel, build, tags)
    vouched = vouch(path, demand)
    provenance = _beside(path, "provenance")
    if provenance is not None and _attested(provenance).version != 1:
        raise _RefusedError("has a provenance of an unknown version")
    published = _beside(path, "metadata")
    if published not in (None, core):
        raise _RefusedError("has other metadata inside than beside it")
    return File(
        path=path,
        project=project,
        version=version,
        tags=tags,
        size=path.stat().st_size,
        sha256=vouched.record.sha256,
        core=core,
        metadata=metadata,
        record=vouched.record,
        record_text=vouched.text,
        today=vouched.today,
        provenance=provenance,
        published_metadata=published is not None,
    )


def _named(name: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    if not _NAME.fullmatch(name):
        raise _RefusedError("has a character in its name that no wheel has")
    try:
        return parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise _RefusedError("is not named like a wheel") from error


def _inside(path: Path, project: str, version: Version) -> tuple[bytes, bytes]:
    """The wheel's METADATA and WHEEL, once all its members are known to be safe."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            for member in members:
                _stays_inside(member)
            if len(names) != len({name.casefold() for name in names}):
                raise _RefusedError("holds one name twice")
            folder = _information(names, project, version)
            if f"{folder}/RECORD" not in names:
                raise _RefusedError("has no RECORD")
            texts = [_text(archive, f"{folder}/{part}") for part in ("METADATA", "WHEEL")]
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise _RefusedError(f"is not a readable zip: {error}") from error
    return texts[0], texts[1]


def _stays_inside(member: zipfile.ZipInfo) -> None:
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise _RefusedError(f"holds a file that would leave its folder: {name!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _RefusedError(f"holds a symbolic link: {name!r}")


def _information(names: list[str], project: str, version: Version) -> str:
    folders = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise _RefusedError(f"has {len(folders)} .dist-info folders, not one")
    (folder,) = folders
    named, _, number = folder.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(named) != project or number != str(version):
        raise _RefusedError(f"is mislabelled: the folder inside is {folder}")
    return folder


def _text(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise _RefusedError(f"has no {name}") from error
    if member.file_size > _LARGEST:
        raise _RefusedError(f"has a {name} of {member.file_size} bytes")
    return archive.read(member)


def _described(core: bytes, project: str, version: Version) -> Metadata:
    try:
        metadata = Metadata.from_email(core)
    except Exception as error:  # an ExceptionGroup, which Python 3.10 does not have
        faults = getattr(error, "exceptions", (error,))
        raise _RefusedError(f"has invalid METADATA: {'; '.join(map(str, faults))}") from error
    if canonicalize_name(metadata.name) != project or metadata.version != version:
        raise _RefusedError(f"is mislabelled: it is {metadata.name} {metadata.version} inside")
    return metadata


def _tagged(wheel: bytes, build: BuildTag, tags: frozenset[Tag]) -> None:
    header = BytesParser().parsebytes(wheel)
    inside = frozenset(tag for text in header.get_all("Tag", []) for tag in parse_tag(text))
    if inside != tags:
        shown = ", ".join(sorted(map(str, inside))) or "none"
        raise _RefusedError(f"is mislabelled: its tags inside are {shown}")
    if header.get("Build", "") != "".join(map(str, build)):
        raise _RefusedError("is mislabelled: it has another build number inside")


def _beside(path: Path, kind: str) -> bytes | None:
    """What lies beside the wheel under its name and this ending."""
    companion = path.with_name(f"{path.name}.{kind}")
    if companion.is_symlink():
        raise _RefusedError(f"has a {kind} that is no regular file")
    return companion.read_bytes() if companion.is_file() else None


def _attested(text: bytes) -> Provenance:
    try:
        return msgspec.json.decode(text, type=Provenance)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError(f"has an unreadable provenance: {error}") from error
