"""Translate the graph of a TensorFlow.js model to TFLite's operators, one by one.

Only operators, attributes, types and paddings that are known are translated: anything else is an
error that names the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wheelhouse.specimens.conversion.graph import Graph, Node, UnsupportedError
from wheelhouse.specimens.conversion.network import (
    ACTIVATION,
    RELU,
    RELU6,
    SAME,
    VALID,
    Network,
    Operator,
    Shape,
)

_FLOAT, _INT = "DT_FLOAT", "DT_INT32"
_ONES = (1, 1, 1, 1)
_FUSED = {(): 0, ("BiasAdd",): 0, ("BiasAdd", "Relu"): RELU, ("BiasAdd", "Relu6"): RELU6}
"""The operations that may be fused to a product, and the activation among them."""


_PLAIN = (0, 1, 2, 3)
_CHANNELS_FIRST = (0, 3, 1, 2)
"""For each axis of a node's result the axis of its tensor, if channels are before height."""


def translate(graph: Graph, outputs: Mapping[str, str], channels_first: bool = False) -> Network:
    """The network whose outputs have these names, each the result of a node.

    Nodes that no output needs are left out. A batch of any size becomes one of 1. With
    ``channels_first`` the original's input has its channels before height and width; those of the
    network are always last, so that no tensor is transposed. Raises UnsupportedError for what is
    not known.
    """
    translation = _Translation(graph, Network(graph.name), channels_first)
    network = translation.network
    network.outputs = {name: translation.output(node) for name, node in outputs.items()}
    return network


@dataclass
class _Translation:
    """The translation of a graph so far; ``_known`` has the tensor of each node that is done.

    ``_axes`` has, for each node whose axes have another order than its tensor's, their order.
    """

    graph: Graph
    network: Network
    channels_first: bool
    _known: dict[str, str] = field(default_factory=dict)
    _axes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def output(self, node: str) -> str:
        """The tensor of a node that is an output."""
        found = self.tensor(node)
        if node in self._axes:
            raise self._node(node).unsupported("is an output whose axes are moved")
        return found

    def axes(self, node: Node) -> tuple[int, ...]:
        """For each axis of a node's inputs the axis of their tensors.

        Raises UnsupportedError if the inputs differ.
        """
        orders = {
            self._axes.get(name, _PLAIN)
            for name in node.inputs
            if self._known[name] not in self.network.constants
        }
        if len(orders) > 1:
            raise node.unsupported("has inputs whose axes have different orders")
        return next(iter(orders), _PLAIN)

    def set_axes(self, node: Node, axes: tuple[int, ...]) -> None:
        """Say which order the axes of a node's result have."""
        if axes != _PLAIN:
            self._axes[node.name] = axes

    def tensor(self, node: str) -> str:
        """The tensor with a node's result; the nodes before it are translated first."""
        waiting = [node]
        while waiting:
            current = waiting[-1]
            missing = [name for name in self._node(current).inputs if name not in self._known]
            if missing and current not in self._known:
                waiting.extend(missing)
            else:
                waiting.pop()
                if current not in self._known:
                    self._known[current] = self._translated(self._node(current))
        return self._known[node]

    def constant(self, node: Node, name: str) -> NDArray[Any]:
        """The value of a node's input, which must be a constant."""
        if name not in self.network.constants:
            raise node.unsupported(f"has the input {name}, which is not constant")
        return self.network.constants[name]

    def emit(self, operator: Operator, shape: Shape) -> str:
        """Add an operator, and return its output, which has that shape."""
        self.network.operators.append(operator)
        self.network.shapes[operator.output] = shape
        return operator.output

    def add_constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self.network.constants[name] = np.ascontiguousarray(values).reshape(values.shape)
        return name

    def _node(self, name: str) -> Node:
        known = self.graph.nodes.get(name.removesuffix(":0"))
        if known is None:
            raise UnsupportedError(self.graph.name, name, "does not exist")
        return known

    def _translated(self, node: Node) -> str:
        handler = _HANDLERS.get(node.op)
        if handler is None:
            raise node.unsupported("has an operator that is not known")
        inputs = [self._known[name] for name in node.inputs]
        asked = replace(node, attributes=dict(node.attributes))
        if node.op in _KEEP_AXES:
            self.set_axes(node, self.axes(node))
        elif node.op != "Transpose" and self.axes(node) != _PLAIN:
            raise node.unsupported("has an input whose axes are moved")
        result = handler(self, asked, inputs)
        asked.done()
        return result


_Handler = Callable[[_Translation, Node, list[str]], str]


def _placeholder(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("dtype", _FLOAT)
    batch, *rest = node.take("shape")
    if batch not in (-1, 1) or -1 in rest:
        raise node.unsupported(f"has the shape {(batch, *rest)}, of which more than a batch varies")
    if at.channels_first:
        at.set_axes(node, _CHANNELS_FIRST)
        rest = [*rest[1:], rest[0]]
    at.network.inputs.append(node.name)
    at.network.shapes[node.name] = (1, *rest)
    return node.name


def _constant(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("dtype", _FLOAT, _INT)
    if node.name not in at.graph.constants:
        raise node.unsupported("has no weights")
    return at.add_constant(node.name, at.graph.constants[node.name])


def _identity(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    return inputs[0]


def _convolution(at: _Translation, node: Node, inputs: list[str]) -> str:
    depthwise = "Depthwise" in node.op
    activation = _fused(node, inputs)
    strides, padding = _window(node)
    node.take("dilations", _ONES, default=_ONES)
    node.take("explicit_paddings", (), default=())
    node.take("use_cudnn_on_gpu", default=True)
    weights = at.constant(node, inputs[1])
    height, width, before, after = weights.shape
    if depthwise:
        if after != 1:
            raise node.unsupported(f"has the channel multiplier {after}, not 1")
        moved, channels = weights.transpose(3, 0, 1, 2), before
    else:
        moved, channels = weights.transpose(3, 0, 1, 2), after
    options = {"strideH": strides[0], "strideW": strides[1], "padding": padding}
    options |= {"depthMultiplier": 1} if depthwise else {}
    operator = Operator(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        (inputs[0], *_weights(at, node, moved, inputs[2:], channels)),
        node.name,
        {**options, ACTIVATION: activation},
    )
    spatial = _slid(at.network.shape(inputs[0]), (height, width), strides, padding)
    return at.emit(operator, (1, *spatial, channels))


def _dense(at: _Translation, node: Node, inputs: list[str]) -> str:
    activation = _fused(node, inputs)
    node.take("transpose_a", False)
    node.take("transpose_b", False)
    weights = at.constant(node, inputs[1]).T
    operator = Operator(
        "FULLY_CONNECTED",
        (inputs[0], *_weights(at, node, weights, inputs[2:], len(weights))),
        node.name,
        {ACTIVATION: activation},
    )
    return at.emit(operator, (at.network.shape(inputs[0])[0], len(weights)))


def _fused(node: Node, inputs: list[str]) -> int:
    """The activation that is fused to a product; a bias is its third input."""
    node.take("T", _FLOAT)
    node.take("epsilon", default=0)
    count = node.take("num_args", 0, 1, default=0)
    fused = node.take("fused_ops", *_FUSED, default=())
    if count != bool(fused) or len(inputs) != 2 + count:
        raise node.unsupported(f"fuses {fused} with {len(inputs)} inputs")
    return _FUSED[fused]


def _weights(
    at: _Translation, node: Node, weights: NDArray[Any], bias: list[str], channels: int
) -> tuple[str, str]:
    """Add weights in TFLite's layout and a bias, of zeros if there is none."""
    values = at.constant(node, bias[0]) if bias else np.zeros(channels, np.float32)
    return (
        at.add_constant(f"{node.name}/weights", weights),
        at.add_constant(f"{node.name}/bias", values),
    )


def _window(node: Node) -> tuple[tuple[int, int], int]:
    """The strides and the padding of a node whose window slides over a picture."""
    node.take("data_format", "NHWC")
    strides = node.take("strides")
    if (strides[0], strides[3]) != (1, 1):
        raise node.unsupported(f"has the strides {strides}")
    padding = node.take("padding", "SAME", "VALID")
    return (strides[1], strides[2]), SAME if padding == "SAME" else VALID


def _slid(
    shape: Shape, window: tuple[int, int], strides: tuple[int, int], padding: int
) -> list[int]:
    """The height and width that a sliding window leaves."""
    lost = (0, 0) if padding == SAME else (window[0] - 1, window[1] - 1)
    return [-(-(shape[axis + 1] - lost[axis]) // strides[axis]) for axis in (0, 1)]


def _transpose(at: _Translation, node: Node, inputs: list[str]) -> str:
    """The same tensor: only the names of its axes change."""
    node.take("T", _FLOAT)
    node.take("Tperm", _INT)
    before = at.axes(node)
    at.set_axes(node, tuple(before[axis] for axis in at.constant(node, inputs[1]).tolist()))
    return inputs[0]


def _padding(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    node.take("Tpaddings", _INT)
    axes = at.axes(node)
    rows = np.empty((4, 2), np.int32)
    rows[list(axes)] = at.constant(node, inputs[1])
    paddings = at.add_constant(f"{node.name}/paddings", rows)
    shape = tuple(
        size + int(row.sum()) for size, row in zip(at.network.shape(inputs[0]), rows, strict=True)
    )
    name = "PADV2" if node.op == "PadV2" else "PAD"
    return at.emit(Operator(name, (inputs[0], paddings, *inputs[2:]), node.name), shape)


def _leaky_relu(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    operator = Operator("LEAKY_RELU", tuple(inputs), node.name, {"alpha": node.take("alpha")})
    return at.emit(operator, at.network.shape(inputs[0]))


def _max_pool(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    node.take("explicit_paddings", (), default=())
    strides, padding = _window(node)
    batch, height, width, depth = node.take("ksize")
    if (batch, depth) != (1, 1):
        raise node.unsupported("takes the maximum over channels")
    shape = at.network.shape(inputs[0])
    options = {"strideH": strides[0], "strideW": strides[1], "padding": padding}
    options |= {"filterHeight": height, "filterWidth": width, ACTIVATION: 0}
    spatial = _slid(shape, (height, width), strides, padding)
    operator = Operator("MAX_POOL_2D", tuple(inputs), node.name, options)
    return at.emit(operator, (1, *spatial, shape[3]))


def _elementwise(name: str, **options: object) -> _Handler:
    """A handler for operators whose inputs are broadcast."""

    def handle(at: _Translation, node: Node, inputs: list[str]) -> str:
        node.take("T", _FLOAT)
        shape = np.broadcast_shapes(*(at.network.shape(each) for each in inputs))
        return at.emit(Operator(name, tuple(inputs), node.name, options), shape)

    return handle


def _reduction(name: str) -> _Handler:
    """A handler for operators that reduce some axes."""

    def handle(at: _Translation, node: Node, inputs: list[str]) -> str:
        node.take("T", _FLOAT)
        node.take("Tidx", _INT)
        keep = node.take("keep_dims", True, False)
        shape = at.network.shape(inputs[0])
        axes = {int(axis) % len(shape) for axis in at.constant(node, inputs[1]).ravel()}
        kept = [
            1 if axis in axes else size
            for axis, size in enumerate(shape)
            if keep or axis not in axes
        ]
        axis = at.add_constant(f"{node.name}/axes", np.array(sorted(axes), np.int32))
        operator = Operator(name, (inputs[0], axis), node.name, {"keepDims": keep})
        return at.emit(operator, tuple(kept))

    return handle


def _reshape(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    node.take("Tshape", _INT)
    return _reshaped(at, node, inputs[0], at.constant(node, inputs[1]).tolist())


def _squeeze(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    shape = at.network.shape(inputs[0])
    dropped = node.take("squeeze_dims")
    if not dropped or any(shape[axis] != 1 for axis in dropped):
        raise node.unsupported(f"drops the axes {dropped} of {shape}")
    kept = [size for axis, size in enumerate(shape) if axis not in dropped]
    return _reshaped(at, node, inputs[0], kept)


def _reshaped(at: _Translation, node: Node, tensor: str, shape: Iterable[int]) -> str:
    # The batch, which the original leaves open, is 1.
    whole = np.empty(at.network.shape(tensor), np.bool_).reshape(tuple(shape)).shape
    size = at.add_constant(f"{node.name}/shape", np.array(whole, np.int32))
    return at.emit(Operator("RESHAPE", (tensor, size), node.name), whole)


def _concatenation(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    node.take("Tidx", _INT)
    node.take("N", len(inputs) - 1)
    *parts, last = inputs
    shapes = [at.network.shape(part) for part in parts]
    axis = at.axes(node)[at.constant(node, last).item() % len(shapes[0])]
    shape = list(shapes[0])
    shape[axis] = sum(each[axis] for each in shapes)
    operator = Operator("CONCATENATION", tuple(parts), node.name, {"axis": axis, ACTIVATION: 0})
    return at.emit(operator, tuple(shape))


def _resize(at: _Translation, node: Node, inputs: list[str]) -> str:
    node.take("T", _FLOAT)
    node.take("align_corners", False)
    half = node.take("half_pixel_centers", False, True)
    options = {"halfPixelCenters": True} if half else {}
    height, width = at.constant(node, inputs[1]).tolist()
    shape = (1, height, width, at.network.shape(inputs[0])[3])
    return at.emit(Operator("RESIZE_BILINEAR", tuple(inputs), node.name, options), shape)


_KEEP_AXES = ("Add", "ConcatV2", "LeakyRelu", "Pad", "PadV2")
"""The operators that are the same whatever order the axes of their input have."""

_ACTIVATED = {ACTIVATION: 0}
_HANDLERS: dict[str, _Handler] = {
    "Abs": _elementwise("ABS"),
    "Add": _elementwise("ADD", **_ACTIVATED),
    "AddV2": _elementwise("ADD", **_ACTIVATED),
    "ConcatV2": _concatenation,
    "Const": _constant,
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "FusedDepthwiseConv2dNative": _convolution,
    "Identity": _identity,
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Maximum": _elementwise("MAXIMUM"),
    "Mean": _reduction("MEAN"),
    "Minimum": _elementwise("MINIMUM"),
    "Mul": _elementwise("MUL", **_ACTIVATED),
    "Pad": _padding,
    "PadV2": _padding,
    "Placeholder": _placeholder,
    "Relu": _elementwise("RELU"),
    "Relu6": _elementwise("RELU6"),
    "Reshape": _reshape,
    "ResizeBilinear": _resize,
    "Rsqrt": _elementwise("RSQRT"),
    "Sigmoid": _elementwise("LOGISTIC"),
    "Softmax": _elementwise("SOFTMAX", beta=1.0),
    "Square": _elementwise("SQUARE"),
    "Squeeze": _squeeze,
    "Sub": _elementwise("SUB", **_ACTIVATED),
    "Sum": _reduction("SUM"),
    "Transpose": _transpose,
    "_FusedConv2D": _convolution,
    "_FusedMatMul": _dense,
}
