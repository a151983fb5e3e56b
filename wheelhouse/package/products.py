"""Every kind of wheel that this checkout builds: the runtime's, and the Arm NN delegate's."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Protocol

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.step import Step, get_or_make
from wheelhouse.package.delegate_wheel import Delegate
from wheelhouse.package.runtime_wheel import Wheel
from wheelhouse.package.wheel import Packable
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems, versions
from wheelhouse.targets.architectures import architecture
from wheelhouse.targets.systems import System


class Product(Packable, Protocol):
    """A wheel that this checkout builds."""

    @property
    def step(self) -> Step:
        """The folder with the audited wheel."""

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems to try it on, by Debian suite or name."""


def armnn() -> Delegate:
    """The wheel of the Arm NN delegate."""
    first = matrix.targets()[0]
    return Delegate(first.processor, first.floor, first.systems)


def every() -> list[Product]:
    """All that this checkout builds of the pinned sources."""
    releases, targets = pins.pins().tflite, matrix.targets()
    runtimes = product(releases, targets, (True, False))
    return [*(Wheel(target, tflite, xnnpack) for tflite, target, xnnpack in runtimes), armnn()]


def from_filename(path: Path) -> Product:
    """The wheel of this checkout that a file claims to be, by its name.

    Raises WheelhouseError if there is none.
    """
    if path.is_file():
        for known in every():
            if is_akin(path, known) and known.about.version == parse_wheel_filename(path.name)[1]:
                return known
    raise WheelhouseError(
        f"{path} is no wheel that this checkout builds.",
        "Give a wheel file; `invoke matrix` lists what is built. Older ones belong to older tags.",
        Kind.USAGE,
    )


def akin(path: Path) -> Product:
    """The first wheel of this checkout that a file's name is akin to.

    Raises WheelhouseError if there is none.
    """
    for known in every():
        if is_akin(path, known):
            return known
    raise WheelhouseError(
        f"{path.name} is for no CPython of the matrix, or of no TFLite that is built here.",
        "Give a wheel that `invoke build` made; `invoke matrix` lists the targets.",
        Kind.USAGE,
    )


def is_akin(path: Path, known: Product) -> bool:
    """Whether a file is named as of a product's project, release, CPython, ABI and processor."""
    try:
        project, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return False
    releases = {versions.upstream_release(each) for each in (version, known.about.version)}
    processor = f"_{architecture(known.processor).wheel}"
    return (
        project == canonicalize_name(known.about.package)
        and len(releases) == 1
        and any(
            f"{tag.interpreter}-{tag.abi}" == known.tag and tag.platform.endswith(processor)
            for tag in tags
        )
    )


def systems_of(wheel: Path) -> list[System]:
    """The systems that a wheel file must be tried on.

    Raises WheelhouseError if it is no wheel of the matrix.
    """
    return [systems.system(name) for name in akin(wheel).systems]


@failures_of(Kind.COMPILE)
def build(wanted: Product, fetcher: Fetcher) -> Path:
    """The audited wheel in the store.

    Raises WheelhouseError when a step fails or the wheel breaks what its name promises.
    """
    return file(get_or_make(wanted.step, fetcher))


def file(folder: Path) -> Path:
    """The wheel in the folder of a product's step."""
    (path,) = folder.glob("*.whl")
    return path


def labelled(label: str) -> Product:
    """The product with a label; raises KeyError if there is none."""
    return {known.label: known for known in every()}[label]
