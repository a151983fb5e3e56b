"""Run TensorFlow's own tests and test models, and report: ``probe_upstream.py PLAN REPORT``.

Runs on the system under test, beside ``probe.py``. It reports and does not judge. The plan names
TensorFlow's ``interpreter_test.py``, which is not changed, or null, and models::

    {"module": "tflite_runtime.interpreter", "test": "interpreter_test.py",
     "models": [{"name": "add.bin", "outputs": "add.npz"}]}

The test imports TensorFlow: small modules stand in for that. Each of its files is in the plan's
folder, whatever folder it names.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import signal
import sys
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import probe  # type: ignore[import-not-found]

COUNT_CALLS = "_ZN6tflite29get_num_test_registerer_callsEv"
"""The symbol of a function that TensorFlow's C++ declares."""

MODEL_SECONDS = 300
"""How long a model may take before it is killed: two fill gigabytes, and emulation is slow."""


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    faulthandler.enable()
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = probe.attempt(carry_out, plan, Path(plan_path).resolve().parent)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def carry_out(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole report."""
    module = importlib.import_module(plan["module"])
    return {
        "error": None,
        "system": probe.system(module),
        "models": {
            each["name"]: probe.in_child(lambda each=each: run(module, folder, each))
            for each in plan["models"]
        },
        "tests": test(module, folder, plan["test"]) if plan["test"] else {},
    }


def run(module: Any, folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Load, allocate and invoke a model; the stage that it reached, and the error there."""
    signal.alarm(MODEL_SECONDS)
    stage = "load"
    try:
        interpreter = module.Interpreter(model_path=str(folder / entry["name"]), num_threads=1)
        stage = "allocate"
        interpreter.allocate_tensors()
        stage = "invoke"
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], values(detail))
        interpreter.invoke()
        details = interpreter.get_output_details()
        outputs = [interpreter.get_tensor(each["index"]) for each in details]
    except Exception as error:
        return {"stage": stage, "error": {"type": type(error).__name__, "message": str(error)}}
    plain = [each.astype(bytes) if each.dtype == object else each for each in outputs]
    np.savez(str(folder / entry["outputs"]), *plain)
    return {"stage": "end", "error": None}


def values(detail: dict[str, Any]) -> Any:
    """An input's values: the same in every run."""
    shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
    numbers = np.arange(int(np.prod(shape)))
    if dtype.kind == "S":
        return np.array([b"word %d" % number for number in numbers], object).reshape(shape)
    scaled = (numbers % 7 - 3) / 4 if dtype.kind in "fc" else numbers % 3
    return scaled.astype(dtype).reshape(shape)


def test(module: Any, folder: Path, name: str) -> dict[str, Any]:
    """Run all tests of a file; for each how it ended, and what it told if it did not pass."""
    if not hasattr(np, "string_"):  # NumPy 2 has it under its other name alone
        vars(np)["string_"] = np.bytes_
    stand_in(module, folder)
    sys.path.insert(0, str(folder))
    tests = unittest.defaultTestLoader.loadTestsFromModule(
        importlib.import_module(name.partition(".")[0])
    )
    result = Result()
    tests.run(result)
    return result.ends


class Result(unittest.TestResult):
    """Notes how each test ended, and says which one runs: the last line if it ends the process."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, Any] = {}

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """A test begins: it passed if nothing else comes."""
        super().startTest(test)
        sys.stderr.write(f"{test.id()}\n")
        self._note(test, "passed")

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        """A test raised something else than a failure."""
        self._note(test, "failed", err)

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        """A test failed."""
        self._note(test, "failed", err)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        """A test skipped itself."""
        self._note(test, "skipped", (None, reason, None))

    def _note(self, test: Any, end: str, error: Any = (None, "", None)) -> None:
        kind, told, _ = error
        seen = f"{kind.__name__}: {told}" if kind else str(told)
        self.ends[test.id().partition(".")[2]] = {"end": end, "seen": seen}


class TensorFlowTestCase(unittest.TestCase):
    """What the tests use of TensorFlow's class of that name."""

    def assertAllEqual(self, one: Any, other: Any) -> None:  # noqa: N802
        """Both have the same shape and the same values."""
        left, right = np.asarray(one), np.asarray(other)
        if left.shape != right.shape or not np.all(left == right):
            raise self.failureException(f"{one} is not {other}")

    def assertLen(self, container: Any, length: int) -> None:  # noqa: N802
        """A container has so many members."""
        if len(container) != length:
            raise self.failureException(f"{container} has not {length} members")


class Converter:
    """Converts the one function that the tests convert: a sum, whose model is there."""

    content = b""

    @classmethod
    def from_concrete_functions(cls, functions: Any, model: Any) -> Converter:
        """A converter of functions."""
        del functions, model
        return cls()

    def convert(self) -> bytes:
        """The model."""
        return self.content


def function(input_signature: Any) -> Any:
    """A decorator that leaves a method as it is, but for what a converter asks of it."""
    del input_signature

    def decorate(method: Any) -> Any:
        method.get_concrete_function = lambda *_: method
        return method

    return decorate


def stand_in(module: Any, folder: Path) -> None:
    """Make the modules that the tests import."""
    Converter.content = (folder / "sum.tflite").read_bytes()
    lite = {"TFLiteConverter": Converter, "TFLiteConverterV2": Converter}
    lite["Interpreter"] = module.Interpreter
    python = "tensorflow.lite.python"
    make(
        "tensorflow",
        float32=np.float32,
        function=function,
        TensorSpec=lambda shape, dtype: (shape, dtype),
        zeros=np.zeros,
    )
    make("tensorflow.keras.models", Model=object)
    make("tensorflow.lite", **lite)
    make(f"{python}.lite", **lite)
    put(f"{python}.interpreter", module)
    package = module.__name__.rpartition(".")[0]
    put(f"{python}.metrics.metrics", importlib.import_module(f"{package}.metrics_portable"))
    make(f"{python}.testdata._pywrap_test_registerer", **registerer(folder))
    make("tensorflow.python.framework.test_util", TensorFlowTestCase=TensorFlowTestCase)
    make(
        "tensorflow.python.platform.resource_loader",
        get_path_to_datafile=lambda path: str(folder / Path(path).name),
    )
    make("tensorflow.python.platform.test", main=unittest.main)


def registerer(folder: Path) -> dict[str, Any]:
    """The functions of TensorFlow's test_registerer.cc, which is compiled without pybind11."""
    library = ctypes.CDLL(str(folder / "test_registerer.so"), ctypes.RTLD_GLOBAL)
    library.TF_TestRegisterer.argtypes = [ctypes.c_void_p]
    library.TF_TestRegisterer.restype = None

    def register(resolver: int) -> None:
        library.TF_TestRegisterer(resolver)

    return {"TF_TestRegisterer": register, "get_num_test_registerer_calls": library[COUNT_CALLS]}


def make(name: str, **content: Any) -> None:
    """Make a module with some content."""
    module = ModuleType(name)
    vars(module).update(content)
    put(name, module)


def put(name: str, module: Any) -> None:
    """Let a module be importable by a name, and the packages that it is in."""
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    if package:
        if package not in sys.modules:
            make(package)
        setattr(sys.modules[package], last, module)


if __name__ == "__main__":
    main(*sys.argv[1:])
