"""What can be built: CPython versions and the Raspberry Pi OS releases that ship them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from msgspec import Meta
from packaging.version import InvalidVersion, Version

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.toml import Table, load
from wheelhouse.targets import architectures
from wheelhouse.targets.architectures import Architecture, ForProcessor

FILE = ROOT / "wheelhouse" / "targets" / "matrix.toml"


class Row(ForProcessor, frozen=True):
    """One ``[[targets]]`` table of ``matrix.toml``."""

    python: str
    systems: tuple[str, ...]
    headers: str = ""


class Matrix(Table, frozen=True):
    """The whole of ``matrix.toml``."""

    tflite: str
    numpy: Mapping[str, str]
    builds: Mapping[str, Mapping[str, Annotated[int, Meta(ge=0, le=99)]]]
    targets: tuple[Row, ...]


@dataclass(frozen=True)
class Target:
    """A CPython on a processor, and the systems to verify it on, by Debian suite or name.

    ``headers`` is the CPython whose headers to compile against.
    """

    python: str
    headers: str
    systems: tuple[str, ...]
    processor: str

    @property
    def architecture(self) -> Architecture:
        """What the tools call its processor."""
        return architectures.architecture(self.processor)

    @property
    def floor(self) -> str:
        """The oldest glibc to run on, for example 2.17."""
        return self.architecture.floor

    @property
    def tag(self) -> str:
        """The wheel's CPython tag, as in ``cp311``."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def name(self) -> str:
        """Its name for readers."""
        return f"CPython {self.python}{' and later' if self.abi3 else ''}"

    @property
    def abi3(self) -> bool:
        """Whether it is every later CPython too, by the stable ABI."""
        return self.headers != self.python

    @property
    def abi(self) -> str:
        """The wheel's ABI tag, as in ``cp311`` or ``abi3``."""
        return "abi3" if self.abi3 else self.tag


@cache
def matrix() -> Matrix:
    """The matrix of this checkout."""
    return load(FILE, Matrix)


def targets() -> tuple[Target, ...]:
    """All targets, oldest CPython first."""
    return tuple(
        Target(row.python, row.headers or row.python, row.systems, row.processor)
        for row in matrix().targets
    )


def choose(words: str) -> tuple[Target, ...]:
    """The targets that ``--py`` names: one version, several with commas between, or ``all``.

    A version is a target on every processor. Raises WheelhouseError for one that is not in the
    matrix.
    """
    if words == "all":
        return targets()
    known = list(dict.fromkeys(target.python for target in targets()))
    shared = dict.fromkeys(
        f" {t.name} share one wheel: --py {t.python}." for t in targets() if t.abi3
    )
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted or [words]:
        if word not in known:
            raise WheelhouseError(
                f"{word or 'An empty version'} is not in the matrix; did you mean "
                f"{' or '.join(nearest(word, known))}? (`invoke matrix` lists them)",
                f"Give --py one of these, several with commas between, or all.{''.join(shared)}",
            )
    return tuple(t for word in dict.fromkeys(wanted) for t in targets() if t.python == word)


def nearest(word: str, known: list[str]) -> list[str]:
    """The one or two known versions around ``word``; all of them if it is no version."""
    try:
        wanted = Version(word)
    except InvalidVersion:
        return known
    below = [version for version in known if Version(version) <= wanted]
    above = [version for version in known if Version(version) > wanted]
    return below[-1:] + above[:1]
