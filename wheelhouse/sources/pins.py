"""The pinned components: version, licence and content of each, from sources.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

import patch_ng
from msgspec import Meta
from msgspec.structs import replace

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.common.store import file_digest, tree_digest
from wheelhouse.common.toml import Table, load
from wheelhouse.sources import archives
from wheelhouse.targets.architectures import architecture

FILE = ROOT / "wheelhouse" / "sources" / "sources.toml"
PATCHES = ROOT / "patches"


class Artefact(Table, frozen=True):
    """One file that contains a component; it has one of ``debian``, ``pypi``, ``npm``, ``url``."""

    sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    """The SHA-256 of the file, in hex; may be empty if the component's pin has a ``tree``."""
    size: int = 0
    """The file's size in bytes; a download that is larger stops there."""
    at_most: int = 0
    """Instead of ``size``, where nobody measured it: how many bytes the file may have."""
    debian: str = ""
    """The file's path in Debian's archive, beginning with ``pool/``."""
    pypi: str = ""
    """The file name of a wheel or source archive in the Python package index."""
    npm: str = ""
    """The file's path in npm's registry, as in ``@scope/name/-/name-1.0.0.tgz``."""
    url: str = ""
    """Any other address."""
    strip: int | None = None
    """The number of leading path parts to drop when it is unpacked; if it is not set, 1 for a tar
    archive and 0 for a wheel or a Debian package."""
    folder: str = ""
    """The folder in the archive that is the component, if its pin has a ``tree``."""

    def __post_init__(self) -> None:
        if [bool(each) for each in self._places].count(True) != 1:
            raise ValueError("exactly one of debian, pypi, npm and url must be set")
        if bool(self.size) == bool(self.at_most):
            raise ValueError("exactly one of size and at-most must be set")

    @property
    def _places(self) -> tuple[str, ...]:
        return self.debian, self.pypi, self.npm, self.url

    @property
    def largest(self) -> int:
        """How many bytes a download of it may have."""
        return self.size or self.at_most

    @property
    def filename(self) -> str:
        """The name of the file."""
        return "".join(self._places).rpartition("/")[2]

    @property
    def depth(self) -> int:
        """The number of leading path parts to drop when it is unpacked."""
        if self.strip is not None:
            return self.strip
        return 0 if self.filename.endswith((".whl", ".deb")) else 1

    @property
    def origin(self) -> str:
        """Where it comes from, for messages."""
        if self.pypi:
            return f"Python package index: {self.pypi}"
        if self.npm:
            return f"npm's registry: {self.npm}"
        return f"Debian: {self.debian}" if self.debian else self.url


class Pin(Table, frozen=True):
    """The entry of one component in ``sources.toml``.

    Its content is pinned either by the SHA-256 of each artefact, or by ``tree``, whatever archive
    it is unpacked from: an artefact, or a carton, which is a large archive with several components.
    """

    version: str
    """The upstream version, or the date of the upstream commit."""
    license: str
    """The SPDX licence expression."""
    artefacts: tuple[Artefact, ...] = ()
    """The files that contain it; any one will do, and they are tried in this order."""
    license_files: tuple[str, ...] = ()
    """The paths of its licence texts, for wheels that contain its code."""
    keep: tuple[str, ...] = ()
    """The paths to unpack, as in :func:`archives.unpack`; all if empty."""
    tree: str = ""
    """The :func:`store.tree_digest` of what is unpacked, or empty."""
    carton: str = ""
    """The name of a carton that contains it, or empty."""
    folder: str = ""
    """Its folder in the carton."""

    def __post_init__(self) -> None:
        if not (self.artefacts or self.carton):
            raise ValueError("artefacts or carton must be set")
        if not self.tree and (self.carton or not all(a.sha256 for a in self.artefacts)):
            raise ValueError("sha256 of each artefact, or tree, must be set")


class Pins(Table, frozen=True):
    """The whole of ``sources.toml``."""

    tflite: Mapping[str, Mapping[str, Pin]]
    """For each TFLite release its components by name."""
    shared: Mapping[str, Pin]
    """The components that belong to no TFLite release, by name."""
    cartons: Mapping[str, tuple[Artefact, ...]] = {}
    """Large archives with several components: for each name its versions, best first."""

    def __post_init__(self) -> None:
        for pins in (self.shared, *self.tflite.values()):
            for name, pin in pins.items():
                if pin.carton and not self.cartons.get(pin.carton):
                    raise ValueError(f"{name}: there is no carton {pin.carton}")


@dataclass(frozen=True)
class Component:
    """A pinned component; with ``checkout`` its sources are in that folder instead.

    ``processor`` is the architecture that it is compiled for, if there are patches for that alone.
    """

    name: str
    pin: Pin
    checkout: Path | None = None
    processor: str = ""

    @property
    def label(self) -> str:
        """Name and version, as in ``xnnpack-2024-11-08``."""
        return f"{self.name}-{self.pin.version}"

    @property
    def patches(self) -> tuple[Path, ...]:
        """This project's patches for it, in the order to apply them: the processor's own last."""
        folders = (self.label, *self._own_folders)
        return tuple(path for name in folders for path in sorted((PATCHES / name).glob("*.patch")))

    @property
    def _patched_label(self) -> str:
        """The label, with the processor if there are patches for that alone."""
        return [self.label, *self._own_folders][-1]

    @property
    def _own_folders(self) -> list[str]:
        """The folders of patches for its processor, after those of the one that it is like."""
        if not self.processor:
            return []
        like = architecture(self.processor).like
        names = [f"{self.label}-{name}" for name in (like, self.processor) if name]
        return [name for name in names if (PATCHES / name).is_dir()]

    @property
    def content(self) -> object:
        """The digests that its archive may have, JSON-serialisable."""
        return self.pin.tree or [artefact.sha256 for artefact in self.pin.artefacts]

    @cached_property
    def tree(self) -> Step:
        """The step that unpacks and patches its sources."""
        strips = {} if self.pin.tree else {each.sha256: each.depth for each in self.pin.artefacts}
        return Step(
            kind="trees",
            label=self._patched_label,
            recipe=_unpack,
            needs={"archive": self, **{path.name: path for path in self.patches}},
            parameters={"keep": self.pin.keep, "strips": strips},
        )

    def inside(self, carton: Artefact) -> str | None:
        """The component's folder in a carton, or None if the carton does not contain it."""
        found = (a.folder for a in self.pin.artefacts if a.origin == carton.origin)
        return next(found, None) if self.pin.tree else None


def _unpack(inputs: Inputs, folder: Path) -> None:
    """Unpack a component's archive, or copy its checkout, and apply its patches."""
    archive, strips = inputs.needs["archive"], inputs.parameters["strips"]
    if archive.is_dir():
        archives.copy(archive, folder, inputs.parameters["keep"])
    elif strips:
        strip = strips[file_digest(archive)]
        archives.unpack(archive, folder, strip=strip, keep=inputs.parameters["keep"])
    else:
        # The fetcher has packed the archive of a component with a tree: it has just what to keep.
        archives.unpack(archive, folder, strip=0, keep=())
    for name in sorted(inputs.needs.keys() - {"archive"}):
        apply_patch(inputs.needs[name], folder)


@cache
def pins() -> Pins:
    """The pins of this checkout; raises WheelhouseError naming the key that is wrong."""
    return load(FILE, Pins)


def release_components(tflite: str, checkout: Path | None = None) -> dict[str, Component]:
    """The components that a TFLite release is compiled from, by name.

    ``checkout`` is a folder with TensorFlow's sources, which replace the pinned ones.
    """
    parts = {name: _component(name, pin) for name, pin in pins().tflite[tflite].items()}
    if checkout:
        for name in ("tensorflow", "wrapper"):
            pin = parts[name].pin
            tree = _kept_digest(checkout, pin.keep)
            parts[name] = Component(name, replace(pin, tree=tree), checkout)
    return parts


def checkout(tflite: str, folder: Path) -> Step:
    """The step that copies what a TFLite release takes from a checkout of TensorFlow."""
    parts = {
        name: part for name, part in release_components(tflite, folder).items() if part.checkout
    }
    keep = {name: part.pin.keep for name, part in parts.items()}
    return Step("checkouts", f"tensorflow-{tflite}", _copy, parts, {"keep": keep})


def _copy(inputs: Inputs, folder: Path) -> None:
    for name, keep in inputs.parameters["keep"].items():
        archives.copy(inputs.needs[name], folder, keep)


@cache
def _kept_digest(folder: Path, keep: tuple[str, ...]) -> str:
    return tree_digest(folder, lambda name: archives.is_kept(name, keep))


def shared(name: str) -> Component:
    """The component with that name that belongs to no TFLite release."""
    return _component(name, pins().shared[name])


def _component(name: str, pin: Pin) -> Component:
    """The component of a pin, with the files of its carton among its artefacts."""
    cartons = pins().cartons[pin.carton] if pin.carton else ()
    inside = tuple(replace(carton, folder=pin.folder) for carton in cartons)
    return Component(name, replace(pin, artefacts=(*inside, *pin.artefacts)))


def all_components() -> tuple[Component, ...]:
    """All pinned components."""
    releases = [c for tflite in pins().tflite for c in release_components(tflite).values()]
    return (*releases, *shared_components())


def shared_components() -> tuple[Component, ...]:
    """All components that belong to no TFLite release."""
    return tuple(shared(name) for name in pins().shared)


def apply_patch(patch: Path, folder: Path) -> None:
    """Apply one patch to a folder; raises WheelhouseError if it does not apply."""
    changes = patch_ng.fromfile(str(patch))
    if not changes or not changes.apply(root=str(folder)):
        raise WheelhouseError(
            f"The patch {patch.parent.name}/{patch.name} does not apply.",
            "Adapt it to the version that sources.toml pins.",
            Kind.COMPILE,
        )
