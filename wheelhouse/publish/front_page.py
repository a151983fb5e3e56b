"""The site's front page: how to install the wheels, and how they were tested.

Its content comes from the wheels, their records, the matrix and the measured figures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

from wheelhouse.figures import Figure
from wheelhouse.publish.index import FILES, Place, ProjectFiles, templates
from wheelhouse.publish.wheel_file import Tried, WheelFile
from wheelhouse.record import PACKED
from wheelhouse.targets import architectures, systems
from wheelhouse.targets.architectures import Architecture
from wheelhouse.targets.systems import System

MANAGED_SINCE = Version("3.11")
"""Debian's first externally managed Python (PEP 668), that of Raspberry Pi OS 12."""

BUSTER = System(
    processor="aarch64",
    name="Raspberry Pi OS 10",
    suite="buster",
    python="3.7",
    packages=(),
)
"""The oldest 64-bit release. Nothing is tried on it: Debian's mirrors do not have it any more."""

_NUMBER = re.compile(r"\b\d+\b(?!-)")
_FLOOR = re.compile(r"manylinux_(\d+)_(\d+)_")


@dataclass(frozen=True)
class Choice:
    """A release of Raspberry Pi OS on the page, and the wheel that its own pip installs there."""

    system: System
    file: WheelFile

    @property
    def tried(self) -> bool:
        """Whether the release can be emulated, and the wheel was tried on it."""
        return self.system is not BUSTER

    @property
    def bits(self) -> int:
        """How many bits its pointers have: what tells apart two systems of one release."""
        return self.system.architecture.bits

    @property
    def newest_numpy(self) -> bool:
        """Whether pip has a NumPy for it, and the wheel is tried beside that."""
        boards = systems.table().boards
        ours = [board for board in boards if board.processor == self.system.processor]
        return any("newest" in board.numpys for board in ours)

    @property
    def key(self) -> str:
        """The name used in URLs and element ids, for example bookworm."""
        return self.system.suite

    @property
    def number(self) -> str:
        """The release's number, for example 12."""
        found = _NUMBER.search(self.system.name)
        return found.group() if found else self.system.name

    @property
    def codename(self) -> str:
        """The release's codename, for example Bookworm."""
        return self.key.capitalize() if self.released else "the next"

    @property
    def released(self) -> bool:
        """Whether the release is out; Debian's sid stands for the next one."""
        return self.key != "sid"

    @property
    def managed(self) -> bool:
        """Whether its Python is externally managed: pip installs only in virtual environments."""
        return Version(self.system.python) >= MANAGED_SINCE


@dataclass(frozen=True)
class SystemTrials:
    """All trials on one system: the wheels' tags, the boards, and the number of passed checks."""

    system: str
    python: str
    tags: tuple[str, ...]
    boards: tuple[str, ...]
    numpys: tuple[str, ...]
    checks: int
    date: datetime


@dataclass(frozen=True)
class FileRow:
    """A file as a row of its release's table; URLs are relative to the front page."""

    file: WheelFile
    url: str
    yanked: str | None
    provenance: str | None

    @property
    def record(self) -> str:
        """The URL of the file's record."""
        return f"{FILES}/{self.file.tried_as or self.file.name}.verified.json{PACKED}"


@dataclass(frozen=True)
class ProjectRelease:
    """One version of a project, with its files."""

    version: Version
    rows: tuple[FileRow, ...]

    @property
    def yanked(self) -> bool:
        """Whether all files are yanked, so that pip does not choose this version."""
        return all(row.yanked for row in self.rows)


def page(
    projects: Sequence[ProjectFiles], place: Place, figures: Sequence[Figure], docs: bool = False
) -> bytes:
    """Render the front page for index.toml's first project that has a release to install.

    It is about the devices of the default architecture, and names one file for each architecture of
    others.

    ``projects`` is what :func:`wheelhouse.publish.index.group_by_project` returns; ``docs`` tells
    whether the site has the documentation.
    """
    releases = {project.name: _releases(project, place) for project in projects}
    known = {name: _newest(found) for name, found in releases.items()}
    offered = [name for name, newest in known.items() if newest]
    main = offered[0] if offered else None
    newest = known[main] if main else None
    kept = [row.file for row in newest.rows if not row.yanked] if newest else []
    others = elsewhere(kept)
    offered_files = [file for file in kept if not any(file in some for _, some in others)]
    files = [file for file in offered_files if not file.tried_as]
    offers = choices(offered_files)
    machines = {choice.bits: choice.system.architecture for choice in offers}
    picks = {choice.key: choice for choice in reversed(offers)}
    panels = {(key, bits): picks[key] for key in reversed(picks) for bits in machines}
    made = {(choice.key, choice.bits) for choice in offers}
    context = {
        "main": main,
        "others": {name: tried_bits(known[name]) for name in offered[1:]},
        "newest": newest,
        "coming": _coming(releases[main], newest) if main and newest else None,
        "releases": releases,
        "projects": projects,
        "site": _with_slash(place.site),
        "choices": offers,
        "picks": [*reversed(picks.values())],
        "machines": [*machines.values()],
        "panels": [*panels],
        "gaps": [(pick, key[1]) for key, pick in panels.items() if key not in made],
        "elsewhere": [(each, some[0].name) for each, some in others],
        "picked": next((choice.key for choice in offers if choice.released), ""),
        "tried": trials_by_system(files),
        "beyond": stand_ins(files),
        "facts": _facts(files),
        "older": any(not file.today for project in projects for file in project.files),
        "references": sorted({file.reference for file in files}),
        "licences": licences(files),
        "parts": licensed_components(files),
        "attested": any(row.provenance for row in newest.rows) if newest else False,
        "figures": figures,
        "docs": docs,
    }
    return templates.get_template("front.html").render(context).encode()


def elsewhere(files: Sequence[WheelFile]) -> list[tuple[Architecture, list[WheelFile]]]:
    """Each architecture of other devices, with its files, those for all Pythons first."""
    found = []
    for each in architectures.architectures():
        if _is_ours(each):
            continue
        some = [file for file in files if all(each.fits(tag.platform) for tag in file.tags)]
        some.sort(key=lambda file: all(tag.interpreter == tag.abi for tag in file.tags))
        found += [(each, some)] if some else []
    return found


def choices(files: Sequence[WheelFile]) -> list[Choice]:
    """The systems on which the files were tried, one for each Debian suite, and :data:`BUSTER`.

    The newest of each architecture comes first; one that is not released yet comes last.
    """
    names = {trial.system for file in files for trial in file.trials}
    found: dict[tuple[str, str], Choice] = {}
    for system in _systems():
        chosen = chosen_by_pip(files, system) if system.name in names else None
        if chosen:
            found[system.processor, system.suite] = Choice(system, chosen)
    if older := next((file for file in files if file.tried_as), None):
        found[BUSTER.processor, BUSTER.suite] = Choice(BUSTER, older)
    return sorted(found.values(), key=lambda choice: not choice.released)


def _systems() -> list[System]:
    """The systems that the page is about: those of each architecture together, newest first."""
    grouped = groupby(systems.table().systems, key=lambda system: system.architecture)
    return [each for key, group in grouped if _is_ours(key) for each in reversed([*group])]


def _is_ours(architecture: Architecture) -> bool:
    """Whether the page is about the devices that have an architecture."""
    return architecture.devices == architectures.default().devices


def chosen_by_pip(files: Sequence[WheelFile], system: System) -> WheelFile | None:
    """The file that pip installs on a system; None if no tag fits."""
    version = [int(part) for part in system.python.split(".")]
    platforms = system.architecture.platforms
    order: list[Tag] = [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, platforms=platforms),
    ]
    allowed = [
        file
        for file in files
        if not file.metadata.requires_python
        or file.metadata.requires_python.contains(system.python)
    ]
    ranked = [(order.index(tag), file) for file in allowed for tag in file.tags if tag in order]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def trials_by_system(files: Sequence[WheelFile]) -> list[SystemTrials]:
    """The trials in the files' records for each system, as :func:`_systems` has them."""
    found = []
    for system in _systems():
        both = [
            (file, trial) for file in files for trial in file.trials if trial.system == system.name
        ]
        if both:
            found.append(
                _system_trials(system, [file for file, _ in both], [trial for _, trial in both])
            )
    return found


def _system_trials(
    system: System, files: Sequence[WheelFile], trials: Sequence[Tried]
) -> SystemTrials:
    return SystemTrials(
        system.name,
        system.python,
        tuple(sorted(set(map(python_and_abi, files)), key=len)),
        tuple(dict.fromkeys(trial.board for trial in trials)),
        tuple(dict.fromkeys(trial.numpy for trial in trials)),
        sum(trial.checks for trial in trials),
        max(file.date for file in files),
    )


def stand_ins(files: Sequence[WheelFile]) -> list[str]:
    """The boards of the files' records as which more instructions were executed than they have."""
    tried = {trial.board for file in files for trial in file.trials}
    return [board.name for board in systems.table().boards if board.beyond and board.name in tried]


def tried_bits(release: ProjectRelease | None) -> tuple[int, ...]:
    """The bits of the page's systems that a release was tried on."""
    rows = release.rows if release else ()
    tried = {trial.system for row in rows for trial in row.file.trials}
    found = [each.architecture.bits for each in _systems() if each.name in tried]
    return tuple(dict.fromkeys(found))


def python_and_abi(file: WheelFile) -> str:
    """The Python and ABI tags of a file, as in ``cp37-abi3``; one if both are equal."""
    first = min(file.tags, key=str)
    return (
        first.interpreter if first.interpreter == first.abi else f"{first.interpreter}-{first.abi}"
    )


def licences(files: Iterable[WheelFile]) -> list[str]:
    """The terms of the files' SPDX license expressions, which join them with AND."""
    terms = [
        term for file in files for term in (file.metadata.license_expression or "").split(" AND ")
    ]
    return sorted({term.strip("()") for term in terms if term})


def licensed_components(files: Iterable[WheelFile]) -> list[str]:
    """The components whose licence files the wheels hold, by the names of their folders."""
    names = [name for file in files for name in file.metadata.license_files or []]
    return sorted({name.split("/")[0] for name in names if "/" in name})


def _releases(project: ProjectFiles, place: Place) -> list[ProjectRelease]:
    rows: dict[Version, list[FileRow]] = defaultdict(list)
    for file in project.files:
        url, yanked = place.url_for(file, ""), project.settings.yank(file)
        rows[file.version].append(FileRow(file, url, yanked, place.provenance(file)))
    return [ProjectRelease(version, tuple(rows[version])) for version in sorted(rows, reverse=True)]


def _newest(releases: Sequence[ProjectRelease]) -> ProjectRelease | None:
    """The release that pip installs by default: not yanked, and final if any final one exists."""
    good = [release for release in releases if not release.yanked]
    return next((each for each in good if not each.version.is_prerelease), next(iter(good), None))


def _coming(releases: Sequence[ProjectRelease], newest: ProjectRelease) -> ProjectRelease | None:
    """The newer pre-release that ``pip install --pre`` installs, if there is one."""
    later = [each for each in releases if each.version > newest.version]
    return next((each for each in later if not each.yanked), None)


def _facts(files: Sequence[WheelFile]) -> list[tuple[str, str]]:
    """The key facts at the top of the page: pairs of a value and its label."""
    if not files:
        return []
    passed = sum(trial.checks for file in files for trial in file.trials)
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


def _with_slash(address: str) -> str:
    return address if not address or address.endswith("/") else f"{address}/"
