"""Pack files as a wheel: core metadata, licences, a reproducible zip, audited platform tags."""

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
from wheelhouse.package import audit, sbom, zipped
from wheelhouse.package.zipped import Packed
from wheelhouse.sources.pins import Component, shared
from wheelhouse.targets.architectures import architecture

GENERATOR = "tflite-wheelhouse"
PURE_TAG = "py3-none"
"""The Python tag and the ABI tag of a wheel for every Python 3."""

_ANY = "any"

# The compiler links in libc++, its ABI library and unwinder, and zig's own runtime.
_COMPILER = Path(ziglang.__file__).parent
_COMPILER_LICENSES = {
    "libcxx": "lib/libcxx/LICENSE.TXT",
    "libcxxabi": "lib/libcxxabi/LICENSE.TXT",
    "libunwind": "lib/libunwind/LICENSE.TXT",
    "zig": "LICENSE",
}
_COMPILER_LICENSE_IDS = ("Apache-2.0 WITH LLVM-exception", "MIT")

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The modification time of every entry: the earliest that a zip file can hold."""


@dataclass(frozen=True)
class CoreMetadata:
    """A wheel's core metadata, as far as it differs between products.

    ``package`` is the import package's name; the wheel's file name begins with it.
    """

    package: str
    version: Version
    summary: str
    description: str
    requires_python: str
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()

    @property
    def dist_info(self) -> str:
        """The name of the wheel's ``.dist-info`` folder."""
        return f"{self.package}-{self.version}.dist-info"

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields as parameters of a step."""
        return {**asdict(self), "version": str(self.version)}

    @classmethod
    def from_parameters(cls, fields: Mapping[str, Any]) -> CoreMetadata:
        """The metadata that :attr:`parameters` describe."""
        lists = {name: tuple(fields[name]) for name in ("requires_dist", "provides_extra")}
        return cls(**{**fields, "version": Version(fields["version"]), **lists})


class Packable(Protocol):
    """A product that can be packed as a wheel."""

    @property
    def metadata(self) -> CoreMetadata:
        """The core metadata."""

    @property
    def tag(self) -> str:
        """The Python tag and the ABI tag, for example ``cp311-cp311``."""

    @property
    def processor(self) -> str:
        """The name of a row of architectures.toml."""

    @property
    def floor(self) -> str:
        """The oldest version of its libc that the wheel supports, for example 2.17."""

    @property
    def label(self) -> str:
        """The name in messages and in the cache."""

    @property
    def linked(self) -> Iterable[Component]:
        """The components whose code is linked into the wheel."""


def wheel_step(
    product: Packable,
    recipe: Recipe,
    needs: Mapping[str, Step],
    parameters: Mapping[str, Any] | None = None,
) -> Step:
    """The step whose folder holds a product's audited wheel; ``recipe`` must call :func:`pack`."""
    components = list(product.linked)
    licenses = sorted({part.pin.license for part in components})
    licensed = {part.name: part for part in components if part.pin.license_files}
    named = architecture(product.processor)
    libc = {"musl": shared(f"musl-{named.name}").tree} if named.libc == "musl" else {}
    step = Step(
        kind="wheels",
        label=product.label,
        recipe=recipe,
        needs={
            **needs,
            **libc,
            **{f"licences of {name}": part.tree for name, part in licensed.items()},
        },
        parameters={
            **(parameters or {}),
            "metadata": product.metadata.parameters,
            "tag": product.tag,
            "processor": product.processor,
            "machine": named.wheel,
            "floor": product.floor,
            "licenses": licenses,
            "license_files": {name: part.pin.license_files for name, part in licensed.items()},
        },
    )
    return sbom.listed(step, license_expression(licenses), compiled=True)


def pack(
    inputs: Inputs, folder: Path, files: Mapping[str, bytes], audit_draft: Callable[[Path], None]
) -> None:
    """Write an audited wheel into ``folder``; ``files`` have their names in the import package.

    A draft with the tag linux_<machine> is audited; its final platform tags come from that audit.
    ``audit_draft`` is the product's own audit. Raises WheelhouseError if an audit fails.
    """
    parameters = inputs.parameters
    metadata = CoreMetadata.from_parameters(parameters["metadata"])
    texts = _license_texts(inputs)
    contents = _contents(metadata, parameters["licenses"], texts, files, parameters["sbom"])
    tag = parameters["tag"]
    draft = write(metadata, tag, contents, (f"linux_{parameters['machine']}",), folder)
    musl = next(inputs.needs["musl"].glob("lib/*/libc.so")) if "musl" in inputs.needs else None
    platforms = audit.platform_tags(draft, parameters["processor"], parameters["floor"], musl)
    audit.hardening(draft)
    audit_draft(draft)
    write(metadata, tag, contents, platforms, folder)
    draft.unlink()


def pack_pure(
    metadata: CoreMetadata,
    licenses: Iterable[str],
    license_texts: Mapping[str, bytes],
    files: Mapping[str, bytes],
    sbom_text: str,
    folder: Path,
) -> Path:
    """Write a wheel for every Python 3 and processor into ``folder`` and return its path.

    ``licenses`` are SPDX expressions that all apply. ``files`` have their names in the import
    package, ``license_texts`` below ``.dist-info/licenses``. ``sbom_text`` is its SBOM.
    """
    contents = _contents(metadata, licenses, license_texts, files, sbom_text, pure=True)
    return write(metadata, PURE_TAG, contents, (_ANY,), folder)


def _contents(
    metadata: CoreMetadata,
    licenses: Iterable[str],
    license_texts: Mapping[str, bytes],
    files: Mapping[str, bytes],
    sbom_text: str,
    *,
    pure: bool = False,
) -> dict[str, bytes]:
    """The wheel's files by their names in it, without WHEEL and RECORD."""
    text = metadata_text(metadata, licenses, sorted(license_texts), pure=pure)
    return {
        **{f"{metadata.package}/{name}": data for name, data in files.items()},
        f"{metadata.dist_info}/METADATA": text.encode(),
        f"{metadata.dist_info}/top_level.txt": f"{metadata.package}\n".encode(),
        **{f"{metadata.dist_info}/licenses/{name}": data for name, data in license_texts.items()},
        f"{metadata.dist_info}/{sbom.FOLDER}/{metadata.package}{sbom.SUFFIX}": sbom_text.encode(),
    }


def _license_texts(inputs: Inputs) -> dict[str, bytes]:
    """The licences of all linked code, by their names below ``.dist-info/licenses``."""
    paths = {
        f"{_owner(component, name)}/{PurePosixPath(name).name}": (
            inputs.needs[f"licences of {component}"] / name
        )
        for component, names in inputs.parameters["license_files"].items()
        for name in names
    } | {
        f"{name}/{PurePosixPath(path).name}": _COMPILER / path
        for name, path in _COMPILER_LICENSES.items()
    }
    return {name: path.read_bytes() for name, path in paths.items()}


def _owner(component: str, license_file: str) -> str:
    """Who owns a licence file: the component, or a project in its ``third-party`` folder."""
    outer, *inner = PurePosixPath(license_file).parts
    return inner[0] if outer == "third-party" else component


def metadata_text(
    metadata: CoreMetadata,
    licenses: Iterable[str],
    license_files: Iterable[str],
    *,
    pure: bool = False,
) -> str:
    """The METADATA file: core metadata 2.4 (PEP 639).

    ``licenses`` are SPDX expressions that all apply; the compiler's come with compiled code,
    which a ``pure`` wheel has none of.
    """
    system = "OS Independent" if pure else "POSIX :: Linux"
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", metadata.package.replace("_", "-")),
        ("Version", str(metadata.version)),
        ("Summary", metadata.summary),
        ("License-Expression", license_expression(licenses, pure=pure)),
        *(("License-File", name) for name in license_files),
        ("Classifier", f"Operating System :: {system}"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Classifier", "Topic :: Scientific/Engineering :: Artificial Intelligence"),
        ("Requires-Python", metadata.requires_python),
        *(("Requires-Dist", requirement) for requirement in metadata.requires_dist),
        *(("Provides-Extra", extra) for extra in metadata.provides_extra),
        ("Description-Content-Type", "text/markdown"),
    ]
    return "".join(f"{key}: {value}\n" for key, value in fields) + f"\n{metadata.description}"


def license_expression(licenses: Iterable[str], *, pure: bool = False) -> str:
    """The SPDX expression of a wheel, as :func:`metadata_text` writes it."""
    terms = sorted({*licenses, *(() if pure else _COMPILER_LICENSE_IDS)})
    expression = " AND ".join(f"({term})" if " " in term else term for term in terms)
    return canonicalize_license_expression(expression)


def write(
    metadata: CoreMetadata,
    tag: str,
    files: Mapping[str, bytes | Packed],
    platforms: tuple[str, ...],
    folder: Path,
) -> Path:
    """Write a wheel with these platform tags into ``folder``; equal ``files`` give equal bytes.

    ``files`` have their names in the wheel; WHEEL and RECORD are added.
    """
    lines = [
        "Wheel-Version: 1.0",
        f"Generator: {GENERATOR}",
        f"Root-Is-Purelib: {str(platforms == (_ANY,)).lower()}",
        *(f"Tag: {tag}-{platform}" for platform in platforms),
    ]
    contents: dict[str, bytes | Packed] = {
        **files,
        f"{metadata.dist_info}/WHEEL": "".join(f"{line}\n" for line in lines).encode(),
    }
    rows = [
        data.row if isinstance(data, Packed) else f"{name},sha256={_hash(data)},{len(data)}"
        for name, data in sorted(contents.items())
    ]
    record_name = f"{metadata.dist_info}/RECORD"
    record = "".join(f"{row}\n" for row in [*rows, f"{record_name},,"])
    path = folder / f"{metadata.package}-{metadata.version}-{tag}-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*sorted(contents.items()), (record_name, record.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            if isinstance(data, Packed):
                zipped.write(archive, entry, data)
            else:
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
