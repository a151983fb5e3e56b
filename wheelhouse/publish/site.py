"""Make the site's folder: read the wheels, generate the pages, replace the old site."""

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
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.record import Demand

DOCS = "docs"
"""The folder of the site that has the documentation's pages."""


@failures_of(Kind.INDEX)
def make(
    folders: Sequence[Path],
    settings: IndexSettings,
    place: Place,
    site: Path,
    demand: Demand = Demand.ITS_RELEASE,
) -> None:
    """Make the folder ``site`` from all wheels below the folders; documentation in it stays.

    ``demand`` says on which systems each wheel must have been tried. The front page marks wheels
    that were tried on fewer systems than this checkout's matrix has.

    Raises WheelhouseError if there is no wheel or one is refused; the old site then stays.
    """
    files = without_local(read(wheels(folders), demand))
    projects = index.group_by_project(files, settings)
    pages = index.generate(files, settings, place)
    docs = (site / DOCS).is_dir()
    pages["index.html"] = front_page.page(projects, place, tuple(figures.read().values()), docs)
    kept = [file for project in projects for file in project.files]
    served = [] if place.files else kept
    by_path = {f"{index.FILES}/{file.name}": file.path for file in served}
    write(pages, by_path, site, keep=DOCS)
    told = "1 wheel is" if len(kept) == 1 else f"{len(kept)} wheels are"
    console.say(f"{told} in the index in {site}")


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


def read(paths: Sequence[Path], demand: Demand) -> list[WheelFile]:
    """Read and check the wheels; raises WheelhouseError for the first that is refused."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(partial(wheel_file.read, demand=demand), paths))


def without_local(files: Sequence[WheelFile]) -> list[WheelFile]:
    """The wheels without a local version, which pip would prefer to the public version."""
    for file in files:
        if file.version.local:
            console.warn(
                f"{file.name} is left out: pip would prefer it to version {file.version.public}."
            )
    return [file for file in files if not file.version.local]


def write(
    pages: Mapping[str, bytes], wheels_by_path: Mapping[str, Path], site: Path, keep: str = ""
) -> None:
    """Write the pages and the wheels into a new folder, then replace ``site`` by it.

    The new folder also has the old one's folder ``keep``, if that is named and exists.
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
