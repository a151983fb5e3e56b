"""Count the instructions of a runtime on an emulated board: the same number in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import pairwise, product
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import msgspec

from wheelhouse.common import console, process
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Entry, Store, digest, file_digest
from wheelhouse.machines import qemu, rootfs
from wheelhouse.machines.qemu import Instructions
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board
from wheelhouse.verify import session

PYTHON = "3.11"
"""The CPython of the system that runs the workload."""

_WORKLOAD = ROOT / "wheelhouse" / "guest" / "workload.py"
COMPILED = ROOT / "wheelhouse" / "guest" / "compiled.py"
"""The same with ai-edge-litert's CompiledModel."""
_GPU = "libLiteRtWebGpuAccelerator.so"
"""Is loaded by CompiledModel, and ends the program where the processor has no LSE."""
_COUNTS = "counts.json"


@dataclass(frozen=True)
class Counter:
    """Counts on any board what a wheel executes that is installed on a system.

    ``tree`` is the system's root file system and ``work`` its home folder. What a model executes is
    kept in the store, so that an interrupted benchmark goes on and a peer is counted once. Raises
    WheelhouseError if a workload fails.
    """

    wheel: Path
    tree: Path
    work: Path
    store: Store
    env: Mapping[str, str]
    workload: Path

    def of_inference(self, model: bytes, times: int, board: Board) -> float:
        """Instructions per use of a model on one thread, after a first one."""
        uses = self.of_workload(model, 1 + times, board)[3:]
        return sum(use.total for use in uses[1:]) / times

    def of_loading(self, model: bytes, board: Board) -> int:
        """Instructions of the constructor and ``allocate_tensors()``, on one thread."""
        return sum(each.total for each in self.of_workload(model, 0, board)[:2])

    def of_import(self, board: Board) -> int:
        """Instructions of the import of ``tflite_runtime``, beyond those of NumPy's."""
        runtime, numpy = (
            self._count(board, "-c", f"import {module}")[-1].total
            for module in ("tflite_runtime.interpreter", "numpy")
        )
        return runtime - numpy

    def of_workload(self, model: bytes, times: int, board: Board) -> list[Instructions]:
        """Instructions of the constructor, the allocation, the input's making, and each use."""
        folder = self.store.get_or_make(
            Entry("counts", board.qemu_cpu, self._key(model, times, board)),
            partial(self._write, model, times, board),
        )
        return msgspec.json.decode((folder / _COUNTS).read_bytes(), type=list[Instructions])

    def _key(self, model: bytes, times: int, board: Board) -> str:
        """The digest of what decides the counts; another qemu executes the same instructions."""
        content = [file_digest(self.wheel), file_digest(self.workload), sha256(model).hexdigest()]
        there = [self.tree.name, board.qemu_cpu, board.cpuinfo_text(), dict(self.env)]
        return digest(content, times, there, qemu.instruction_counter().key)

    def _write(self, model: bytes, times: int, board: Board, folder: Path) -> None:
        with NamedTemporaryFile(dir=self.work, suffix=".tflite") as file:
            file.write(model)
            file.flush()
            path = Path(file.name)
            path.chmod(0o644)
            # What is imported may call getppid() as well; the last mark is the end.
            counted = self._count(board, self.workload.name, path.name, str(times))
            *marks, _ = counted[-(times + 5) :]
        (folder / _COUNTS).write_bytes(
            msgspec.json.encode([after - before for before, after in pairwise(marks)])
        )

    def _count(self, board: Board, *words: str) -> tuple[Instructions, ...]:
        done = qemu.run(
            ["env/bin/python", *words],
            tree=self.tree,
            board=board,
            work=self.work,
            env=self.env,
            counter=qemu.plugin(self.store),
        )
        if done.status or not done.instructions:
            raise process.failure(
                f"The workload failed on {board.name}",
                done,
                self.store.log("workload"),
                "Run `invoke verify` to find the cause.",
            )
        return done.instructions


@contextmanager
def counter(
    wheel: Path,
    fetcher: Fetcher,
    env: Mapping[str, str] | None = None,
    workload: Path = _WORKLOAD,
) -> Iterator[Counter]:
    """A counter for a wheel, on its processor's system with :data:`PYTHON`, with an environment."""
    system = next(
        each
        for each in systems.table().systems
        if each.python == PYTHON and wheel.stem.endswith(each.architecture.wheel)
    )
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        # ai-edge-litert depends on packages that its interpreter does not import.
        session.install(wheel, None, system, fetcher, work, "--no-deps")
        for library in work.rglob(_GPU):
            library.unlink()
        (work / workload.name).write_bytes(workload.read_bytes())
        tree = rootfs.tree(system, fetcher.store)
        yield Counter(wheel, tree, work, fetcher.store, env or {}, workload)


def ratios(
    models: Sequence[Model], wheels: tuple[Path, Path], boards: Sequence[Board], fetcher: Fetcher
) -> list[dict[str, float]]:
    """For each board what each model's inference costs with one wheel, over that with another."""
    with counter(wheels[0], fetcher) as ours, counter(wheels[1], fetcher) as theirs:
        return compare(models, (ours, theirs), boards)


def compare(
    models: Sequence[Model], counters: tuple[Counter, Counter], boards: Sequence[Board]
) -> list[dict[str, float]]:
    """For each board what each model's inference costs with one counter, over that with another.

    As many inferences are counted at once as this machine has processors.
    """

    def ratio(board: Board, model: Model) -> float:
        mine, other = (each.of_inference(model.content, 1, board) for each in counters)
        console.say(f"{board.name}: {model.name} {mine / other:.3f}")
        return mine / other

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(ratio, *zip(*product(boards, models), strict=True))
        return [{model.name: next(found) for model in models} for _ in boards]
