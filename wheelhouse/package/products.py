"""The products of this checkout: wheels of the runtime, of the Arm NN delegate and of apps."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.step import Step, get_or_make
from wheelhouse.package.delegate_wheel import DelegateWheel
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.sources import pins, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems, versions
from wheelhouse.targets.architectures import architecture
from wheelhouse.targets.systems import System

_parsed = cache(parse_wheel_filename)
"""A file name is compared with each of many products."""


class Product(Protocol):
    """A wheel that this checkout builds."""

    @property
    def metadata(self) -> CoreMetadata:
        """The core metadata."""

    @property
    def tag(self) -> str:
        """The Python tag and the ABI tag, for example ``cp311-cp311``."""

    @property
    def label(self) -> str:
        """The name in messages and in the cache."""

    @property
    def compiled(self) -> bool:
        """Whether it has code for its processor alone; else its platform tag is ``any``."""

    @property
    def processor(self) -> str:
        """The name of a row of architectures.toml: that of the systems and the boards."""

    @property
    def step(self) -> Step:
        """The step whose folder holds the audited wheel."""

    @property
    def trials(self) -> str:
        """The trials that verify the wheel: a name in ``verify/verifiers.py``."""

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems to verify the wheel on, by Debian suite or name."""

    @property
    def boards(self) -> tuple[str, ...]:
        """The boards to verify the wheel as, by name."""

    @property
    def needs_runtime(self) -> bool:
        """Whether the wheel is tried beside the universal wheel of the runtime."""


def armnn() -> DelegateWheel:
    """The wheel of the Arm NN delegate."""
    row = matrix.matrix().armnn
    return DelegateWheel(row.processor, row.architecture.floor, row.systems, row.boards)


def universal() -> RuntimeWheel:
    """The wheel for every CPython, of the default release."""
    return RuntimeWheel(matrix.targets()[0], releases.choose().version, True)


def companions(wanted: Product) -> list[Product]:
    """The wheels that another is tried beside: the runtime's first, then those that it requires."""
    required = {Requirement(each).name for each in wanted.metadata.requires_dist}
    runtime: list[Product] = [universal()] if wanted.needs_runtime else []
    return runtime + [
        each for each in apps() if canonicalize_name(each.metadata.package) in required
    ]


def apps() -> list[Product]:
    """The wheels without compiled code: programs for a Pi, and their models."""
    # Imported here because the builder's container has no NumPy.
    from wheelhouse.package.app_wheel import apps
    from wheelhouse.package.models_wheel import wheels

    return [*apps(), *wheels()]


def every(checkout: Path | None = None) -> list[Product]:
    """All products of the pinned sources, or those of a checkout of TensorFlow."""
    return [*compiled(checkout), *apps()]


def compiled(checkout: Path | None = None) -> list[Product]:
    """The products with compiled code."""
    options = product(pins.pins().tflite, matrix.targets(), (True, False))
    runtimes = (
        RuntimeWheel(target, tflite, xnnpack, checkout) for tflite, target, xnnpack in options
    )
    return [*runtimes, armnn()]


def from_filename(path: Path) -> Product:
    """The product that has the file name's project, version, CPython, ABI and processor.

    Raises WheelhouseError if there is none, or no such file.
    """
    if path.is_file():
        for known in every():
            if is_named_as(path, known):
                return known
    raise WheelhouseError(
        f"{path} is no wheel that this checkout builds.",
        "Give a wheel file; `invoke matrix` lists what is built. Older ones belong to older tags.",
        Kind.USAGE,
    )


def matching(path: Path) -> Product:
    """The first product that a file's name matches, as :func:`matches` tells.

    Raises WheelhouseError if there is none.
    """
    for known in every():
        if matches(path, known):
            return known
    raise WheelhouseError(
        f"{path.name} is for no CPython of the matrix, or of no TFLite that is built here.",
        "Give a wheel that `invoke build` made; `invoke matrix` lists the targets.",
        Kind.USAGE,
    )


def label_of(path: Path) -> str:
    """The label of the product that a file name :func:`is_named_as`, or "" if there is none."""
    return next((known.label for known in every() if is_named_as(path, known)), "")


def is_named_as(path: Path, candidate: Product) -> bool:
    """Whether a file name :func:`matches` a product and has its version, too."""
    if not matches(path, candidate):
        return False
    _, version, *_ = parse_wheel_filename(path.name)
    return version == candidate.metadata.version


def matches(path: Path, candidate: Product) -> bool:
    """Whether a file name has a product's project, release, CPython, ABI and processor.

    The release is the upstream one: post-releases and local versions match too.
    """
    try:
        project, version, _, tags = _parsed(path.name)
    except InvalidWheelFilename:
        return False
    fits = architecture(candidate.processor).fits if candidate.compiled else "any".__eq__
    if not any(
        f"{tag.interpreter}-{tag.abi}" == candidate.tag and fits(tag.platform) for tag in tags
    ):
        return False
    metadata = candidate.metadata
    return project == canonicalize_name(metadata.package) and versions.upstream_release(
        version
    ) == versions.upstream_release(metadata.version)


def systems_for(wanted: Product) -> list[System]:
    """The systems that a product must be verified on.

    Raises WheelhouseError for one of another processor.
    """
    return [systems.system(name, wanted.processor) for name in wanted.systems]


def systems_of(wheel: Path) -> list[System]:
    """The systems that a wheel file must be verified on.

    Raises WheelhouseError if no product matches its name.
    """
    return systems_for(matching(wheel))


@failures_of(Kind.COMPILE)
def build(wanted: Product, fetcher: Fetcher) -> Path:
    """The audited wheel in the store, built unless it is there.

    Raises WheelhouseError if a step or an audit fails.
    """
    return wheel_in(get_or_make(wanted.step, fetcher))


def wheel_in(folder: Path) -> Path:
    """The wheel file in the folder of a product's step."""
    (path,) = folder.glob("*.whl")
    return path


def with_label(label: str, checkout: Path | None = None) -> Product:
    """The product with that label; raises KeyError if :func:`compiled` has none."""
    return {known.label: known for known in compiled(checkout)}[label]
