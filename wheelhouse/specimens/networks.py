"""MobileNetV1 (arXiv 1704.04861) with seeded weights, as TFLite models.

The weights are random integers. Scales and biases then give every channel's sum the same spread
over a few seeded pictures, so that activations neither vanish nor saturate, the answer depends
on the picture, and the 8-bit twins need no training. All numbers that reach the file are rounded
to a coarse grid, where the last bits of a CPU's arithmetic cannot show.
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
"""The numbers of a network; ``dynamic`` has INT8 weights between FP32 activations."""

VERSIONS: Mapping[Kind, Mapping[str, int]] = {
    "float32": {},
    "dynamic": {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 12},
    "int8": {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "MEAN": 2, "FULLY_CONNECTED": 4, "SOFTMAX": 2},
    "uint8": {},
}
"""The operators' versions that TensorFlow's converter of 2.19 writes, where not 1."""

CLASSES = 1001
"""ImageNet's thousand and a background class, as in the published MobileNetV1."""

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
"""Channels at width 1 and stride of the separable blocks; table 1 of the paper."""

RELU6 = 3
"""``ActivationFunctionType.RELU6`` of schema.fbs."""

_SEED = 1704_04861
_CALIBRATION_PICTURES = 8
_SPREAD, _CENTRE = 1.75, 1.25
"""Of a channel's sum before RELU6: a quarter is cut at 0, 0.3 % at 6."""

_POOLED_RANGE = 3.5
"""The largest mean of a channel seen over other pictures is 3.2."""

_LOGIT_SPREAD, _LOGIT_RANGE = 2.0, 10.0
"""Five standard deviations, which leaves the likeliest class some 0.04 to 0.4."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Layer:
    """Weights in TFLite's layout: (out, height, width, in), or (1, height, width, out) by depth."""

    operator: str
    weights: NDArray[np.int8]
    stride: int
    scale: _Floats
    bias: _Floats

    @property
    def axis(self) -> int:
        """Where the output channels run."""
        return 3 if self.operator == "DEPTHWISE_CONV_2D" else 0

    @property
    def real(self) -> NDArray[np.float32]:
        shape = [1] * self.weights.ndim
        shape[self.axis] = self.scale.size
        return (self.weights * self.scale.reshape(shape)).astype(np.float32)


def pictures(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Seeded pictures of coloured tiles with grain, (count, side, side, 3)."""
    random = np.random.RandomState(seed)
    tiles = random.randint(16, 240, (count, 5, 5, 3))
    cell = np.arange(side) * 5 // side
    grain = random.randint(-16, 17, (count, side, side, 3))
    return (tiles[:, cell][:, :, cell] + grain).clip(0, 255).astype(np.uint8)


def network_input(kind: Kind, picture: NDArray[np.uint8]) -> NDArray[Any]:
    """One picture (height, width, 3) as the input of a network of that kind, with batch 1."""
    centred = picture[np.newaxis].astype(np.int16) - 128
    if kind == "uint8":
        return picture[np.newaxis]
    return centred.astype(np.int8) if kind == "int8" else (centred / 128).astype(np.float32)


def mobilenet(kind: Kind, width: float, side: int) -> bytes:
    """The model for pictures of ``side`` x ``side``, its channels multiplied by ``width``.

    Input (1, side, side, 3), -1 to 1; output (1, 1001), probabilities.
    """
    builder = ModelWriter(f"MobileNetV1 {width} {side} {kind}")
    versions, dtype = VERSIONS[kind], "float32" if kind == "dynamic" else kind
    activation = _quantisation(kind, 0, 6)
    before = _quantisation(kind, -1, 127 / 128)
    first = current = builder.tensor("input", (1, side, side, 3), dtype, before)
    *convolutions, classifier = _layers(width, side)
    for number, layer in enumerate(convolutions):
        side = -(-side // layer.stride)
        shape = (1, side, side, layer.scale.size)
        after = builder.tensor(f"layer{number}", shape, dtype, activation)
        inputs = [current, *_constants(builder, kind, f"layer{number}", layer, before)]
        depth = {"depthMultiplier": 1} if layer.axis else {}
        builder.operator(
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
    before = _quantisation(kind, 0, _POOLED_RANGE)
    pooled = builder.tensor("pooled", (1, classifier.weights.shape[1]), dtype, before)
    axes = builder.constant("axes", np.array([1, 2], np.int32))
    builder.operator("MEAN", versions.get("MEAN", 1), [current, axes], [pooled])
    logits = builder.tensor(
        "logits", (1, CLASSES), dtype, _quantisation(kind, -_LOGIT_RANGE, _LOGIT_RANGE)
    )
    inputs = [pooled, *_constants(builder, kind, "classifier", classifier, before)]
    builder.operator("FULLY_CONNECTED", versions.get("FULLY_CONNECTED", 1), inputs, [logits])
    # The kernel accepts no other scale and zero point for 8-bit probabilities.
    answer = builder.tensor("probabilities", (1, CLASSES), dtype, _quantisation(kind, 0, 255 / 256))
    builder.operator("SOFTMAX", versions.get("SOFTMAX", 1), [logits], [answer], beta=1.0)
    return builder.pack([first], [answer])


def _quantisation(kind: Kind, low: float, high: float) -> Quantisation | None:
    """Spread 256 steps from ``low`` to ``high``, one of them on zero."""
    if kind in ("float32", "dynamic"):
        return None
    scale = (high - low) / 255
    return Quantisation((scale,), round(-low / scale) - (128 if kind == "int8" else 0))


def _constants(
    builder: ModelWriter, kind: Kind, name: str, layer: _Layer, before: Quantisation | None
) -> tuple[int, int]:
    """Add a layer's weights and bias: INT8 per channel, UINT8 for the whole tensor."""
    real = layer.real
    if kind == "dynamic":
        per_channel = Quantisation(tuple(layer.scale.tolist()), axis=layer.axis)
        weights = builder.constant(f"{name}/weights", layer.weights, per_channel)
        return weights, builder.constant(f"{name}/bias", layer.bias.astype(np.float32))
    if kind == "float32" or before is None:
        weights = builder.constant(f"{name}/weights", real)
        return weights, builder.constant(f"{name}/bias", layer.bias.astype(np.float32))
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
    weights = builder.constant(f"{name}/weights", stored, quantisation)
    bias = np.rint(layer.bias / scales).astype(np.int32)
    return weights, builder.constant(f"{name}/bias", bias, Quantisation(tuple(scales.tolist())))


@lru_cache(maxsize=2)
def _layers(width: float, side: int) -> list[_Layer]:
    """All layers with their scales and biases set."""
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
        layers.append(_Layer(operator, weights, stride, scale, bias))
        signal = (sums * scale + bias).clip(0, 6)
    weights = integers(CLASSES, channels)
    sums = signal.mean(axis=(1, 2)) @ weights.T.astype(np.float64)
    scale = _coarse(_LOGIT_SPREAD / sums.std(axis=0).mean(keepdims=True)).repeat(CLASSES)
    bias = np.rint(-sums.mean(axis=0) * scale * 1024) / 1024
    return [*layers, _Layer("FULLY_CONNECTED", weights, 1, scale, bias)]


def _coarse(values: _Floats) -> _Floats:
    """Keep 12 bits of the mantissa."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(mantissa * 4096) / 4096, exponent), np.float64)


def _convolve(signal: _Floats, operator: str, weights: NDArray[np.int8], stride: int) -> _Floats:
    """Sum (count, height, width, in) over a layer's window with TFLite's SAME padding."""
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
