"""The site's folder: read the wheels, generate the pages, and swap the new site for the old one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from wheelhouse import figures
from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.store import disk_space
from wheelhouse.publish import front_page, index, wheel_file
from wheelhouse.publish.index import Place, Settings
from wheelhouse.publish.wheel_file import File
from wheelhouse.record import Demand


@failures_of(Kind.INDEX)
def make(
    folders: Sequence[Path],
    settings: Settings,
    place: Place,
    site: Path,
    demand: Demand = Demand.ITS_RELEASE,
) -> None:
    """Make ``site`` anew from all wheels below the folders.

    ``demand`` tells which systems they must have been tried on. The front page names the wheels
    that were tried on fewer than this checkout's matrix names.

    Raises WheelhouseError if there is none or any is refused; the old site is then still there.
    """
    files = public(read(wheels(folders), demand))
    shelves = index.shelve(files, settings)
    pages = index.generate(files, settings, place)
    pages["index.html"] = front_page.page(shelves, place, tuple(figures.read().values()))
    kept = [file for shelf in shelves for file in shelf.files]
    carried = {} if place.files else {f"{index.FILES}/{file.name}": file.path for file in kept}
    write(pages, carried, site)
    console.say(f"{len(kept)} wheels are in the index in {site}")


def wheels(folders: Iterable[Path]) -> list[Path]:
    """Every wheel below the folders; raises WheelhouseError if there is none."""
    found = [path for folder in folders for path in sorted(folder.rglob("*.whl"))]
    if not found:
        raise WheelhouseError(
            f"There is no wheel in {' or '.join(map(str, folders))}.",
            "`invoke build` makes wheels.",
            Kind.USAGE,
        )
    return found


def read(paths: Sequence[Path], demand: Demand) -> list[File]:
    """The wheels as an index shows them; raises WheelhouseError for the first that is refused."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(partial(wheel_file.read, demand=demand), paths))


def public(files: Sequence[File]) -> list[File]:
    """The wheels that pip may choose from: not those of a local version, which it would prefer."""
    for file in files:
        if file.version.local:
            console.warn(
                f"{file.name} is left out: pip would prefer it to version {file.version.public}."
            )
    return [file for file in files if not file.version.local]


def write(pages: Mapping[str, bytes], carried: Mapping[str, Path], site: Path) -> None:
    """Write pages and lay files in a new folder, then put it in the place of ``site``."""
    site.parent.mkdir(parents=True, exist_ok=True)
    with (
        disk_space(site.parent),
        tempfile.TemporaryDirectory(dir=site.parent, prefix=f".{site.name}-") as scratch,
    ):
        new, old = Path(scratch, "new"), Path(scratch, "old")
        for name, content in pages.items():
            _below(new, name).write_bytes(content)
        for name, path in carried.items():
            _carry(path, _below(new, name))
        if site.exists():
            site.rename(old)
        try:
            new.rename(site)
        except BaseException:
            if old.exists():
                old.rename(site)
            raise


def _carry(path: Path, to: Path) -> None:
    """Link the file, for a thousand wheels are gigabytes; copy it where that cannot be."""
    try:
        to.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, to)


def _below(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
