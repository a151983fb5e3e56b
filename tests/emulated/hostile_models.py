"""Models of more than one kernel, or with what kernels.toml has not, that ended the process."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from flatbuffers import flexbuffers  # type: ignore[import-untyped]
from numpy.typing import NDArray

from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation
from wheelhouse.specimens.kernels import sparse_constant

_CHOICES = {"IF": "bool", "STABLEHLO_CASE": "int32"}
"""The type of what decides which subgraph runs, for operators that have a choice."""
NO_ATTRIBUTES = list(flexbuffers.Dumps({}))
"""An empty map, as a composite must have at least."""


def without_result() -> bytes:
    """An IF that makes nothing of what its branches make."""
    writer = ModelWriter("without-result")
    condition, x = writer.tensor("x0", (1,), "bool"), writer.tensor("x1", (2, 3), "float32")
    y = writer.tensor("y", (2, 3), "float32")
    writer.operator("NEG", 1, [x], [y])
    writer.operator("IF", 1, [condition, x], [-1])
    _options(writer, "IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=1)
    writer.subgraph([condition, x], [y])
    return writer.pack(*_negated(writer, (2, 3)))


def constant_input() -> bytes:
    """A branch whose input is a constant, of another shape than what it gets."""
    writer = ModelWriter("constant-input")
    _branch(writer, (30, 30))
    x, y = writer.constant("x", np.ones((1, 3), np.float32)), writer.tensor("y", (1, 3), "float32")
    writer.operator("NEG", 1, [x], [y])
    return writer.pack([x], [y])


def unmade_result() -> bytes:
    """Branches of other shapes that no operator makes a result of."""
    writer = ModelWriter("unmade-result")
    _branch(writer, (2,), other=2)
    writer.subgraph(*_unmade(writer, 4))
    return writer.pack(*_unmade(writer, 3))


def _unmade(writer: ModelWriter, size: int) -> tuple[list[int], list[int]]:
    x, y = writer.tensor("x", (2,), "float32"), writer.tensor("y", (size,), "float32")
    writer.operator("NEG", 1, [x], [writer.tensor("z", (2,), "float32")])
    return [x], [y]


def unmade_condition() -> bytes:
    """A loop whose condition no operator makes."""
    writer = ModelWriter("unmade-condition")
    x, y = writer.tensor("x0", (1,), "float32"), writer.tensor("y", (1,), "float32")
    writer.operator("WHILE", 1, [x], [y])
    _options(writer, "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    writer.subgraph([x], [y])
    x, condition = writer.tensor("x", (1,), "float32"), writer.tensor("condition", (1,), "bool")
    writer.subgraph([x], [condition])
    return writer.pack(*_negated(writer, (1,)))


def shared_body() -> bytes:
    """The body of a loop is a branch, too; it does not use its input."""
    writer = ModelWriter("shared-body")
    condition, x = writer.tensor("x0", (1,), "bool"), writer.tensor("x1", (1,), "bool")
    y, z = writer.tensor("y", (1,), "bool"), writer.tensor("z", (1,), "bool")
    writer.operator("IF", 1, [condition, x], [z])
    _options(writer, "IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=1)
    writer.operator("WHILE", 1, [x], [y])
    _options(writer, "WhileOptions", condSubgraphIndex=2, bodySubgraphIndex=1)
    writer.subgraph([condition, x], [y, z])
    x, y = writer.tensor("x", (1,), "bool"), writer.tensor("y", (1,), "bool")
    writer.operator("LOGICAL_NOT", 1, [writer.constant("true", np.array([True]))], [y])
    writer.subgraph([x], [y])
    x, y = writer.tensor("x", (1,), "bool"), writer.tensor("y", (1,), "bool")
    writer.operator("LOGICAL_NOT", 1, [x], [y])
    return writer.pack([x], [y])


def table_as_variable() -> bytes:
    """Assigns to a hash table."""
    writer = ModelWriter("table-as-variable")
    handle = writer.tensor("handle", (1,), "resource")
    x, y = writer.tensor("x0", (2,), "float32"), writer.tensor("y", (2,), "float32")
    writer.operator("HASHTABLE", 1, [], [handle])
    types = {"keyDtype": schema.TensorType.STRING, "valueDtype": schema.TensorType.INT64}
    _options(writer, "HashtableOptions", tableId=0, **types)
    writer.operator("ASSIGN_VARIABLE", 1, [handle, x], [])
    _options(writer, "AssignVariableOptions")
    writer.operator("READ_VARIABLE", 1, [handle], [y])
    _options(writer, "ReadVariableOptions")
    return writer.pack([x], [y])


def growing_variable() -> bytes:
    """Assigns its input to a variable, and reads nothing."""
    writer = ModelWriter("growing-variable")
    handle, x = writer.tensor("handle", (1,), "resource"), writer.tensor("x0", (2, 3), "float32")
    y = writer.tensor("y", (2, 3), "float32")
    writer.operator("VAR_HANDLE", 1, [], [handle])
    _options(writer, "VarHandleOptions")
    writer.operator("ASSIGN_VARIABLE", 1, [handle, x], [])
    _options(writer, "AssignVariableOptions")
    writer.operator("NEG", 1, [x], [y])
    return writer.pack([x], [y])


def variables(
    accesses: Sequence[tuple[int, str]],
    tensors: dict[str, Any],
    handle: str = "resource",
    scales: dict[str, float] | None = None,
) -> bytes:
    """Handles of one variable that are written, from a tensor whose name is x, or read, to y.

    The result is y, or x0 negated.
    """
    writer = ModelWriter("variables")
    scales, made = scales or {}, {}
    for name, (kind, *shape) in tensors.items():
        made[name] = writer.tensor(
            name, shape, kind, Quantisation((scales[name],)) if scales else None
        )
    handles = {}
    for number in range(1 + max(number for number, _ in accesses)):
        handles[number] = writer.tensor(f"handle{number}", (1,), handle)
        writer.operator("VAR_HANDLE", 1, [], [handles[number]])
        _options(writer, "VarHandleOptions", sharedName="variable")
    for number, name in accesses:
        written = name.startswith("x")
        given, got = [handles[number], made[name]], [made[name]]
        writer.operator(
            "ASSIGN_VARIABLE" if written else "READ_VARIABLE",
            1,
            given if written else given[:1],
            [] if written else got,
        )
        _options(writer, "AssignVariableOptions" if written else "ReadVariableOptions")
    if "y" not in made:
        kind, *shape = tensors["x0"]
        made["y"] = writer.tensor("y", shape, kind)
        writer.operator("NEG", 1, [made["x0"]], [made["y"]])
    return writer.pack([made[name] for name in made if name.startswith("x")], [made["y"]])


def variable_as_table() -> bytes:
    """Looks words up in a variable."""
    writer = ModelWriter("variable-as-table")
    handle, x = writer.tensor("handle", (1,), "resource"), writer.tensor("x0", (2,), "float32")
    words, default = writer.tensor("x1", (2,), "string"), writer.tensor("x2", (), "int64")
    y = writer.tensor("y", (2,), "int64")
    writer.operator("VAR_HANDLE", 1, [], [handle])
    _options(writer, "VarHandleOptions")
    writer.operator("ASSIGN_VARIABLE", 1, [handle, x], [])
    _options(writer, "AssignVariableOptions")
    writer.operator("HASHTABLE_FIND", 1, [handle, words, default], [y])
    _options(writer, "HashtableFindOptions")
    return writer.pack([x, words, default], [y])


def handle_of_numbers() -> bytes:
    """A handle whose tensor has 30 million numbers, which a kernel reads."""
    writer = ModelWriter("handle-of-numbers")
    shape = (30_000_000,)
    handle, y = writer.tensor("handle", shape, "float32"), writer.tensor("y", shape, "float32")
    writer.operator("VAR_HANDLE", 1, [], [handle])
    _options(writer, "VarHandleOptions")
    writer.operator("NEG", 1, [handle], [y])
    return writer.pack([], [y])


def rows_of_half_bytes() -> bytes:
    """Rows of one number of INT4, of which two share a byte in the result."""
    writer = ModelWriter("rows-of-half-bytes")
    lookup, table = writer.tensor("x0", (200_000,), "int32"), writer.tensor("x1", (1, 1), "int4")
    y = writer.tensor("y", (200_000, 1), "int4")
    writer.operator("EMBEDDING_LOOKUP", 1, [lookup, table], [y])
    return writer.pack([lookup, table], [y])


def rows_of_words() -> bytes:
    """Rows of strings."""
    writer = ModelWriter("rows-of-words")
    lookup, table = writer.tensor("x0", (2,), "int32"), writer.tensor("x1", (2, 2), "string")
    y = writer.tensor("y", (2, 2), "string")
    writer.operator("EMBEDDING_LOOKUP", 1, [lookup, table], [y])
    return writer.pack([lookup, table], [y])


def references() -> bytes:
    """Fewer references than numbers that are compared with them."""
    return _verified(x1=(1,))


def no_references() -> bytes:
    """Numbers that are compared with an input that is left out."""
    return _verified(x1=None)


def _verified(x1: tuple[int, ...] | None) -> bytes:
    writer = ModelWriter("verified")
    shape = (3_000_000,)
    inputs = [writer.tensor("x0", shape, "int8", Quantisation((0.5,)))]
    if x1:
        inputs.append(writer.tensor("x1", x1, "float32"))
    y = writer.tensor("y", shape, "float32")
    writer.operator("NumericVerify", 1, inputs if x1 else [*inputs, -1], [y])
    _custom_options(writer, tolerance=0.0, log_if_failed=False)
    return writer.pack(inputs, [y])


def rotation(shape: tuple[int, ...], size: int, kind: str = "float32") -> bytes:
    """A Hadamard rotation whose result has the shape (1, 2) in the model."""
    writer = ModelWriter("rotation")
    x, y = writer.tensor("x0", shape, "float32"), writer.tensor("y", (1, 2), kind)
    writer.operator("aeq.hadamard_rotation", 1, [x], [y])
    _custom_options(writer, hadamard_size=size, random_binary_vector=[1, 1])
    return writer.pack([x], [y])


def scales_of_rows() -> bytes:
    """A product with a matrix that has scales of its rows, not of its columns."""
    writer = ModelWriter("scales-of-rows")
    x, y = writer.tensor("x0", (1, 2), "float32"), writer.tensor("y", (1, 300_000), "float32")
    values = np.ones((2, 300_000), np.int8)
    matrix = writer.constant("matrix", values, Quantisation((0.5, 0.5)))
    writer.operator("BATCH_MATMUL", 4, [x, matrix], [y])
    _options(writer, "BatchMatMulOptions")
    return writer.pack([x], [y])


def shared_weights(second: str) -> bytes:
    """A product with INT8 weights that another operator has, too; its own result is the first."""
    writer = ModelWriter("shared-weights")
    x, y = writer.tensor("x0", (1, 64), "float32"), writer.tensor("y", (1, 64), "float32")
    weights = writer.constant("weights", np.ones((64, 64), np.int8), Quantisation((0.5,)))
    writer.operator("BATCH_MATMUL", 4, [x, weights], [y])
    _options(writer, "BatchMatMulOptions", adjY=True)
    z = writer.tensor("z", (1, 64), "float32")
    if second == "BATCH_MATMUL":
        writer.operator(second, 4, [x, weights], [z])
        _options(writer, "BatchMatMulOptions", adjY=True)
    else:
        writer.operator(second, 9, [x, weights, -1], [z])
        _options(writer, "FullyConnectedOptions")
    return writer.pack([x], [y, z])


def long_buffer() -> bytes:
    """A constant whose buffer has a million numbers, of which its shape has six."""
    writer = ModelWriter("long-buffer")
    writer.constant("long", np.ones(1_000_000, np.float32))
    x, y = writer.tensor("x", (2, 3), "float32"), writer.tensor("y", (3, 2), "float32")
    writer.set_buffer(x, 1)
    shape = writer.constant("shape", np.array([3, 2], np.int32))
    writer.operator("RESHAPE", 1, [x, shape], [y])
    return writer.pack([], [y])


def branches(*numbers: int, kind: str = "float32") -> bytes:
    """A choice among branches; the last one gives a constant, the others the input in a row."""
    writer = ModelWriter("branches")
    index, x = writer.tensor("x0", (), "int32"), writer.tensor("x1", (200, 300), "float32")
    y = writer.tensor("y", (60_000,), kind)
    writer.operator("STABLEHLO_CASE", 1, [index, x], [y])
    _options(writer, "StablehloCaseOptions", branchSubgraphIndices=list(numbers))
    unused = writer.tensor("x2", (1,), "float32")
    writer.subgraph([index, x, unused], [y])
    x, y = writer.tensor("x", (200, 300), "float32"), writer.tensor("y", (60_000,), "float32")
    writer.operator("RESHAPE", 1, [x, writer.constant("row", np.array([60_000], np.int32))], [y])
    writer.subgraph([x], [y])
    x = writer.tensor("x", (200, 300), "float32")
    return writer.pack([x], [writer.constant("ones", np.ones(60_000, np.float32))])


def nested_branches() -> bytes:
    """A choice in a branch of another choice."""
    writer = ModelWriter("nested-branches")
    index, x = writer.tensor("x0", (), "int32"), writer.tensor("x1", (2, 3), "float32")
    y = writer.tensor("y", (2, 3), "float32")
    for inner in (1, 2):
        writer.operator("STABLEHLO_CASE", 1, [index, x], [y])
        _options(writer, "StablehloCaseOptions", branchSubgraphIndices=[inner])
        writer.subgraph([index, x] if inner == 1 else [x], [y])
        index = writer.constant("index", np.array(0, np.int32))
        x, y = writer.tensor("x", (2, 3), "float32"), writer.tensor("y", (2, 3), "float32")
    writer.operator("NEG", 1, [x], [y])
    return writer.pack([x], [y])


def window(
    name: str, table: str, size: int, result: tuple[int, ...] = (1, 8, 8, 4), **options: Any
) -> bytes:
    """An operator that moves a window of that size over a picture, without padding."""
    writer = ModelWriter("window")
    x, y = writer.tensor("x0", (1, 8, 8, 4), "float32"), writer.tensor("y", result, "float32")
    inputs = [x]
    if name.endswith("CONV_2D"):
        filters = np.ones((4 if name == "CONV_2D" else 1, size, size, 4), np.float32)
        inputs += [
            writer.constant("filter", filters),
            writer.constant("bias", np.ones(4, np.float32)),
        ]
    writer.operator(name, 1, inputs, [y])
    valid = schema.Padding.VALID
    _options(writer, table, padding=valid, strideW=1, strideH=1, **options)
    return writer.pack([x], [y])


def result_twice(operator: str, table: str, /, **options: Any) -> bytes:
    """A subgraph that gives its only result as two; the graph gives the first one."""
    writer = ModelWriter("result-twice")
    chosen = [writer.tensor("x0", (), _CHOICES[operator])] if operator in _CHOICES else []
    x = writer.tensor(f"x{len(chosen)}", (2, 3), "float32")
    first, second = (writer.tensor(each, (2, 3), "float32") for each in ("first", "second"))
    writer.operator(operator, 1, [*chosen, x], [first, second])
    _options(writer, table, **options)
    writer.subgraph([*chosen, x], [first, second])
    inputs, outputs = _negated(writer, (2, 3))
    return writer.pack(inputs, outputs * 2)


def sparse_input() -> bytes:
    """An operator that takes all elements of a sparse constant."""
    writer = ModelWriter("sparse-input")
    sparse, y = sparse_constant(writer, []), writer.tensor("y", (2, 3), "float32")
    writer.operator("NEG", 1, [sparse], [y])
    return writer.pack([], [y])


def blocks(scales: int, size: int) -> bytes:
    """Rows of INT4 with a scale for each ``size`` numbers, in tensor 0 if the model is right."""
    writer = ModelWriter("blocks")
    writer.constant("scales", np.ones((64, 2), np.float16))
    writer.constant("rows", np.zeros(64 * 32, np.int8))
    lookup, y = writer.tensor("x0", (2,), "int32"), writer.tensor("y", (2, 64), "float32")
    details = schema.BlockwiseQuantizationT(scales=scales, blockSize=size)
    blockwise = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization, details=details
    )
    table = writer.tensor("table", (64, 64), "int4", quantization=blockwise)
    writer.set_buffer(table, 2)
    writer.operator("EMBEDDING_LOOKUP", 1, [lookup, table], [y])
    return writer.pack([lookup], [y])


def lstm(intermediates: float | None) -> bytes:
    """An LSTM for integers whose intermediates have this scale, or none."""
    writer = ModelWriter("lstm")
    half, fine = Quantisation((0.5,)), Quantisation((1 / 32768,))
    x = writer.tensor("x0", (1, 2), "int8", half)
    gates = [writer.tensor(f"x{place}", (2, 2), "int8", half) for place in range(1, 9)]
    biases = [writer.tensor(f"x{place}", (2,), "int32", half) for place in range(9, 13)]
    state = writer.tensor("state", (1, 2), "int8", half, isVariable=True)
    cell = writer.tensor("cell", (1, 2), "int16", fine, isVariable=True)
    scale = Quantisation((intermediates,)) if intermediates else None
    between = [writer.tensor(f"i{place}", (2,), "int8", scale) for place in range(12)]
    y = writer.tensor("y", (1, 2), "int8", half)
    inputs = [x, *gates, -1, -1, -1, *biases, -1, -1, state, cell, -1, -1, -1, -1]
    writer.operator("LSTM", 4, inputs, [y])
    writer.last_operator.intermediates = between
    _options(writer, "LSTMOptions", fusedActivationFunction=schema.ActivationFunctionType.TANH)
    return writer.pack([x, *gates, *biases], [y])


def lstm_parts(
    kind: str = "float32", outputs: int = 2, projected: bool = False, intermediates: int = 0
) -> bytes:
    """An LSTM of two cells whose weights and biases are inputs."""
    writer = ModelWriter("lstm-parts")
    integer = kind == "int8"
    half, fine = Quantisation((0.5,)), Quantisation((1 / 32768,)) if integer else None
    scale = half if integer else None
    x = writer.tensor("x0", (1, 2), kind, scale)
    shapes = [*[(2, 2)] * 4, *[(2, outputs)] * 4]
    gates = [
        writer.tensor(f"x{place}", shape, kind, scale) for place, shape in enumerate(shapes, 1)
    ]
    bias = "int32" if integer else kind
    biases = [writer.tensor(f"x{place}", (2,), bias, scale) for place in range(9, 13)]
    projection = [writer.tensor("x13", (outputs, 2), kind, scale)] if projected else []
    state = writer.tensor("state", (1, outputs), kind, scale, isVariable=True)
    cell = writer.tensor("cell", (1, 2), "int16" if integer else kind, fine, isVariable=True)
    y = writer.tensor("y", (1, outputs), kind, scale)
    inputs = [x, *gates, -1, -1, -1, *biases, *(projection or [-1]), -1, state, cell, *[-1] * 4]
    writer.operator("LSTM", 4, inputs, [y])
    writer.last_operator.intermediates = [
        writer.tensor(f"i{place}", (2,), "int8", half) for place in range(intermediates)
    ]
    _options(writer, "LSTMOptions", fusedActivationFunction=schema.ActivationFunctionType.TANH)
    return writer.pack([x, *gates, *biases, *projection], [y])


def product(
    x: str,
    weights: str,
    *,
    kind: str = "int8",
    y: str = "",
    scales: Sequence[float] = (0.5,),
    axis: int = 0,
    zero_point: int = 0,
    bias: NDArray[Any] | None = None,
    workspace: tuple[int, ...] = (),
    blocks: int = 0,
    levels: Sequence[int | Sequence[int]] = (),
    block_map: Sequence[int] = (),
    **options: Any,
) -> bytes:
    """A product with weights whose stored numbers are all 1; INT4 has two in a byte.

    ``x`` is as in "float32 2 3", ``weights`` has no type, ``y`` is the result's type if it is not
    that of ``x``. The levels of sparse weights are sizes, or the indices that each compressed row
    has.
    """
    writer = ModelWriter("product")
    (x_kind, *x_shape), (rows, columns) = x.split(), map(int, weights.split())
    half, stored = Quantisation((0.5,)), _stored(levels) if levels else rows * columns
    halves = kind == "int4"
    writer.constant(
        "stored", np.full(stored // 2, 0x11, np.int8) if halves else np.ones(stored, kind)
    )
    quantisation: Any = Quantisation(tuple(scales), zero_point, axis)
    fields: dict[str, Any] = {"sparsity": _sparsity(levels, block_map)} if levels else {}
    if blocks:
        ones = writer.constant("scales", np.ones((rows, columns // blocks), np.float16))
        details = schema.BlockwiseQuantizationT(scales=ones, blockSize=blocks)
        fields["quantization"] = schema.QuantizationParametersT(
            detailsType=schema.QuantizationDetails.BlockwiseQuantization, details=details
        )
        quantisation = None
    matrix = writer.tensor("weights", (rows, columns), kind, quantisation, **fields)
    writer.set_buffer(matrix, 1)
    left = writer.tensor("x0", [int(size) for size in x_shape], x_kind, half)
    added = -1 if bias is None else writer.constant("bias", bias, Quantisation((0.25,)))
    outputs = [writer.tensor("y", (1, rows), y or x_kind, half)]
    if workspace:
        outputs.append(writer.tensor("workspace", workspace, "uint8"))
    writer.operator("FULLY_CONNECTED", 9, [left, matrix, added], outputs, **options)
    return writer.pack([left], outputs[:1])


def _stored(levels: Sequence[int | Sequence[int]]) -> int:
    return math.prod(level if isinstance(level, int) else len(level) for level in levels)


def _sparsity(levels: Sequence[int | Sequence[int]], block_map: Sequence[int]) -> Any:
    made, rows = [], 1
    for level in levels:
        if isinstance(level, int):
            made.append(
                schema.DimensionMetadataT(format=schema.DimensionType.DENSE, denseSize=level)
            )
            rows *= level
            continue
        segments = np.arange(rows + 1) * len(level)
        made.append(
            schema.DimensionMetadataT(
                format=schema.DimensionType.SPARSE_CSR,
                arraySegmentsType=schema.SparseIndexVector.Int32Vector,
                arraySegments=schema.Int32VectorT(segments.tolist()),
                arrayIndicesType=schema.SparseIndexVector.Int32Vector,
                arrayIndices=schema.Int32VectorT(list(level) * rows),
            )
        )
    order = list(range(len(levels)))
    return schema.SparsityParametersT(order, list(block_map), made)


def biases(name: str) -> bytes:
    """A convolution with one bias for 5000 channels."""
    writer = ModelWriter("biases")
    depthwise = name == "DEPTHWISE_CONV_2D"
    x, y = (
        writer.tensor(each, (1, 2, 2, channels), "float32")
        for each, channels in (("x0", 1), ("y", 5000))
    )
    shape = (1, 1, 1, 5000) if depthwise else (5000, 1, 1, 1)
    filter_ = writer.constant("filter", np.ones(shape, np.float32))
    bias = writer.constant("bias", np.ones(1, np.float32))
    inputs = [x, filter_, bias]
    if name == "TRANSPOSE_CONV":
        inputs = [writer.constant("shape", np.array([1, 2, 2, 5000], np.int32)), filter_, x, bias]
    writer.operator(name, 3, inputs, [y])
    tables = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}
    fields = {"depthMultiplier": 5000} if depthwise else {}
    _options(writer, f"{tables.get(name, 'TransposeConv')}Options", strideW=1, strideH=1, **fields)
    return writer.pack([x], [y])


def transposed(rows: int, stride: int) -> bytes:
    """A transposed convolution of a picture of 8 x 8 with a filter of 3 x 3 to so many rows."""
    writer = ModelWriter("transposed")
    shape = (1, rows, 8, 5)
    x, y = writer.tensor("x0", (1, 8, 8, 4), "float32"), writer.tensor("y", shape, "float32")
    filter_ = writer.constant("filter", np.ones((5, 3, 3, 4), np.float32))
    wanted = writer.constant("shape", np.array(shape, np.int32))
    writer.operator("TRANSPOSE_CONV", 1, [wanted, filter_, x], [y])
    padding = schema.Padding.SAME if stride else schema.Padding.VALID
    _options(writer, "TransposeConvOptions", padding=padding, strideW=stride, strideH=stride)
    return writer.pack([x], [y])


def depthwise(channels: int, results: int, multiplier: int, kind: str = "float32") -> bytes:
    """A depthwise convolution of single pixels, with weights of 1, and 1 as bias of each result.

    ``multiplier`` is what the file says. Weights in INT8 have a scale of 1 for each result.
    """
    writer = ModelWriter("depthwise")
    x = writer.tensor("x0", (1, 2, 2, channels), "float32")
    y = writer.tensor("y", (1, 2, 2, results), "float32")
    scales = [] if kind == "float32" else [Quantisation((1.0,) * results, axis=3)]
    weights = writer.constant("filter", np.ones((1, 1, 1, results), kind), *scales)
    bias = writer.constant("bias", np.ones(results, np.float32))
    writer.operator("DEPTHWISE_CONV_2D", 6, [x, weights, bias], [y])
    _options(writer, "DepthwiseConv2DOptions", depthMultiplier=multiplier, strideW=1, strideH=1)
    return writer.pack([x], [y])


def apart(name: str, table: str, stride: int) -> bytes:
    """A convolution of 9 x 9 ones by 2 x 2 ones, whose windows are a stride apart, with padding."""
    writer = ModelWriter("apart")
    size = -(-9 // stride)
    x = writer.tensor("x0", (1, 9, 9, 1), "float32")
    y = writer.tensor("y", (1, size, size, 1), "float32")
    weights = writer.constant("filter", np.ones((1, 2, 2, 1), np.float32))
    bias = writer.constant("bias", np.ones(1, np.float32))
    writer.operator(name, 1, [x, weights, bias], [y])
    fields = {"depthMultiplier": 1} if name == "DEPTHWISE_CONV_2D" else {}
    _options(writer, table, padding=schema.Padding.SAME, strideW=stride, strideH=stride, **fields)
    return writer.pack([x], [y])


def unlike_its_file(
    name: str,
    shape: tuple[int, ...],
    said: tuple[int, ...],
    others: Sequence[NDArray[Any]],
    result: tuple[int, ...],
    *,
    place: int = 0,
    **options: Any,
) -> bytes:
    """An operator on a negated input of that shape, of which the file says another one.

    The negated input is at ``place`` among the ``others``, which are constants.
    """
    writer = ModelWriter("unlike-its-file")
    x, negated = writer.tensor("x0", shape, "float32"), writer.tensor("negated", said, "float32")
    y = writer.tensor("y", result, "float32")
    inputs = [writer.constant(f"constant{at}", each) for at, each in enumerate(others)]
    inputs.insert(place, negated)
    writer.operator("NEG", 1, [x], [negated])
    writer.operator(name, 1, inputs, [y])
    if options:
        _options(writer, **options)
    return writer.pack([x], [y])


def groups(scales: int) -> bytes:
    """A convolution of two groups of channels, with INT8 weights of 1 and so many scales of 0.5."""
    writer = ModelWriter("groups")
    x, y = (
        writer.tensor(name, shape, "float32")
        for name, shape in (("x0", (1, 8, 8, 4)), ("y", (1, 6, 6, 6)))
    )
    halves = Quantisation((0.5,) * scales)
    filter_ = writer.constant("filter", np.ones((6, 3, 3, 2), np.int8), halves)
    bias = writer.constant("bias", np.ones(6, np.float32))
    writer.operator("CONV_2D", 5, [x, filter_, bias], [y])
    _options(writer, "Conv2DOptions", padding=schema.Padding.VALID, strideW=1, strideH=1)
    return writer.pack([x], [y])


def halves_of_another_shape() -> bytes:
    """A constant in FP16 whose values in FP32 have a larger shape in the file."""
    writer = ModelWriter("halves")
    x, y = writer.tensor("x0", (2, 3), "float32"), writer.tensor("y", (2, 3), "float32")
    stored = writer.constant("stored", np.ones((2, 3), np.float16))
    values = writer.tensor("values", (3000, 1000), "float32")
    writer.operator("DEQUANTIZE", 2, [stored], [values])
    writer.operator("ADD", 1, [x, values], [y])
    return writer.pack([x], [y])


def attention(
    query: tuple[int, ...],
    key: tuple[int, ...],
    value: tuple[int, ...],
    mask: tuple[int, ...] | None = None,
    **attributes: float,
) -> bytes:
    """Attention that XNNPACK computes; where TFLite does, it negates the query instead."""
    writer = ModelWriter("attention")
    shapes = [query, key, value, *([mask] if mask else [])]
    inputs, y = _numbered(writer, shapes)
    writer.operator("STABLEHLO_COMPOSITE", 1, inputs, [y])
    _options(
        writer,
        "StableHLOCompositeOptions",
        name="odml.scaled_dot_product_attention",
        compositeAttributes=list(flexbuffers.Dumps(attributes)),
        decompositionSubgraphIndex=1,
    )
    writer.subgraph(inputs, [y])
    inputs, y = _numbered(writer, shapes)
    writer.operator("NEG", 1, inputs[:1], [y])
    return writer.pack(inputs, [y])


def _numbered(writer: ModelWriter, shapes: Sequence[tuple[int, ...]]) -> tuple[list[int], int]:
    inputs = []
    for place, shape in enumerate(shapes):
        inputs.append(writer.tensor(f"x{place}", shape, "float32"))
        writer.set_shape(inputs[place], shape)
    return inputs, writer.tensor("y", shapes[0], "float32")


def pooled(name: str, kind: str = "float32", indices: tuple[int, ...] = (1, 2, 2, 1)) -> bytes:
    """MediaPipe's pooling or unpooling in windows of 2 x 2, of a picture of 4 x 4."""
    writer = ModelWriter("pooled")
    half = None if kind == "float32" else Quantisation((0.5,))
    unpooling = name == "MaxUnpooling2D"
    small = writer.tensor("x0" if unpooling else "y", (1, 2, 2, 1), "float32")
    large = writer.tensor("y" if unpooling else "x0", (1, 4, 4, 1), "float32")
    index = writer.tensor("x1", indices, kind, half)
    two, one = [small, index], [large]
    inputs, outputs = (two, one) if unpooling else (one, two)
    writer.operator(name, 1, inputs, outputs)
    # TfLitePoolParams: the padding (VALID), strides, the filter, the activation, and its values.
    writer.last_operator.customOptions = list(struct.pack("10i", 2, 2, 2, 2, 2, 0, 0, 0, 0, 0))
    return writer.pack(inputs, outputs)


def biased(biases: int, channels: int) -> bytes:
    """MediaPipe's transposed convolution of one channel to 500, with such biases and filter."""
    writer = ModelWriter("biased")
    x = writer.tensor("x0", (1, 2, 2, 1), "float32")
    y = writer.tensor("y", (1, 2, 2, 500), "float32")
    filter_ = writer.constant("filter", np.ones((500, 1, 1, channels), np.float32))
    bias = writer.constant("bias", np.ones(biases, np.float32))
    writer.operator("Convolution2DTransposeBias", 1, [x, filter_, bias], [y])
    # TfLiteTransposeConvParams: the padding (SAME), and strides.
    writer.last_operator.customOptions = list(struct.pack("3i", 1, 1, 1))
    return writer.pack([x], [y])


def constant_state() -> bytes:
    """A basic LSTM whose state is a constant."""
    writer = ModelWriter("constant-state")
    x, weights = writer.tensor("x0", (1, 2), "float32"), writer.tensor("x1", (8, 4), "float32")
    bias = writer.tensor("x2", (8,), "float32")
    state = [writer.constant(name, np.ones((1, 2), np.float32)) for name in ("state", "cell")]
    sizes = (2, 2, 4, 8)
    outputs = [writer.tensor(f"y{place}", (1, n), "float32") for place, n in enumerate(sizes)]
    writer.operator("LSTM", 2, [x, state[0], weights, bias, state[1]], outputs)
    _options(
        writer,
        "LSTMOptions",
        kernelType=schema.LSTMKernelType.BASIC,
        fusedActivationFunction=schema.ActivationFunctionType.TANH,
    )
    return writer.pack([x, weights, bias], outputs)


def _branch(writer: ModelWriter, shape: tuple[int, ...], other: int = 1) -> None:
    condition = writer.tensor("x0", (1,), "bool")
    x, y = writer.tensor("x1", shape, "float32"), writer.tensor("y", shape, "float32")
    writer.operator("IF", 1, [condition, x], [y])
    _options(writer, "IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=other)
    writer.subgraph([condition, x], [y])


def _negated(writer: ModelWriter, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    x, y = writer.tensor("x", shape, "float32"), writer.tensor("y", shape, "float32")
    writer.operator("NEG", 1, [x], [y])
    return [x], [y]


def _options(writer: ModelWriter, table: str, **fields: Any) -> None:
    operator, made = writer.last_operator, getattr(schema, f"{table}T")(**fields)
    if hasattr(schema.BuiltinOptions, table):
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        operator.builtinOptions = made
    else:
        operator.builtinOptions2Type = getattr(schema.BuiltinOptions2, table)
        operator.builtinOptions2 = made


def _custom_options(writer: ModelWriter, **fields: Any) -> None:
    writer.last_operator.customOptions = list(flexbuffers.Dumps(fields))


def scores(classes: int) -> NDArray[Any]:
    """Scores of six boxes, no two alike."""
    return np.linspace(0.2, 0.9, 6 * classes, dtype=np.float32).reshape(1, 6, classes)
