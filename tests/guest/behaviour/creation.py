"""Making an interpreter."""

from __future__ import annotations

import array
import gc
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

from .files import Named, content, copied, empty_file, pipe, unreadable
from .models import ROW, computed, opened, ready
from .report import Told, step
from .runner import case, mortal


@case
def constructor() -> object:
    model = content("arithmetic")
    return {
        "nothing": step(Interpreter),
        "both": step(Interpreter, "arithmetic.tflite", model),
        "empty_path": step(Interpreter, ""),
        "empty_content": step(Interpreter, model_content=b""),
        "position": step(lambda: computed(Interpreter("arithmetic.tflite"))),
        "positions": step(lambda: computed(Interpreter(None, model))),
        "unknown_keyword": step(Interpreter, "arithmetic.tflite", threads=2),
        "type": step(lambda: type(opened("arithmetic")._interpreter)),
    }


@case
def paths() -> object:
    name = "arithmetic.tflite"
    values = {
        "str": name,
        "bytes": name.encode(),
        "bytearray": bytearray(name.encode()),
        "path": pathlib.Path(name),
        "path_of_bytes": Named(name.encode()),
        "path_of_text": Named(name),
        "path_of_nothing": Named(None),
        "spaces": copied(name, "with spaces and ä.tflite"),
        "spaces_path": pathlib.Path(copied(name, "with spaces and ä.tflite")),
        "not_utf8": copied(name, b"\xff.tflite"),
        "not_utf8_text": os.fsdecode(copied(name, b"\xff.tflite")),
        "memoryview": memoryview(name.encode()),
        "int": 3,
        "true": True,
        "numpy": np.str_(name),
        "absolute": str(pathlib.Path(name).resolve()),
        "nul": name + "\0anything",
        "missing": "missing.tflite",
        "umlaut": "fehlt-ä.tflite",
        "folder": "/tmp",  # noqa: S108
        "surrogate": "\udcff.tflite",
        "missing_path": pathlib.Path("missing.tflite"),
        "missing_not_utf8": b"\xfe.tflite",
        "no_folder": name + "/model.tflite",
        "unreadable": unreadable(),
        "empty": empty_file(),
        "device": "/dev/null",
        "pipe": pipe(),
    }
    return {
        name: step(lambda given: computed(Interpreter(given)), value)
        for name, value in values.items()
    }


@case
def contents() -> object:
    model = content("arithmetic")
    values = {
        "bytes": model,
        "bytearray": bytearray(model),
        "memoryview": memoryview(model),
        "str": "text",
        "latin-1": model.decode("latin-1"),
        "array": np.frombuffer(model, np.uint8),
        "array.array": array.array("B", model),
        "list": list(model[:9]),
        "int": 3,
        "inherited": type("Bytes", (bytes,), {})(model),
    }
    return {
        name: step(lambda given: computed(Interpreter(model_content=given)), value)
        for name, value in values.items()
    }


@case
def content_outlives_its_name() -> object:
    model = bytes(bytearray(content("arithmetic")))
    interpreter = Interpreter(model_content=model)
    references = sys.getrefcount(model)
    del model
    gc.collect()
    rubbish = [bytes([number]) * 4096 for number in range(200)]
    return [references, len(rubbish), computed(interpreter)]


@mortal
def bad_files_by_path() -> object:
    return refusals(lambda path: Interpreter(str(path)).allocate_tensors())


@mortal
def bad_files_by_content() -> object:
    return refusals(lambda path: Interpreter(model_content=path.read_bytes()).allocate_tensors())


def refusals(load: Callable[[pathlib.Path], object]) -> dict[str, Told]:
    return {path.stem: step(load, path) for path in sorted(pathlib.Path().glob("bad-*.tflite"))}


@case
def thread_options() -> object:
    values = (1, 4, 0, -1, True, False, "2", 2.0, None)
    told = {
        repr(value): step(lambda given: computed(opened("arithmetic", num_threads=given)), value)
        for value in values
    }
    told["numpy"] = step(lambda: opened("arithmetic", num_threads=np.int64(2)))
    return told


@case
def op_resolver_types() -> object:
    def outcome(kind: Any) -> object:
        interpreter = opened("arithmetic", experimental_op_resolver_type=kind)
        outputs = computed(interpreter)
        return [outputs, [node["op_name"] for node in interpreter._get_ops_details()]]

    told: dict[str, Any] = {kind.name: step(outcome, kind) for kind in OpResolverType}
    told["members"] = [[kind.name, kind.value] for kind in OpResolverType]
    for value in (None, 1, "BUILTIN"):
        told[repr(value)] = step(outcome, value)
    return told


@case
def preserve_all_tensors() -> object:
    def between(**options: Any) -> list[Any]:
        interpreter = ready("chain", **options)
        interpreter.set_tensor(0, ROW[:, :4])
        interpreter.invoke()
        nodes = [node["op_name"] for node in interpreter._get_ops_details()]
        return [nodes, *(step(interpreter.get_tensor, index) for index in range(4))]

    preserved = {"experimental_preserve_all_tensors": True}
    kinds = {
        kind.name: {"experimental_op_resolver_type": kind, **preserved} for kind in OpResolverType
    }
    told = {name: step(between, **options) for name, options in kinds.items()}
    told["not"] = step(lambda: between()[:2] + between()[-1:])
    return told


@case
def disable_delegate_clustering() -> object:
    def nodes(**options: Any) -> list[str]:
        interpreter = ready("chain", **options)
        return [node["op_name"] for node in interpreter._get_ops_details()]

    return [nodes(), nodes(experimental_disable_delegate_clustering=True)]
