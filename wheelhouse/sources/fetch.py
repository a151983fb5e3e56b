"""Bring pinned components here: from the cache, a folder, Debian's mirror, the Python index.

Whatever comes is checked against its pin before it is used.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store, digest, disk_space, file_digest
from wheelhouse.sources import archives, download, pip
from wheelhouse.sources.mirrors import debian_mirrors
from wheelhouse.sources.pins import Artefact, Component, Pin, all_components


@dataclass(frozen=True)
class Fetcher:
    """Where components come from: the store, a folder made by ``export``, then the network."""

    store: Store
    offline: bool = False
    folder: Path | None = None

    @classmethod
    def from_options(cls, offline: bool = False, folder: str = "") -> Fetcher:
        """The user's cache, with what the command line says of the network.

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
        """The component's verified archive, or the checkout that stands in.

        Raises WheelhouseError when no artefact can be had or none has the pinned content.
        """
        if component.checkout:
            return component.checkout
        first = component.pin.artefacts[0]
        key = digest(first.origin) if component.pin.tree else first.sha256
        lock = self.store.locked(f"file-{key[:16]}", f"{component.label} is being fetched")
        with disk_space(self.store.root), lock:
            return self._kept(component) or self._fetched(component)

    def tree(self, component: Component) -> Path:
        """The component's unpacked and patched folder."""
        return get_or_make(component.tree, self)

    def export(self, folder: Path, components: tuple[Component, ...]) -> None:
        """Copy the components' archives into a folder that ``Fetcher.folder`` can name."""
        for component in components:
            path = self.file(component)
            with disk_space(folder):
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / path.name)

    def _kept(self, component: Component) -> Path | None:
        for name, key in _files(component.label, component.pin):
            ours = self._place(key, name)
            if ours.is_file():
                if _content(component.pin, ours) == key:
                    return ours
                console.warn(f"{name} in the cache is damaged; it is removed.")
                ours.unlink()
            if self.folder and (given := self.folder / name).is_file():
                if _content(component.pin, given) == key:
                    return given
                raise WheelhouseError(
                    f"{given} does not have the pinned content.",
                    "Make the folder again with `invoke sources --export`.",
                    Kind.FETCH,
                )
        return None

    def _fetched(self, component: Component) -> Path:
        if not self.network:
            where = f"in {self.folder}" if self.folder else "in the cache"
            raise WheelhouseError(
                f"{component.label} is not {where}, and the network is not to be used.",
                "Run `invoke sources` once with a network, or `invoke sources --export DIR` there "
                "and `--sources DIR` here.",
                Kind.FETCH,
            )
        problems: list[str] = []
        for artefact in component.pin.artefacts:
            try:
                if component.pin.tree:
                    return self._carton(component, artefact)
                return self._artefact(artefact)
            except download.UnreachableError as error:
                problems.append(str(error))
        raise WheelhouseError(
            f"{component.label} could not be fetched:\n  " + "\n  ".join(problems),
            "Check the network and the mirrors, which apt's and pip's configuration name (or "
            "WHEELHOUSE_DEBIAN_MIRROR), then run the same command again; what has come is kept. "
            "`invoke update-pins` lists files that have left the mirrors.",
            Kind.FETCH,
        )

    def _artefact(self, artefact: Artefact) -> Path:
        final = self._place(artefact.sha256, artefact.filename)
        final.parent.mkdir(parents=True, exist_ok=True)
        if artefact.pypi:
            return pip.fetch(artefact.pypi, artefact.sha256, final, self.store)
        problems: list[str] = []
        for url in addresses(artefact):
            part = final.with_name(f"{final.name}.part")
            try:
                _save(url, part, artefact.sha256)
            except download.UnreachableError as error:
                problems.append(f"{url}: {error}")
                continue
            return part.rename(final)
        raise download.UnreachableError("\n  ".join(problems))

    def _carton(self, component: Component, carton: Artefact) -> Path:
        """Take a component out of a large archive while it streams by, and all others in there."""
        final = self._packed(component)
        final.parent.mkdir(parents=True, exist_ok=True)
        wanted = {each.label: each for each in (component, *all_components()) if self._lacks(each)}
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
                    _stream(url, carton, keep, Path(scratch, "all"))
                except (download.UnreachableError, *archives.BROKEN) as error:
                    problems.append(f"{url}: {error}")
                    continue
                for each, folder in folders.values():
                    tar = Path(scratch, "tar")
                    archives.pack(Path(scratch, "all", folder), each.pin.keep, tar)
                    if (found := _content(each.pin, tar)) == each.pin.tree:
                        self._packed(each).parent.mkdir(parents=True, exist_ok=True)
                        tar.rename(self._packed(each))
                    elif each == component:
                        problems.append(f"{url}: the folder's {_mismatch(found, each.pin.tree)}")
            if final.is_file():
                return final
        raise download.UnreachableError("\n  ".join(problems))

    def _packed(self, component: Component) -> Path:
        return self._place(component.pin.tree, f"{component.label}.tar")

    def _lacks(self, component: Component) -> bool:
        return bool(component.pin.tree) and not self._packed(component).is_file()

    def _place(self, key: str, name: str) -> Path:
        return self.store.root / "files" / key[:16] / name


def addresses(artefact: Artefact) -> tuple[str, ...]:
    """Every address that the artefact may lie at, best first."""
    if not artefact.debian:
        return (artefact.url,)
    path = urllib.parse.quote(artefact.debian)
    try:
        mirrors = debian_mirrors()
    except WheelhouseError as error:
        raise download.UnreachableError(f"{artefact.debian}: {error.what} {error.hint}") from error
    return tuple(f"{mirror.rstrip('/')}/{path}" for mirror in mirrors)


def _save(url: str, part: Path, sha256: str) -> None:
    resumed = part.is_file()
    with part.open("ab") as stream:
        for block in download.read(url, stream.tell()):
            stream.write(block)
    found = file_digest(part)
    if found == sha256:
        return
    part.unlink()
    if resumed:
        _save(url, part, sha256)
        return
    raise download.UnreachableError(f"its {_mismatch(found, sha256)}")


def _mismatch(found: str, pinned: str) -> str:
    return f"SHA-256 is {found}, not the pinned {pinned}"


def _stream(url: str, carton: Artefact, keep: Sequence[str], folder: Path) -> None:
    hasher = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for block in download.read(url):
            hasher.update(block)
            yield block

    blocks = hashed()
    folder.mkdir()
    feed = BufferedReader(archives.Feed(blocks), 1 << 20)
    archives.untar(feed, folder, strip=carton.strip, keep=keep)
    for _ in blocks:
        pass
    found = hasher.hexdigest()
    if carton.sha256 and found != carton.sha256:
        raise download.UnreachableError(f"its {_mismatch(found, carton.sha256)}")


def _files(label: str, pin: Pin) -> list[tuple[str, str]]:
    """The names under which a component's archive may be kept, with the digests they must have."""
    if pin.tree:
        return [(f"{label}.tar", pin.tree)]
    return [(artefact.filename, artefact.sha256) for artefact in pin.artefacts]


def _content(pin: Pin, archive: Path) -> str:
    """The digest that pins the archive: that of the folder inside, or of the file itself."""
    if not pin.tree:
        return file_digest(archive)
    try:
        return archives.tree_digest(archive)
    except archives.BROKEN:
        return "unreadable"
