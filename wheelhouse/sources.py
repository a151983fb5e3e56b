"""Pinned components: fetch, verify, unpack, patch.

Every step's result lies in the store under the digest of what made it, so it is done once.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated

import patch_ng
from msgspec import Meta
from msgspec.structs import replace
from packaging.utils import parse_wheel_filename

from wheelhouse import archives, console, download
from wheelhouse.data import Table, load
from wheelhouse.engines import host
from wheelhouse.errors import Kind, WheelhouseError
from wheelhouse.mirrors import debian_mirrors
from wheelhouse.root import ROOT
from wheelhouse.step import Inputs, Step, get_or_make
from wheelhouse.store import Store, digest, disk_space, file_digest, tree_digest

FILE = ROOT / "wheelhouse" / "sources.toml"
PATCHES = ROOT / "patches"
_PIP_DOWNLOAD = (*host.PYTHON, "pip", "download", "--no-deps", "--only-binary=:all:")


class Artefact(Table, frozen=True):
    """One file that holds a component; exactly one of ``debian``, ``pypi`` and ``url`` is set.

    ``sha256`` may be absent where the content of what is taken from the file is pinned.
    """

    sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    debian: str = ""
    pypi: str = ""
    url: str = ""
    strip: int = 1
    folder: str = ""

    def __post_init__(self) -> None:
        if [bool(self.debian), bool(self.pypi), bool(self.url)].count(True) != 1:
            raise ValueError("exactly one of debian, pypi and url must be set")

    @property
    def filename(self) -> str:
        """The file's own name."""
        return (self.debian or self.pypi or self.url).rpartition("/")[2]

    @property
    def depth(self) -> int:
        """How many leading path parts to drop of what is in it."""
        return 0 if self.filename.endswith((".whl", ".deb")) else self.strip

    @property
    def origin(self) -> str:
        """Where it lies, for a reader."""
        if self.pypi:
            return f"Python package index: {self.pypi}"
        return f"Debian: {self.debian}" if self.debian else self.url


class Pin(Table, frozen=True):
    """What ``sources.toml`` says of one component.

    With ``tree`` the content is pinned, whatever archive it comes out of: an artefact of the
    component's own, or one of the ``carton``, in which it is ``folder``.
    """

    version: str
    license: str
    artefacts: tuple[Artefact, ...] = ()
    license_files: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    tree: str = ""
    carton: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        if not (self.artefacts or self.carton):
            raise ValueError("artefacts or carton must be set")
        if not self.tree and (self.carton or not all(a.sha256 for a in self.artefacts)):
            raise ValueError("sha256 of each artefact, or tree, must be set")


class Catalogue(Table, frozen=True):
    """The whole of ``sources.toml``."""

    tflite: Mapping[str, Mapping[str, Pin]]
    shared: Mapping[str, Pin]
    cartons: Mapping[str, tuple[Artefact, ...]] = {}

    def __post_init__(self) -> None:
        for pins in (self.shared, *self.tflite.values()):
            for name, pin in pins.items():
                if pin.carton and not self.cartons.get(pin.carton):
                    raise ValueError(f"{name}: there is no carton {pin.carton}")


@dataclass(frozen=True)
class Component:
    """A pinned component by its name; with ``checkout`` what is kept of that folder stands in."""

    name: str
    pin: Pin
    checkout: Path | None = None

    @property
    def label(self) -> str:
        """Name and version, as in ``xnnpack-2024-11-08``."""
        return f"{self.name}-{self.pin.version}"

    @property
    def patches(self) -> tuple[Path, ...]:
        """Our changes to it, in order."""
        return tuple(sorted((PATCHES / self.label).glob("*.patch")))

    @property
    def content(self) -> object:
        """What decides the content of its archive."""
        return self.pin.tree or [artefact.sha256 for artefact in self.pin.artefacts]

    @property
    def tree(self) -> Step:
        """Its unpacked and patched folder."""
        strips = {} if self.pin.tree else {each.sha256: each.depth for each in self.pin.artefacts}
        return Step(
            kind="trees",
            label=self.label,
            recipe=_unpack,
            needs={"archive": self, **{path.name: path for path in self.patches}},
            parameters={"keep": self.pin.keep, "strips": strips},
        )

    def inside(self, carton: Artefact) -> str | None:
        """The folder of that archive which the component is, or None if it is not in there."""
        found = (a.folder for a in self.pin.artefacts if a.origin == carton.origin)
        return next(found, None) if self.pin.tree else None


def _unpack(inputs: Inputs, folder: Path) -> None:
    """A tree-pinned archive holds just what is wanted."""
    archive, strips = inputs.needs["archive"], inputs.parameters["strips"]
    if archive.is_dir():
        archives.copy(archive, folder, inputs.parameters["keep"])
    elif strips:
        strip = strips[file_digest(archive)]
        archives.unpack(archive, folder, strip=strip, keep=inputs.parameters["keep"])
    else:
        archives.unpack(archive, folder, strip=0, keep=())
    for name in sorted(inputs.needs.keys() - {"archive"}):
        apply(inputs.needs[name], folder)


@cache
def catalogue() -> Catalogue:
    """The pinned components of this checkout."""
    return load(FILE, Catalogue)


def release(tflite: str, checkout: Path | None = None) -> dict[str, Component]:
    """The components that a TFLite release is compiled from, by name.

    ``checkout`` is a folder with TensorFlow's sources, to be used instead of the pinned ones.
    """
    parts = {name: _component(name, pin) for name, pin in catalogue().tflite[tflite].items()}
    if checkout:
        for name in ("tensorflow", "wrapper"):
            pin = parts[name].pin
            tree = _kept_digest(checkout, pin.keep)
            parts[name] = Component(name, replace(pin, tree=tree), checkout)
    return parts


@cache
def _kept_digest(folder: Path, keep: tuple[str, ...]) -> str:
    return tree_digest(folder, lambda name: archives.kept(name, keep))


def shared(name: str) -> Component:
    """A component that does not belong to one TFLite release."""
    return _component(name, catalogue().shared[name])


def _component(name: str, pin: Pin) -> Component:
    """A component whose artefacts are those of its carton as well."""
    cartons = catalogue().cartons[pin.carton] if pin.carton else ()
    inside = tuple(replace(carton, folder=pin.folder) for carton in cartons)
    return Component(name, replace(pin, artefacts=(*inside, *pin.artefacts)))


def everything() -> tuple[Component, ...]:
    """All components."""
    releases = [c for tflite in catalogue().tflite for c in release(tflite).values()]
    return (*releases, *everything_shared())


def everything_shared() -> tuple[Component, ...]:
    """All components that do not belong to one TFLite release."""
    return tuple(shared(name) for name in catalogue().shared)


@dataclass(frozen=True)
class Sources:
    """Where components come from: the store, a folder made by ``export``, then the network."""

    store: Store
    offline: bool = False
    folder: Path | None = None

    @classmethod
    def given(cls, offline: bool = False, folder: str = "") -> Sources:
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
        """Copy the components' archives into a folder that ``Sources.folder`` can name."""
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
            return _from_index(artefact, final, self.store)
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
        wanted = {each.label: each for each in (component, *everything()) if self._lacks(each)}
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


def apply(patch: Path, folder: Path) -> None:
    """Apply one patch; raises WheelhouseError if it does not fit."""
    changes = patch_ng.fromfile(str(patch))
    if not changes or not changes.apply(root=str(folder)):
        raise WheelhouseError(
            f"The patch {patch.parent.name}/{patch.name} does not apply.",
            "Adapt it to the version that sources.toml pins.",
            Kind.COMPILE,
        )


def export_requirements(
    lock: Path,
    folder: Path,
    store: Store,
    python: str = "",
    machine: str = platform.machine(),
) -> None:
    """Download locked requirements into a folder for pip's --find-links.

    They are for this Python, or for the CPython ``python``, as in 3.11, on ``machine``.
    """
    tags = [f"manylinux_2_{minor}_{machine}" for minor in (*range(36, 17, -1), 5)]
    platforms = [
        word for tag in (*tags, f"manylinux2014_{machine}") for word in ("--platform", tag)
    ]
    choice = ["--python-version", python, *platforms] if python else []
    done = host.run([*_PIP_DOWNLOAD, *choice, "--require-hashes", "-r", lock, "--dest", folder])
    if done.status:
        raise host.failure(
            "The locked requirements could not be downloaded",
            done,
            store.log(f"pip-{lock.name}"),
            "Check the network and the index, which pip's configuration names.",
            _pip_error(done.stderr),
            Kind.FETCH,
        )


def _pip_error(stderr: str) -> str:
    """Pip's last error, which tells more than its first, as one line."""
    return " ".join(stderr.rpartition("ERROR: ")[2].split())


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


def pip_tags(wheel: str) -> tuple[str, ...]:
    """The options that let pip choose among wheels of the same tags as the named one has."""
    tags = sorted(parse_wheel_filename(wheel)[3], key=str)
    first = tags[0]
    if first.platform == "any":
        return ()
    python = first.interpreter.removeprefix("cp").removeprefix("py")
    platforms = [word for tag in tags for word in ("--platform", tag.platform)]
    choice = ("--implementation", first.interpreter[:2], "--python-version", python)
    return (*choice, "--abi", first.abi, *platforms)


def _from_index(artefact: Artefact, final: Path, store: Store) -> Path:
    """Let pip fetch a wheel, so that its own configuration names the index."""
    console.say(f"Fetching {artefact.pypi} from the Python package index")
    name, version, _, _ = parse_wheel_filename(artefact.pypi)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{name}=={version} --hash=sha256:{artefact.sha256}\n")
        checked = ("--require-hashes", "-r", wanted, "--dest", scratch)
        done = host.run([*_PIP_DOWNLOAD, *pip_tags(artefact.pypi), *checked])
        got = Path(scratch, artefact.pypi)
        if done.status or not got.is_file() or file_digest(got) != artefact.sha256:
            log = store.log(f"pip-{artefact.pypi}")
            told = host.failure(artefact.pypi, done, log, "", _pip_error(done.stderr))
            raise download.UnreachableError(f"{told.what} {told.hint}")
        return got.rename(final)
