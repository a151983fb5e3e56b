"""What is pinned: every component by version, licence and content, as sources.toml says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
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

FILE = ROOT / "wheelhouse" / "sources" / "sources.toml"
PATCHES = ROOT / "patches"


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


class Pins(Table, frozen=True):
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
        apply_patch(inputs.needs[name], folder)


@cache
def pins() -> Pins:
    """The pinned components of this checkout."""
    return load(FILE, Pins)


def release_components(tflite: str, checkout: Path | None = None) -> dict[str, Component]:
    """The components that a TFLite release is compiled from, by name.

    ``checkout`` is a folder with TensorFlow's sources, to be used instead of the pinned ones.
    """
    parts = {name: _component(name, pin) for name, pin in pins().tflite[tflite].items()}
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
    return _component(name, pins().shared[name])


def _component(name: str, pin: Pin) -> Component:
    """A component whose artefacts are those of its carton as well."""
    cartons = pins().cartons[pin.carton] if pin.carton else ()
    inside = tuple(replace(carton, folder=pin.folder) for carton in cartons)
    return Component(name, replace(pin, artefacts=(*inside, *pin.artefacts)))


def all_components() -> tuple[Component, ...]:
    """All components."""
    releases = [c for tflite in pins().tflite for c in release_components(tflite).values()]
    return (*releases, *shared_components())


def shared_components() -> tuple[Component, ...]:
    """All components that do not belong to one TFLite release."""
    return tuple(shared(name) for name in pins().shared)


def apply_patch(patch: Path, folder: Path) -> None:
    """Apply one patch; raises WheelhouseError if it does not fit."""
    changes = patch_ng.fromfile(str(patch))
    if not changes or not changes.apply(root=str(folder)):
        raise WheelhouseError(
            f"The patch {patch.parent.name}/{patch.name} does not apply.",
            "Adapt it to the version that sources.toml pins.",
            Kind.COMPILE,
        )
