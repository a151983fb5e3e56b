"""Files as a wheel: core metadata, licences, a deterministic zip, an audited name."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import ziglang
from packaging.licenses import canonicalize_license_expression
from packaging.version import Version

from wheelhouse.common.step import Inputs, Recipe, Step
from wheelhouse.package import audit
from wheelhouse.sources.pins import Component
from wheelhouse.targets.architectures import architecture

GENERATOR = "tflite-wheelhouse"

# Linked in by the compiler: libc++, its ABI library and unwinder, and zig's own runtime.
_COMPILER = Path(ziglang.__file__).parent
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
    """Core metadata; ``package`` is the name of the folder inside, and begins the file's name.

    ``python`` is Requires-Python, ``requires`` Requires-Dist, ``extras`` Provides-Extra.
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
        """Its core metadata."""

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
    def linked(self) -> Iterable[Component]:
        """The components whose code is in it."""


def wheel(
    product: Packable,
    recipe: Recipe,
    needs: Mapping[str, Step],
    parameters: Mapping[str, Any] | None = None,
) -> Step:
    """The folder with a product's audited wheel, by a recipe that calls :func:`pack`."""
    licensed = {part.name: part for part in product.linked if part.pin.license_files}
    return Step(
        kind="wheels",
        label=product.label,
        recipe=recipe,
        needs={**needs, **{f"licences of {name}": part.tree for name, part in licensed.items()}},
        parameters={
            **(parameters or {}),
            "about": {**asdict(product.about), "version": str(product.about.version)},
            "tag": product.tag,
            "processor": product.processor,
            "wheel": architecture(product.processor).wheel,
            "floor": product.floor,
            "terms": sorted({part.pin.license for part in product.linked}),
            "license_files": {name: part.pin.license_files for name, part in licensed.items()},
        },
    )


def pack(
    inputs: Inputs, folder: Path, files: Mapping[str, bytes], audit_draft: Callable[[Path], None]
) -> None:
    """Write the package's ``files``, by their names in its folder, as an audited wheel.

    ``audit_draft`` checks what no other wheel promises. Raises WheelhouseError when the wheel
    breaks what its name promises.
    """
    told = inputs.parameters
    version, requires = Version(told["about"]["version"]), tuple(told["about"]["requires"])
    about = About(**{**told["about"], "version": version, "requires": requires})
    licenses = _licenses(inputs)
    contents = {
        **{f"{about.package}/{name}": data for name, data in files.items()},
        f"{about.info}/METADATA": metadata(about, told["terms"], sorted(licenses)).encode(),
        f"{about.info}/top_level.txt": f"{about.package}\n".encode(),
        **{f"{about.info}/licenses/{name}": path.read_bytes() for name, path in licenses.items()},
    }
    draft = write(about, told["tag"], contents, (f"linux_{told['wheel']}",), folder)
    tags = audit.platform_tags(draft, told["processor"], told["floor"])
    audit_draft(draft)
    write(about, told["tag"], contents, tags, folder)
    draft.unlink()


def _licenses(inputs: Inputs) -> dict[str, Path]:
    """The licence files of what is linked in, by their names in the wheel."""
    return {
        f"{_owner(component, name)}/{PurePosixPath(name).name}": (
            inputs.needs[f"licences of {component}"] / name
        )
        for component, names in inputs.parameters["license_files"].items()
        for name in names
    } | {
        f"{name}/{PurePosixPath(path).name}": _COMPILER / path
        for name, path in _COMPILER_LICENSES.items()
    }


def _owner(component: str, license_file: str) -> str:
    """Whose licence it is: the component's, or that of something which it brings along."""
    outer, *inner = PurePosixPath(license_file).parts
    return inner[0] if outer == "third-party" else component


def metadata(about: About, terms: Iterable[str], license_files: Iterable[str]) -> str:
    """The core metadata; ``terms`` are the SPDX expressions of what is linked in."""
    ids = sorted({*terms, *_COMPILER_LICENSE_IDS})
    expression = " AND ".join(f"({term})" if " " in term else term for term in ids)
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", about.package.replace("_", "-")),
        ("Version", str(about.version)),
        ("Summary", about.summary),
        ("License-Expression", canonicalize_license_expression(expression)),
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
    about: About, tag: str, files: Mapping[str, bytes], platforms: tuple[str, ...], folder: Path
) -> Path:
    """Write the wheel for these platforms into a folder; the same files make the same bytes."""
    header = [
        "Wheel-Version: 1.0",
        f"Generator: {GENERATOR}",
        "Root-Is-Purelib: false",
        *(f"Tag: {tag}-{platform}" for platform in platforms),
    ]
    named = "".join(f"{line}\n" for line in header).encode()
    contents = {**files, f"{about.info}/WHEEL": named}
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in sorted(contents.items())]
    record = "".join(f"{row}\n" for row in [*rows, f"{about.info}/RECORD,,"])
    path = folder / f"{about.package}-{about.version}-{tag}-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*sorted(contents.items()), (f"{about.info}/RECORD", record.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
