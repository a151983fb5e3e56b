"""The wheels that can be built, as matrix.toml lists them: one target for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


class WheelRow(ForProcessor, frozen=True):
    """The table of a wheel in ``matrix.toml``."""

    systems: tuple[str, ...]
    """The systems to verify the wheel on, each by Debian suite or name."""
    boards: tuple[str, ...]
    """The boards to verify the wheel as, by name."""


class TargetRow(WheelRow, frozen=True, kw_only=True):
    """One ``[[targets]]`` table of ``matrix.toml``."""

    python: str
    """The CPython version, as in ``3.11``; with ``abi3`` the oldest that the wheel runs on."""
    abi3: bool = False
    """Whether the wheel uses the stable ABI alone, and so runs on every later CPython too."""
    headers: str = ""
    """The CPython whose headers to compile against, with ``abi3`` only; ``python`` if empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.headers and not self.abi3:
            raise ValueError("headers: may be set only with abi3 = true")


class Matrix(Table, frozen=True):
    """The whole of ``matrix.toml``."""

    tflite: str
    """The TFLite release to build by default."""
    numpy: Mapping[str, str]
    """The oldest NumPy for a CPython version and later ones."""
    builds: Mapping[str, Mapping[str, Annotated[int, Meta(ge=0, le=99)]]]
    """For each project the build number of each upstream release; 0 if it is not here."""
    targets: tuple[TargetRow, ...]
    """The runtime's wheels: those of each processor together, oldest CPython first."""
    armnn: WheelRow
    """The wheel of the Arm NN delegate."""
    apps: Mapping[str, WheelRow] = {}
    """The wheels without compiled code, by import package; they are for every processor."""


@dataclass(frozen=True)
class Target:
    """A CPython ABI on a processor, for which one wheel is built.

    ``python`` is the CPython version, as in 3.11; with ``abi3`` the wheel uses the stable ABI alone
    and runs on all later ones too. ``headers`` is the version whose headers it is compiled against.
    ``systems`` are those to verify it on, each by Debian suite or name, as each of ``boards``.
    """

    python: str
    headers: str
    systems: tuple[str, ...]
    boards: tuple[str, ...]
    processor: str
    abi3: bool

    @property
    def architecture(self) -> Architecture:
        """Its processor, by the names that each tool has for it."""
        return architectures.architecture(self.processor)

    @property
    def floor(self) -> str:
        """The oldest glibc version that the wheel runs on, as in ``2.17``."""
        return self.architecture.floor

    @property
    def tag(self) -> str:
        """The wheel's Python tag, as in ``cp311``."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def name(self) -> str:
        """The name that messages use, as in ``CPython 3.7 and later``."""
        return f"CPython {self.python}{' and later' if self.abi3 else ''}"

    @property
    def abi(self) -> str:
        """The wheel's ABI tag, as in ``cp311`` or ``abi3``."""
        return "abi3" if self.abi3 else self.tag


@cache
def matrix() -> Matrix:
    """The matrix of this checkout; raises WheelhouseError naming the key that is wrong."""
    return load(FILE, Matrix)


def targets() -> tuple[Target, ...]:
    """All targets of the matrix: those of each processor together, oldest CPython first."""
    return tuple(
        Target(
            row.python,
            row.headers or row.python,
            row.systems,
            row.boards,
            row.processor,
            row.abi3,
        )
        for row in matrix().targets
    )


def choose(words: str, processors: Collection[str] = ()) -> tuple[Target, ...]:
    """The targets that ``--py`` names: CPython versions with commas between, or ``all``.

    They are those of ``processors``, the default one if there is none. Raises WheelhouseError
    naming the nearest versions if one is not in the matrix.
    """
    wanted_on = processors or (architectures.default().name,)
    possible = tuple(target for target in targets() if target.processor in wanted_on)
    if words == "all":
        return possible
    known = list(dict.fromkeys(target.python for target in possible))
    shared = dict.fromkeys(
        f" {t.name} share one wheel: --py {t.python}." for t in possible if t.abi3
    )
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted or [words]:
        if word not in known:
            raise WheelhouseError(
                f"{word or 'An empty version'} is not in the matrix; did you mean "
                f"{' or '.join(nearest(word, known))}? (`invoke matrix` lists them)",
                f"Give --py one of these, several with commas between, or all.{''.join(shared)}",
            )
    return tuple(t for word in dict.fromkeys(wanted) for t in possible if t.python == word)


def nearest(word: str, known: list[str]) -> list[str]:
    """The next lower and next higher of the sorted ``known`` versions; all if ``word`` is none."""
    try:
        wanted = Version(word)
    except InvalidVersion:
        return known
    below = [version for version in known if Version(version) <= wanted]
    above = [version for version in known if Version(version) > wanted]
    return below[-1:] + above[:1]
