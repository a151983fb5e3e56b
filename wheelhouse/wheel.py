"""The package folder as a wheel: metadata, licences, a deterministic zip, an audited name."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import ziglang
from packaging.licenses import canonicalize_license_expression
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelhouse import audit, extension, matrix, sources
from wheelhouse.core import Core
from wheelhouse.errors import WheelhouseError
from wheelhouse.extension import Extension
from wheelhouse.matrix import Target
from wheelhouse.sources import Sources
from wheelhouse.store import digest, file_digest

PROJECT = "tflite_runtime"
GENERATOR = "tflite-wheelhouse"

# Linked in by the compiler: libc++, its ABI library and unwinder, and zig's own runtime.
_COMPILER_LICENSES = {
    "libcxx": "lib/libcxx/LICENSE.TXT",
    "libcxxabi": "lib/libcxxabi/LICENSE.TXT",
    "libunwind": "lib/libunwind/LICENSE.TXT",
    "zig": "LICENSE",
}
_COMPILER_LICENSE_IDS = ("Apache-2.0 WITH LLVM-exception", "MIT")

_DESCRIPTION = """\
The TensorFlow Lite interpreter for Python, built for 64-bit Raspberry Pi OS.

    from tflite_runtime.interpreter import Interpreter

This wheel is an independent build of the TensorFlow Lite sources.
"""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A ``tflite_runtime`` wheel for one target, of ``checkout`` or of the pinned sources."""

    target: Target
    tflite: str
    xnnpack: bool
    checkout: Path | None = None

    @property
    def extension(self) -> Extension:
        """The module inside."""
        target = self.target
        core = Core(self.tflite, target.processor, target.floor, self.xnnpack, self.checkout)
        return Extension(core, target)

    @property
    def version(self) -> Version:
        """Its version; a local one, so that nobody takes it for another, if it is not as usual."""
        unusual = {"checkout": self.checkout, "noxnnpack": not self.xnnpack}
        label = ".".join(name for name, applies in unusual.items() if applies)
        return Version(f"{self.tflite}+{label}" if label else self.tflite)

    @property
    def label(self) -> str:
        """Its name for readers."""
        return f"{PROJECT}-{self.version}-{self.target.tag}-{self.target.abi}"

    @property
    def identity(self) -> str:
        """A digest of all that decides its bytes."""
        ours = [file_digest(Path(module.__file__ or "")) for module in (audit, matrix)]
        data = file_digest(Path(matrix.__file__ or "").with_suffix(".toml"))
        return digest(self.extension.identity, file_digest(Path(__file__)), ours, data)


def of(path: Path) -> Wheel:
    """The wheel of this checkout that a file claims to be, by its name.

    Raises WheelhouseError if there is none.
    """
    if path.is_file():
        with suppress(InvalidWheelFilename):
            _, version, _, tags = parse_wheel_filename(path.name)
            for tflite, target in product(sources.catalogue().tflite, matrix.targets()):
                wheel = Wheel(target, tflite, version.local != "noxnnpack")
                named = any((tag.interpreter, tag.abi) == (target.tag, target.abi) for tag in tags)
                if named and wheel.version == version:
                    return wheel
    raise WheelhouseError(
        f"{path} is no wheel that this checkout builds.",
        "Give a wheel file; `invoke matrix` lists what is built. Older ones belong to older tags.",
    )


def build(wheel: Wheel, at: Sources) -> Path:
    """The audited wheel in the store, made unless it exists.

    Raises WheelhouseError when a step before fails or the wheel breaks its glibc floor or its
    CPython's stable ABI.
    """

    def make(folder: Path) -> None:
        files = _contents(wheel, at)
        target = wheel.target
        draft = _write(wheel, files, (f"linux_{target.processor}",), folder)
        tags = audit.platform_tags(draft, target.processor, target.floor)
        if target.abi3:
            audit.stable_abi(draft)
        _write(wheel, files, tags, folder)
        draft.unlink()

    folder = at.store.made("wheels", wheel.label, wheel.identity, make)
    return next(folder.glob("*.whl"))


def _contents(wheel: Wheel, at: Sources) -> dict[str, bytes]:
    """The files that the wheel holds, but for those that name its platform."""
    inner = wheel.extension
    module = extension.build(inner, at)
    python = at.tree(inner.inputs["wrapper"]) / "tensorflow" / "lite" / "python"
    info = f"{PROJECT}-{wheel.version}.dist-info"
    licenses = {
        f"{component.name}/{Path(name).name}": at.tree(component) / name
        for component in inner.linked
        for name in component.pin.license_files
    } | {
        f"{name}/{Path(path).name}": Path(ziglang.__file__).parent / path
        for name, path in _COMPILER_LICENSES.items()
    }
    return {
        f"{PROJECT}/__init__.py": _init(wheel),
        f"{PROJECT}/{extension.MODULE}.so": module.read_bytes(),
        f"{PROJECT}/interpreter.py": (python / "interpreter.py").read_bytes(),
        f"{PROJECT}/metrics_interface.py": (python / "metrics/metrics_interface.py").read_bytes(),
        f"{PROJECT}/metrics_portable.py": (python / "metrics/metrics_portable.py").read_bytes(),
        f"{info}/METADATA": metadata(wheel, sorted(licenses)).encode(),
        f"{info}/top_level.txt": f"{PROJECT}\n".encode(),
        **{f"{info}/licenses/{name}": path.read_bytes() for name, path in licenses.items()},
    }


def _init(wheel: Wheel) -> bytes:
    """As upstream's own script writes it; the tag is what ``git describe`` says of a release."""
    lines = (f"__version__ = '{wheel.version}'", f"__git_version__ = 'v{wheel.tflite}'")
    return "".join(f"{line}\n" for line in lines).encode()


def metadata(wheel: Wheel, license_files: list[str]) -> str:
    """The core metadata; what it says of Python is the same in every wheel of a release."""
    ids = {component.pin.license for component in wheel.extension.linked}
    ids |= {*_COMPILER_LICENSE_IDS}
    terms = " AND ".join(f"({term})" if " " in term else term for term in sorted(ids))
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", PROJECT.replace("_", "-")),
        ("Version", str(wheel.version)),
        ("Summary", "The TensorFlow Lite interpreter for Raspberry Pi"),
        ("License-Expression", canonicalize_license_expression(terms)),
        *(("License-File", name) for name in license_files),
        ("Classifier", "Operating System :: POSIX :: Linux"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Classifier", "Topic :: Scientific/Engineering :: Artificial Intelligence"),
        ("Requires-Python", f">={matrix.targets()[0].python}"),
        *(("Requires-Dist", requirement) for requirement in requirements()),
        ("Description-Content-Type", "text/markdown"),
    ]
    return "".join(f"{key}: {value}\n" for key, value in fields) + f"\n{_DESCRIPTION}"


def requirements() -> Iterator[str]:
    """What pip must choose NumPy by; what is built for NumPy 2's headers serves all of 2."""
    (_, oldest), *rest = matrix.matrix().numpy.items()
    yield f"numpy>={oldest},<3"
    for python, numpy in rest:
        yield f'numpy>={numpy}; python_version >= "{python}"'


def _write(wheel: Wheel, files: dict[str, bytes], platforms: tuple[str, ...], folder: Path) -> Path:
    tag = f"{wheel.target.tag}-{wheel.target.abi}"
    info = f"{PROJECT}-{wheel.version}.dist-info"
    header = [
        "Wheel-Version: 1.0",
        f"Generator: {GENERATOR}",
        "Root-Is-Purelib: false",
        *(f"Tag: {tag}-{platform}" for platform in platforms),
    ]
    contents = {**files, f"{info}/WHEEL": "".join(f"{line}\n" for line in header).encode()}
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in sorted(contents.items())]
    record = "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"])
    path = folder / f"{PROJECT}-{wheel.version}-{tag}-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*sorted(contents.items()), (f"{info}/RECORD", record.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
