"""Count the instructions of a runtime on an emulated board: the same number in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import product
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
_COUNT = "count.json"

FIRST = 3
"""The step of ``workload.py`` that is the first inference."""


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

    def of_inference(self, model: bytes, times: int, board: Board) -> float:
        """Instructions per use of a model on one thread, from two runs with different counts."""
        few, many = (self.of_steps(model, steps, board).total for steps in (FIRST, FIRST + times))
        return (many - few) / times

    def of_loading(self, model: bytes, board: Board) -> int:
        """Instructions of the constructor and ``allocate_tensors()``, on one thread."""
        none, loaded = (self.of_steps(model, steps, board).total for steps in (0, FIRST - 1))
        return loaded - none

    def of_import(self, board: Board) -> int:
        """Instructions of the import of ``tflite_runtime``, beyond those of NumPy's."""
        runtime, numpy = (
            self._count(board, "-c", f"import {module}").total
            for module in ("tflite_runtime.interpreter", "numpy")
        )
        return runtime - numpy

    def of_steps(self, model: bytes, steps: int, board: Board) -> Instructions:
        """Instructions of the import and so many steps: constructor, allocation, inferences."""
        folder = self.store.get_or_make(
            Entry("counts", board.qemu_cpu, self._key(model, steps, board)),
            partial(self._write, model, steps, board),
        )
        return Instructions(**msgspec.json.decode((folder / _COUNT).read_bytes()))

    def _key(self, model: bytes, steps: int, board: Board) -> str:
        """The digest of all that decides a count."""
        content = [file_digest(self.wheel), file_digest(_WORKLOAD), sha256(model).hexdigest()]
        return digest(content, steps, self.tree.name, board.qemu_cpu, board.cpuinfo_text())

    def _write(self, model: bytes, steps: int, board: Board, folder: Path) -> None:
        with NamedTemporaryFile(dir=self.work, suffix=".tflite") as file:
            file.write(model)
            file.flush()
            name = Path(file.name)
            name.chmod(0o644)
            count = self._count(board, _WORKLOAD.name, name.name, str(steps))
        (folder / _COUNT).write_bytes(msgspec.json.encode(count))

    def _count(self, board: Board, *words: str) -> Instructions:
        done = qemu.run(
            ["env/bin/python", *words],
            tree=self.tree,
            board=board,
            work=self.work,
            counter=qemu.plugin(self.store),
        )
        if done.status or done.instructions is None:
            raise process.failure(
                f"The workload failed on {board.name}",
                done,
                self.store.log("workload"),
                "Run `invoke verify` to find the cause.",
            )
        return done.instructions


@contextmanager
def counter(wheel: Path, fetcher: Fetcher) -> Iterator[Counter]:
    """A counter for a wheel, on the system whose CPython is :data:`PYTHON`."""
    system = next(system for system in systems.table().systems if system.python == PYTHON)
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        # ai-edge-litert depends on packages that its interpreter does not import.
        session.install(wheel, None, system, fetcher, work, "--no-deps")
        (work / _WORKLOAD.name).write_bytes(_WORKLOAD.read_bytes())
        yield Counter(wheel, rootfs.tree(system, fetcher.store), work, fetcher.store)


def ratios(
    models: Sequence[Model], wheels: tuple[Path, Path], boards: Sequence[Board], fetcher: Fetcher
) -> list[dict[str, float]]:
    """For each board what each model's inference costs with one wheel, over that with another.

    As many inferences are counted at once as this machine has processors.
    """
    with counter(wheels[0], fetcher) as ours, counter(wheels[1], fetcher) as theirs:

        def ratio(board: Board, model: Model) -> float:
            mine, other = (each.of_inference(model.content, 1, board) for each in (ours, theirs))
            console.say(f"{board.name}: {model.name} {mine / other:.3f}")
            return mine / other

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(ratio, *zip(*product(boards, models), strict=True))
            return [{model.name: next(found) for model in models} for _ in boards]
