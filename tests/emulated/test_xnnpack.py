"""XNNPACK on boards with and without FP16 arithmetic: its options, and models in FP16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheelhouse.bench import run as bench
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models, table
from wheelhouse.targets import systems
from wheelhouse.verify import session

WHEELS = ["universal", "newest-cp37"]
FP16 = {"TFLITE_XNNPACK_PRECISION": "fp16"}
WORKLOAD = Path(bench.__file__).parents[1] / "guest" / "workload.py"
NO_FP16 = "WARNING: This CPU has no FP16 arithmetic: XNNPACK computes in FP32."
COMPUTE = """
import json, numpy as np
from tflite_runtime.interpreter import Interpreter
for _ in range(2):
    interpreter = Interpreter("model.tflite")
    interpreter.allocate_tensors()
    shape = interpreter.get_input_details()[0]["shape"]
    interpreter.set_tensor(0, np.sin(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape))
    interpreter.invoke()
    output = interpreter.get_output_details()[0]["index"]
print(json.dumps(interpreter.get_tensor(output).ravel().tolist()))
"""
OPERATORS = """
from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter("model.tflite")
interpreter.allocate_tensors()
print(*[each["op_name"] for each in interpreter._get_ops_details()])
"""


@pytest.fixture
def installed(request: pytest.FixtureRequest, wheel: Path, fetcher: Fetcher, tmp_path: Path) -> Any:
    """Run something with a wheel and MobileNet as on a board."""
    session.install(wheel, None, systems.system("bookworm"), fetcher, tmp_path)
    (tmp_path / "model.tflite").write_bytes(models.small_mobilenet("float32").content)
    shutil.copy(WORKLOAD, tmp_path)

    def run(board: str, *words: str, count: bool = False, **env: str) -> qemu.Emulated:
        done = qemu.run(
            ["env/bin/python", *words],
            tree=rootfs.tree(systems.system("bookworm"), fetcher.store),
            board=systems.board(board),
            work=tmp_path,
            env=env,
            counter=qemu.plugin(fetcher.store) if count else None,
        )
        assert done.status == 0, done.stderr
        return done

    return run


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
def test_fp16_is_for_cpus_that_have_it(installed: Any) -> None:
    for board, has in (("Raspberry Pi 4", False), ("Raspberry Pi 5", True)):
        plain, half = (installed(board, "-c", COMPUTE, **env) for env in ({}, FP16))
        one, other = (np.array(json.loads(done.stdout)) for done in (plain, half))
        assert np.array_equal(one, other) != has
        assert np.abs(one - other).max() < np.abs(one).max() / 5
        assert half.stderr.splitlines().count(NO_FP16) == (0 if has else 1)


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
def test_fp16_takes_two_thirds_of_the_instructions_or_fewer(installed: Any) -> None:
    def second_use(**env: str) -> int:
        words = ("workload.py", "model.tflite", "2")
        done = installed("Raspberry Pi 5", *words, count=True, **env)
        *_, first, second, _ = done.instructions
        return int((second - first).total)

    assert 0.5 < second_use(**FP16) / second_use() < 0.65


@pytest.mark.parametrize("wheel", WHEELS, indirect=True)
def test_filters_in_fp16_beside_biases_in_fp32_are_xnnpacks(installed: Any, tmp_path: Path) -> None:
    row = next(row for row in table.rows() if row.name == "yolo2-0.25-224-float16")
    (tmp_path / "model.tflite").write_bytes(row.model.content)
    operators = installed("Raspberry Pi 4", "-c", OPERATORS).stdout.split()
    assert operators.count("DEQUANTIZE") > 1
    assert operators.count("DELEGATE") == 1
