"""Run one command as on a board: a root file system in bubblewrap, its processor from qemu-user.

The sandbox has the root file system and a home folder, and nothing else of this machine: no
network, no other process, no environment. A board that names no CPU of qemu has this machine's own
processor, which then runs the command itself.

qemu is not registered with the kernel (binfmt_misc), so **an emulated program cannot start another
one** (``subprocess``, ``os.system``: "Exec format error" or status 127; on this machine's own
processor it would leave the emulation). Nor can a script be run: write ``python -m pip``, not
``pip``. Threads and ``os.fork`` work.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from operator import sub
from pathlib import Path

from wheelhouse.common import process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import ZIG
from wheelhouse.machines import debian_packages
from wheelhouse.machines.rootfs import USER
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures
from wheelhouse.targets.systems import Board

HOME = f"/home/{USER}"
"""The home folder's path in the guest."""

TIMEOUT = 600.0
"""The longest time, in seconds, that a command may take."""

_SOURCE = ROOT / "native" / "count.c"
_GUEST = Path("/emulator")
"""Where the sandbox has qemu and what it needs."""
_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Instructions:
    """How many instructions of each kind a command executed.

    ``branch`` has those of the system too, ``integer`` is arithmetic, ``memory`` loads and stores,
    ``vector`` also arithmetic of floating-point numbers. On another processor than 64-bit Arm all
    count as ``integer``.
    """

    branch: int = 0
    integer: int = 0
    memory: int = 0
    vector: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(astuple(self))

    def __sub__(self, other: Instructions) -> Instructions:
        """Those that are more here than there."""
        return Instructions(*map(sub, astuple(self), astuple(other)))


@dataclass(frozen=True)
class Emulated:
    """The result of a command that has ended.

    ``status`` is the exit status, or 128 plus the signal's number if a signal ended it.
    ``instructions`` are those that the command had executed at each call of ``getppid()``, and at
    its end unless a signal ended it; none if they were not counted.
    """

    status: int
    stdout: str
    stderr: str
    instructions: tuple[Instructions, ...] = ()

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended the command, for example ``SIGSEGV``."""
        number = self.status - 128
        return signal.Signals(number).name if number in signal.valid_signals() else None


def run(
    command: Sequence[str],
    *,
    tree: Path,
    board: Board,
    work: Path,
    binds: Mapping[Path, str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    counter: Path | None = None,
) -> Emulated:
    """Run a command in the root file system ``tree`` as on ``board``.

    It runs as user pi (1000) in /home/pi, which is ``work``. ``command[0]`` is an absolute path, a
    path relative to /home/pi, or a bare name in /usr/bin. ``binds`` mounts folders of this machine,
    read-only, at paths of the guest; ``env`` is added to a minimal environment; ``timeout`` is in
    seconds. ``counter``, from :func:`plugin`, counts instructions and fixes PYTHONHASHSEED: then
    single-threaded counts repeat exactly, except for programs that use entropy. Importing NumPy 1
    varies by 5,000 in 300 million. Only qemu counts.

    Raises WheelhouseError if a tool is missing, if the board's processor is neither emulated nor
    this machine's own, or if the command takes longer.
    """
    debian_packages.ensure()
    qemu = _program(board)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        count = scratch / "count"
        count.touch()
        argv = [
            "bwrap",
            *_isolation(),
            *_system(tree),
            *(_machine(board, scratch) if board.emulated else _this_machine()),
            *(_emulator(qemu) if qemu else ()),
            *("--bind", work.absolute(), HOME, "--chdir", HOME),
            *_options(
                "--ro-bind", {folder.absolute(): path for folder, path in (binds or {}).items()}
            ),
            *(_counting(counter, count) if counter else []),
            *("--remount-ro", "/"),
            *_options("--setenv", {**_environment(board, bool(counter)), **(env or {})}),
            *_start(qemu, command, bool(counter)),
        ]
        done = process.run(argv, timeout=timeout)
        lines = count.read_text().splitlines()
    counted = tuple(Instructions(*map(int, line.split())) for line in lines)
    return Emulated(done.status, done.stdout, done.stderr, counted)


def plugin(store: Store) -> Path:
    """qemu's plugin for :func:`run`'s ``counter``, compiled on first use."""
    return get_or_make(instruction_counter(), Fetcher(store)) / "count.so"


def instruction_counter() -> Step:
    """The step whose folder holds the instruction counter, ``count.so``."""
    target = {"target": architectures.native().target}
    return Step("plugins", "count", _compile, parameters=target)


def _compile(inputs: Inputs, folder: Path) -> None:
    command: list[str | Path] = [
        *(plain_path(ZIG), "cc", "-target", inputs.parameters["target"], "-O2", "-shared", "-fPIC"),
        *("-fvisibility=hidden", "-Wl,-z,undefs", "-Wall", "-Wextra", "-Werror"),
        *(plain_path(_SOURCE), "-o", plain_path(folder) / "count.so"),
    ]
    done = process.run(command, env=ninja.environment(inputs.store))
    if done.status:
        log = inputs.store.log("plugin-count")
        raise process.failure(f"{_SOURCE.name} did not compile", done, log, "Correct that file.")


def _isolation() -> list[str]:
    return [
        *("--unshare-user", "--uid", "1000", "--gid", "1000"),
        *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
        *("--hostname", "raspberrypi", "--die-with-parent", "--new-session", "--clearenv"),
    ]


def _system(tree: Path) -> list[str | Path]:
    words: list[str | Path] = ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108
    for entry in sorted(tree.iterdir()):
        if entry.is_symlink():
            words += ["--symlink", entry.readlink(), f"/{entry.name}"]
        elif entry.name not in ("dev", "proc", "sys", "tmp", "home"):
            words += ["--ro-bind", entry.absolute(), f"/{entry.name}"]
    return words


def _machine(board: Board, scratch: Path) -> list[str | Path]:
    """Mount the board's ``/sys`` and ``/proc/cpuinfo``, written below ``scratch``."""
    cpus = scratch / _CPUS.relative_to("/")
    cpus.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{board.cores - 1}\n")
    cpuinfo = scratch / "cpuinfo"
    cpuinfo.write_text(board.cpuinfo_text())
    return ["--ro-bind", scratch / "sys", "/sys", "--ro-bind", cpuinfo, "/proc/cpuinfo"]


def _this_machine() -> list[str | Path]:
    """Mount what this machine's kernel tells of its processor; ``/proc`` is the kernel's anyway."""
    return ["--ro-bind", _CPUS, _CPUS]


def _program(board: Board) -> str | None:
    """The emulator of a board, or None if this machine's own processor is the board's."""
    native = architectures.native()
    if not board.emulated and board.processor == native.name:
        return None
    qemu = board.architecture.qemu
    if not (board.emulated and qemu):
        raise WheelhouseError(
            f"{board.name} has the processor {board.processor}, which is not emulated.",
            f"Use a machine whose processor is {board.processor}, not {native.name}, or add qemu "
            "to that processor's row in architectures.toml and qemu-cpu to the board.",
            Kind.USAGE,
        )
    return qemu.program


def _emulator(qemu: str) -> list[str | Path]:
    """Mount qemu with this machine's loader and libraries."""
    native = architectures.native()
    return [
        *("--ro-bind", native.loader, _GUEST / "loader"),
        *("--ro-bind", f"/usr/lib/{native.multiarch}", _GUEST / "lib"),
        *("--ro-bind", shutil.which(qemu) or qemu, _GUEST / qemu),
    ]


def _counting(counter: Path, count: Path) -> list[str | Path]:
    return ["--ro-bind", counter, _GUEST / "count.so", "--bind", count, _GUEST / "count"]


def _environment(board: Board, counted: bool) -> dict[str, str]:
    return {
        "PATH": f"{HOME}/.local/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": HOME,
        "USER": USER,
        "LANG": "C.UTF-8",
        **({"QEMU_CPU": board.qemu_cpu} if board.emulated else {}),
        **({"PYTHONHASHSEED": "0"} if counted else {}),
    }


def _start(qemu: str | None, command: Sequence[str], counted: bool) -> list[str | Path]:
    program, *arguments = command
    started: list[str | Path] = [program if "/" in program else f"/usr/bin/{program}", *arguments]
    if not qemu:
        return started
    plugin = f"{_GUEST}/count.so,out={_GUEST}/count"
    return [
        *(_GUEST / "loader", "--library-path", _GUEST / "lib", _GUEST / qemu),
        *(["-plugin", plugin] if counted else []),
        *started,
    ]


def _options(option: str, pairs: Mapping[str, str] | Mapping[Path, str]) -> list[str | Path]:
    return [word for pair in pairs.items() for word in (option, *pair)]
