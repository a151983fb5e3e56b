"""The site's front page: how to install on which Raspberry Pi OS, and what is known of the wheels.

Everything on it comes from the wheels, their records, the matrix and the measured figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

from wheelhouse.figures import Figure
from wheelhouse.publish.index import FILES, Place, Shelf, templates
from wheelhouse.publish.wheel_file import File
from wheelhouse.record import Trial
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System

MANAGED_SINCE = Version("3.11")
"""Debian's first Python that pip must leave alone (PEP 668): that of Raspberry Pi OS 12."""

_NUMBER = re.compile(r"\d+")
_FLOOR = re.compile(r"manylinux_(\d+)_(\d+)_")


@dataclass(frozen=True)
class Choice:
    """A release of Raspberry Pi OS that a reader can pick, and the wheel that pip picks there."""

    system: System
    file: File

    @property
    def key(self) -> str:
        """Its name in addresses and markup."""
        return self.system.suite

    @property
    def number(self) -> str:
        """Its number, for example 12."""
        found = _NUMBER.search(self.system.name)
        return found.group() if found else self.system.name

    @property
    def codename(self) -> str:
        """Its other name, for example Bookworm."""
        return self.key.capitalize() if self.released else "the next"

    @property
    def released(self) -> bool:
        """Whether it exists: Debian's sid stands for the next one."""
        return self.key != "sid"

    @property
    def managed(self) -> bool:
        """Whether pip installs nothing outside a virtual environment there."""
        return Version(self.system.python) >= MANAGED_SINCE


@dataclass(frozen=True)
class Tried:
    """What was tried on one system: how many checks, all of them passed, with which wheels."""

    system: str
    python: str
    tags: tuple[str, ...]
    boards: tuple[str, ...]
    numpys: tuple[str, ...]
    checks: int
    date: datetime


@dataclass(frozen=True)
class Row:
    """A file as its table shows it; addresses are seen from the front page."""

    file: File
    url: str
    yanked: str | None
    provenance: str | None

    @property
    def record(self) -> str:
        """The address of its record."""
        return f"{FILES}/{self.file.name}.verified.json"


@dataclass(frozen=True)
class Release:
    """One version of a project with its files."""

    version: Version
    rows: tuple[Row, ...]

    @property
    def yanked(self) -> bool:
        """Whether pip would not choose it."""
        return all(row.yanked for row in self.rows)


def page(shelves: Sequence[Shelf], place: Place, figures: Sequence[Figure]) -> bytes:
    """The front page, about index.toml's first project that has a release to install.

    ``shelves`` come from :func:`wheelhouse.publish.index.shelve`.
    """
    releases = {shelf.name: _releases(shelf, place) for shelf in shelves}
    known = {name: _newest(found) for name, found in releases.items()}
    offered = [name for name, newest in known.items() if newest]
    main = offered[0] if offered else None
    newest = known[main] if main else None
    files = [row.file for row in newest.rows if not row.yanked] if newest else []
    offers = choices(files)
    context = {
        "main": main,
        "others": offered[1:],
        "newest": newest,
        "coming": _coming(releases[main], newest) if main and newest else None,
        "releases": releases,
        "shelves": shelves,
        "site": _slash(place.site),
        "choices": offers,
        "picked": next((choice.key for choice in offers if choice.released), ""),
        "tried": tried(files),
        "facts": _facts(files),
        "older": any(not file.today for shelf in shelves for file in shelf.files),
        "references": sorted({file.record.reference for file in files}),
        "licences": licences(files),
        "parts": parts(files),
        "attested": any(row.provenance for row in newest.rows) if newest else False,
        "figures": figures,
    }
    return templates.get_template("front.html").render(context).encode()


def choices(files: Sequence[File]) -> list[Choice]:
    """The systems that the files were tried on, each Debian suite once.

    The newest comes first, what is not released yet last.
    """
    names = {trial.system for file in files for trial in file.record.trials}
    found: dict[str, Choice] = {}
    for system in systems.emulated().systems:
        chosen = best(files, system) if system.name in names else None
        if chosen:
            found.setdefault(system.suite, Choice(system, chosen))
    return sorted(reversed(found.values()), key=lambda choice: not choice.released)


def best(files: Sequence[File], system: System) -> File | None:
    """The file that pip takes on a system."""
    version = [int(part) for part in system.python.split(".")]
    machine, floor = system.architecture.wheel, system.architecture.floor.replace(".", "_")
    platforms = [f"manylinux_{floor}_{machine}", f"linux_{machine}"]
    order: list[Tag] = [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, platforms=platforms),
    ]
    ranked = [(order.index(tag), file) for file in files for tag in file.tags if tag in order]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def tried(files: Sequence[File]) -> list[Tried]:
    """What the records say of each system, newest first."""
    found = []
    for system in systems.emulated().systems:
        both = [
            (file, trial)
            for file in files
            for trial in file.record.trials
            if trial.system == system.name
        ]
        if both:
            found.append(_tried(system, [file for file, _ in both], [trial for _, trial in both]))
    return found[::-1]


def _tried(system: System, files: Sequence[File], trials: Sequence[Trial]) -> Tried:
    return Tried(
        system.name,
        system.python,
        tuple(sorted(set(map(tag, files)), key=len)),
        tuple(dict.fromkeys(trial.board for trial in trials)),
        tuple(dict.fromkeys(trial.numpy for trial in trials)),
        sum(len(trial.checks) for trial in trials),
        max(file.record.date for file in files),
    )


def tag(file: File) -> str:
    """The part of a file's name that tells its CPython, as in ``cp37-abi3``."""
    first = min(file.tags, key=str)
    return (
        first.interpreter if first.interpreter == first.abi else f"{first.interpreter}-{first.abi}"
    )


def licences(files: Iterable[File]) -> list[str]:
    """The licences in the files' SPDX expressions, joined there by AND."""
    terms = [
        term for file in files for term in (file.metadata.license_expression or "").split(" AND ")
    ]
    return sorted({term.strip("()") for term in terms if term})


def parts(files: Iterable[File]) -> list[str]:
    """The components whose licences the files carry: the folders of their licence files."""
    names = [name for file in files for name in file.metadata.license_files or []]
    return sorted({name.split("/")[0] for name in names if "/" in name})


def _releases(shelf: Shelf, place: Place) -> list[Release]:
    versions = sorted({file.version for file in shelf.files}, reverse=True)
    return [Release(version, tuple(_rows(shelf, place, version))) for version in versions]


def _rows(shelf: Shelf, place: Place, version: Version) -> Iterable[Row]:
    for file in shelf.files:
        if file.version == version:
            yield Row(file, place.of(file, ""), shelf.project.yank(file), place.provenance(file))


def _newest(releases: Sequence[Release]) -> Release | None:
    """What pip installs unasked: no release that is yanked, no development one if another is."""
    good = [release for release in releases if not release.yanked]
    return next((each for each in good if not each.version.is_prerelease), next(iter(good), None))


def _coming(releases: Sequence[Release], newest: Release) -> Release | None:
    """The release in development that pip installs if asked for it."""
    later = [each for each in releases if each.version > newest.version]
    return next((each for each in later if not each.yanked), None)


def _facts(files: Sequence[File]) -> list[tuple[str, str]]:
    """What is worth knowing at a glance: a value, and what it is."""
    if not files:
        return []
    passed = sum(len(trial.checks) for file in files for trial in file.record.trials)
    tags = {tag for file in files for tag in file.tags}
    facts = [
        (f"{passed:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"), "checks passed on emulated Pis"),
        (f"{max(file.size for file in files) / 1_000_000:.1f} MB", "to download"),
    ]
    if stable := sorted(_python(tag) for tag in tags if tag.abi == "abi3"):
        facts.append((f"Python {_dotted(stable[0])}", "and every later one"))
    elif pythons := sorted({_python(tag) for tag in tags if tag.interpreter == tag.abi}):
        facts.append((f"Python {', '.join(map(_dotted, pythons))}", "a wheel for each"))
    floors = [_FLOOR.match(tag.platform) for tag in tags]
    if found := sorted((int(floor[1]), int(floor[2])) for floor in floors if floor):
        facts.append((f"glibc {_dotted(found[-1])}", "or newer"))
    return facts


def _python(tag: Tag) -> tuple[int, int]:
    digits = tag.interpreter.removeprefix("cp")
    return int(digits[0]), int(digits[1:])


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _slash(address: str) -> str:
    return address if not address or address.endswith("/") else f"{address}/"
