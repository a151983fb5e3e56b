"""Processor architectures by the names that each tool has for them: architectures.toml."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta

from wheelhouse.common import toml
from wheelhouse.common.errors import Kind, WheelhouseError, unknown
from wheelhouse.common.root import ROOT

FILE = ROOT / "wheelhouse" / "targets" / "architectures.toml"


_Flag = Annotated[str, Meta(pattern=r"^(-m[\w.=-]+|\+\w+)$")]
_Chosen = Annotated[str, Meta(pattern=r"^[\w+]*$")]


class Emulator(toml.Table, frozen=True):
    """qemu's user-mode emulator of a processor."""

    program: str
    """The name of the program, as in ``qemu-aarch64``."""
    package: str
    """The Debian package to install: ``qemu-user``, because static builds load no plugins."""


class Atomics(toml.Table, frozen=True):
    """Atomic instructions that compilers may put into code for newer processors only."""

    decoder: str
    """The name of capstone's constant for the architecture, as in ``CS_ARCH_ARM64``."""
    mode: str
    """The name of capstone's constant for the mode that knows these instructions."""
    pattern: str
    """The regular expression that the mnemonic of such an instruction matches."""
    lacked_by: str
    """A machine that has none of them, as in ``a Raspberry Pi 4``."""
    remedy: str
    """What to do about them."""


class Architecture(toml.Table, frozen=True):
    """One ``[[architectures]]`` table of architectures.toml."""

    name: str
    """The name in matrix.toml and systems.toml, as in ``aarch64``."""
    devices: str
    """What descriptions call the devices that have it, as in ``Raspberry Pi``.

    An index's front page is about the first row's, and asks which of their systems it is.
    """
    linux: str
    """What descriptions call the systems of these devices, as in ``64-bit Raspberry Pi OS``."""
    machine: str
    """What Python's ``platform.machine()`` and ``uname -m`` print on it."""
    zig: str
    """zig's target triple without the libc's version, as in ``aarch64-linux-gnu``."""
    floor: Annotated[str, Meta(pattern=r"^\d+\.\d+$")]
    """The oldest version of its libc that compiled code may need, as in ``2.17``."""
    cmake: str
    """CMake's ``CMAKE_SYSTEM_PROCESSOR``, by which TFLite and XNNPACK choose their kernels."""
    elf: str
    """The ``e_machine`` of its ELF files, as pyelftools spells it."""
    bits: Literal[32, 64]
    """The size of a pointer in bits, and so the class of its ELF files."""
    wheel: str
    """The end of a wheel's platform tag, as in ``manylinux_2_17_aarch64``; auditwheel's name."""
    debian: str
    """Debian's name, which ``dpkg --print-architecture`` prints, as in ``arm64``."""
    multiarch: str
    """The name of the folder of its libraries below ``/usr/lib`` on Debian."""
    loader: str
    """The path of its libc's dynamic loader."""
    docker: str
    """The platform of its Docker images, after ``linux/``."""
    libc: Literal["glibc", "musl"] = "glibc"
    """The C library of its systems."""
    like: str = ""
    """A processor with another libc, whose patches and headers of CPython it has too."""
    kernels: tuple[str, ...] = ()
    """What ``uname -m`` prints too, under kernels for a newer processor, as in ``aarch64``."""
    builds: bool = True
    """Whether wheels can be built on it."""
    cpu: str = ""
    """The oldest processor to compile for: zig's ``-mcpu``; the target's baseline if empty."""
    atomics: Atomics | None = None
    """The atomics that its oldest processor lacks; None if there are none."""
    flags: Mapping[_Flag, _Chosen] = {}
    """clang's flags that choose instructions, which zig does not know, and what zig has for them.

    That is a CPU, as in ``generic+v8_2a``, which replaces one chosen before, or a feature to add,
    as in ``+neon``, or nothing if the flag means nothing to zig. A key like ``+fp16`` is a feature
    at the end of another key, as in ``-march=armv8.2-a+fp16``; what is not here is the same.
    """
    qemu: Emulator | None = None
    """The emulator that runs its programs on another processor; None if there is none."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def target(self) -> str:
        """zig's target triple with the version of glibc, as in ``aarch64-linux-gnu.2.17``.

        zig knows one version of musl.
        """
        return f"{self.zig}.{self.floor}" if self.libc == "glibc" else self.zig

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags that pip accepts where libc has the floor's version, best first."""
        version = self.floor.replace(".", "_")
        if self.libc == "musl":
            return (f"musllinux_{version}_{self.wheel}",)
        return f"manylinux_{version}_{self.wheel}", f"linux_{self.wheel}"

    def fits(self, platform: str) -> bool:
        """Whether a wheel with that platform tag, as in ``manylinux2014_aarch64``, is for it."""
        is_musl = platform.startswith("musllinux")
        return platform.endswith(f"_{self.wheel}") and is_musl == (self.libc == "musl")


class Architectures(toml.Table, frozen=True):
    """The whole of architectures.toml.

    ``architectures``: the processors that wheels are built for or on.
    """

    architectures: tuple[Architecture, ...]


class ForProcessor(toml.Table, frozen=True):
    """A table of another TOML file that belongs to one architecture."""

    processor: str
    """The name of the architecture in architectures.toml."""

    def __post_init__(self) -> None:
        try:
            architecture(self.processor)
        except WheelhouseError as error:
            raise ValueError(f"processor: {error.what} {error.hint}") from error

    @property
    def architecture(self) -> Architecture:
        """The architecture that ``processor`` names."""
        return architecture(self.processor)


@cache
def architectures() -> tuple[Architecture, ...]:
    """Every known architecture; raises WheelhouseError naming the key that is wrong."""
    return toml.load(FILE, Architectures).architectures


def architecture(name: str) -> Architecture:
    """The architecture with that name, as in ``aarch64``.

    Raises WheelhouseError naming the nearest if there is none.
    """
    known = {each.name: each for each in architectures()}
    if name not in known:
        raise unknown("architecture", name, [*known])
    return known[name]


def default() -> Architecture:
    """The architecture to build for unless others are asked for: the first."""
    return architectures()[0]


def chosen(words: str) -> tuple[str, ...]:
    """The names that ``--arch`` gives: architectures with commas between, ``all``, or none.

    None stands for the default. Raises WheelhouseError as :func:`architecture` does.
    """
    if words == "all":
        return tuple(each.name for each in architectures())
    named = [word.strip() for word in words.split(",") if word.strip()]
    return tuple(dict.fromkeys(architecture(name).name for name in named)) or (default().name,)


def native() -> Architecture:
    """The architecture of this machine; raises WheelhouseError if it is not known."""
    builders = [each for each in architectures() if each.builds]
    found = next((each for each in builders if each.machine == platform.machine()), None)
    if not found:
        known = " or ".join(each.machine for each in builders)
        raise WheelhouseError(
            f"This machine is {platform.machine()}, on which wheels cannot be built.",
            f"Use a machine that is {known}.",
            Kind.MACHINE,
        )
    return found
