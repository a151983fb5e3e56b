"""Files as a wheel: core metadata, licences, a deterministic zip, an audited name."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import ziglang
from packaging.licenses import canonicalize_license_expression
from packaging.version import Version

from wheelhouse import audit
from wheelhouse.architectures import architecture
from wheelhouse.sources import Component, Sources
from wheelhouse.store import file_digest

GENERATOR = "tflite-wheelhouse"

# Linked in by the compiler: libc++, its ABI library and unwinder, and zig's own runtime.
_COMPILER_LICENSES = {
    "libcxx": "lib/libcxx/LICENSE.TXT",
    "libcxxabi": "lib/libcxxabi/LICENSE.TXT",
    "libunwind": "lib/libunwind/LICENSE.TXT",
    "zig": "LICENSE",
}
_COMPILER_LICENSE_IDS = ("Apache-2.0 WITH LLVM-exception", "MIT")

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class About:
    """What installers and readers are told; ``package`` is the folder inside, and the file name's.

    ``python`` and ``requires`` are what pip must choose Python and other projects by.
    """

    package: str
    version: Version
    summary: str
    description: str
    python: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    @property
    def info(self) -> str:
        """The name of the folder with all this."""
        return f"{self.package}-{self.version}.dist-info"


class Packable(Protocol):
    """What can become a wheel."""

    @property
    def about(self) -> About:
        """What is said of it."""

    @property
    def tag(self) -> str:
        """The Python and the ABI that it is for, as in ``cp311-cp311``."""

    @property
    def processor(self) -> str:
        """The processor that it is for."""

    @property
    def floor(self) -> str:
        """The oldest glibc that it needs, for example 2.17."""

    @property
    def label(self) -> str:
        """Its name for readers."""

    @property
    def identity(self) -> str:
        """A digest of all that decides its bytes."""

    @property
    def linked(self) -> Iterable[Component]:
        """The components whose code is in it."""

    def files(self, at: Sources) -> Mapping[str, bytes]:
        """Its package's files by their names in that folder."""

    def audit(self, draft: Path) -> None:
        """Check what no other wheel promises; raises WheelhouseError."""


def build(wheel: Packable, at: Sources) -> Path:
    """The audited wheel in the store, made unless it exists.

    Raises WheelhouseError when a step before fails or the wheel breaks what its name promises.
    """

    def make(folder: Path) -> None:
        files = _contents(wheel, at)
        draft = write(wheel, files, (f"linux_{architecture(wheel.processor).wheel}",), folder)
        tags = audit.platform_tags(draft, wheel.processor, wheel.floor)
        wheel.audit(draft)
        write(wheel, files, tags, folder)
        draft.unlink()

    folder = at.store.made("wheels", wheel.label, wheel.identity, make)
    return next(folder.glob("*.whl"))


def identity() -> list[str]:
    """Digests of what decides how every wheel is packed."""
    return [file_digest(Path(__file__)), file_digest(Path(audit.__file__ or ""))]


def _contents(wheel: Packable, at: Sources) -> dict[str, bytes]:
    """The files that the wheel holds, but for those that name its platform."""
    about = wheel.about
    licenses = {
        f"{_owner(component, name)}/{PurePosixPath(name).name}": at.tree(component) / name
        for component in wheel.linked
        for name in component.pin.license_files
    } | {
        f"{name}/{PurePosixPath(path).name}": Path(ziglang.__file__).parent / path
        for name, path in _COMPILER_LICENSES.items()
    }
    return {
        **{f"{about.package}/{name}": data for name, data in wheel.files(at).items()},
        f"{about.info}/METADATA": metadata(about, wheel.linked, sorted(licenses)).encode(),
        f"{about.info}/top_level.txt": f"{about.package}\n".encode(),
        **{f"{about.info}/licenses/{name}": path.read_bytes() for name, path in licenses.items()},
    }


def _owner(component: Component, license_file: str) -> str:
    """Whose licence it is: the component's, or that of something which it brings along."""
    outer, *inner = PurePosixPath(license_file).parts
    return inner[0] if outer == "third-party" else component.name


def metadata(about: About, linked: Iterable[Component], license_files: Iterable[str]) -> str:
    """The core metadata."""
    ids = {component.pin.license for component in linked} | {*_COMPILER_LICENSE_IDS}
    terms = " AND ".join(f"({term})" if " " in term else term for term in sorted(ids))
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", about.package.replace("_", "-")),
        ("Version", str(about.version)),
        ("Summary", about.summary),
        ("License-Expression", canonicalize_license_expression(terms)),
        *(("License-File", name) for name in license_files),
        ("Classifier", "Operating System :: POSIX :: Linux"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Classifier", "Topic :: Scientific/Engineering :: Artificial Intelligence"),
        ("Requires-Python", about.python),
        *(("Requires-Dist", requirement) for requirement in about.requires),
        *(("Provides-Extra", extra) for extra in about.extras),
        ("Description-Content-Type", "text/markdown"),
    ]
    return "".join(f"{key}: {value}\n" for key, value in fields) + f"\n{about.description}"


def write(
    wheel: Packable, files: Mapping[str, bytes], platforms: tuple[str, ...], folder: Path
) -> Path:
    """Write the wheel for these platforms into a folder; the same files make the same bytes."""
    about = wheel.about
    header = [
        "Wheel-Version: 1.0",
        f"Generator: {GENERATOR}",
        "Root-Is-Purelib: false",
        *(f"Tag: {wheel.tag}-{platform}" for platform in platforms),
    ]
    named = "".join(f"{line}\n" for line in header).encode()
    contents = {**files, f"{about.info}/WHEEL": named}
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in sorted(contents.items())]
    record = "".join(f"{row}\n" for row in [*rows, f"{about.info}/RECORD,,"])
    path = folder / f"{about.package}-{about.version}-{wheel.tag}-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*sorted(contents.items()), (f"{about.info}/RECORD", record.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
