"""What the runtime writes to standard error, and who decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.machines import qemu, rootfs
from wheelhouse.machines.qemu import Emulated
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.verify import runtime_trials, session

WHEELS = ["universal", "wheels-cp311", "newest-cp37", "newest-cp311"]
MAKE = """
from tflite_runtime.interpreter import Interpreter
Interpreter("model.tflite", num_threads=1).allocate_tensors()
"""
DECIDE = f"import tflite_runtime\ntflite_runtime.set_log_level('info')\n{MAKE}"
LIGHT = """
import sys, tflite_runtime
print(tflite_runtime.__version__, "numpy" in sys.modules, len(tflite_runtime.__doc__) > 0)
"""
IGNORED = (
    "RuntimeWarning: TFLITE_LOG_LEVEL is ignored: 'loud' is no log level: "
    "these are verbose, info, warning, error, silent"
)


def run(script: str, level: str, work: Path, fetcher: Fetcher) -> Emulated:
    """Run a script where the environment names a level, with the package that ``work`` has."""
    done = qemu.run(
        ["env/bin/python", "-c", script],
        tree=rootfs.tree(systems.system("bookworm"), fetcher.store),
        board=systems.board("Raspberry Pi 5"),
        work=work,
        env={"TFLITE_LOG_LEVEL": level},
    )
    assert done.status == 0, done.stderr
    return done


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
def test_the_environment_or_the_program_decides_what_is_written(
    wheel: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    session.install(wheel, None, systems.system("bookworm"), fetcher, tmp_path)
    arithmetic = next(model for model in models.generated() if model.name == "arithmetic")
    (tmp_path / "model.tflite").write_bytes(arithmetic.content)

    assert run(MAKE, "", tmp_path, fetcher).stderr.splitlines() == [
        f"INFO: {runtime_trials.DELEGATE_LINE}"
    ]
    assert run(MAKE, "error", tmp_path, fetcher).stderr == ""
    assert run(MAKE, "WARNING", tmp_path, fetcher).stderr == ""
    assert runtime_trials.DELEGATE_LINE in run(DECIDE, "error", tmp_path, fetcher).stderr
    wrong = run(MAKE, "loud", tmp_path, fetcher).stderr
    assert wrong.count(IGNORED) == 1
    assert wrong.count(runtime_trials.DELEGATE_LINE) == 1
    version = wheel.name.split("-")[1]
    assert run(LIGHT, "", tmp_path, fetcher).stdout == f"{version} False True\n"
