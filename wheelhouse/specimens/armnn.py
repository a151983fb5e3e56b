"""Small models for what Arm NN computes, and for what it must leave to TFLite; seeded.

Of pictures: a segmentation and a detector, each in FP32 and INT8. Of single operators: what Arm NN
and Arm Compute Library get wrong without this project's patches, and what no backend supports.
"""

from __future__ import annotations

import numpy as np

from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation
from wheelhouse.specimens.models import Model
from wheelhouse.specimens.networks import (
    RELU6,
    Kind,
    _constants,
    _Layer,
    _quantisation,
    network_input,
    pictures,
)

SIDE = 32
_INT8_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2, "RESIZE_BILINEAR": 2}
_INT8_VERSIONS |= {"LOGISTIC": 2, "RESHAPE": 1}
_PROBABILITY = Quantisation((1 / 256,), -128)
"""The only one that TFLite's kernel takes for an INT8 LOGISTIC's output."""


def generated() -> tuple[Model, ...]:
    """All of them that every backend choice must compute right."""
    return (
        *(segmentation(kind) for kind in ("float32", "int8")),
        *(detector(kind) for kind in ("float32", "int8")),
        mean(),
        comparison(),
        unsupported(),
    )


def segmentation(kind: Kind) -> Model:
    """Down by two, through a separable convolution, up again, added to what was there: a mask."""
    net = _Network(f"segmentation-{kind}", kind)
    full = net.convolution(net.first, 3, 8)
    half = net.convolution(full, 8, 16, stride=2)
    deep = net.convolution(net.depthwise(half, 16), 16, 8)
    size = net.builder.constant("size", np.array([SIDE, SIDE], np.int32))
    up = net.tensor("up", (1, SIDE, SIDE, 8), 0, 6)
    net.operator("RESIZE_BILINEAR", [deep, size], up)
    both = net.tensor("both", (1, SIDE, SIDE, 8), 0, 12)
    net.operator("ADD", [up, full], both)
    logits = net.convolution(both, 8, 1, size=1, relu=False)
    return net.model([net.logistic(logits, (1, SIDE, SIDE, 1))])


def detector(kind: Kind) -> Model:
    """Two anchors on each of 8 x 8 places: their scores and their boxes."""
    net = _Network(f"detector-{kind}", kind)
    deep = net.convolution(net.convolution(net.first, 3, 8, stride=2), 8, 16, stride=2)
    deep = net.convolution(net.depthwise(deep, 16), 16, 32)
    scores = net.reshaped(net.convolution(deep, 32, 2, size=1, relu=False), (1, 128, 1))
    boxes = net.reshaped(net.convolution(deep, 32, 8, size=1, relu=False), (1, 128, 4))
    return net.model([net.logistic(scores, (1, 128, 1)), boxes])


def mean() -> Model:
    """An INT8 mean over two axes, of less range than the means over one of them are."""
    builder = ModelWriter("mean")
    first = builder.tensor("input", (1, 8, 8, 20), "int8", Quantisation((6 / 255,), -128))
    last = builder.tensor("output", (1, 20), "int8", Quantisation((3.5 / 255,), -128))
    axes = builder.constant("axes", np.array([1, 2], np.int32))
    builder.operator("MEAN", 2, [first, axes], [last])
    random = np.random.RandomState(8)
    values = random.randint(-128, -120, (1, 8, 8, 20))
    values[:, :6, :6] += 240  # along whichever axis first, six of eight means leave the range
    example = values.astype(np.int8)
    return Model("mean-int8", "int8", builder.pack([first], [last]), {"input": example})


def comparison() -> Model:
    """A comparison of tensors of rank 4 and 1 between operators that CpuAcc supports."""
    builder = ModelWriter("comparison")
    shape = (1, 4, 4, 3)
    first, squares, total = (builder.tensor(name, shape, "float32") for name in "xyz")
    larger = builder.tensor("larger", shape, "bool")
    limits = builder.constant("limits", np.array([0.5, 4, 9], np.float32))
    builder.operator("MUL", 1, [first, first], [squares])
    builder.operator("GREATER", 1, [squares, limits], [larger])
    builder.operator("ADD", 1, [squares, first], [total])
    example = np.arange(48, dtype=np.float32).reshape(shape) / 8
    content = builder.pack([first], [larger, total])
    return Model("comparison", "float32", content, {"0": example})


def unsupported() -> Model:
    """An operator that no backend supports between two that CpuAcc does."""
    builder = ModelWriter("unsupported")
    shape = (1, 4, 4, 3)
    names = ("x", "squares", "sums", "output")
    first, squares, sums, last = (builder.tensor(name, shape, "float32") for name in names)
    axis = builder.constant("axis", np.array(2, np.int32))
    builder.operator("MUL", 1, [first, first], [squares])
    builder.operator("CUMSUM", 1, [squares, axis], [sums])
    builder.operator("ADD", 1, [sums, first], [last])
    example = np.arange(48, dtype=np.float32).reshape(shape) / 8
    return Model("unsupported", "float32", builder.pack([first], [last]), {"0": example})


class _Network:
    """A network for pictures of SIDE x SIDE whose activations lie between 0 and 6."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name, self.kind = name, kind
        self.builder = ModelWriter(name)
        self._random = np.random.RandomState(9)
        self._side: dict[int, int] = {}
        self._ranges: dict[int, Quantisation | None] = {}
        self.first = self.tensor("input", (1, SIDE, SIDE, 3), -1, 127 / 128)
        self._side[self.first] = SIDE

    def tensor(self, name: str, shape: tuple[int, ...], low: float, high: float) -> int:
        """Add an activation between ``low`` and ``high``."""
        return self._tensor(name, shape, _quantisation(self.kind, low, high))

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
        """Add a convolution, followed by RELU6 or for values between -8 and 8."""
        weights = self._integers(out, size, size, channels)
        return self._layer("CONV_2D", before, weights, out, stride, relu)

    def depthwise(self, before: int, channels: int) -> int:
        """Add a 3 x 3 convolution of each channel by itself."""
        weights = self._integers(1, 3, 3, channels)
        return self._layer("DEPTHWISE_CONV_2D", before, weights, channels, 1, True)

    def reshaped(self, before: int, shape: tuple[int, ...]) -> int:
        """Add a RESHAPE."""
        after = self._tensor(f"reshaped{before}", shape, self._ranges[before])
        size = self.builder.constant(f"shape{before}", np.array(shape, np.int32))
        self.operator("RESHAPE", [before, size], after)
        return after

    def logistic(self, before: int, shape: tuple[int, ...]) -> int:
        """Add probabilities."""
        quantisation = _PROBABILITY if self.kind == "int8" else None
        after = self._tensor("probabilities", shape, quantisation)
        self.operator("LOGISTIC", [before], after)
        return after

    def operator(self, name: str, inputs: list[int], output: int, **options: object) -> None:
        """Add an operator of the version that the network's numbers need."""
        version = _INT8_VERSIONS[name] if self.kind == "int8" else 1
        self.builder.operator(name, version, inputs, [output], **options)

    def model(self, outputs: list[int]) -> Model:
        """The finished model with a picture to try it on."""
        content = self.builder.pack([self.first], outputs)
        example = network_input(self.kind, pictures(1, SIDE, seed=3)[0])
        return Model(self.name, self.kind, content, {"input": example})

    def _tensor(self, name: str, shape: tuple[int, ...], quantisation: Quantisation | None) -> int:
        dtype = "int8" if self.kind == "int8" else "float32"
        tensor = self.builder.tensor(name, shape, dtype, quantisation)
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
        # Of a spread that leaves most sums inside the range that follows.
        scale = np.full(out, 2 / 127 / np.sqrt(taps))
        layer = _Layer(operator, weights, stride, scale, np.linspace(0, 2, out))
        side = self._side.get(before, SIDE) // stride
        low, high = (0.0, 6.0) if relu else (-8.0, 8.0)
        after = self.tensor(f"layer{number}", (1, side, side, out), low, high)
        self._side[after] = side
        constants = _constants(
            self.builder, self.kind, f"layer{number}", layer, self._ranges[before]
        )
        options: dict[str, object] = {"strideW": stride, "strideH": stride}
        options |= {"fusedActivationFunction": RELU6} if relu else {}
        options |= {"depthMultiplier": 1} if depth else {}
        self.operator(operator, [before, *constants], after, **options)
        return after

    def _integers(self, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return self._random.randint(-127, 128, shape).astype(np.int8)
