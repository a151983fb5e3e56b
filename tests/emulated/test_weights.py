"""Packed weights: what loading from a file costs, and the memory of those who share them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wheelhouse.bench import run as bench
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.specimens.networks import Kind
from wheelhouse.targets import systems
from wheelhouse.verify import session

WHEELS = ["wheels-cp37", "newest-cp37"]
MEMORY = """
import gc, sys
from tflite_runtime import xnnpack
from tflite_runtime.interpreter import Interpreter

def private():
    gc.collect()
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))

options = {"share": {"share_weights": True}, "file": {"weight_cache": "weights.cache"}}
made, seen = [], [private()]
for _ in range(2):
    delegate = xnnpack.delegate(**options.get(sys.argv[1], {}))
    made.append(Interpreter("model.tflite", experimental_delegates=[delegate]))
    made[-1].allocate_tensors()
    made[-1].invoke()
    seen.append(private())
print(seen[1] - seen[0], seen[2] - seen[1])
"""
WORKLOAD = Path(bench.__file__).parents[1] / "guest" / "workload.py"


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_checking_a_file_costs_about_what_packing_costs(
    wheel: Path, kind: Kind, fetcher: Fetcher, tmp_path: Path
) -> None:
    session.install(wheel, None, systems.system("bookworm"), fetcher, tmp_path)
    (tmp_path / "model.tflite").write_bytes(models.small_mobilenet(kind).content)
    (tmp_path / "weights").mkdir()
    shutil.copy(WORKLOAD, tmp_path)

    def loading(**env: str) -> float:
        done = qemu.run(
            ["env/bin/python", "workload.py", "model.tflite", "0"],
            tree=rootfs.tree(systems.system("bookworm"), fetcher.store),
            board=systems.board("Raspberry Pi 4"),
            work=tmp_path,
            env=env,
            counter=qemu.plugin(fetcher.store),
        )
        assert done.status == 0, done.stderr
        imported, _, allocated, *_ = done.instructions
        return float((allocated - imported).total)

    folder = {"TFLITE_XNNPACK_WEIGHT_CACHE": "weights"}
    without, _, cached = loading(), loading(**folder), loading(**folder)
    print(f"{kind}: {without / 1e6:.1f} million instructions, then {cached / 1e6:.1f}")
    assert cached < without * 1.1


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_who_shares_weights_needs_less_memory(
    pc: Path, kind: Kind, fetcher: Fetcher, tmp_path: Path
) -> None:
    system = systems.system("Debian 12 for PCs")
    session.install(pc, None, system, fetcher, tmp_path)
    (tmp_path / "model.tflite").write_bytes(models.benchmark_mobilenet(kind).content)

    def kilobytes(way: str) -> tuple[int, int]:
        done = qemu.run(
            ["env/bin/python", "-c", MEMORY, way],
            tree=rootfs.tree(system, fetcher.store),
            board=systems.board("PC"),
            work=tmp_path,
        )
        assert done.status == 0, done.stderr
        first, second = map(int, done.stdout.split())
        return first, second

    first, alone = kilobytes("none")
    _, shared = kilobytes("share")
    kilobytes("file")
    cached, _ = kilobytes("file")
    weights = (tmp_path / "weights.cache").stat().st_size / 1024
    print(f"{kind}: {first} kB, then {alone}; shared {shared}; from a file {cached}")
    assert shared < first * 0.35
    assert shared < alone - weights * 0.8
    assert cached < first - weights * 0.8
