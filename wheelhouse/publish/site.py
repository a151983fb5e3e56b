"""Make the site's folder: read the wheels, generate the pages, replace the old site."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from wheelhouse import boards, figures
from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.files import alone_in
from wheelhouse.common.store import disk_space
from wheelhouse.package import retagged
from wheelhouse.publish import boards_page, front_page, index, locks, vex, wheel_file
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.publish.publisher import Publisher
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.record import Demand, Verifier

DOCS = "docs"
"""The folder of the site that has the documentation's pages."""
_PR_SET_PDEATHSIG = 1
"""Of linux/prctl.h."""
_AT_ONCE = 4
"""Wheels that a process checks before it asks for more."""


@failures_of(Kind.INDEX)
def make(
    folders: Sequence[Path],
    settings: IndexSettings,
    place: Place,
    site: Path,
    demand: Demand,
    verifier: Verifier,
    publisher: Publisher | None = None,
) -> None:
    """Make the folder ``site`` from all wheels below the folders; documentation in it stays.

    ``demand`` and ``verifier`` are as for :func:`wheelhouse.record.vouch`, ``publisher`` as for
    :func:`wheel_file.read`. The front page marks wheels that do not meet :attr:`Demand.TODAY`.

    A universal wheel gets a second file, for pips that do not know its tag. Raises WheelhouseError
    if there is no wheel or one is refused; the old site then stays.
    """
    docs = (site / DOCS).is_dir()
    measured = tuple(figures.read().values())
    with tempfile.TemporaryDirectory() as scratch, _processes() as processes:
        drawn = processes.submit(boards_page.page, boards.sessions(), measured, docs)
        files = without_local(read(wheels(folders), demand, verifier, publisher, processes))
        files += for_older_pips(files, Path(scratch), processes)
        projects = index.group_by_project(files, settings)
        pages = index.generate(files, settings, place)
        pages["index.html"] = front_page.page(projects, place, measured, docs)
        pages[boards_page.FILE] = drawn.result()
        pages[vex.PAGE] = vex.page()
        pages |= locks.pages(projects, place)
        kept = [file for project in projects for file in project.files]
        served = {f"{index.FILES}/{file.name}": file.path for file in kept if place.has(file)}
        write(pages, served, site, keep=DOCS)
    told = "1 wheel is" if len(kept) == 1 else f"{len(kept)} wheels are"
    console.say(f"{told} in the index in {site}")


def wheels(folders: Iterable[Path]) -> list[Path]:
    """Every wheel below the folders, but for what an earlier site has for older pips.

    Raises WheelhouseError if there is none.
    """
    paths = (path for folder in folders for path in sorted(folder.rglob("*.whl")))
    found = [path for path in paths if not retagged.is_retagged(path)]
    if not found:
        raise WheelhouseError(
            f"There is no wheel in {' or '.join(map(str, folders))}.",
            "`invoke build` makes wheels.",
            Kind.USAGE,
        )
    return found


def read(
    paths: Sequence[Path],
    demand: Demand,
    verifier: Verifier,
    publisher: Publisher | None,
    processes: Executor,
) -> list[WheelFile]:
    """Read and check the wheels; raises WheelhouseError for the first that is refused."""
    check = partial(wheel_file.read, demand=demand, verifier=verifier, publisher=publisher)
    return [*processes.map(check, paths, chunksize=_AT_ONCE)]


@contextmanager
def _processes() -> Iterator[Executor]:
    """A process for each processor: threads would wait for Python's lock.

    Raises WheelhouseError if one is killed.
    """
    count, forked = len(os.sched_getaffinity(0)), get_context("fork")
    try:
        with ProcessPoolExecutor(count, forked, _obey_parent) as processes:
            yield processes
    except BrokenProcessPool as error:
        raise WheelhouseError(
            "A process that checked wheels was killed.",
            "Often the memory is full: free some, then run this again.",
            Kind.MACHINE,
        ) from error


def _obey_parent() -> None:
    """Let the parent process alone answer Ctrl+C, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def without_local(files: Sequence[WheelFile]) -> list[WheelFile]:
    """The wheels without a local version, which pip would prefer to the public version."""
    for file in files:
        if file.version.local:
            console.warn(
                f"{file.name} is left out: pip would prefer it to version {file.version.public}."
            )
    return [file for file in files if not file.version.local]


def for_older_pips(
    files: Iterable[WheelFile], folder: Path, processes: Executor
) -> list[WheelFile]:
    """The wheels that older pips take in the place of the universal ones among ``files``."""
    universal = {file.name: file for file in files if retagged.serves(file.tags)}.values()
    return [*processes.map(partial(wheel_file.for_older_pips, folder=folder), universal)]


def write(
    pages: Mapping[str, bytes], wheels_by_path: Mapping[str, Path], site: Path, keep: str = ""
) -> None:
    """Write the pages and the wheels into a new folder, then replace ``site`` by it.

    The new folder also has the old one's folder ``keep``, if that is named and exists. Of two
    processes that do so at once, the site of the later one stays.
    """
    site.parent.mkdir(parents=True, exist_ok=True)
    with (
        disk_space(site.parent),
        tempfile.TemporaryDirectory(dir=site.parent, prefix=f".{site.name}-") as scratch,
    ):
        new, old = Path(scratch, "new"), Path(scratch, "old")
        for name, content in pages.items():
            _path_in(new, name).write_bytes(content)
        for name, path in wheels_by_path.items():
            _link_or_copy(path, _path_in(new, name))
        with alone_in(site.parent):
            _replace(site, new, old, keep)


def _replace(site: Path, new: Path, old: Path, keep: str) -> None:
    if keep and (site / keep).is_dir():
        shutil.copytree(site / keep, new / keep, copy_function=_link_or_copy)
    if site.exists():
        site.rename(old)
    try:
        new.rename(site)
    except BaseException:
        if old.exists():
            old.rename(site)
        raise


def _link_or_copy(path: str | Path, to: str | Path) -> None:
    """Hard-link the file, because many wheels are gigabytes; copy it if that fails."""
    try:
        Path(to).hardlink_to(path)
    except OSError:
        shutil.copyfile(path, to)


def _path_in(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
