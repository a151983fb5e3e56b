"""Small right models of nearly every kernel, for `./inv fuzz` to make wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from flatbuffers import flexbuffers  # type: ignore[import-untyped]
from numpy.typing import NDArray

from wheelhouse.common import toml
from wheelhouse.common.root import ROOT
from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation

TABLE = ROOT / "wheelhouse" / "specimens" / "kernels.toml"

_TYPES = {
    "bool": "bool",
    "c64": "complex64",
    "f32": "float32",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "resource": "resource",
    "str": "string",
    "u8": "uint8",
    "u64": "uint64",
    "var": "float32",
}

_TABLE = {
    "tableId": 1,
    "keyDtype": schema.TensorType.STRING,
    "valueDtype": schema.TensorType.INT64,
}
"""A hash table from words to numbers."""


class Kernel(toml.Table, frozen=True):
    """Operators that take the same tensors; the words of ``inputs`` and ``outputs`` are a tensor.

    ``i32[2,3]`` is an activation of that shape, ``i8[2,3]@0.5,0`` one with a scale and a zero
    point, ``var[2,3]`` a variable, ``none`` an input that is left out, and ``i32=[1,2]`` integers
    that decide what the operator does. ``table`` is the name
    of its options table in schema.fbs, if that is not the operator's own, and ``options`` has
    fields of it. ``bodies`` are subgraphs 1, 2, … of one operator each, ``ADD f32[2,3]`` for one
    of two such tensors.
    """

    names: tuple[str, ...]
    inputs: str
    outputs: str
    version: int = 1
    table: str = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    bodies: tuple[str, ...] = ()


class _KernelTable(toml.Table, frozen=True):
    kernels: tuple[Kernel, ...]


@dataclass(frozen=True)
class Specimen:
    """A right model; ``inputs`` has right values of those inputs that decide what it does."""

    name: str
    content: bytes
    inputs: Mapping[str, NDArray[Any]]


def specimens() -> Iterator[Specimen]:
    """A model for each kernel of kernels.toml, and some of subgraphs and custom operators.

    A kernel that takes integers has two: in the second one, they are inputs.
    """
    for number, kernel in enumerate(toml.load(TABLE, _KernelTable).kernels):
        for name in kernel.names:
            yield specimen(f"{name}-{number}", name, kernel, constant=True)
            if "=" in kernel.inputs:
                yield specimen(f"{name}-{number}-inputs", name, kernel, constant=False)
    yield Specimen("if", _if(), {})
    yield Specimen("while", _while(), {})
    yield Specimen("once", _once(), {})
    yield Specimen("densify", _densify(), {})
    yield Specimen("variable", _variable(), {})
    yield Specimen("hashtable", _hashtable(), {})
    yield Specimen("detections", detections(), {})


def specimen(label: str, name: str, kernel: Kernel, *, constant: bool) -> Specimen:
    """A model of one of the kernel's operators, whose integers are constants or inputs."""
    writer = ModelWriter(label)
    inputs: list[int] = []
    graph_inputs: list[int] = []
    values: dict[str, NDArray[Any]] = {}
    for place, word in enumerate(kernel.inputs.split()):
        if word == "none":
            inputs.append(-1)
            continue
        if "=" in word:
            value = np.array(json.loads(word.partition("=")[2]), _TYPES[word.partition("=")[0]])
            if constant:
                inputs.append(writer.constant(f"x{place}", value))
                continue
            values[f"x{place}"] = value
            word = f"{word.partition('=')[0]}[{','.join(map(str, value.shape))}]"
        inputs.append(_tensor(writer, f"x{place}", word))
        if word.startswith("resource"):
            _resource(writer, inputs[-1], table="HASH" in name)
        elif not word.startswith("var"):
            graph_inputs.append(inputs[-1])
    outputs = [
        _tensor(writer, f"y{place}", word) for place, word in enumerate(kernel.outputs.split())
    ]
    writer.operator(name, kernel.version, inputs, outputs)
    _set_options(writer, kernel.table or _own_table(name), kernel.options)
    named = ({f"x{i}": i for i in graph_inputs}, {f"y{i}": i for i in outputs})
    signature = ("serve", *named) if graph_inputs else None
    graph: tuple[Any, ...] = (graph_inputs, outputs, signature)
    for body in kernel.bodies:
        writer.subgraph(*graph)
        graph = _body(writer, *body.split())
    return Specimen(label, writer.pack(*graph), values)


def _resource(writer: ModelWriter, handle: int, *, table: bool) -> None:
    """Adds what makes a handle of a hash table, or of a variable."""
    writer.operator("HASHTABLE" if table else "VAR_HANDLE", 1, [], [handle])
    if table:
        _set_options(writer, "HashtableOptions", _TABLE)
    else:
        _set_options(writer, "VarHandleOptions", {})


def _body(writer: ModelWriter, name: str, word: str) -> tuple[list[int], list[int]]:
    """The inputs and outputs of a subgraph of an operator that takes two tensors."""
    *inputs, output = (_tensor(writer, each, word) for each in ("a", "b", "c"))
    writer.operator(name, 1, inputs, [output])
    _set_options(writer, _own_table(name), {})
    return inputs, [output]


def _tensor(writer: ModelWriter, name: str, word: str) -> int:
    word, _, quantised = word.partition("@")
    kind, _, shape = word.partition("[")
    quantisation = Quantisation((0.5,)) if kind in ("i8", "u8") else None
    if quantised:
        scale, zero_point = json.loads(f"[{quantised}]")
        quantisation = Quantisation((scale,), zero_point)
    fields = {"isVariable": True} if kind == "var" else {}
    return writer.tensor(name, json.loads(f"[{shape}"), _TYPES[kind], quantisation, **fields)


def _own_table(name: str) -> str:
    wanted = f"{name.replace('_', '')}options".lower()
    every = (*vars(schema.BuiltinOptions), *vars(schema.BuiltinOptions2))
    return next((each for each in every if each.lower() == wanted), "")


def _set_options(writer: ModelWriter, table: str, options: Mapping[str, Any]) -> None:
    if not table:
        return
    operator, made = writer.last_operator, getattr(schema, f"{table}T")(**options)
    if hasattr(schema.BuiltinOptions, table):
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        operator.builtinOptions = made
    else:
        operator.builtinOptions2Type = getattr(schema.BuiltinOptions2, table)
        operator.builtinOptions2 = made


def _if() -> bytes:
    """y = x + x, or x * x."""
    writer = ModelWriter("if")
    condition = writer.tensor("condition", (1,), "bool")
    x, y = writer.tensor("x", (2, 3), "float32"), writer.tensor("y", (2, 3), "float32")
    writer.operator("IF", 1, [condition, x], [y])
    _set_options(writer, "IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2})
    writer.subgraph([condition, x], [y], ("serve", {"condition": condition, "x": x}, {"y": y}))
    for name in ("ADD", "MUL"):
        x, y = writer.tensor("x", (2, 3), "float32"), writer.tensor("y", (2, 3), "float32")
        writer.operator(name, 1, [x, x], [y])
        if name == "ADD":
            writer.subgraph([x], [y])
    return writer.pack([x], [y])


def _while() -> bytes:
    """Adds 1 while less than 10."""
    writer = ModelWriter("while")
    x, y = writer.tensor("x", (1,), "int32"), writer.tensor("y", (1,), "int32")
    writer.operator("WHILE", 1, [x], [y])
    _set_options(writer, "WhileOptions", {"condSubgraphIndex": 1, "bodySubgraphIndex": 2})
    writer.subgraph([x], [y], ("serve", {"x": x}, {"y": y}))
    x, less = writer.tensor("x", (1,), "int32"), writer.tensor("less", (1,), "bool")
    writer.operator("LESS", 1, [x, writer.constant("ten", np.array([10], np.int32))], [less])
    writer.subgraph([x], [less])
    x, y = writer.tensor("x", (1,), "int32"), writer.tensor("y", (1,), "int32")
    writer.operator("ADD", 1, [x, writer.constant("one", np.array([1], np.int32))], [y])
    return writer.pack([x], [y])


def _once() -> bytes:
    """Reads a variable that a subgraph sets, once."""
    writer = ModelWriter("once")
    handle, y = writer.tensor("handle", (1,), "resource"), writer.tensor("y", (2,), "float32")
    writer.operator("CALL_ONCE", 1, [], [])
    _set_options(writer, "CallOnceOptions", {"initSubgraphIndex": 1})
    _resource(writer, handle, table=False)
    writer.operator("READ_VARIABLE", 1, [handle], [y])
    _set_options(writer, "ReadVariableOptions", {})
    writer.subgraph([], [y])
    handle = writer.tensor("handle", (1,), "resource")
    _resource(writer, handle, table=False)
    value = writer.constant("value", np.array([1, 2], np.float32))
    writer.operator("ASSIGN_VARIABLE", 1, [handle, value], [])
    _set_options(writer, "AssignVariableOptions", {})
    return writer.pack([], [])


def _densify() -> bytes:
    """All elements of a sparse constant."""
    writer = ModelWriter("densify")
    sparse = sparse_constant(writer, [])
    y = writer.tensor("y", (2, 3), "float32")
    writer.operator("DENSIFY", 1, [sparse], [y])
    _set_options(writer, "DensifyOptions", {})
    return writer.pack([], [y])


def sparse_constant(writer: ModelWriter, blocks: list[int] | None) -> int:
    """A constant (2, 3) with two elements that are not zero, by compressed rows."""
    rows = schema.DimensionMetadataT(format=schema.DimensionType.DENSE, denseSize=2)
    columns = schema.DimensionMetadataT(
        format=schema.DimensionType.SPARSE_CSR,
        arraySegmentsType=schema.SparseIndexVector.Int32Vector,
        arraySegments=schema.Int32VectorT([0, 1, 2]),
        arrayIndicesType=schema.SparseIndexVector.Int32Vector,
        arrayIndices=schema.Int32VectorT([2, 0]),
    )
    sparsity = schema.SparsityParametersT([0, 1], blocks, [rows, columns])
    writer.constant("stored", np.array([5, 7], np.float32))
    sparse = writer.tensor("sparse", (2, 3), "float32", sparsity=sparsity)
    writer.set_buffer(sparse, 1)
    return sparse


def _variable() -> bytes:
    """Writes x to a variable and reads it."""
    writer = ModelWriter("variable")
    x, y = writer.tensor("x", (2, 3), "float32"), writer.tensor("y", (2, 3), "float32")
    handle = writer.tensor("handle", (1,), "resource")
    writer.operator("VAR_HANDLE", 1, [], [handle])
    _set_options(writer, "VarHandleOptions", {})
    writer.operator("ASSIGN_VARIABLE", 1, [handle, x], [])
    _set_options(writer, "AssignVariableOptions", {})
    writer.operator("READ_VARIABLE", 1, [handle], [y])
    _set_options(writer, "ReadVariableOptions", {})
    return writer.pack([x], [y])


def _hashtable() -> bytes:
    """Fills a table of words and looks one up."""
    writer = ModelWriter("hashtable")
    handle = writer.tensor("handle", (1,), "resource")
    words, numbers = writer.tensor("x0", (2,), "string"), writer.tensor("x1", (2,), "int64")
    found, default = writer.tensor("x2", (2,), "string"), writer.tensor("x3", (), "int64")
    y = writer.tensor("y", (2,), "int64")
    writer.operator("HASHTABLE", 1, [], [handle])
    _set_options(writer, "HashtableOptions", _TABLE)
    writer.operator("HASHTABLE_IMPORT", 1, [handle, words, numbers], [])
    _set_options(writer, "HashtableImportOptions", {})
    writer.operator("HASHTABLE_FIND", 1, [handle, found, default], [y])
    _set_options(writer, "HashtableFindOptions", {})
    return writer.pack([words, numbers, found, default], [y])


def detections(classes: int = 3, **options: object) -> bytes:
    """The boxes of a detector among six, by TFLite's own operator; their number comes first."""
    writer = ModelWriter("detections")
    boxes = writer.tensor("x0", (1, 6, 4), "float32")
    scores = writer.tensor("x1", (1, 6, classes), "float32")
    anchors = writer.constant("anchors", np.full((6, 4), 0.5, np.float32))
    outputs = [writer.tensor(f"y{each}", (), "float32") for each in range(4)]
    writer.operator("TFLite_Detection_PostProcess", 1, [boxes, scores, anchors], outputs)
    usual = {
        "max_detections": 3,
        "max_classes_per_detection": 1,
        "num_classes": 2,
        "nms_score_threshold": 0.1,
        "nms_iou_threshold": 0.5,
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
        "use_regular_nms": True,
    }
    writer.last_operator.customOptions = list(flexbuffers.Dumps({**usual, **options}))
    return writer.pack([boxes, scores], [outputs[3], *outputs[:3]])
