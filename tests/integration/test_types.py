"""What mypy says to programs that use the runtime: nothing, unless they are wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from wheelhouse.package import runtime_wheel
from wheelhouse.sources import pins

PROGRAM = '''
"""Classifies a picture, once by tensors and once by a signature."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tflite_runtime
from tflite_runtime.interpreter import (
    Delegate,
    Interpreter,
    InterpreterWithCustomOps,
    OpResolverType,
    SignatureRunner,
    load_delegate,
)


def prepared(model: Path, threads: int | None, library: Path | None) -> Interpreter:
    delegates: list[Delegate] = []
    if library:
        delegates.append(load_delegate(library, {"backends": "CpuAcc", "number-of-threads": 2}))
    interpreter = Interpreter(
        model,
        experimental_delegates=delegates,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN,
    )
    interpreter.allocate_tensors()
    return interpreter


def by_tensors(interpreter: Interpreter, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    entry = interpreter.get_input_details()[0]
    result = interpreter.get_output_details()[0]
    batch, *_ = entry["shape"]
    interpreter.resize_tensor_input(entry["index"], (int(batch), *picture.shape), strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], picture[np.newaxis].astype(entry["dtype"]))
    interpreter.invoke()
    scale, zero_point = result["quantization"]
    scores = interpreter.get_tensor(result["index"]).astype(np.float32)
    return (scores - zero_point) * np.float32(scale)


def by_signature(runner: SignatureRunner, picture: NDArray[np.uint8]) -> dict[str, float]:
    assert set(runner.get_input_details()) == {"x"}
    return {name: float(value.max()) for name, value in runner(x=picture[np.newaxis]).items()}


def in_place(interpreter: Interpreter) -> float:
    view = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    view().fill(3)
    interpreter.invoke()
    return float(view().sum())


def scales(interpreter: Interpreter) -> dict[str, NDArray[np.float32]]:
    return {
        tensor["name"]: tensor["quantization_parameters"]["scales"]
        for tensor in interpreter.get_tensor_details()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    tflite_runtime.set_log_level("error")
    interpreter = prepared(arguments.model, None, None)
    picture = np.zeros((96, 96, 3), np.uint8)
    print(tflite_runtime.__version__, by_tensors(interpreter, picture).argmax())
    for name, signature in interpreter.get_signature_list().items():
        print(name, ", ".join(signature["inputs"]))
    print(by_signature(interpreter.get_signature_runner(), picture))
    print(in_place(interpreter), scales(interpreter))
    custom = InterpreterWithCustomOps(["Register_OPS"], model_content=b"", num_threads=1)
    custom.reset_all_variables()


if __name__ == "__main__":
    main()
'''

# What is wrong, and the code of the error that mypy names it with.
WRONG = {
    'Interpreter(path="model.tflite")': "call-arg",
    "Interpreter(model_content='text')": "arg-type",
    'Interpreter("model.tflite", num_threads="4")': "arg-type",
    'Interpreter("model.tflite", experimental_op_resolver_type=1)': "arg-type",
    'Interpreter("model.tflite", experimental_delegates=["libedgetpu.so.1"])': "list-item",
    'InterpreterWithCustomOps([], model="model.tflite")': "call-arg",
    'interpreter.set_tensor("input", 1)': "arg-type",
    "interpreter.set_tensor(0)": "call-arg",
    "interpreter.resize_tensor_input(0, 224)": "arg-type",
    'interpreter.get_input_details()["index"]': "call-overload",
    'interpreter.get_input_details()[0]["indx"]': "typeddict-item",
    "interpreter.get_output_details()[0]['index'].shape": "attr-defined",
    "interpreter.tensor(0).fill(1)": "attr-defined",
    "interpreter.run()": "attr-defined",
    'interpreter.get_signature_runner()(x="text")': "arg-type",
    'load_delegate("lib.so", "backends=CpuAcc")': "arg-type",
    "set_log_level(3)": "arg-type",
    "OpResolverType.FASTEST": "attr-defined",
}
NEW = {
    "interpreter.num_subgraphs()": "attr-defined",
    "interpreter.get_tensor_details(1)": "call-arg",
    "Interpreter('m', experimental_default_delegate_latest_features=True)": "call-arg",
    'interpreter.get_tensor_details()[0]["quantization_parameters"]["block_size"]': (
        "typeddict-item"
    ),
}
"""What TFLite 2.14 does not have."""

IMPORTS = (
    "from tflite_runtime import set_log_level",
    "from tflite_runtime.interpreter import *",
    'interpreter = Interpreter("model.tflite")',
)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize("tflite", pins.pins().tflite)
def test_mypy_knows_right_from_wrong(tflite: str, caches: Path, tmp_path: Path) -> None:
    installed = tmp_path / "env"
    venv.create(installed)
    (packages,) = installed.glob("lib/python3*/site-packages")
    (packages / "more.pth").write_text(sysconfig.get_path("purelib"))  # NumPy is there
    (packages / "tflite_runtime").mkdir()
    for name, content in runtime_wheel.types(tflite).items():
        (packages / "tflite_runtime" / name).write_bytes(content)
    calls = {**WRONG, **NEW}
    (tmp_path / "right.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text("".join(f"{line}\n" for line in (*IMPORTS, *calls)))
    options = ("--strict", "--python-executable", installed / "bin" / "python")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", caches, "right.py", "wrong.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    errors = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert {file for file, _, _ in errors} == {"wrong"}, done.stdout
    lines = [*IMPORTS, *calls]
    expected = WRONG if tflite.startswith("2.22.") else calls
    assert {lines[int(line) - 1]: code for _, line, code in errors} == expected, done.stdout
