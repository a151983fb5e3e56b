"""Every kind of wheel that this checkout builds: the runtime's, and the Arm NN delegate's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from wheelhouse import delegate, matrix, packing, sources, versions
from wheelhouse.delegate import Delegate
from wheelhouse.emulator import systems
from wheelhouse.emulator.systems import System
from wheelhouse.errors import Kind, WheelhouseError, failures_of
from wheelhouse.matrix import Target
from wheelhouse.sources import Sources
from wheelhouse.wheel import Wheel

Product = Wheel | Delegate


@dataclass(frozen=True)
class _Order:
    """Products as JSON tells them: of one kind in each list."""

    wheels: list[Wheel]
    delegates: list[Delegate]


def armnn() -> Delegate:
    """The wheel of the Arm NN delegate."""
    first = matrix.targets()[0]
    return Delegate(first.processor, first.floor)


def every() -> list[Product]:
    """All that this checkout builds of the pinned sources."""
    releases, targets = sources.catalogue().tflite, matrix.targets()
    runtimes = product(releases, targets, (True, False))
    return [*(Wheel(target, tflite, xnnpack) for tflite, target, xnnpack in runtimes), armnn()]


def of(path: Path) -> Product:
    """The wheel of this checkout that a file claims to be, by its name.

    Raises WheelhouseError if there is none.
    """
    if path.is_file():
        with suppress(InvalidWheelFilename):
            project, version, _, tags = parse_wheel_filename(path.name)
            names = {f"{tag.interpreter}-{tag.abi}" for tag in tags}
            for known in every():
                same = (canonicalize_name(known.about.package), known.about.version)
                if same == (project, version) and known.tag in names:
                    return known
    raise WheelhouseError(
        f"{path} is no wheel that this checkout builds.",
        "Give a wheel file; `invoke matrix` lists what is built. Older ones belong to older tags.",
        Kind.USAGE,
    )


def is_delegate(path: Path) -> bool:
    """Whether a wheel file is the delegate's, by its name."""
    return path.name.startswith(f"{delegate.PROJECT}-")


def target_of(wheel: Path) -> Target:
    """The matrix's target that a runtime's wheel file is for, by its name.

    Raises WheelhouseError if there is none.
    """
    with suppress(InvalidWheelFilename):
        _, built, _, tags = parse_wheel_filename(wheel.name)
        known = versions.release_of(built) in sources.catalogue().tflite
        for target in matrix.targets() if known else ():
            if any(map(target.fits, tags)):
                return target
    raise WheelhouseError(
        f"{wheel.name} is for no CPython of the matrix, or of no TFLite that is built here.",
        "Give a wheel that `invoke build` made; `invoke matrix` lists the targets.",
        Kind.USAGE,
    )


def systems_of(wheel: Path) -> list[System]:
    """The systems that a wheel file must be tried on: a delegate's on all.

    Raises WheelhouseError if it is for no target of the matrix.
    """
    target = matrix.targets()[0] if is_delegate(wheel) else target_of(wheel)
    return [systems.system(name) for name in target.systems]


@failures_of(Kind.COMPILE)
def build(wanted: Product, at: Sources) -> Path:
    """The audited wheel in the store; raises WheelhouseError as :func:`packing.build` does."""
    return packing.build(wanted, at)


def encode(wanted: Sequence[Product]) -> str:
    """Products as JSON, for :func:`decode`."""
    wheels = [one for one in wanted if isinstance(one, Wheel)]
    delegates = [one for one in wanted if isinstance(one, Delegate)]
    return msgspec.json.encode(_Order(wheels, delegates)).decode()


def decode(text: str) -> list[Product]:
    """The products of :func:`encode`, those of one kind together."""
    order = msgspec.json.decode(text, type=_Order)
    return [*order.wheels, *order.delegates]
