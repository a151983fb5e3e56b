"""Find pins in ``sources.toml`` whose files left the mirrors or have newer versions; move pins.

A pin moves only to another Debian revision of the same upstream version. If its ``tree`` is pinned,
it moves only to an archive with the same content. A newer upstream version is listed, not taken,
because it may need other patches. Artefacts with a ``url`` or of npm are skipped: each is of one
version.

What Debian's signed lists say of a pinned file is compared with its pin, and recorded by
:mod:`debian_record`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError, require_known
from wheelhouse.common.store import Store, tree_digest
from wheelhouse.common.toml import load
from wheelhouse.sources import archives, debian_index, debian_record, download, pins, pip
from wheelhouse.sources.debian_index import PoolFile
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.mirrors import KEYRING, VARIABLE, debian_mirrors
from wheelhouse.sources.pins import Artefact, Component, Pin, Pins
from wheelhouse.targets import systems

FILE = pins.FILE
_LATER = ("", "-updates", "-backports")
_CHECK = f"Check the mirror, or name another one in {VARIABLE}."


@dataclass(frozen=True)
class Use:
    """A component in a pinned file, and its folder in there."""

    name: str
    pin: Pin
    folder: str


@dataclass(frozen=True)
class PinnedFile:
    """A pinned file of a mirror and the components in it; ``carton`` is its carton's name or ""."""

    artefact: Artefact
    carton: str
    uses: list[Use] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names for ``--pin``: that of its carton, or those of its components, each once."""
        return [self.carton] if self.carton else list(dict.fromkeys(u.name for u in self.uses))

    @property
    def label(self) -> str:
        """Its names, for messages."""
        return ", ".join(self.names)


@dataclass(frozen=True)
class Finding:
    """What the mirrors have for a pinned file.

    ``available`` says whether they have the file itself. ``revision`` is the file that the pin can
    move to, ``newer`` the newest upstream version if it is not the pinned one.
    """

    pinned: PinnedFile
    available: bool
    revision: Artefact | None = None
    newer: str = ""


def update(
    fetcher: Fetcher,
    names: Sequence[str],
    write: bool,
    file: Path = FILE,
    keyring: Path = KEYRING,
) -> None:
    """List the pins whose files left the mirrors or have newer versions there.

    ``names`` selects pins; all are checked if it is empty. With ``write`` pins are moved in
    ``file`` where possible, and what Debian's signed lists say is recorded beside it. Raises
    WheelhouseError if a name is not known, if a mirror does not answer, if Debian signed another
    file than the pinned one, or if a pin cannot be moved because the content differs.
    """
    chosen = _chosen(pinned(load(file, Pins)), names)
    ours = [one for one in chosen if one.artefact.debian]
    listed = _listed(ours, fetcher.store, keyring)
    debian_record.check([one.artefact for one in ours], listed)
    found = [*_debian(ours, listed), *_python(chosen, fetcher.store)]
    notable = [one for one in found if not one.available or one.revision or one.newer]
    if notable:
        columns = ("pin", "pinned", "there", "newer revision", "newer version")
        console.table("Pins to look at", columns, [_row(one) for one in notable])
    console.say(f"{len(found) - len(notable)} of {len(found)} pins are the newest that there is")
    movable = [one for one in found if one.revision]
    known = {each.path for each in listed}
    signed = sum(one.artefact.debian in known for one in ours)
    console.say(f"{signed} of {len(ours)} files of Debian are as its signed lists say")
    if write:
        try:
            _move_all(movable, fetcher, file)
        finally:
            _record(ours, listed, file)
    elif movable:
        console.say("`invoke update-pins --write` moves pins to their newer revisions")


def pinned(all_pins: Pins) -> list[PinnedFile]:
    """The pinned files that come from a mirror, each once."""
    found: dict[str, PinnedFile] = {}
    for table in (*all_pins.tflite.values(), all_pins.shared):
        for name, pin in table.items():
            for carton, artefact, folder in _files(all_pins, pin):
                if artefact.debian or _is_wheel(artefact):
                    one = found.setdefault(artefact.origin, PinnedFile(artefact, carton))
                    one.uses.append(Use(name, pin, folder))
    return list(found.values())


def _is_wheel(artefact: Artefact) -> bool:
    return artefact.pypi.endswith(".whl")


def successor(pinned: PinnedFile, listed: Sequence[PoolFile], lost: bool) -> PoolFile | None:
    """The file in Debian's pool that a pin may move to, or None.

    It is the newest revision of the same upstream version, an older one only if the pinned file is
    ``lost``. A lost carton may move to the next later archive of any version, because the content
    of its components is pinned.
    """
    ours, others = _siblings(pinned, listed)
    if pinned.carton:
        return next((other for other in others if lost and other.version > ours.version), None)
    same = [other for other in others if other.upstream == ours.upstream]
    return same[-1] if same and (lost or same[-1].version > ours.version) else None


def newest(pinned: PinnedFile, listed: Sequence[PoolFile]) -> str:
    """The newest upstream version among listed files; "" if it is not newer than the pinned one."""
    ours, others = _siblings(pinned, listed)
    later = others[-1:] if others and others[-1].version > ours.version else []
    return "".join(other.upstream for other in later if other.upstream != ours.upstream)


def rewritten(text: str, old: Artefact, new: Artefact) -> str:
    """The text of ``sources.toml`` with a file of Debian's pool replaced by another."""
    lines = text.splitlines(keepends=True)
    return "".join(_line(line, old, new) if f'"{old.debian}"' in line else line for line in lines)


def _line(line: str, old: Artefact, new: Artefact) -> str:
    moved = line.replace(old.debian, new.debian).replace(_length(old), _length(new))
    return moved.replace(old.sha256, new.sha256) if old.sha256 else moved


def _length(artefact: Artefact) -> str:
    return f"size = {artefact.size}" if artefact.size else f"at-most = {artefact.at_most}"


def _files(all_pins: Pins, pin: Pin) -> Iterator[tuple[str, Artefact, str]]:
    """For each file that contains a component: its carton's name or "", the file, the folder."""
    for artefact in all_pins.cartons[pin.carton] if pin.carton else ():
        yield pin.carton, artefact, pin.folder
    for artefact in pin.artefacts:
        yield "", artefact, artefact.folder


def _siblings(pinned: PinnedFile, listed: Sequence[PoolFile]) -> tuple[PoolFile, list[PoolFile]]:
    """A pinned file, and the other files of its package sorted by version."""
    ours = PoolFile(pinned.artefact.debian)
    others = [
        other
        for other in listed
        if (other.package, other.kind) == (ours.package, ours.kind) and other.path != ours.path
    ]
    return ours, sorted(others, key=lambda other: other.version)


def _chosen(every: Sequence[PinnedFile], names: Sequence[str]) -> list[PinnedFile]:
    known = sorted({name for one in every for name in one.names})
    for name in names:
        require_known(name, known, "pinned file of a mirror named", "--pin")
    return [one for one in every if not names or set(names) & set(one.names)]


def _row(one: Finding) -> tuple[str, ...]:
    there = "yes" if one.available else "no"
    revision = _version(one.revision) if one.revision else ""
    return one.pinned.label, _version(one.pinned.artefact), there, revision, one.newer


def _version(artefact: Artefact) -> str:
    if artefact.pypi:
        return str(parse_wheel_filename(artefact.pypi)[1])
    return str(PoolFile(artefact.debian).version)


def _listed(ours: Sequence[PinnedFile], store: Store, keyring: Path) -> list[PoolFile]:
    """What the signed lists have of the pinned files' packages."""
    if not ours:
        return []
    mirrors = debian_mirrors()
    files = [PoolFile(one.artefact.debian) for one in ours]
    packages = {file.package for file in files}
    processors = sorted({file.architecture for file in files} - {""})
    log = store.log("package-lists")
    with tempfile.TemporaryDirectory() as scratch:
        suites = _suites(mirrors[0])
        lists = debian_index.fetch(mirrors[0], suites, processors, keyring, Path(scratch), log)
        return debian_index.read(lists, packages)


def _record(ours: Sequence[PinnedFile], listed: Sequence[PoolFile], file: Path) -> None:
    """Record what the lists say of the pins that ``file`` has now."""
    every = [one.artefact for one in pinned(load(file, Pins)) if one.artefact.debian]
    asked = {one.artefact.debian for one in ours} | {each.path for each in listed}
    old = debian_record.read(file.parent)
    debian_record.write(debian_record.renewed(old, every, asked, listed), file.parent)


def _debian(ours: Sequence[PinnedFile], listed: Sequence[PoolFile]) -> list[Finding]:
    mirrors = debian_mirrors() if ours else ()
    available = {
        path
        for path in (one.artefact.debian for one in ours)
        if _exists([f"{mirror}/{quote(path)}" for mirror in mirrors])
    }
    whole = {one.carton for one in ours if one.artefact.debian in available}
    found: list[Finding] = []
    taken = {one.artefact.debian for one in ours}
    for one in ours:
        lost = one.artefact.debian not in available
        file = successor(one, listed, one.carton not in whole if one.carton else lost)
        moved = None
        if file and file.path not in taken:
            taken.add(file.path)
            moved = replace(
                one.artefact, debian=file.path, sha256=file.sha256, size=file.size, at_most=0
            )
        found.append(Finding(one, not lost, moved, newest(one, listed)))
    return found


def _suites(mirror: str) -> list[str]:
    """The suites of all systems that the mirror has, with their updates and backports."""
    named = dict.fromkeys(system.suite for system in systems.debian())
    wanted = [f"{suite}{later}" for suite in named for later in _LATER]
    found = [suite for suite in wanted if _exists([f"{mirror}/dists/{suite}/InRelease"])]
    if missing := [suite for suite in named if suite not in found]:
        console.warn(f"{mirror} has no {', '.join(missing)}; newer files there are not listed.")
    if not found:
        raise WheelhouseError(
            f"{mirror} has none of the Debian suites in systems.toml.", _CHECK, Kind.FETCH
        )
    return found


def _exists(addresses: Sequence[str]) -> bool:
    """Whether a file is at one of the addresses; raises WheelhouseError if none says so."""
    problems = []
    for url in addresses:
        try:
            if download.exists(url):
                return True
        except download.UnreachableError as error:
            problems.append(f"{url}: {error}")
    if problems:
        raise WheelhouseError(
            "The Debian mirror does not answer:\n  " + "\n  ".join(problems), _CHECK, Kind.FETCH
        )
    return False


def _python(chosen: Sequence[PinnedFile], store: Store) -> list[Finding]:
    ours = [one for one in chosen if one.artefact.pypi]
    if not ours:
        return []
    found: list[Finding] = []
    with console.steps("Python package index") as bar, ThreadPoolExecutor(4) as pool:
        for finding in pool.map(lambda one: _wheel(one, store), ours):
            found.append(finding)
            bar.update(len(found), len(ours))
    return found


def _wheel(one: PinnedFile, store: Store) -> Finding:
    """What the Python package index has for a wheel; pip asks the index in its configuration.

    Only versions that have a wheel with the same tags count. Raises WheelhouseError if the index
    does not answer.
    """
    wheel = one.artefact.pypi
    name, version, _, _ = parse_wheel_filename(wheel)
    log, trace = store.log(f"pip-index-{wheel}"), store.log(f"pip-index-{wheel}-trace")
    query = ("index", "versions", name, "--json", "--only-binary=:all:", "--log", trace)
    done = process.run([*process.PYTHON, "pip", *query, *pip.tag_options(wheel)])
    failures = [line for line in trace.read_text().splitlines() if _is_failure(line)]
    if failures or (done.status and "No matching distribution" not in done.stderr):
        raise process.failure(
            "The Python package index does not answer",
            *(done, log, "Check the network and the index, which pip's configuration names."),
            *(failures[-1].partition("Could not fetch URL ")[2] if failures else "", Kind.FETCH),
        )
    reply: Mapping[str, list[str]] = {} if done.status else json.loads(done.stdout)
    known = [Version(text) for text in reply.get("versions", [])]
    latest = max(known, default=version)
    return Finding(one, version in known, newer=str(latest) if latest > version else "")


def _is_failure(line: str) -> bool:
    """Whether a line of pip's log says that an index failed, not just that it lacks a project."""
    return "Could not fetch URL" in line and ": 404 Client Error" not in line


def _move_all(movable: Sequence[Finding], fetcher: Fetcher, file: Path) -> None:
    refused: list[str] = []
    for one in movable:
        if one.revision:
            refused += _move(one.pinned, one.revision, fetcher, file)
    if refused:
        raise WheelhouseError(
            "\n  ".join(
                ["These pins were not moved, because the files have other content:", *refused]
            ),
            "Pin another version of these components, or find archives with the same content.",
            Kind.FETCH,
        )


def _move(pinned: PinnedFile, new: Artefact, fetcher: Fetcher, file: Path) -> list[str]:
    """Fetch and check the new file and write its pin; a refusal if its content differs."""
    old = pinned.artefact
    if different := _different(pinned, new, fetcher):
        return [f"{new.filename}: {', '.join(different)}"]
    text = rewritten(file.read_text(encoding="utf-8"), old, new)
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch, file.name)
        draft.write_text(text, encoding="utf-8")
        if load(draft, Pins) != _replaced(load(file, Pins), old, new):
            raise WheelhouseError(
                f"{file} could not be rewritten: {old.debian} is not on one line with its SHA-256 "
                "and size.",
                f"Write the new pin there by hand: {new.debian}, {new.sha256}, {new.size} bytes.",
                Kind.USAGE,
            )
    file.write_text(text, encoding="utf-8")
    console.result(f"{pinned.label}: {old.filename} became {new.filename}")
    return []


def _different(pinned: PinnedFile, new: Artefact, fetcher: Fetcher) -> list[str]:
    """Fetch a file; returns the names of its components whose content is not the pinned one."""
    trees = [use for use in pinned.uses if use.pin.tree]
    first = pinned.uses[0]
    single = Component(first.name, Pin(first.pin.version, first.pin.license, (new,)))
    if not trees:
        fetcher.file(single)
        return []
    fetcher.store.root.mkdir(parents=True, exist_ok=True)
    # A carton is large and read once.
    with tempfile.TemporaryDirectory(dir=fetcher.store.root) as scratch:
        archive = Fetcher(Store(Path(scratch, "store"))).file(single)
        keep = [f"{use.folder}/{name}".lstrip("/") for use in trees for name in use.pin.keep]
        archives.unpack(archive, Path(scratch, "tree"), strip=new.depth, keep=keep)
        return [use.name for use in trees if _tree(Path(scratch, "tree"), use) != use.pin.tree]


def _tree(folder: Path, use: Use) -> str:
    return tree_digest(folder / use.folder, lambda name: archives.is_kept(name, use.pin.keep))


def _replaced(all_pins: Pins, old: Artefact, new: Artefact) -> Pins:
    """The pins as they should be after one has moved."""

    def files(artefacts: Sequence[Artefact]) -> tuple[Artefact, ...]:
        return tuple(
            replace(
                one,
                debian=new.debian,
                sha256=one.sha256 and new.sha256,
                size=new.size,
                at_most=new.at_most,
            )
            if one.debian == old.debian
            else one
            for one in artefacts
        )

    def moved(table: Mapping[str, Pin]) -> dict[str, Pin]:
        return {name: replace(pin, artefacts=files(pin.artefacts)) for name, pin in table.items()}

    return Pins(
        {version: moved(table) for version, table in all_pins.tflite.items()},
        moved(all_pins.shared),
        {name: files(carton) for name, carton in all_pins.cartons.items()},
    )
