"""MobileNetV1 (arXiv 1704.04861) with seeded weights, as TFLite models.

The weights are random integers. Scales and biases are chosen so that every channel's sum has the
same mean and standard deviation over a few seeded pictures. So activations neither vanish nor
saturate, the output depends on the picture, and the 8-bit variants need no training. All numbers in
the file are rounded to 12 bits or to 1/1024, so that rounding errors of a CPU do not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wheelhouse.specimens.flatbuffer import ModelWriter, Quantisation

Kind = Literal["float32", "dynamic", "int8", "uint8"]
"""A network's arithmetic; ``dynamic`` has INT8 weights and FP32 activations."""

VERSIONS: Mapping[Kind, Mapping[str, int]] = {
    "float32": {},
    "dynamic": {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 12},
    "int8": {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "MEAN": 2, "FULLY_CONNECTED": 4, "SOFTMAX": 2},
    "uint8": {},
}
"""The operator versions that TensorFlow 2.19's converter writes, where they are not 1."""

CLASSES = 1001
"""ImageNet's 1000 classes and a background class, as in the published MobileNetV1."""

BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
"""Channels at width 1, and stride, of each separable block; from table 1 of the paper."""

RELU6 = 3
"""``ActivationFunctionType.RELU6`` of schema.fbs."""

_SEED = 1704_04861
_CALIBRATION_PICTURES = 8
_SPREAD, _CENTRE = 1.75, 1.25
"""Standard deviation and mean of a channel's sum before RELU6.

Of a normal distribution a quarter is cut off at 0, and 0.3 % at 6.
"""

_POOLED_RANGE = 3.5
"""The upper end of the range of a channel's mean; over other pictures the largest was 3.2."""

_LOGIT_SPREAD, _LOGIT_RANGE = 2.0, 10.0
"""Standard deviation and range of the logits; the range is five times the deviation.

The likeliest class then has a probability of 0.04 to 0.4.
"""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer; ``scale`` and ``bias`` have one value per output channel.

    ``weights`` have TFLite's layout: (out, height, width, in), for a depthwise convolution
    (1, height, width, out), for a dense layer (out, in).
    """

    operator: str
    weights: NDArray[np.int8]
    stride: int
    scale: _Floats
    bias: _Floats

    @property
    def axis(self) -> int:
        """The dimension of ``weights`` that the output channels are in."""
        return 3 if self.operator == "DEPTHWISE_CONV_2D" else 0

    @property
    def real(self) -> NDArray[np.float32]:
        """The dequantised weights."""
        shape = [1] * self.weights.ndim
        shape[self.axis] = self.scale.size
        return (self.weights * self.scale.reshape(shape)).astype(np.float32)


def pictures(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Seeded pictures of 5 x 5 coloured tiles with noise: an array (count, side, side, 3)."""
    random = np.random.RandomState(seed)
    tiles = random.randint(16, 240, (count, 5, 5, 3))
    cell = np.arange(side) * 5 // side
    grain = random.randint(-16, 17, (count, side, side, 3))
    return (tiles[:, cell][:, :, cell] + grain).clip(0, 255).astype(np.uint8)


def network_input(kind: Kind, picture: NDArray[np.uint8]) -> NDArray[Any]:
    """A picture (height, width, 3) as a network's input (1, height, width, 3)."""
    centred = picture[np.newaxis].astype(np.int16) - 128
    if kind == "uint8":
        return picture[np.newaxis]
    return centred.astype(np.int8) if kind == "int8" else (centred / 128).astype(np.float32)


def mobilenet(kind: Kind, width: float, side: int) -> bytes:
    """The model for pictures of ``side`` x ``side`` pixels; ``width`` multiplies its channels.

    Its input is (1, side, side, 3), of -1 to 1; its output (1, 1001), probabilities.
    """
    writer = ModelWriter(f"MobileNetV1 {width} {side} {kind}")
    versions, dtype = VERSIONS[kind], "float32" if kind == "dynamic" else kind
    activation = quantisation_for(kind, 0, 6)
    before = quantisation_for(kind, -1, 127 / 128)
    first = current = writer.tensor("input", (1, side, side, 3), dtype, before)
    *convolutions, classifier = layers(width, side)
    for number, layer in enumerate(convolutions):
        side = -(-side // layer.stride)
        shape = (1, side, side, layer.scale.size)
        after = writer.tensor(f"layer{number}", shape, dtype, activation)
        inputs = [current, *add_constants(writer, kind, f"layer{number}", layer, before)]
        depth = {"depthMultiplier": 1} if layer.axis else {}
        writer.operator(
            layer.operator,
            versions.get(layer.operator, 1),
            inputs,
            [after],
            strideW=layer.stride,
            strideH=layer.stride,
            fusedActivationFunction=RELU6,
            **depth,
        )
        current, before = after, activation
    before = quantisation_for(kind, 0, _POOLED_RANGE)
    pooled = writer.tensor("pooled", (1, classifier.weights.shape[1]), dtype, before)
    axes = writer.constant("axes", np.array([1, 2], np.int32))
    writer.operator("MEAN", versions.get("MEAN", 1), [current, axes], [pooled])
    logits = writer.tensor(
        "logits", (1, CLASSES), dtype, quantisation_for(kind, -_LOGIT_RANGE, _LOGIT_RANGE)
    )
    inputs = [pooled, *add_constants(writer, kind, "classifier", classifier, before)]
    writer.operator("FULLY_CONNECTED", versions.get("FULLY_CONNECTED", 1), inputs, [logits])
    # The kernel accepts no other scale and zero point for 8-bit probabilities.
    answer = writer.tensor(
        "probabilities", (1, CLASSES), dtype, quantisation_for(kind, 0, 255 / 256)
    )
    writer.operator("SOFTMAX", versions.get("SOFTMAX", 1), [logits], [answer], beta=1.0)
    return writer.pack([first], [answer])


def quantisation_for(kind: Kind, low: float, high: float) -> Quantisation | None:
    """The quantisation of an activation: 256 steps from ``low`` to ``high``, one of them at 0.

    None if activations of that kind are FP32.
    """
    if kind in ("float32", "dynamic"):
        return None
    scale = (high - low) / 255
    return Quantisation((scale,), round(-low / scale) - (128 if kind == "int8" else 0))


def add_constants(
    writer: ModelWriter, kind: Kind, name: str, layer: Layer, before: Quantisation | None
) -> tuple[int, int]:
    """Add a layer's weights and bias and return their indices; ``before`` is its input's.

    INT8 weights are quantised per channel, UINT8 weights per tensor.
    """
    real = layer.real
    if kind == "dynamic":
        per_channel = Quantisation(tuple(layer.scale.tolist()), axis=layer.axis)
        weights = writer.constant(f"{name}/weights", layer.weights, per_channel)
        return weights, writer.constant(f"{name}/bias", layer.bias.astype(np.float32))
    if kind == "float32" or before is None:
        weights = writer.constant(f"{name}/weights", real)
        return weights, writer.constant(f"{name}/bias", layer.bias.astype(np.float32))
    if kind == "int8":
        stored: NDArray[Any] = layer.weights
        # TFLite 2.14 takes one scale for all of a dense layer's weights.
        scale = layer.scale[:1] if layer.operator == "FULLY_CONNECTED" else layer.scale
        quantisation = Quantisation(tuple(scale.tolist()), axis=layer.axis)
    else:
        step = float(np.abs(real).max()) / 127
        stored = (np.rint(real / step) + 128).astype(np.uint8)
        quantisation = Quantisation((step,), 128)
    scales = before.scale[0] * np.array(quantisation.scale)
    weights = writer.constant(f"{name}/weights", stored, quantisation)
    bias = np.rint(layer.bias / scales).astype(np.int32)
    return weights, writer.constant(f"{name}/bias", bias, Quantisation(tuple(scales.tolist())))


@lru_cache(maxsize=2)
def layers(width: float, side: int) -> list[Layer]:
    """All layers, with scales and biases calibrated on seeded pictures."""
    random = np.random.RandomState(_SEED)

    def integers(*shape: int) -> NDArray[np.int8]:
        return random.randint(-127, 128, shape).astype(np.int8)

    samples = pictures(_CALIBRATION_PICTURES, side, seed=_SEED)
    signal: _Floats = (samples.astype(np.float64) - 128) / 128
    channels = int(32 * width)
    planned = [("CONV_2D", integers(channels, 3, 3, 3), 2)]
    for wide, stride in BLOCKS:
        planned.append(("DEPTHWISE_CONV_2D", integers(1, 3, 3, channels), stride))
        planned.append(("CONV_2D", integers(int(wide * width), 1, 1, channels), 1))
        channels = int(wide * width)
    layers = []
    for operator, weights, stride in planned:
        sums = _convolve(signal, operator, weights, stride)
        scale = _coarse(_SPREAD / sums.std(axis=(0, 1, 2)))
        bias = np.rint((_CENTRE - sums.mean(axis=(0, 1, 2)) * scale) * 1024) / 1024
        layers.append(Layer(operator, weights, stride, scale, bias))
        signal = (sums * scale + bias).clip(0, 6)
    weights = integers(CLASSES, channels)
    sums = signal.mean(axis=(1, 2)) @ weights.T.astype(np.float64)
    scale = _coarse(_LOGIT_SPREAD / sums.std(axis=0).mean(keepdims=True)).repeat(CLASSES)
    bias = np.rint(-sums.mean(axis=0) * scale * 1024) / 1024
    return [*layers, Layer("FULLY_CONNECTED", weights, 1, scale, bias)]


def _coarse(values: _Floats) -> _Floats:
    """Round to 12 bits of mantissa."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(mantissa * 4096) / 4096, exponent), np.float64)


def _convolve(signal: _Floats, operator: str, weights: NDArray[np.int8], stride: int) -> _Floats:
    """Convolve ``signal`` (count, height, width, in) with TFLite's SAME padding."""
    taps = weights.astype(np.float64)
    size = taps.shape[1]
    side = -(-signal.shape[1] // stride)
    padding = max((side - 1) * stride + size - signal.shape[1], 0)
    edge = (padding // 2, padding - padding // 2)
    padded = np.pad(signal, ((0, 0), edge, edge, (0, 0)))
    channels = taps.shape[3 if operator == "DEPTHWISE_CONV_2D" else 0]
    total = np.zeros((len(signal), side, side, channels))
    reach = (side - 1) * stride + 1
    for row, column in np.ndindex(size, size):
        window = padded[:, row : row + reach : stride, column : column + reach : stride]
        tap = taps[:, row, column]
        if operator == "DEPTHWISE_CONV_2D":
            total += window * tap
        else:
            total += (window.reshape(-1, window.shape[3]) @ tap.T).reshape(total.shape)
    return total
