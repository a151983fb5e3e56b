"""The models that ``tests/guest`` uses, and a delegate to load."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from numpy.typing import NDArray

from tests.emulated.wrong_models import kernel_models, wrong_models
from tests.support.compiler import compiler, environment
from wheelhouse.common import process
from wheelhouse.common.store import Store
from wheelhouse.specimens import models
from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation, Signature
from wheelhouse.specimens.kernels import sparse_constant

DELEGATE = Path(__file__).with_name("delegate.c")
TYPES = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int4", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def lay_out(folder: Path, store: Store, processor: str = "aarch64") -> None:
    """Write all models, bad files and the delegate for a processor into a folder."""
    known = {model.name: model.content for model in models.generated()}
    right = {**known, **specimens()}
    for name, content in {**right, **wrong_models(right)}.items():
        (folder / f"{name}.tflite").write_bytes(content)
    for name, (content, values) in kernel_models().items():
        (folder / f"kernel-{name}.tflite").write_bytes(content)
        np.savez(folder / f"kernel-{name}.npz", **values)
    for name, content in models.bad_files().items():
        (folder / f"bad-{name}.tflite").write_bytes(content)
    cc = compiler(store, processor).cc
    command: list[str | Path] = [cc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", DELEGATE]
    half = "-Dtflite_plugin_destroy_delegate=something_else"
    for name, options in (("delegate.so", []), ("half.so", [half])):
        words = [*command, *options, "-o", folder / name]
        done = process.run(words, env=environment())
        assert done.status == 0, done.stderr


def specimens() -> dict[str, bytes]:
    """Models of a kernel or none, each for one thing that the runtime must do."""
    return {
        "types": _types(),
        "scalar": _scalar(),
        "words": _words(),
        "damaged-strings": _damaged_strings(),
        "empty": _empty(),
        "where": _where(),
        "reshape": _reshape(),
        "fill": _fill(),
        "products": _products(),
        "gather": _gather(),
        "chain": _chain(),
        "dense": _dense(),
        "unused": _unused(),
        "branches": _branches(),
        "means": _means(),
        "axes": _axes(),
        "without-bias": _without_bias(),
        **{
            f"pad-{kind}-{name}": _pad(kind, around)
            for kind in ("int8", "float32")
            for name, around in PADDINGS.items()
        },
        "slopes-int8": _slopes("int8", (1, 1, 41)),
        "slopes-uint8": _slopes("uint8", (1, 1, 41)),
        "slopes-int8-elements": _slopes("int8", (2, 3, 5, 41)),
        "state": _state(),
        "resources": _resources(),
        "uninitialised": _uninitialised(),
        "argmax": _argmax(),
        "twins": _twins(),
        "sparse": _sparse([]),
        "sparse-without-blocks": _sparse(None),
        "int4-constant": _int4_constant(),
        "variant": _variant(),
    }


def _types() -> bytes:
    """One input of each type that is the output too; no operator."""
    writer = ModelWriter("types")
    tensors = [writer.tensor(name, (2, 3), name) for name in TYPES]
    return writer.pack(tensors, tensors)


def _scalar() -> bytes:
    writer = ModelWriter("scalar")
    tensors = [writer.tensor(name, (), name) for name in ("float32", "string")]
    return writer.pack(tensors, tensors)


def _words() -> bytes:
    """Two strings, which a RESHAPE hands on as a column."""
    writer = ModelWriter("words")
    row, column = writer.tensor("row", (2,), "string"), writer.tensor("column", (2, 1), "string")
    shape = writer.constant("shape", np.array([2, 1], np.int32))
    writer.operator("RESHAPE", 1, [row, shape], [column])
    return writer.pack([row], [row, column])


def _damaged_strings() -> bytes:
    """Constants of two strings: a count, where each starts and the last ends, then the content."""
    content = np.frombuffer(b"onetwo\0\0", np.int32)
    headers = {
        "good": (2, 16, 19, 22),
        "many": (3, 16, 19, 22),
        "few": (1, 16, 19, 22),
        "negative": (-1, 16, 19, 22),
        "vast": (2**31 - 1, 16, 19, 22),
        "beyond": (2, 16, 19, 2**31 - 1),
        "backwards": (2, 16, 30, 22),
        "before": (2, -64, 19, 22),
    }
    buffers: dict[str, NDArray[Any]] = {
        name: np.array([*header, *content], np.int32) for name, header in headers.items()
    }
    buffers["short"] = np.array([2, 16], np.int32)
    buffers["shorter"] = np.array([2], np.int32).view(np.int8)[:1]
    writer = ModelWriter("damaged-strings")
    x = writer.tensor("x", (2, 3), "float32")
    for number, (name, buffer) in enumerate(buffers.items()):
        writer.constant(f"{name}, stored", buffer)
        writer.set_buffer(writer.tensor(name, (2,), "string"), number + 1)
    return writer.pack([x], [x])


def _empty() -> bytes:
    writer = ModelWriter("empty")
    x = writer.tensor("x", (2, 3), "float32")
    return writer.pack([x], [x])


def _where() -> bytes:
    """The places of what is true: as many rows as there are."""
    writer = ModelWriter("where")
    mask, places = writer.tensor("mask", (2, 3), "bool"), writer.tensor("places", (0, 2), "int64")
    writer.operator("WHERE", 1, [mask], [places])
    return writer.pack([mask], [places])


def _reshape() -> bytes:
    """A RESHAPE whose shape is an input."""
    writer = ModelWriter("reshape")
    x, shape = writer.tensor("x", (2, 6), "float32"), writer.tensor("shape", (2,), "int32")
    y = writer.tensor("y", (1, 1), "float32")
    writer.operator("RESHAPE", 1, [x, shape], [y])
    return writer.pack([x, shape], [y])


def _fill() -> bytes:
    """A tensor of as many elements as an input says."""
    writer = ModelWriter("fill")
    size = writer.tensor("size", (1,), "int32")
    seven = writer.constant("seven", np.array(7, np.int8))
    filled = writer.tensor("filled", (1,), "int8")
    writer.operator("FILL", 2, [size, seven], [filled])
    return writer.pack([size], [filled])


def _products() -> bytes:
    """Ones, in a shape that is an input, times a constant; and another constant."""
    writer = ModelWriter("products")
    shape = writer.tensor("shape", (2,), "int32")
    one = writer.constant("one", np.array(1, np.float32))
    weights = _dequantised(writer, "weights", np.array([[1, 0], [0, 2]]))
    pair = _dequantised(writer, "pair", np.array([3, 4]))
    order = writer.constant("order", np.array([1, 0], np.int32))
    turned = writer.tensor("turned", (2,), "float32")
    ones, negative, products = (
        writer.tensor(name, (1, 2), "float32") for name in ("ones", "negative", "products")
    )
    writer.operator("GATHER", 1, [pair, order], [turned])
    writer.operator("FILL", 1, [shape, one], [ones])
    writer.operator("NEG", 1, [ones], [negative])
    writer.operator("FULLY_CONNECTED", 1, [negative, weights, -1], [products])
    return writer.pack([shape], [products, turned])


def _dense() -> bytes:
    """A FULLY_CONNECTED whose weights and bias are inputs, too."""
    writer = ModelWriter("dense")
    shapes = {"x": (2, 4), "weights": (3, 4), "bias": (3,)}
    inputs = [writer.tensor(name, shape, "float32") for name, shape in shapes.items()]
    y = writer.tensor("y", (2, 3), "float32")
    writer.operator("FULLY_CONNECTED", 1, inputs, [y])
    return writer.pack(inputs, [y])


def _dequantised(writer: ModelWriter, name: str, values: NDArray[Any]) -> int:
    """A tensor in FP32 that DEQUANTIZE makes of a constant in FP16."""
    stored = writer.constant(f"{name}-in-fp16", values.astype(np.float16))
    whole = writer.tensor(name, values.shape, "float32")
    writer.operator("DEQUANTIZE", 3, [stored], [whole])
    return whole


def _gather() -> bytes:
    """Elements of a constant by an index, which may be wrong."""
    writer = ModelWriter("gather")
    values = writer.constant("values", np.array([10, 20, 30], np.float32))
    index, found = writer.tensor("index", (2,), "int32"), writer.tensor("found", (2,), "float32")
    writer.operator("GATHER", 1, [values, index], [found])
    return writer.pack([index], [found])


def _chain() -> bytes:
    """y = (x + x) * x + x, with two tensors between."""
    writer = ModelWriter("chain")
    x, double, square, y = (
        writer.tensor(name, (1, 4), "float32") for name in ("x", "double", "square", "y")
    )
    writer.operator("ADD", 1, [x, x], [double])
    writer.operator("MUL", 1, [double, x], [square])
    writer.operator("ADD", 1, [square, x], [y])
    return writer.pack([x], [y])


def _unused() -> bytes:
    """An operator whose result nobody uses, fed by another that feeds nothing else."""
    writer = ModelWriter("unused")
    x, y, z, w = (writer.tensor(name, (1, 4), "float32") for name in "xyzw")
    writer.operator("ADD", 1, [x, x], [y])
    writer.operator("RELU", 1, [y], [z])
    writer.operator("RELU", 1, [x], [w])
    return writer.pack([x], [w])


def _means() -> bytes:
    """A convolution of the mean of a picture, as a block of squeeze and excitation begins."""
    random = np.random.RandomState(6)
    writer = ModelWriter("means")
    x = writer.tensor("x", (1, 64, 64, 72), "float32")
    mean = writer.tensor("mean", (1, 1, 1, 72), "float32")
    y = writer.tensor("y", (1, 1, 1, 24), "float32")
    axes = writer.constant("axes", np.array([1, 2], np.int32))
    weights = writer.constant("weights", random.rand(24, 1, 1, 72).astype(np.float32))
    bias = writer.constant("bias", np.zeros(24, np.float32))
    writer.operator("MEAN", 1, [x, axes], [mean], keepDims=True)
    writer.operator("CONV_2D", 1, [mean, weights, bias], [y], strideW=1, strideH=1)
    return writer.pack([x], [y])


def _axes() -> bytes:
    """A mean whose axes are named twelve times."""
    writer = ModelWriter("axes")
    quantisation = Quantisation((0.5,))
    x = writer.tensor("x", (1, 2, 2, 3), "int8", quantisation)
    y = writer.tensor("y", (1, 1, 1, 3), "int8", quantisation)
    axes = writer.constant("axes", np.array([1, 2] * 12, np.int32))
    writer.operator("MEAN", 2, [x, axes], [y], keepDims=True)
    return writer.pack([x], [y])


def _without_bias() -> bytes:
    """A depthwise convolution that adds nothing."""
    writer = ModelWriter("without-bias")
    x, y = (writer.tensor(name, (1, 4, 4, 2), "float32") for name in "xy")
    weights = writer.constant("weights", np.ones((1, 2, 2, 2), np.float32))
    options = {"strideW": 1, "strideH": 1, "depthMultiplier": 1}
    writer.operator("DEPTHWISE_CONV_2D", 1, [x, weights], [y], **options)
    return writer.pack([x], [y])


def _slopes(kind: str, shape: tuple[int, ...]) -> bytes:
    """A PRELU of 8-bit values with as many slopes as the shape has."""
    writer = ModelWriter("slopes")
    middle = 128 if kind == "uint8" else 0
    random = np.random.RandomState(7)
    slopes = random.randint(middle - 127, middle + 127, shape).astype(kind)
    x = writer.tensor("x", (2, 3, 5, 41), kind, Quantisation((0.05,), middle - 9))
    y = writer.tensor("y", (2, 3, 5, 41), kind, Quantisation((0.037,), middle + 5))
    alpha = writer.constant("alpha", slopes, Quantisation((0.011,), middle + 3))
    writer.operator("PRELU", 1, [x, alpha], [y])
    return writer.pack([x], [y])


PADDINGS = {
    "all": ((1, 0), (0, 2), (1, 1), (2, 1)),
    "pixels": ((0, 0), (1, 2), (2, 1), (0, 0)),
    "columns": ((1, 1), (0, 0), (3, 1), (0, 0)),
    "rows": ((0, 0), (2, 1), (0, 0), (0, 0)),
}
"""Elements before and after, for each dimension."""


def _pad(kind: str, around: tuple[tuple[int, int], ...]) -> bytes:
    writer, shape = ModelWriter("pad"), (2, 3, 4, 5)
    larger = tuple(np.add(shape, np.sum(around, axis=1)))
    scale = Quantisation((1.0,)) if kind == "int8" else None
    x, y = writer.tensor("x", shape, kind, scale), writer.tensor("y", larger, kind, scale)
    writer.operator("PAD", 1, [x, writer.constant("around", np.array(around, np.int32))], [y])
    return writer.pack([x], [y])


def _branches() -> bytes:
    """A network once for every subset of its tensors, these being its outputs and its signature.

    XNNPACK fuses its padding and its activations with the convolution, unless they are outputs.
    """
    writer = ModelWriter("branches")
    names = ("convolved", "positive", "left", "right", "total", "last")
    subsets = chain.from_iterable(combinations(names, size) for size in range(1, len(names)))
    for subset in subsets:
        writer.subgraph(*_branch(writer, subset))
    return writer.pack(*_branch(writer, names))


def _branch(writer: ModelWriter, subset: Sequence[str]) -> tuple[list[int], list[int], Signature]:
    """The network's inputs, its outputs and its signature."""
    x, made = _branching(writer)
    outputs = {name: made[name] for name in subset}
    return [x], list(outputs.values()), ("+".join(subset), {"x": x}, outputs)


def _branching(writer: ModelWriter) -> tuple[int, dict[str, int]]:
    """The network's input, and its tensors by name."""
    x = writer.tensor("x", (1, 4, 4, 2), "float32")
    padded = writer.tensor("padded", (1, 6, 6, 2), "float32")
    made = {
        name: writer.tensor(name, (1, 4, 4, channels), "float32")
        for name, channels in (("convolved", 4), ("positive", 4), ("left", 2), ("right", 2))
    }
    made |= {name: writer.tensor(name, (1, 4, 4, 2), "float32") for name in ("total", "last")}
    around = writer.constant("around", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    weights = writer.constant(
        "weights", (np.arange(72, dtype=np.float32).reshape(4, 3, 3, 2) % 7 - 3) / 4
    )
    bias = writer.constant("bias", np.array([-1, 0, 1, 2], np.float32))
    axis = writer.constant("axis", np.array(3, np.int32))
    left, right, total = made["left"], made["right"], made["total"]
    valid = {"padding": schema.Padding.VALID, "strideW": 1, "strideH": 1}
    writer.operator("PAD", 1, [x, around], [padded])
    writer.operator("CONV_2D", 1, [padded, weights, bias], [made["convolved"]], **valid)
    writer.operator("RELU", 1, [made["convolved"]], [made["positive"]])
    writer.operator("SPLIT", 1, [axis, made["positive"]], [left, right], numSplits=2)
    writer.operator("ADD", 1, [left, right], [total])
    writer.operator("RELU", 1, [total], [made["last"]])
    return x, made


def _state() -> bytes:
    """A recurrent layer of one unit that sums its inputs in a variable tensor."""
    writer = ModelWriter("state")
    x = writer.tensor("x", (1, 1), "float32")
    one = np.ones((1, 1), np.float32)
    weights = writer.constant("weights", one), writer.constant("recurrent", one)
    bias = writer.constant("bias", np.zeros(1, np.float32))
    state = writer.tensor("state", (1, 1), "float32", isVariable=True)
    y = writer.tensor("y", (1, 1), "float32")
    writer.operator("RNN", 1, [x, *weights, bias, state], [y])
    return writer.pack([x], [y])


def _resources() -> bytes:
    """A resource variable, set by one signature and read by another of its own subgraph."""
    writer = ModelWriter("resources")
    _, value = _variable(writer), writer.tensor("value", (2,), "float32")
    writer.operator("ASSIGN_VARIABLE", 1, [0, value], [])
    writer.subgraph([value], [], ("assign", {"value": value}, {}))
    _, added = _variable(writer), writer.tensor("added", (2,), "float32")
    read, total = (writer.tensor(name, (2,), "float32") for name in ("read", "total"))
    writer.operator("READ_VARIABLE", 1, [0], [read])
    writer.operator("ADD", 1, [read, added], [total])
    return writer.pack([added], [total], ("read", {"added": added}, {"total": total}))


def _uninitialised() -> bytes:
    writer = ModelWriter("uninitialised")
    handle, read = _variable(writer), writer.tensor("read", (2,), "float32")
    writer.operator("READ_VARIABLE", 1, [handle], [read])
    return writer.pack([], [read])


def _variable(writer: ModelWriter) -> int:
    handle = writer.tensor("handle", (1,), "resource")
    writer.operator("VAR_HANDLE", 1, [], [handle], container="", sharedName="v")
    return handle


def _argmax() -> bytes:
    """A pooling of MediaPipe's own that says where each largest number is."""
    writer = ModelWriter("argmax")
    x, doubled = (writer.tensor(name, (1, 4, 4, 1), "float32") for name in ("x", "doubled"))
    largest, places = (
        writer.tensor(name, (1, 2, 2, 1), "float32") for name in ("largest", "places")
    )
    writer.operator("ADD", 1, [x, x], [doubled])
    writer.operator("MaxPoolingWithArgmax2D", 1, [doubled], [largest, places])
    valid, stride, size = 2, (2, 2), (2, 2)
    parameters = np.array([valid, *stride, *size, *(0 for _ in range(5))], np.int32)
    writer._operators[-1].customOptions = list(parameters.tobytes())
    return writer.pack([x], [largest, places])


def _twins() -> bytes:
    """Two INT8 convolutions with the same weights, which differ in zero points and in scale."""
    writer = ModelWriter("twins")
    scale = Quantisation((0.5, 0.25, 0.125, 0.5))
    weights = (np.arange(16, dtype=np.int8).reshape(4, 1, 1, 4) * 37) % 101
    filters = writer.constant("weights", weights, scale)
    bias = writer.constant("bias", np.arange(4, dtype=np.int32), Quantisation(scale.scale))
    sides = []
    for name, zero_point, size in (("left", 0, 8.0), ("right", 17, 16.0)):
        x = writer.tensor(name, (1, 2, 2, 4), "int8", Quantisation((1.0,), zero_point))
        y = writer.tensor(f"{name} convolved", (1, 2, 2, 4), "int8", Quantisation((size,)))
        writer.operator("CONV_2D", 3, [x, filters, bias], [y], strideW=1, strideH=1)
        sides.append((x, y))
    return writer.pack([x for x, _ in sides], [y for _, y in sides])


def _sparse(blocks: list[int] | None) -> bytes:
    """A sparse constant beside the input."""
    writer = ModelWriter("sparse")
    x = writer.tensor("x", (2, 3), "float32")
    sparse_constant(writer, blocks)
    return writer.pack([x], [x])


def _int4_constant() -> bytes:
    """A constant of 1 to 5 in INT4 beside the input."""
    writer = ModelWriter("int4-constant")
    x = writer.tensor("x", (1,), "float32")
    writer.constant("stored", np.array([0x21, 0x43, 0x05], np.int8))
    writer.set_buffer(writer.tensor("packed", (5,), "int4"), 1)
    return writer.pack([x], [x])


def _variant() -> bytes:
    """A tensor whose values are nobody's beside the input."""
    writer = ModelWriter("variant")
    x = writer.tensor("x", (1,), "float32")
    writer.tensor("variant", (1,), "variant")
    return writer.pack([x], [x])
