"""What `import tflite_runtime.interpreter` loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.verify import session

LOADED = """
import sys, numpy
before = set(sys.modules)
import tflite_runtime.interpreter
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


@pytest.mark.parametrize("wheel", ["universal", "newest-cp37"], indirect=True)
def test_the_import_loads_nothing_but_the_package_and_what_numpy_loads(
    wheel: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    system, board = systems.system("bookworm"), systems.board("Raspberry Pi 4")
    session.install(wheel, None, system, fetcher, tmp_path)
    done = qemu.run(
        ["env/bin/python", "-c", LOADED],
        tree=rootfs.tree(system, fetcher.store),
        board=board,
        work=tmp_path,
    )
    assert (done.status, done.stdout.split()) == (0, ["tflite_runtime"]), done.stderr
