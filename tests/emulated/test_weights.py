"""Packed weights on boards: what loading from a file costs."""

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

WHEELS = ["universal", "newest-cp37"]
WORKLOAD = Path(bench.__file__).parents[1] / "guest" / "workload.py"


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_a_model_loads_with_fewer_instructions_from_a_file(
    wheel: Path, kind: Kind, fetcher: Fetcher, tmp_path: Path
) -> None:
    session.install(wheel, None, systems.system("bookworm"), fetcher, tmp_path)
    (tmp_path / "model.tflite").write_bytes(models.benchmark_mobilenet(kind).content)
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
    assert cached < without / 2
