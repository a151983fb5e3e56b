"""Measure the figures in README: what a build costs, and what an inference costs on a Pi.

Builds are timed in an empty cache of their own, side by side in one run. Inferences are counted in
executed instructions, which repeat exactly, against the official ``tflite-runtime`` wheel.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import get_args

import psutil
from docker.errors import ImageNotFound

from wheelhouse import (
    console,
    images,
    matrix,
    models,
    pipeline,
    products,
    session,
    sources,
    upstream,
    verify,
)
from wheelhouse.emulator import qemu, rootfs, systems
from wheelhouse.emulator.systems import Board
from wheelhouse.engines import docker, host
from wheelhouse.errors import WheelhouseError
from wheelhouse.mobilenet import Kind
from wheelhouse.root import ROOT
from wheelhouse.sources import Sources
from wheelhouse.store import Store

README = ROOT / "README.md"
_WORKLOAD = Path(__file__).with_name("workload.py")
OFFICIAL = "tflite-runtime 2.14.0"
LITERT = "ai-edge-litert 2.3.0"
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


def run(at: Sources) -> None:
    """Measure everything and write README's table."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = _builds(Path(scratch, "alone"))
        figures += _containers(Path(scratch)) if docker.answers() else []
    wheels = pipeline.build(matrix.targets(), True, at, "host")
    universal, specific = (
        next(path for path in wheels if products.akin(path).tag.startswith(f"cp{python}-"))
        for python in ("37", PYTHON.replace(".", ""))
    )
    theirs = at.file(sources.shared("tflite-runtime"))
    figures += _sizes(wheels)
    figures += _inferences(universal, theirs, at)
    figures += _overheads(universal, specific, theirs, at)
    figures += _newest(at)
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


def listed(text: str) -> list[Figure]:
    """The figures that README's table holds; none if it has no such table."""
    table = text.partition(START)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[3:]]
    return [Figure(*row) for row in rows]


@dataclass(frozen=True)
class _Cost:
    seconds: float
    bytes: int


def _builds(cache: Path) -> list[Figure]:
    one = _build(cache, "--py", PYTHON)
    more = _build(cache, "--py", "3.13")
    each = ",".join(target.python for target in matrix.targets() if not target.abi3)
    rest = _build(cache, "--py", each)
    again = _build(cache, "--py", each)
    cores = len(os.sched_getaffinity(0))
    whole = one.seconds + more.seconds + rest.seconds
    return [
        Figure(
            f"Cold build of one wheel, fetching included, {cores} cores",
            f"{one.seconds / 60:.1f} min",
            "< 20 min",
        ),
        Figure(
            "All four wheels for one CPython each against one of them",
            f"{whole / one.seconds:.2f} ×",
            "≤ 1.15 ×",
        ),
        Figure("One more CPython on a built core", f"{more.seconds:.0f} s", "< 60 s"),
        Figure("The same again, nothing changed", f"{again.seconds:.1f} s", "< 3 s"),
        Figure("Peak memory of a build", f"{one.bytes / 1000 / MEGABYTE:.1f} GB", "≤ 3 GB"),
    ]


def _containers(folder: Path) -> list[Figure]:
    """Builds in containers against builds on this machine, side by side from empty caches."""
    client, at = docker.connect(), Sources.given()
    with suppress(ImageNotFound):
        client.images.remove(images.builder(client, at), force=True)
    start = time.monotonic()
    images.builder(client, at)
    image = time.monotonic() - start
    cold, warm = (_side_by_side(folder, "--py", python) for python in (PYTHON, "3.13"))
    return [
        Figure("The builder image, its base and packages fetched", f"{image:.0f} s", "—"),
        Figure("Cold build in a container against this machine's", f"{cold:.2f} ×", "≤ 1.10 ×"),
        Figure("One more CPython in a container against this machine's", f"{warm:.2f} ×", "—"),
    ]


def _side_by_side(folder: Path, *options: str) -> float:
    """Time of a build in a container, divided by that of the same build on this machine."""
    with ThreadPoolExecutor(2) as pool:
        there = pool.submit(_build, folder / "docker", *options, "--engine", "docker")
        here = _build(folder / "host", *options)
        return there.result().seconds / here.seconds


def _build(cache: Path, *options: str) -> _Cost:
    """Run ``invoke build`` without verification; its wall time and its processes' peak memory."""
    command = [*host.PYTHON, "invoke", "build", "--no-verify", *options]
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
        log = Store(cache).log("bench")
        raise host.failure("The build failed", done, log, "Mend it first.")
    return _Cost(time.monotonic() - start, peak)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _sizes(wheels: Sequence[Path]) -> list[Figure]:
    largest = max(path.stat().st_size for path in wheels)
    return [Figure("Largest wheel", f"{largest / MEGABYTE:.2f} MB", "≤ 2.0 MB")]


def _inferences(ours: Path, theirs: Path, at: Sources) -> list[Figure]:
    goals = {("int8", "cortex-a76"): 0.33, ("int8", "cortex-a72"): 0.85}
    figures = []
    for kind in KINDS:
        model = models.benchmark_mobilenet(kind).content
        for board in map(systems.board, verify.BOARDS):
            counts = [_use(wheel, model, 2, board, at) / MEGABYTE for wheel in (ours, theirs)]
            name = f"Instructions per inference, {kind} MobileNetV1-1.0, {board.name}"
            value = f"{counts[0]:.0f} M / {counts[1]:.0f} M = {counts[0] / counts[1]:.3f}"
            goal = goals.get((kind, board.qemu_cpu), 0.99)
            figures.append(Figure(f"{name}, against {OFFICIAL}", value, f"≤ {goal}"))
    return figures


def _newest(at: Sources) -> list[Figure]:
    """The newest release against the newest ai-edge-litert, on all models that there are here."""
    newest = upstream.every()[-1]
    (ours,) = pipeline.build(matrix.targets()[:1], True, at, "host", newest)
    theirs = at.file(sources.shared("ai-edge-litert"))
    large = [models.benchmark_mobilenet(kind) for kind in get_args(Kind)]
    archives = {name: at.file(sources.shared(name)) for name in verify.ARCHIVES}
    tried = [*verify.models_of(ours, archives), *large]
    size = f"{ours.stat().st_size / MEGABYTE:.2f} MB"
    figures = [Figure(f"Universal wheel of TFLite {newest.version}", size, "≤ 2.4 MB")]
    for board in map(systems.board, verify.BOARDS):
        ratios = {
            model.name: _use(ours, model.content, 2, board, at)
            / _use(theirs, model.content, 2, board, at)
            for model in tried
        }
        for name, ratio in ratios.items():
            console.say(f"{board.name}: {name} {ratio:.3f}")
        worst = max(ratios, key=ratios.__getitem__)
        figures.append(
            Figure(
                f"Instructions per inference of {len(ratios)} models, {board.name}, geometric mean "
                f"and worst, TFLite {newest.version} against {LITERT}",
                f"{geometric_mean(ratios.values()):.3f}, {ratios[worst]:.3f} ({worst})",
                "≤ 1.00, ≤ 1.03",
            )
        )
    return figures


def _overheads(universal: Path, specific: Path, theirs: Path, at: Sources) -> list[Figure]:
    board = systems.board(verify.BOARDS[0])
    tiny = next(model for model in models.generated() if model.name == "arithmetic").content
    uses = [_use(wheel, tiny, 1000, board, at) / 1000 for wheel in (universal, specific)]
    imports = [_import(wheel, board, at) / MEGABYTE for wheel in (universal, theirs)]
    return [
        Figure(
            "Instructions of set_tensor, invoke and get_tensor of a tiny model, universal wheel "
            "against that for CPython 3.11",
            f"{uses[0]:.1f} k / {uses[1]:.1f} k = {uses[0] / uses[1]:.3f}",
            "≤ 1.05",
        ),
        Figure(
            f"Instructions of the import beyond NumPy's, universal wheel against {OFFICIAL}",
            f"{imports[0]:.1f} M / {imports[1]:.1f} M = {imports[0] / imports[1]:.3f}",
            "≤ 1",
        ),
    ]


def _use(wheel: Path, model: bytes, times: int, board: Board, at: Sources) -> float:
    """Instructions of one use of a model on one thread, from runs that differ in uses alone."""
    with _installed(wheel, board, at) as count:
        few, many = (
            count("workload.py", "model.tflite", str(n), model=model) for n in (1, 1 + times)
        )
    return (many - few) / times


def _import(wheel: Path, board: Board, at: Sources) -> int:
    with _installed(wheel, board, at) as count:
        return count("-c", "import tflite_runtime.interpreter") - count("-c", "import numpy")


@contextmanager
def _installed(wheel: Path, board: Board, at: Sources) -> Iterator[Callable[..., int]]:
    """A way to count the instructions of Python commands where the wheel is installed."""
    system = next(system for system in systems.catalogue().systems if system.python == PYTHON)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        # ai-edge-litert names more than its interpreter imports.
        session.install(wheel, None, system, at, work, "--no-deps")
        (work / "workload.py").write_bytes(_WORKLOAD.read_bytes())

        def count(*words: str, model: bytes = b"") -> int:
            (work / "model.tflite").write_bytes(model)
            done = qemu.run(
                ["env/bin/python", *words],
                tree=rootfs.tree(system, at.store),
                board=board,
                work=work,
                counter=qemu.plugin(at.store),
            )
            if done.status or done.instructions is None:
                raise host.failure(
                    f"The workload failed on {board.name}",
                    done,
                    at.store.log("workload"),
                    "Run `invoke verify` to see what is wrong.",
                )
            return done.instructions

        yield count
