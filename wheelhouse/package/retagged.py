"""The universal wheel under the tag that pip before 19.3 takes on 64-bit Arm.

Raspberry Pi OS 10 has CPython 3.7 with pip 18.1, which knows no manylinux tag there. It takes
``cp37-abi3-linux_aarch64``. A newer pip prefers the manylinux tag, and Requires-Python keeps other
CPythons from the file: on a system with musl, pip would take it otherwise.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.package import wheel, zipped
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.package.zipped import Packed

TAG, PLATFORM = "cp37-abi3", "linux_aarch64"
REQUIRES_PYTHON = ">=3.7,<3.8"

_FIELD = re.compile(rb"^Requires-Python: .*$", re.MULTILINE)


def serves(tags: Iterable[Tag]) -> bool:
    """Whether a wheel with these tags is one that :func:`retag` is for."""
    return any(
        f"{tag.interpreter}-{tag.abi}" == TAG
        and tag.platform.startswith("manylinux")
        and tag.platform.endswith("_aarch64")
        for tag in tags
    )


def is_retagged(path: Path) -> bool:
    """Whether a file is named as one that :func:`retag` writes."""
    return path.name.endswith(f"-{TAG}-{PLATFORM}.whl")


def retag(original: Path, folder: Path) -> Path:
    """Write a wheel's content under the older tag into ``folder``; equal wheels give equal bytes.

    The files in it stay compressed as they are. The wheel's RECORD must list them.

    Raises WheelhouseError if its METADATA has no Requires-Python.
    """
    _, version, *_ = parse_wheel_filename(original.name)
    metadata = CoreMetadata(original.name.split("-")[0], version, "", "", REQUIRES_PYTHON)
    core, record = f"{metadata.dist_info}/METADATA", f"{metadata.dist_info}/RECORD"
    with zipfile.ZipFile(original) as archive:
        rows = {row.split(",")[0]: row for row in archive.read(record).decode().splitlines()}
        files: dict[str, bytes | Packed] = {
            member.filename: Packed(
                member, zipped.compressed(archive, member).read(), rows[member.filename]
            )
            for member in archive.infolist()
            if not member.is_dir()
        }
        text = archive.read(core)
    field = f"Requires-Python: {REQUIRES_PYTHON}".encode()
    files[core], found = _FIELD.subn(field, text, count=1)
    if not found:
        raise WheelhouseError(
            f"{original.name} does not say which Python it requires.",
            "Build it again.",
            Kind.INDEX,
        )
    for written in (record, f"{metadata.dist_info}/WHEEL"):
        del files[written]
    return wheel.write(metadata, TAG, files, (PLATFORM,), folder)
