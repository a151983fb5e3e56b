"""Small seeded models for operators that Arm NN runs and for those that it must leave to TFLite.

Two networks for pictures, a segmentation and a detector, each in FP32 and INT8. And models of few
operators: some that Arm NN and Arm Compute Library compute wrongly without this project's patches,
and one that no backend supports.
"""

from __future__ import annotations

import numpy as np

from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation
from wheelhouse.specimens.models import Model
from wheelhouse.specimens.networks import (
    RELU6,
    Kind,
    Layer,
    add_constants,
    network_input,
    pictures,
    quantisation_for,
)

SIDE = 32
"""The networks' input height and width in pixels."""
_INT8_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2, "RESIZE_BILINEAR": 2}
_INT8_VERSIONS |= {"LOGISTIC": 2, "RESHAPE": 1}
_PROBABILITY = Quantisation((1 / 256,), -128)
"""The only quantisation that TFLite's kernel accepts for an INT8 LOGISTIC's output."""


def generated() -> tuple[Model, ...]:
    """All models of this module."""
    return (
        *(segmentation(kind) for kind in ("float32", "int8")),
        *(detector(kind) for kind in ("float32", "int8")),
        mean(),
        comparison(),
        unsupported(),
    )


def segmentation(kind: Kind) -> Model:
    """A U-Net of one level: halved, a separable convolution, resized, added to the full size.

    Its output is a mask of probabilities, (1, 32, 32, 1).
    """
    net = _Network(f"segmentation-{kind}", kind)
    full = net.convolution(net.first, 3, 8)
    half = net.convolution(full, 8, 16, stride=2)
    deep = net.convolution(net.depthwise(half, 16), 16, 8)
    size = net.writer.constant("size", np.array([SIDE, SIDE], np.int32))
    up = net.tensor("up", (1, SIDE, SIDE, 8), 0, 6)
    net.operator("RESIZE_BILINEAR", [deep, size], up)
    both = net.tensor("both", (1, SIDE, SIDE, 8), 0, 12)
    net.operator("ADD", [up, full], both)
    logits = net.convolution(both, 8, 1, size=1, relu=False)
    return net.model([net.logistic(logits, (1, SIDE, SIDE, 1))])


def detector(kind: Kind) -> Model:
    """A detector with two anchors in each of 8 x 8 cells.

    Its outputs are scores (1, 128, 1) and boxes (1, 128, 4).
    """
    net = _Network(f"detector-{kind}", kind)
    deep = net.convolution(net.convolution(net.first, 3, 8, stride=2), 8, 16, stride=2)
    deep = net.convolution(net.depthwise(deep, 16), 16, 32)
    scores = net.reshaped(net.convolution(deep, 32, 2, size=1, relu=False), (1, 128, 1))
    boxes = net.reshaped(net.convolution(deep, 32, 8, size=1, relu=False), (1, 128, 4))
    return net.model([net.logistic(scores, (1, 128, 1)), boxes])


def mean() -> Model:
    """An INT8 mean over two axes; the means over one of them do not fit the output's range."""
    writer = ModelWriter("mean")
    first = writer.tensor("input", (1, 8, 8, 20), "int8", Quantisation((6 / 255,), -128))
    last = writer.tensor("output", (1, 20), "int8", Quantisation((3.5 / 255,), -128))
    axes = writer.constant("axes", np.array([1, 2], np.int32))
    writer.operator("MEAN", 2, [first, axes], [last])
    random = np.random.RandomState(8)
    values = random.randint(-128, -120, (1, 8, 8, 20))
    values[:, :6, :6] += 240  # over either axis alone, six of eight means are out of range
    example = values.astype(np.int8)
    return Model("mean-int8", "int8", writer.pack([first], [last]), {"input": example})


def comparison() -> Model:
    """A comparison, of tensors of rank 4 and 1, between operators that CpuAcc supports."""
    writer = ModelWriter("comparison")
    shape = (1, 4, 4, 3)
    first, squares, total = (writer.tensor(name, shape, "float32") for name in "xyz")
    larger = writer.tensor("larger", shape, "bool")
    limits = writer.constant("limits", np.array([0.5, 4, 9], np.float32))
    writer.operator("MUL", 1, [first, first], [squares])
    writer.operator("GREATER", 1, [squares, limits], [larger])
    writer.operator("ADD", 1, [squares, first], [total])
    example = np.arange(48, dtype=np.float32).reshape(shape) / 8
    content = writer.pack([first], [larger, total])
    return Model("comparison", "float32", content, {"0": example})


def unsupported() -> Model:
    """An operator that no backend supports, between two that CpuAcc supports."""
    writer = ModelWriter("unsupported")
    shape = (1, 4, 4, 3)
    names = ("x", "squares", "sums", "output")
    first, squares, sums, last = (writer.tensor(name, shape, "float32") for name in names)
    axis = writer.constant("axis", np.array(2, np.int32))
    writer.operator("MUL", 1, [first, first], [squares])
    writer.operator("CUMSUM", 1, [squares, axis], [sums])
    writer.operator("ADD", 1, [sums, first], [last])
    example = np.arange(48, dtype=np.float32).reshape(shape) / 8
    return Model("unsupported", "float32", writer.pack([first], [last]), {"0": example})


class _Network:
    """Writes a network for pictures of SIDE x SIDE pixels; methods return tensor indices."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name, self.kind = name, kind
        self.writer = ModelWriter(name)
        self._random = np.random.RandomState(9)
        self._side: dict[int, int] = {}
        self._ranges: dict[int, Quantisation | None] = {}
        self.first = self.tensor("input", (1, SIDE, SIDE, 3), -1, 127 / 128)
        self._side[self.first] = SIDE

    def tensor(self, name: str, shape: tuple[int, ...], low: float, high: float) -> int:
        """Add an activation with values from ``low`` to ``high``."""
        return self._tensor(name, shape, quantisation_for(self.kind, low, high))

    def convolution(
        self,
        before: int,
        channels: int,
        out: int,
        *,
        size: int = 3,
        stride: int = 1,
        relu: bool = True,
    ) -> int:
        """Add a convolution with RELU6, or without it and with outputs from -8 to 8."""
        weights = self._integers(out, size, size, channels)
        return self._layer("CONV_2D", before, weights, out, stride, relu)

    def depthwise(self, before: int, channels: int) -> int:
        """Add a 3 x 3 depthwise convolution with RELU6."""
        weights = self._integers(1, 3, 3, channels)
        return self._layer("DEPTHWISE_CONV_2D", before, weights, channels, 1, True)

    def reshaped(self, before: int, shape: tuple[int, ...]) -> int:
        """Add a RESHAPE."""
        after = self._tensor(f"reshaped{before}", shape, self._ranges[before])
        size = self.writer.constant(f"shape{before}", np.array(shape, np.int32))
        self.operator("RESHAPE", [before, size], after)
        return after

    def logistic(self, before: int, shape: tuple[int, ...]) -> int:
        """Add a LOGISTIC, whose outputs are probabilities."""
        quantisation = _PROBABILITY if self.kind == "int8" else None
        after = self._tensor("probabilities", shape, quantisation)
        self.operator("LOGISTIC", [before], after)
        return after

    def operator(self, name: str, inputs: list[int], output: int, **options: object) -> None:
        """Add an operator, of the version that the network's arithmetic needs."""
        version = _INT8_VERSIONS[name] if self.kind == "int8" else 1
        self.writer.operator(name, version, inputs, [output], **options)

    def model(self, outputs: list[int]) -> Model:
        """The finished model, with a seeded picture as its input."""
        content = self.writer.pack([self.first], outputs)
        example = network_input(self.kind, pictures(1, SIDE, seed=3)[0])
        return Model(self.name, self.kind, content, {"input": example})

    def _tensor(self, name: str, shape: tuple[int, ...], quantisation: Quantisation | None) -> int:
        dtype = "int8" if self.kind == "int8" else "float32"
        tensor = self.writer.tensor(name, shape, dtype, quantisation)
        self._ranges[tensor] = quantisation
        return tensor

    def _layer(
        self,
        operator: str,
        before: int,
        weights: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
        out: int,
        stride: int,
        relu: bool,
    ) -> int:
        number = len(self._ranges)
        depth = operator != "CONV_2D"
        taps = weights[..., 0].size if depth else weights[0].size
        # The scale keeps most sums within the output's range.
        scale = np.full(out, 2 / 127 / np.sqrt(taps))
        layer = Layer(operator, weights, stride, scale, np.linspace(0, 2, out))
        side = self._side.get(before, SIDE) // stride
        low, high = (0.0, 6.0) if relu else (-8.0, 8.0)
        after = self.tensor(f"layer{number}", (1, side, side, out), low, high)
        self._side[after] = side
        constants = add_constants(
            self.writer, self.kind, f"layer{number}", layer, self._ranges[before]
        )
        options: dict[str, object] = {"strideW": stride, "strideH": stride}
        options |= {"fusedActivationFunction": RELU6} if relu else {}
        options |= {"depthMultiplier": 1} if depth else {}
        self.operator(operator, [before, *constants], after, **options)
        return after

    def _integers(self, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return self._random.randint(-127, 128, shape).astype(np.int8)
