"""Count what each thread of a runtime executes on an emulated board with a core for each.

The counts differ a little from run to run, for any thread may take the work of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import fmean

from wheelhouse.bench import instructions
from wheelhouse.common import process
from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import ZIG
from wheelhouse.machines import qemu
from wheelhouse.machines.qemu import Instructions
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures
from wheelhouse.targets.systems import Board

THREADS = 4

_WORKLOAD = ROOT / "wheelhouse" / "guest" / "threads.py"
_SOURCE = Path(__file__).with_name("lockstep.c")
_TIMES = 2
_PAUSE = 1.0
_LINES = 1 + 16
"""The clock, and the threads that ``lockstep.c`` tells of."""


@dataclass(frozen=True)
class Use:
    """What an inference executes on :data:`THREADS` threads.

    ``work`` has each thread's vector instructions: those that wait for work execute none. ``path``
    are the instructions that a core executes between call and return. ``idle`` are those of all
    threads in a pause after it, and ``later`` in a second pause.
    """

    work: tuple[float, ...]
    path: float
    idle: float
    later: float

    @property
    def unevenness(self) -> float:
        """The work of the busiest thread, over that of the least busy."""
        return max(self.work) / max(1, min(self.work))


def use(wheel: Path, model: bytes, board: Board, fetcher: Fetcher) -> Use:
    """The mean of some inferences; raises WheelhouseError if the workload fails."""
    with instructions.counter(wheel, fetcher, workload=_WORKLOAD) as counter:
        (counter.work / "model.tflite").write_bytes(model)
        words = (_WORKLOAD.name, "model.tflite", str(THREADS), str(_TIMES), str(_PAUSE))
        done = qemu.run(
            ["env/bin/python", *words],
            tree=counter.tree,
            board=board,
            work=counter.work,
            counter=get_or_make(_lockstep(), fetcher) / "lockstep.so",
        )
    if done.status:
        raise process.failure(
            f"The threads' workload failed on {board.name}",
            done,
            fetcher.store.log("threads"),
            "Run `invoke verify` to find the cause.",
        )
    lines = done.instructions[-4 * _TIMES * _LINES :]
    marks = [lines[start : start + _LINES] for start in range(0, len(lines), _LINES)]
    before, after, paused, ended = (marks[place::4] for place in range(4))
    _, *work = _executed(before, after, lambda counted: counted.vector)
    path, *_ = _executed(before, after)
    return Use(
        tuple(sorted(work)[-THREADS:]),
        path,
        *(sum(_executed(*pause)[1:]) for pause in ((after, paused), (paused, ended))),
    )


def _executed(
    starts: Sequence[Sequence[Instructions]],
    ends: Sequence[Sequence[Instructions]],
    kind: Callable[[Instructions], int] = attrgetter("total"),
) -> list[float]:
    """For each line the mean of what was added from start to end."""
    pairs = [[*zip(*both, strict=True)] for both in zip(starts, ends, strict=True)]
    return [fmean(kind(end - start) for start, end in lines) for lines in zip(*pairs, strict=True)]


def _lockstep() -> Step:
    """The step whose folder holds the plugin, ``lockstep.so``."""
    target = {"target": architectures.native().target}
    return Step("plugins", "lockstep", _compile, parameters=target)


def _compile(inputs: Inputs, folder: Path) -> None:
    command: list[str | Path] = [
        *(plain_path(ZIG), "cc", "-target", inputs.parameters["target"], "-O2", "-shared", "-fPIC"),
        *("-fvisibility=hidden", "-Wl,-z,undefs", "-Wall", "-Wextra", "-Werror"),
        *(plain_path(_SOURCE), "-o", plain_path(folder) / "lockstep.so"),
    ]
    done = process.run(command, env=ninja.environment(inputs.store))
    if done.status:
        log = inputs.store.log("plugin-lockstep")
        raise process.failure(f"{_SOURCE.name} did not compile", done, log, "Correct that file.")
