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
from wheelhouse.package import wheel
from wheelhouse.package.wheel import CoreMetadata

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

    Raises WheelhouseError if its METADATA has no Requires-Python.
    """
    with zipfile.ZipFile(original) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    _, version, *_ = parse_wheel_filename(original.name)
    metadata = CoreMetadata(original.name.split("-")[0], version, "", "", REQUIRES_PYTHON)
    core = f"{metadata.dist_info}/METADATA"
    files[core], found = _FIELD.subn(
        f"Requires-Python: {REQUIRES_PYTHON}".encode(), files[core], count=1
    )
    if not found:
        raise WheelhouseError(
            f"{original.name} does not say which Python it requires.",
            "Build it again.",
            Kind.INDEX,
        )
    for written in ("RECORD", "WHEEL"):
        del files[f"{metadata.dist_info}/{written}"]
    return wheel.write(metadata, TAG, files, (PLATFORM,), folder)
