"""Locks of each release of the runtime for each CPython: files that name every wheel by its hash.

``pylock.toml`` (PEP 751) and a requirements file for pip's ``--require-hashes`` have the runtime's
wheels in the index and the wheel of NumPy that they were tried with. They are made for a CPython if
a wheel of NumPy for it is pinned, and leave out a processor for which NumPy has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.tags import cpython_tags
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from wheelhouse.package.sbom import PROJECT
from wheelhouse.publish.index import FILES, Place, ProjectFiles
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Artefact
from wheelhouse.targets import architectures

FOLDER = "locks"
RUNTIME = "tflite-runtime"

_NUMPY = canonicalize_name("numpy")


@dataclass(frozen=True)
class Lock:
    """A release of the runtime for one CPython, as in ``3.11``.

    ``files`` has the wheels that it takes and ``numpy`` the wheel of NumPy, each by the processor.
    """

    version: Version
    python: str
    files: Mapping[str, Sequence[WheelFile]]
    numpy: Mapping[str, Artefact]

    @property
    def name(self) -> str:
        """The part of the files' names that tells the CPython, as in ``py311``."""
        return f"py{self.python.replace('.', '')}"


def pages(projects: Sequence[ProjectFiles], place: Place) -> dict[str, bytes]:
    """The locks of all releases of the runtime that are not yanked, by their path in the site."""
    made = {}
    for lock in _locks(projects):
        folder = f"{FOLDER}/{lock.version}"
        made[f"{folder}/pylock.{lock.name}.toml"] = pylock(lock, place)
        made[f"{folder}/requirements.{lock.name}.txt"] = requirements(lock)
    return made


def _locks(projects: Sequence[ProjectFiles]) -> Iterator[Lock]:
    pinned = _pinned_numpy()
    for project in projects:
        if project.name != RUNTIME:
            continue
        kept = [file for file in project.files if project.settings.yank(file) is None]
        for version, files in groupby(kept, key=lambda file: file.version):
            of_version = list(files)
            for python, numpy in pinned.items():
                fitting = {
                    processor: [file for file in of_version if _fits(file, python, processor)]
                    for processor in numpy
                }
                found = {processor: wheels for processor, wheels in fitting.items() if wheels}
                if found:
                    yield Lock(version, python, found, {each: numpy[each] for each in found})


def _pinned_numpy() -> dict[str, dict[str, Artefact]]:
    """For each CPython the pinned wheels of NumPy by processor."""
    found: dict[str, dict[str, Artefact]] = {}
    for processor in architectures.chosen("all"):
        for name, pin in pins.pins().shared.items():
            named = name.startswith("numpy-") and name.endswith(f"-{processor}")
            if named and pin.artefacts[0].pypi:
                python = name.removeprefix("numpy-").removesuffix(f"-{processor}")
                found.setdefault(python, {})[processor] = pin.artefacts[0]
    return dict(sorted(found.items(), key=lambda item: Version(item[0])))


def _fits(file: WheelFile, python: str, processor: str) -> bool:
    """Whether a CPython on a processor takes a wheel."""
    if file.metadata.requires_python and python not in file.metadata.requires_python:
        return False
    known = _interpreters_and_abis(python)
    architecture = architectures.architecture(processor)
    return any(
        (tag.interpreter, tag.abi) in known and architecture.fits(tag.platform) for tag in file.tags
    )


@cache
def _interpreters_and_abis(python: str) -> frozenset[tuple[str, str]]:
    version = [int(part) for part in python.split(".")]
    return frozenset((tag.interpreter, tag.abi) for tag in cpython_tags(version, platforms=["x"]))


def requirements(lock: Lock) -> bytes:
    """The requirements file with the hash of every wheel."""
    runtime = sorted({file.sha256 for files in lock.files.values() for file in files})
    lines = [
        f"# {RUNTIME} {lock.version} for CPython {lock.python} on {', '.join(lock.files)}",
        *_requirement(f"{RUNTIME}=={lock.version}", runtime),
    ]
    for version, processors in _numpy_versions(lock).items():
        marker = "" if len(processors) == len(lock.numpy) else f" ; {_marker(processors)}"
        hashes = sorted(lock.numpy[each].sha256 for each in processors)
        lines += _requirement(f"{_NUMPY}=={version}{marker}", hashes)
    return "".join(f"{line}\n" for line in lines).encode()


def _requirement(requirement: str, hashes: Sequence[str]) -> list[str]:
    words = [requirement, *(f"    --hash=sha256:{each}" for each in hashes)]
    return [*(f"{word} \\" for word in words[:-1]), words[-1]]


def _marker(processors: Sequence[str]) -> str:
    return " or ".join(f'platform_machine == "{each}"' for each in _machines(processors))


def _machines(processors: Iterable[str]) -> list[str]:
    """The processors as Python names them, which knows no libc there."""
    return list(dict.fromkeys(architectures.architecture(each).machine for each in processors))


def _numpy_versions(lock: Lock) -> dict[Version, list[str]]:
    """The versions of NumPy, each with the processors that it is for."""
    found: dict[Version, list[str]] = {}
    for processor, artefact in lock.numpy.items():
        found.setdefault(parse_wheel_filename(artefact.filename)[1], []).append(processor)
    return found


def pylock(lock: Lock, place: Place) -> bytes:
    """The lock as PEP 751 has it; NumPy's wheel is expected beside the file."""
    versions = _numpy_versions(lock)
    runtime = [file for files in lock.files.values() for file in files]
    content = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(f'platform_machine == "{each}"') for each in _machines(lock.files)],
        requires_python=SpecifierSet(f"=={lock.python}.*"),
        created_by=PROJECT,
        packages=[
            *(
                Package(
                    name=_NUMPY,
                    version=version,
                    marker=None if len(versions) == 1 else Marker(_marker(processors)),
                    wheels=[_numpy_wheel(lock.numpy[each]) for each in processors],
                )
                for version, processors in versions.items()
            ),
            Package(
                name=NormalizedName(RUNTIME),
                version=lock.version,
                dependencies=[{"name": _NUMPY}],
                wheels=[_wheel(file, place) for file in runtime],
            ),
        ],
    )
    return tomli_w.dumps(content.to_dict()).encode()


def _numpy_wheel(artefact: Artefact) -> PackageWheel:
    return PackageWheel(path=artefact.filename, hashes={"sha256": artefact.sha256})


def _wheel(file: WheelFile, place: Place) -> PackageWheel:
    """A wheel of the index, by its address, or by its path if the address is not known."""
    near = place.has(file) and not place.site
    return PackageWheel(
        name=file.name,
        path=f"../../{FILES}/{file.name}" if near else None,
        url=None if near else place.url_for(file, f"{place.site.rstrip('/')}/"),
        size=file.size,
        hashes={"sha256": file.sha256},
    )
