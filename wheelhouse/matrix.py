"""What can be built: CPython versions and the Raspberry Pi OS releases that ship them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from packaging.version import InvalidVersion, Version

from wheelhouse.data import Table, load
from wheelhouse.errors import WheelhouseError
from wheelhouse.root import ROOT

FILE = ROOT / "wheelhouse" / "matrix.toml"


class Row(Table, frozen=True):
    """One ``[[targets]]`` table of ``matrix.toml``."""

    python: str
    systems: tuple[str, ...]
    headers: str = ""


class Matrix(Table, frozen=True):
    """The whole of ``matrix.toml``."""

    processor: str
    floor: str
    tflite: str
    numpy: Mapping[str, str]
    targets: tuple[Row, ...]


@dataclass(frozen=True)
class Target:
    """A CPython, and the Raspberry Pi OS releases to verify it on, by Debian suite or name.

    ``headers`` is the CPython whose headers to compile against, ``floor`` the oldest glibc to run
    on, for example 2.17.
    """

    python: str
    headers: str
    systems: tuple[str, ...]
    processor: str
    floor: str

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
    table = matrix()
    return tuple(
        Target(row.python, row.headers or row.python, row.systems, table.processor, table.floor)
        for row in table.targets
    )


def choose(words: str) -> tuple[Target, ...]:
    """The targets that ``--py`` names: one version, several with commas between, or ``all``.

    Raises WheelhouseError for a version that is not in the matrix.
    """
    known = {target.python: target for target in targets()}
    if words == "all":
        return tuple(known.values())
    shared = (f" {t.name} share one wheel: --py {t.python}." for t in known.values() if t.abi3)
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted or [words]:
        if word not in known:
            raise WheelhouseError(
                f"{word or 'An empty version'} is not in the matrix; did you mean "
                f"{' or '.join(nearest(word, list(known)))}? (`invoke matrix` lists them)",
                f"Give --py one of these, several with commas between, or all.{''.join(shared)}",
            )
    return tuple(known[word] for word in dict.fromkeys(wanted))


def nearest(word: str, known: list[str]) -> list[str]:
    """The one or two known versions around ``word``; all of them if it is no version."""
    try:
        wanted = Version(word)
    except InvalidVersion:
        return known
    below = [version for version in known if Version(version) <= wanted]
    above = [version for version in known if Version(version) > wanted]
    return below[-1:] + above[:1]
