"""Measure the figures in README: what a build costs, and what an inference costs on a Pi.

Builds are timed in an empty cache of their own, side by side in one run. Inferences are counted in
executed instructions, which repeat exactly, against the official ``tflite-runtime`` wheel.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from wheelhouse import console, models, sources, verify
from wheelhouse.emulator import qemu, rootfs, systems
from wheelhouse.engines import host
from wheelhouse.errors import WheelhouseError
from wheelhouse.mobilenet import Kind
from wheelhouse.sources import Sources

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- figures: `invoke bench` writes these -->", "<!-- end of figures -->"

KINDS: tuple[Kind, ...] = ("int8", "float32")
PYTHON = "3.11"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Figure:
    """One row of the table: what was measured, the value, and what it should be."""

    name: str
    value: str
    goal: str


def run(at: Sources, wheels: Path) -> None:
    """Measure everything and write README's table."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = [*_builds(Path(scratch)), *_sizes(wheels), *_inferences(at, wheels)]
    rows = [(figure.name, figure.value, figure.goal) for figure in figures]
    console.table("Figures", ("figure", "measured", "goal"), rows)
    README.write_text(rewritten(README.read_text(), figures))


def rewritten(text: str, figures: Sequence[Figure]) -> str:
    """README's text with the table between its two marks replaced."""
    before, _, rest = text.partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise WheelhouseError(
            "README.md has no place for the figures.", f"Put back the lines {START} and {END}."
        )
    rows = "".join(f"| {figure.name} | {figure.value} | {figure.goal} |\n" for figure in figures)
    table = f"| figure | measured | goal |\n|---|---|---|\n{rows}"
    return f"{before}{START}\n{table}{END}{after}"


@dataclass(frozen=True)
class _Cost:
    seconds: float
    bytes: int


def _builds(cache: Path) -> list[Figure]:
    one = _build(cache, "--py", PYTHON)
    more = _build(cache, "--py", "3.13")
    rest = _build(cache, "--py", "all")
    again = _build(cache, "--py", "all")
    cores = len(os.sched_getaffinity(0))
    whole = one.seconds + more.seconds + rest.seconds
    return [
        Figure(
            f"Cold build of one wheel, fetching included, {cores} cores",
            f"{one.seconds / 60:.1f} min",
            "< 20 min",
        ),
        Figure("All wheels against one", f"{whole / one.seconds:.2f} ×", "≤ 1.15 ×"),
        Figure("One more CPython on a built core", f"{more.seconds:.0f} s", "< 60 s"),
        Figure("The same again, nothing changed", f"{again.seconds:.1f} s", "< 3 s"),
        Figure("Peak memory of a build", f"{one.bytes / 1000 / MEGABYTE:.1f} GB", "≤ 3 GB"),
    ]


def _build(cache: Path, *options: str) -> _Cost:
    """Run ``invoke build`` without verification; its wall time and its processes' peak memory."""
    command = [sys.executable, "-m", "invoke", "build", "--no-verify", *options]
    console.say(f"Timing invoke build {' '.join(options)}")
    peak, running = 0, True

    def watch() -> None:
        nonlocal peak
        while running:
            peak = max(peak, sum(_resident(child) for child in psutil.Process().children(True)))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        done = host.run(command, cwd=README.parent, env={"WHEELHOUSE_CACHE": str(cache)})
    finally:
        running = False
        watcher.join()
    if done.status:
        raise WheelhouseError(f"The build failed: {done.stderr[-400:]}", "Mend it first.")
    return _Cost(time.monotonic() - start, peak)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _sizes(wheels: Path) -> list[Figure]:
    sizes = [path.stat().st_size for path in wheels.glob("tflite_runtime-*.whl")]
    return [Figure("Largest wheel", f"{max(sizes) / MEGABYTE:.2f} MB", "≤ 2.0 MB")]


def _inferences(at: Sources, wheels: Path) -> list[Figure]:
    ours = next(wheels.glob(f"tflite_runtime-*-cp{PYTHON.replace('.', '')}-*.whl"))
    theirs = at.file(sources.shared("tflite-runtime"))
    goals = {("int8", "cortex-a76"): 0.33, ("int8", "cortex-a72"): 0.85}
    figures = []
    for kind in KINDS:
        for board in map(systems.board, verify.BOARDS):
            counts = [_instructions(wheel, kind, board, at) for wheel in (ours, theirs)]
            goal = goals.get((kind, board.qemu_cpu), 0.99)
            figures.append(
                Figure(
                    f"Instructions per inference, {kind} MobileNetV1-1.0, {board.name}, "
                    "against tflite-runtime 2.14.0",
                    f"{counts[0] / 1e6:.0f} M / {counts[1] / 1e6:.0f} M = "
                    f"{counts[0] / counts[1]:.3f}",
                    f"≤ {goal}",
                )
            )
    return figures


def _instructions(wheel: Path, kind: Kind, board: systems.Board, at: Sources) -> float:
    """Instructions of one inference on one thread: the difference of two runs, exact."""
    system = next(system for system in systems.catalogue().systems if system.python == PYTHON)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        verify.install(wheel, None, system, at, work)
        (work / "model.tflite").write_bytes(models.benchmark_mobilenet(kind).content)
        (work / "workload.py").write_bytes(Path(__file__).with_name("workload.py").read_bytes())
        counts = []
        for times in (1, 3):
            done = qemu.run(
                ["env/bin/python", "workload.py", "model.tflite", str(times)],
                tree=rootfs.tree(system, at.store),
                board=board,
                work=work,
                counter=qemu.plugin(at.store),
            )
            if done.status or done.instructions is None:
                raise WheelhouseError(
                    f"The workload failed on {board.name}: {done.stderr[-400:]}",
                    "Run `invoke verify` to see what is wrong.",
                )
            counts.append(done.instructions)
    return (counts[1] - counts[0]) / 2
