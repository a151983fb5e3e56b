"""Fetch pinned components from the cache, a folder, a Debian mirror, or Python's or npm's index.

Every file is checked against its pin before it is used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store, digest, disk_space, file_digest
from wheelhouse.sources import archives, download, pins, pip
from wheelhouse.sources.mirrors import debian_mirrors, npm_registry
from wheelhouse.sources.pins import Artefact, Component, Pin


@dataclass(frozen=True)
class Fetcher:
    """Fetches components from the store, then a folder made by ``export``, then the network.

    ``offline`` forbids the network, and so does a ``folder``.
    """

    store: Store
    offline: bool = False
    folder: Path | None = None

    @classmethod
    def from_options(cls, offline: bool = False, folder: str = "") -> Fetcher:
        """A fetcher on the user's cache, from the options ``--offline`` and ``--sources``.

        Raises WheelhouseError if the folder does not exist.
        """
        if folder and not Path(folder).is_dir():
            raise WheelhouseError(
                f"The folder {folder} does not exist.",
                "Make it with `invoke sources --export DIR` on a machine with a network.",
                Kind.USAGE,
            )
        return cls(Store.default(), offline, Path(folder).absolute() if folder else None)

    @property
    def network(self) -> bool:
        """Whether the network may be used."""
        return not (self.offline or self.folder)

    def file(self, component: Component) -> Path:
        """The path of the component's verified archive, or of the checkout that replaces it.

        Raises WheelhouseError if no artefact can be fetched or none has the pinned content.
        """
        if component.checkout:
            return component.checkout
        first = component.pin.artefacts[0]
        key = digest(first.origin) if component.pin.tree else first.sha256
        lock = self.store.locked(f"file-{key[:16]}", f"{component.label} is being fetched")
        with disk_space(self.store.root), lock:
            return self._cached(component) or self._fetch(component)

    def tree(self, component: Component) -> Path:
        """The folder with the component's unpacked and patched sources."""
        return get_or_make(component.tree, self)

    def export(self, folder: Path, components: tuple[Component, ...]) -> None:
        """Copy the components' archives into a folder, for the ``folder`` of another Fetcher."""
        for component in components:
            path = self.file(component)
            with disk_space(folder):
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / path.name)

    def _cached(self, component: Component) -> Path | None:
        for name, key in _files(component.label, component.pin):
            cached = self._path(key, name)
            if cached.is_file():
                if _content(component.pin, cached) == key:
                    with suppress(OSError):  # the cache may be another user's
                        os.utime(cached.parent)  # when it was last used
                    return cached
                console.warn(f"{name} in the cache is damaged; it is removed.")
                cached.unlink()
            if self.folder and (path := self.folder / name).is_file():
                if _content(component.pin, path) == key:
                    return path
                raise WheelhouseError(
                    f"{path} does not have the pinned content.",
                    "Make the folder again with `invoke sources --export`.",
                    Kind.FETCH,
                )
        return None

    def _fetch(self, component: Component) -> Path:
        if not self.network:
            where = f"in {self.folder}" if self.folder else "in the cache"
            raise WheelhouseError(
                f"{component.label} is not {where}, and the network is not to be used.",
                "Run `invoke sources` once with a network, or `invoke sources --export DIR` there "
                "and `--sources DIR` here.",
                Kind.FETCH,
                "download",
            )
        problems: list[str] = []
        for artefact in component.pin.artefacts:
            try:
                if component.pin.tree:
                    return self._fetch_from_carton(component, artefact)
                return self._fetch_file(artefact)
            except download.UnreachableError as error:
                problems.append(str(error))
        raise WheelhouseError(
            f"{component.label} could not be fetched:\n  " + "\n  ".join(problems),
            "Check the network and the mirrors, which the configuration of apt, pip and npm names "
            "(or WHEELHOUSE_DEBIAN_MIRROR and WHEELHOUSE_NPM_REGISTRY), then run the same command "
            "again; it resumes. `invoke update-pins` lists files that have left the mirrors.",
            Kind.FETCH,
            "download",
        )

    def _fetch_file(self, artefact: Artefact) -> Path:
        final = self._path(artefact.sha256, artefact.filename)
        final.parent.mkdir(parents=True, exist_ok=True)
        if artefact.pypi:
            return pip.fetch(
                artefact.pypi, artefact.sha256, download.Limits(artefact.largest), final, self.store
            )
        problems: list[str] = []
        for url in addresses(artefact):
            part = final.with_name(f"{final.name}.part")
            try:
                _save(url, part, artefact)
            except download.UnreachableError as error:
                problems.append(f"{url}: {error}")
                continue
            return part.rename(final)
        raise download.UnreachableError("\n  ".join(problems))

    def _fetch_from_carton(self, component: Component, carton: Artefact) -> Path:
        """Unpack a component, and all others that are missing, from a carton while it downloads.

        The carton itself is not stored.
        """
        final = self._packed_path(component)
        final.parent.mkdir(parents=True, exist_ok=True)
        candidates = (component, *pins.all_components())
        wanted = {each.label: each for each in candidates if self._is_missing(each)}
        folders = {
            label: (each, folder)
            for label, each in wanted.items()
            if (folder := each.inside(carton)) is not None
        }
        keep = [
            str(PurePosixPath(folder, name))
            for each, folder in folders.values()
            for name in each.pin.keep or ("*",)
        ]
        problems: list[str] = []
        for url in addresses(carton):
            with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
                try:
                    _unpack_stream(url, carton, keep, Path(scratch, "all"))
                except (download.UnreachableError, *archives.BROKEN) as error:
                    problems.append(f"{url}: {error}")
                    continue
                for each, folder in folders.values():
                    tar = Path(scratch, "tar")
                    archives.pack(Path(scratch, "all", folder), each.pin.keep, tar)
                    if (found := _content(each.pin, tar)) == each.pin.tree:
                        self._packed_path(each).parent.mkdir(parents=True, exist_ok=True)
                        tar.rename(self._packed_path(each))
                    elif each == component:
                        problems.append(f"{url}: the folder's {_mismatch(found, each.pin.tree)}")
            if final.is_file():
                return final
        raise download.UnreachableError("\n  ".join(problems))

    def _packed_path(self, component: Component) -> Path:
        return self._path(component.pin.tree, f"{component.label}.tar")

    def _is_missing(self, component: Component) -> bool:
        return bool(component.pin.tree) and not self._packed_path(component).is_file()

    def _path(self, key: str, name: str) -> Path:
        return self.store.root / "files" / key[:16] / name


def addresses(artefact: Artefact) -> tuple[str, ...]:
    """The addresses of an artefact, best first.

    Raises UnreachableError if no Debian mirror or npm registry is known.
    """
    if artefact.url:
        return (artefact.url,)
    path = urllib.parse.quote(artefact.debian or artefact.npm, safe="/@")
    try:
        mirrors = debian_mirrors() if artefact.debian else (npm_registry(),)
    except WheelhouseError as error:
        raise download.UnreachableError(f"{path}: {error.what} {error.hint}") from error
    return tuple(f"{mirror.rstrip('/')}/{path}" for mirror in mirrors)


def _save(url: str, part: Path, artefact: Artefact) -> None:
    resumed = part.is_file()
    limits = download.Limits(artefact.largest)
    with part.open("ab") as stream:
        if stream.tell() > limits.size:
            stream.truncate(0)
        for block in download.read(url, limits, stream.tell()):
            stream.write(block)
    found = file_digest(part)
    if found == artefact.sha256:
        return
    part.unlink()
    if resumed:
        _save(url, part, artefact)
        return
    raise download.UnreachableError(f"its {_mismatch(found, artefact.sha256)}")


def _mismatch(found: str, pinned: str) -> str:
    return f"SHA-256 is {found}, not the pinned {pinned}"


def _unpack_stream(url: str, carton: Artefact, keep: Sequence[str], folder: Path) -> None:
    hasher = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for block in download.read(url, download.Limits(carton.largest)):
            hasher.update(block)
            yield block

    blocks = hashed()
    folder.mkdir()
    feed = BufferedReader(archives.BlockReader(blocks), 1 << 20)
    archives.untar(feed, folder, strip=carton.depth, keep=keep)
    for _ in blocks:
        pass
    found = hasher.hexdigest()
    if carton.sha256 and found != carton.sha256:
        raise download.UnreachableError(f"its {_mismatch(found, carton.sha256)}")


def _files(label: str, pin: Pin) -> list[tuple[str, str]]:
    """The file names that a component's archive may have, each with its pinned digest."""
    if pin.tree:
        return [(f"{label}.tar", pin.tree)]
    return [(artefact.filename, artefact.sha256) for artefact in pin.artefacts]


def _content(pin: Pin, archive: Path) -> str:
    """The digest of an archive to compare with its pin: of the folder inside, or of the file."""
    if not pin.tree:
        return file_digest(archive)
    try:
        return archives.tree_digest(archive)
    except archives.BROKEN:
        return "unreadable"
