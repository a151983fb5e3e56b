"""The Raspberry Pi OS releases and Raspberry Pi boards that can be emulated: systems.toml."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

from wheelhouse.common import toml
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.targets.architectures import ForProcessor

FILE = ROOT / "wheelhouse" / "targets" / "systems.toml"


class System(ForProcessor, frozen=True):
    """A release of Raspberry Pi OS, whose userland is that of a Debian suite.

    ``name``: what matrix.toml and messages call it, as in ``Raspberry Pi OS 12``.
    ``suite``: the Debian suite, as in ``bookworm``.
    ``python``: the version of the CPython to use in it, as in ``3.11``.
    ``packages``: the Debian packages to install in its root filesystem; apt adds what they need.
    """

    name: str
    suite: str
    python: str
    packages: tuple[str, ...]


class Board(ForProcessor, frozen=True):
    """A Raspberry Pi board: its qemu CPU model and the fields of its ``/proc/cpuinfo``.

    ``name``: what messages call it, as in ``Raspberry Pi 5``.
    ``model``: the text of the field ``Model``.
    ``qemu_cpu``: the CPU model for qemu's ``-cpu``, as in ``cortex-a76``.
    ``cores``: the number of processor cores.
    ``bogomips``: the text of the field ``BogoMIPS``.
    ``features``: the text of the field ``Features``, the instruction sets in the kernel's words.
    ``variant``: the text of the field ``CPU variant``.
    ``part``: the text of the field ``CPU part``.
    ``revision``: the number of the field ``CPU revision``.
    """

    name: str
    model: str
    qemu_cpu: str
    cores: int
    bogomips: str
    features: str
    variant: str
    part: str
    revision: int

    @property
    def has_fp16(self) -> bool:
        """Whether its processor has FP16 arithmetic on vectors."""
        return "asimdhp" in self.features.split()

    def cpuinfo(self) -> str:
        """The text of /proc/cpuinfo as Raspberry Pi OS's 64-bit kernel prints it."""
        processors = (
            f"processor\t: {number}\n"
            f"BogoMIPS\t: {self.bogomips}\n"
            f"Features\t: {self.features}\n"
            "CPU implementer\t: 0x41\n"  # Arm Ltd., who designed them all
            "CPU architecture: 8\n"
            f"CPU variant\t: {self.variant}\n"
            f"CPU part\t: {self.part}\n"
            f"CPU revision\t: {self.revision}\n\n"
            for number in range(self.cores)
        )
        return "".join(processors) + f"Model\t\t: {self.model}\n"


class Emulated(toml.Table, frozen=True):
    """The whole of systems.toml.

    ``systems``: the systems, oldest first.
    ``boards``: the boards, oldest first.
    """

    systems: tuple[System, ...]
    boards: tuple[Board, ...]


@cache
def emulated() -> Emulated:
    """All systems and boards that can be emulated, each oldest first.

    Raises WheelhouseError naming the file and the key that is wrong.
    """
    return toml.load(FILE, Emulated)


def system(name: str) -> System:
    """The system with that name, such as ``Raspberry Pi OS 12``, or suite, such as ``bookworm``.

    Raises WheelhouseError naming the nearest if there is none.
    """
    for candidate in emulated().systems:
        if name in (candidate.name, candidate.suite):
            return candidate
    raise _unknown("system", name, [each.name for each in emulated().systems])


def installer(system: System) -> Board:
    """The board on which wheels are installed for all: the oldest of the system's processor."""
    return next(each for each in emulated().boards if each.processor == system.processor)


def board(name: str) -> Board:
    """The board with that name, such as ``Raspberry Pi 5``.

    Raises WheelhouseError naming the nearest if there is none.
    """
    for candidate in emulated().boards:
        if name == candidate.name:
            return candidate
    raise _unknown("board", name, [each.name for each in emulated().boards])


def _unknown(kind: str, name: str, known: Sequence[str]) -> WheelhouseError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return WheelhouseError(
        f"There is no emulated {kind} named {name!r}.",
        f"Did you mean {near[0]!r}? Known are: {', '.join(known)}.",
        Kind.USAGE,
    )
