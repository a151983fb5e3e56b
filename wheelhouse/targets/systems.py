"""The systems and the boards that wheels are verified on: systems.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, TypeVar

from wheelhouse.common import toml
from wheelhouse.common.errors import Kind, WheelhouseError, unknown
from wheelhouse.common.root import ROOT
from wheelhouse.targets import architectures
from wheelhouse.targets.architectures import ForProcessor

FILE = ROOT / "wheelhouse" / "targets" / "systems.toml"


class System(ForProcessor, frozen=True):
    """A release of Raspberry Pi OS or Debian, whose userland is that of a Debian suite; or musl's.

    ``name``: what matrix.toml and messages call it, as in ``Raspberry Pi OS 12``.
    ``suite``: the Debian suite, as in ``bookworm``; ``musl`` for a system with musl.
    ``python``: the version of the CPython to use in it, as in ``3.11``.
    ``packages``: the Debian packages to install in its root filesystem; apt adds what they need. A
    system with musl has none.
    """

    name: str
    suite: str
    python: str
    packages: tuple[str, ...]

    @property
    def is_debian(self) -> bool:
        """Whether its userland is a Debian suite's."""
        return self.architecture.libc == "glibc"


class Board(ForProcessor, frozen=True):
    """A processor to try wheels as, and what the kernel of a device that has it tells.

    ``name``: what messages call it, as in ``Raspberry Pi 5``.
    ``qemu_cpu``: the CPU model for qemu's ``-cpu``, as in ``cortex-a76``; this machine's own
    processor if empty.
    ``cores``: the number of processor cores of an emulated one.
    ``cpuinfo``: the fields of each core in ``/proc/cpuinfo``; ``{core}`` stands for its number.
    ``footer``: the fields that follow all cores.
    ``beyond``: the instructions that qemu executes and the device does not have, as in ``i8mm``.
    ``numpys``: beside which NumPys the runtime is tried: the system's own, and pip's choice.
    """

    name: str
    qemu_cpu: str = ""
    cores: int = 0
    cpuinfo: Mapping[str, str] = {}
    footer: Mapping[str, str] = {}
    beyond: tuple[str, ...] = ()
    numpys: tuple[Literal["own", "newest"], ...] = ("own", "newest")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.emulated and not (self.cores and self.cpuinfo):
            raise ValueError("cores and cpuinfo must be set for an emulated processor")

    @property
    def emulated(self) -> bool:
        """Whether qemu executes its programs, not this machine's processor."""
        return bool(self.qemu_cpu)

    @property
    def features(self) -> frozenset[str]:
        """What its processor can do, in the kernel's words, as in ``asimdhp``."""
        return frozenset(" ".join(self.cpuinfo.values()).split())

    @property
    def has_fp16(self) -> bool:
        """Whether its processor has FP16 arithmetic on vectors."""
        return "asimdhp" in self.features

    def cpuinfo_text(self) -> str:
        """The text of /proc/cpuinfo as the board's kernel prints it."""
        core = "".join(map(_line, self.cpuinfo.items())) + "\n"
        footer = "".join(map(_line, self.footer.items()))
        return "".join(core.format(core=number) for number in range(self.cores)) + footer


def _line(field: tuple[str, str]) -> str:
    """A line of ``/proc/cpuinfo``; the colons of all stand in one column."""
    key, text = field
    tabs = "\t" * ((23 - len(key)) // 8)
    return f"{key}{tabs}: {text}\n"


Named = TypeVar("Named", System, Board)


class SystemTable(toml.Table, frozen=True):
    """The whole of systems.toml.

    ``systems``: the systems, those of each processor oldest first.
    ``boards``: the boards, those of each processor oldest first.
    """

    systems: tuple[System, ...]
    boards: tuple[Board, ...]


@cache
def table() -> SystemTable:
    """All systems and boards, those of each processor oldest first.

    Raises WheelhouseError naming the file and the key that is wrong.
    """
    return toml.load(FILE, SystemTable)


def debian() -> tuple[System, ...]:
    """The systems whose userland is a Debian suite's."""
    return tuple(system for system in table().systems if system.is_debian)


def system(name: str, processor: str = "") -> System:
    """The system with that name, such as ``Raspberry Pi OS 12``, or suite, such as ``bookworm``.

    A suite is a processor's; the default one's if ``processor`` is empty. Raises WheelhouseError
    naming the nearest if there is none, and if it is another processor's.
    """
    found = [each for each in table().systems if name == each.name]
    wanted = processor or architectures.default().name
    suites = [each for each in table().systems if name == each.suite]
    found = found or [each for each in suites if each.processor == wanted]
    if not found:
        raise unknown("system", name, [each.name for each in table().systems])
    return _of_processor(found[0], processor)


def installer(system: System) -> Board:
    """The board on which wheels are installed for all: the first of the system's processor."""
    return next(each for each in table().boards if each.processor == system.processor)


def board(name: str, processor: str = "") -> Board:
    """The board with that name, such as ``Raspberry Pi 5``.

    Raises WheelhouseError naming the nearest if there is none, and if it is another processor's.
    """
    for candidate in table().boards:
        if name == candidate.name:
            return _of_processor(candidate, processor)
    raise unknown("board", name, [each.name for each in table().boards])


def _of_processor(found: Named, processor: str) -> Named:
    if processor not in ("", found.processor):
        raise WheelhouseError(
            f"{found.name} has the processor {found.processor}, not {processor}.",
            "A wheel, its systems and its boards must have one processor: correct matrix.toml.",
            Kind.USAGE,
        )
    return found
