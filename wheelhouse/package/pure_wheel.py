"""Pack files that no processor matters to as a wheel: the same bytes from the same files."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.licenses import canonicalize_license_expression

from wheelhouse.package.wheel import GENERATOR, CoreMetadata

TAG = "py3-none-any"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The modification time of every entry: the earliest that a zip file can hold."""


def pack(
    metadata: CoreMetadata,
    licenses: Iterable[str],
    license_files: Mapping[str, bytes],
    files: Mapping[str, bytes],
    folder: Path,
) -> Path:
    """Write a wheel for every Python 3 into ``folder`` and return its path.

    ``licenses`` are SPDX expressions that all apply. ``files`` have their names in the import
    package, ``license_files`` below ``.dist-info/licenses``.
    """
    info = metadata.dist_info
    contents = {
        **{f"{metadata.package}/{name}": data for name, data in files.items()},
        **{f"{info}/licenses/{name}": data for name, data in license_files.items()},
        f"{info}/METADATA": _metadata(metadata, licenses, sorted(license_files)).encode(),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: {GENERATOR}\nRoot-Is-Purelib: true\nTag: {TAG}\n"
        ).encode(),
        f"{info}/top_level.txt": f"{metadata.package}\n".encode(),
    }
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in sorted(contents.items())]
    record = "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"])
    path = folder / f"{metadata.package}-{metadata.version}-{TAG}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*sorted(contents.items()), (f"{info}/RECORD", record.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path


def _metadata(metadata: CoreMetadata, licenses: Iterable[str], license_files: Iterable[str]) -> str:
    """The METADATA file: core metadata 2.4 (PEP 639)."""
    terms = sorted(set(licenses))
    expression = " AND ".join(f"({term})" if " " in term else term for term in terms)
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", metadata.package.replace("_", "-")),
        ("Version", str(metadata.version)),
        ("Summary", metadata.summary),
        ("License-Expression", canonicalize_license_expression(expression)),
        *(("License-File", name) for name in license_files),
        ("Classifier", "Operating System :: OS Independent"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Classifier", "Topic :: Scientific/Engineering :: Artificial Intelligence"),
        ("Requires-Python", metadata.requires_python),
        *(("Requires-Dist", requirement) for requirement in metadata.requires_dist),
        *(("Provides-Extra", extra) for extra in metadata.provides_extra),
        ("Description-Content-Type", "text/markdown"),
    ]
    return "".join(f"{key}: {value}\n" for key, value in fields) + f"\n{metadata.description}"


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
