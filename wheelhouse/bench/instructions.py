"""Count the instructions of a runtime on an emulated board: the same number in every run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wheelhouse.common import process
from wheelhouse.common.root import ROOT
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.targets.systems import Board
from wheelhouse.verify import session

PYTHON = "3.11"
"""The CPython of the system that runs the workload."""

_WORKLOAD = ROOT / "wheelhouse" / "guest" / "workload.py"


def of_inference(wheel: Path, model: bytes, times: int, board: Board, fetcher: Fetcher) -> float:
    """Instructions per use of a model on one thread, from two runs with different counts."""
    with _counter(wheel, board, fetcher) as count:
        few, many = (
            count("workload.py", "model.tflite", str(n), model=model) for n in (1, 1 + times)
        )
    return (many - few) / times


def of_loading(wheel: Path, model: bytes, board: Board, fetcher: Fetcher) -> int:
    """Instructions of the constructor and ``allocate_tensors()``, on one thread."""
    with _counter(wheel, board, fetcher) as count:
        whole = count("workload.py", "model.tflite", "0", model=model)
        return whole - count("-c", "import workload")


def of_import(wheel: Path, board: Board, fetcher: Fetcher) -> int:
    """Instructions of the import of ``tflite_runtime``, beyond those of NumPy's."""
    with _counter(wheel, board, fetcher) as count:
        return count("-c", "import tflite_runtime.interpreter") - count("-c", "import numpy")


@contextmanager
def _counter(wheel: Path, board: Board, fetcher: Fetcher) -> Iterator[Callable[..., int]]:
    """A function that counts the instructions of a Python command with the wheel installed."""
    system = next(system for system in systems.table().systems if system.python == PYTHON)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        # ai-edge-litert depends on packages that its interpreter does not import.
        session.install(wheel, None, system, fetcher, work, "--no-deps")
        (work / "workload.py").write_bytes(_WORKLOAD.read_bytes())

        def count(*words: str, model: bytes = b"") -> int:
            (work / "model.tflite").write_bytes(model)
            done = qemu.run(
                ["env/bin/python", *words],
                tree=rootfs.tree(system, fetcher.store),
                board=board,
                work=work,
                counter=qemu.plugin(fetcher.store),
            )
            if done.status or done.instructions is None:
                raise process.failure(
                    f"The workload failed on {board.name}",
                    done,
                    fetcher.store.log("workload"),
                    "Run `invoke verify` to find the cause.",
                )
            return done.instructions

        yield count
