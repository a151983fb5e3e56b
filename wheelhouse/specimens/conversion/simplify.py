"""Join operators of a network: what was one operator before the original's export is one again.

The results stay the same but for rounding. Fewer operators are faster, and an 8-bit network loses
precision at each of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

_PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_ACTIVATED = (*_PRODUCTS, "ADD", "SUB", "MUL")
_CLIPS = {"RELU": RELU, "RELU6": RELU6}
_EPSILON = 1e-12
"""The least sum of squares of the originals' normalisation; TFLite has the same bound."""


@dataclass(frozen=True)
class _Change:
    """Replace an operator, and those that are given, by new ones.

    Without new operators the operator's output becomes ``alias``.
    """

    gone: tuple[Operator, ...]
    new: tuple[Operator, ...] = ()
    alias: str = ""


def simplify(network: Network) -> None:
    """Join operators until none can be joined any more; drop tensors that are left over."""
    while any(_applied(network, rule) for rule in _RULES):
        pass
    left = {*network.uses(), *network.inputs}
    network.constants = {name: all_ for name, all_ in network.constants.items() if name in left}
    network.shapes = {name: shape for name, shape in network.shapes.items() if name in left}


class _View:
    """A network as the rules see it."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @cached_property
    def producers(self) -> dict[str, Operator]:
        return self.network.producers()

    @cached_property
    def uses(self) -> Counter[str]:
        return self.network.uses()

    def maker(self, tensor: str, *names: str) -> Operator | None:
        """The operator of one of these names that makes a tensor, or None."""
        found = self.producers.get(tensor)
        return found if found and found.name in names else None

    def only(self, tensor: str, *names: str) -> Operator | None:
        """The same, if nothing else uses the tensor."""
        return self.maker(tensor, *names) if self.uses[tensor] == 1 else None

    def constant(self, operator: Operator) -> tuple[str, NDArray[Any]] | None:
        """The other input and the constant of an operator with two inputs, or None."""
        for tensor, other in (operator.inputs, operator.inputs[::-1]):
            if other in self.network.constants and tensor not in self.network.constants:
                return tensor, self.network.constants[other]
        return None

    def scalar(self, operator: Operator, value: float) -> str:
        """The other input of an operator with that constant; empty if it has another one."""
        found = self.constant(operator)
        if found and found[1].size == 1 and np.isclose(found[1].item(), value, rtol=1e-3):
            return found[0]
        return ""


_Rule = Callable[[_View, Operator], _Change | None]


def _applied(network: Network, rule: _Rule) -> bool:
    """Apply a rule wherever it fits; whether it did."""
    changed = False
    for operator in list(network.operators):
        if operator in network.operators and (change := rule(_View(network), operator)):
            _apply(network, operator, change)
            changed = True
    return changed


def _apply(network: Network, operator: Operator, change: _Change) -> None:
    place = network.operators.index(operator)
    before, after = network.operators[:place], network.operators[place + 1 :]
    kept = [each for each in before if each not in change.gone]
    names = {operator.output: change.alias} if change.alias else {}
    network.operators = [*kept, *change.new, *(_renamed(each, names) for each in after)]
    network.outputs = {key: names.get(name, name) for key, name in network.outputs.items()}


def _renamed(operator: Operator, names: Mapping[str, str]) -> Operator:
    return replace(operator, inputs=tuple(names.get(name, name) for name in operator.inputs))


def _scale(view: _View, operator: Operator) -> _Change | None:
    """A product times a constant for each channel is a product with other weights."""
    if operator.name != "MUL" or not (found := view.constant(operator)):
        return None
    product = view.only(found[0], *_PRODUCTS)
    factor = _per_channel(found[1], view.network.shapes[operator.output])
    if product is None or product.activation or factor is None:
        return None
    constants = view.network.constants
    weights, bias = (constants[name] for name in product.inputs[1:])
    shape = [1] * weights.ndim
    shape[3 if product.name == "DEPTHWISE_CONV_2D" else 0] = factor.size
    return _changed(view, product, operator, weights * factor.reshape(shape), bias * factor)


def _bias(view: _View, operator: Operator) -> _Change | None:
    """A product plus a constant for each channel is a product with another bias."""
    if operator.name != "ADD" or not (found := view.constant(operator)):
        return None
    product = view.only(found[0], *_PRODUCTS)
    term = _per_channel(found[1], view.network.shapes[operator.output])
    if product is None or product.activation or term is None:
        return None
    weights, bias = (view.network.constants[name] for name in product.inputs[1:])
    return _changed(view, product, operator, weights, bias + term)


def _changed(
    view: _View,
    product: Operator,
    operator: Operator,
    weights: NDArray[Any],
    bias: NDArray[Any],
) -> _Change:
    """A product with other weights, in the place of it and of an operator after it."""
    names = (f"{operator.output}/weights", f"{operator.output}/bias")
    view.network.constants |= dict(zip(names, (weights, bias), strict=True))
    options = {**product.options, ACTIVATION: operator.activation}
    inputs = (product.inputs[0], *names)
    return _Change((product,), (Operator(product.name, inputs, operator.output, options),))


def _per_channel(values: NDArray[Any], shape: Shape) -> NDArray[Any] | None:
    """The value for each channel of a tensor of that shape, or None if they differ otherwise."""
    if values.size not in (1, values.shape[-1] if values.ndim else 1):
        return None
    return np.broadcast_to(values.ravel(), (shape[-1],))


def _clip(view: _View, operator: Operator) -> _Change | None:
    """The lesser of a RELU and 6 is a RELU6; the greater of that and 0 is itself."""
    if operator.name == "MINIMUM" and (tensor := view.scalar(operator, 6)):
        if relu := view.only(tensor, "RELU"):
            return _Change((relu,), (Operator("RELU6", relu.inputs, operator.output),))
    elif operator.name == "MAXIMUM" and (found := view.constant(operator)):
        relu = view.maker(found[0], *_CLIPS)
        if relu and found[1].size == 1 and found[1].item() == 0:
            return _Change((), alias=found[0])
    return None


def _prelu(view: _View, operator: Operator) -> _Change | None:
    """``relu(x) + factor * (x - abs(x))`` is a PRELU."""
    if operator.name != "ADD":
        return None
    positive, negative = operator.inputs
    multiple = view.only(negative, "MUL")
    if not multiple or not (found := view.constant(multiple)):
        return None
    difference = view.only(found[0], "SUB")
    absolute = difference and view.only(difference.inputs[1], "ABS")
    if not difference or not absolute or absolute.inputs[0] != difference.inputs[0]:
        return None
    tensor = difference.inputs[0]
    gone: tuple[Operator, ...] = (multiple, difference, absolute)
    if positive == tensor and _is_positive(view, tensor):
        return _Change(gone, alias=tensor)
    relu = view.only(positive, "RELU")
    if not relu or relu.inputs[0] != tensor:
        return None
    name = f"{operator.output}/alpha"
    alpha = np.broadcast_to(2 * found[1], (1, 1, view.network.shape(tensor)[-1]))
    view.network.constants[name] = np.ascontiguousarray(alpha)
    return _Change((*gone, relu), (Operator("PRELU", (tensor, name), operator.output),))


def _is_positive(view: _View, tensor: str) -> bool:
    made = view.producers.get(tensor)
    return made is not None and (made.activation in (RELU, RELU6) or made.name in _CLIPS)


def _hard_swish(view: _View, operator: Operator) -> _Change | None:
    """``x / 6 * relu6(x + 3)`` is a HARD_SWISH.

    Originals in FP16 do not have the exact sixth; a factor makes up for that.
    """
    if operator.name != "MUL":
        return None
    for first, second in (operator.inputs, operator.inputs[::-1]):
        sixth, clipped = view.only(first, "MUL"), view.only(second, "ADD")
        if sixth and clipped and clipped.activation == RELU6:
            tensor = view.scalar(clipped, 3)
            if tensor and view.scalar(sixth, 1 / 6) == tensor:
                return _Change((sixth, clipped), _swished(view, tensor, sixth, operator))
    return None


def _swished(
    view: _View, tensor: str, sixth: Operator, operator: Operator
) -> tuple[Operator, Operator]:
    (factor,) = (view.network.constants[n] for n in sixth.inputs if n in view.network.constants)
    inner, ratio = f"{operator.output}/swish", f"{operator.output}/ratio"
    view.network.shapes[inner] = view.network.shape(tensor)
    view.network.constants[ratio] = (factor * 6).astype(np.float32)
    swish = Operator("HARD_SWISH", (tensor,), inner)
    return swish, Operator("MUL", (inner, ratio), operator.output, {ACTIVATION: 0})


def _normalisation(view: _View, operator: Operator) -> _Change | None:
    """``x * rsqrt(max(sum(square(x)), 1e-12))`` is an L2_NORMALIZATION."""
    if operator.name != "MUL":
        return None
    tensor, factor = operator.inputs
    root = view.only(factor, "RSQRT")
    bounded = root and view.only(root.inputs[0], "MAXIMUM")
    total = bounded and view.only(view.scalar(bounded, _EPSILON), "SUM")
    square = total and view.only(total.inputs[0], "SQUARE")
    if not (root and bounded and total and square) or square.inputs[0] != tensor:
        return None
    last = len(view.network.shape(tensor)) - 1
    if view.network.constants[total.inputs[1]].tolist() != [last]:
        return None
    options = {ACTIVATION: 0}
    new = Operator("L2_NORMALIZATION", (tensor,), operator.output, options)
    return _Change((root, bounded, total, square), (new,))


def _activation(view: _View, operator: Operator) -> _Change | None:
    """A RELU becomes part of the operator before it."""
    if operator.name not in _CLIPS:
        return None
    before = view.only(operator.inputs[0], *_ACTIVATED)
    if before is None or before.activation:
        return None
    new = replace(before, output=operator.output)
    return _Change((before,), (new.with_options(**{ACTIVATION: _CLIPS[operator.name]}),))


def _activation_before_pool(view: _View, operator: Operator) -> _Change | None:
    """A RELU of maxima is the maximum of RELUs."""
    pool = view.only(operator.inputs[0], "MAX_POOL_2D")
    if operator.name not in _CLIPS or pool is None:
        return None
    inner = f"{pool.inputs[0]}/positive"
    view.network.shapes[inner] = view.network.shape(pool.inputs[0])
    pooled = replace(pool, inputs=(inner,), output=operator.output)
    return _Change((pool,), (Operator(operator.name, pool.inputs, inner), pooled))


def _affine(view: _View, operator: Operator) -> _Change | None:
    """A picture times a constant, plus one, for each channel: a depthwise convolution of 1 x 1."""
    if operator.name != "ADD" or not (term := view.constant(operator)):
        return None
    multiple = view.only(term[0], "MUL")
    factor = multiple and view.constant(multiple)
    shape = view.network.shapes[operator.output]
    if not multiple or not factor or multiple.activation or len(shape) != 4:
        return None
    values = [_per_channel(each, shape) for each in (factor[1], term[1])]
    if values[0] is None or values[1] is None:
        return None
    names = (f"{operator.output}/weights", f"{operator.output}/bias")
    view.network.constants[names[0]] = values[0].reshape(1, 1, 1, shape[3])
    view.network.constants[names[1]] = values[1]
    options = {"strideH": 1, "strideW": 1, "padding": SAME, "depthMultiplier": 1}
    options[ACTIVATION] = operator.activation
    new = Operator("DEPTHWISE_CONV_2D", (factor[0], *names), operator.output, options)
    return _Change((multiple,), (new,))


def _affine_before_dense(view: _View, operator: Operator) -> _Change | None:
    """A dense layer takes over the factors and terms of its input's channels."""
    if operator.name != "FULLY_CONNECTED":
        return None
    before = view.only(operator.inputs[0], "ADD", "MUL")
    found = before and view.constant(before)
    if not before or not found or before.activation:
        return None
    values = _per_channel(found[1], view.network.shapes[before.output])
    if values is None:
        return None
    weights, bias = (view.network.constants[name] for name in operator.inputs[1:])
    if before.name == "ADD":
        # An exact sum, for another CPU's BLAS adds in another order.
        sums = [math.fsum(row) for row in (weights.astype(np.float64) * values).tolist()]
        bias = (bias + np.array(sums)).astype(np.float32)
    else:
        weights = weights * values
    names = (f"{before.output}/weights", f"{before.output}/bias")
    view.network.constants |= dict(zip(names, (weights, bias), strict=True))
    return _Change((before,), (replace(operator, inputs=(found[0], *names)),))


def _scale_before(view: _View, operator: Operator) -> _Change | None:
    """A product of a tensor times a constant is a product with other weights."""
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return None
    multiple = view.only(operator.inputs[0], "MUL")
    found = multiple and view.constant(multiple)
    if not multiple or not found or multiple.activation or found[1].size != 1:
        return None
    name = f"{multiple.output}/weights"
    view.network.constants[name] = view.network.constants[operator.inputs[1]] * found[1].item()
    new = replace(operator, inputs=(found[0], name, operator.inputs[2]))
    return _Change((multiple,), (new,))


def _padding(view: _View, operator: Operator) -> _Change | None:
    """A convolution of 3 x 3 in a picture with an edge of 1 is one with SAME padding."""
    pad = view.only(operator.inputs[0], "PAD")
    if operator.name != "CONV_2D" or pad is None or operator.options["padding"] != VALID:
        return None
    edges = view.network.constants[pad.inputs[1]].tolist()
    size = view.network.constants[operator.inputs[1]].shape[1:3]
    strides = (operator.options["strideH"], operator.options["strideW"])
    if (edges, size, strides) != ([[0, 0], [1, 1], [1, 1], [0, 0]], (3, 3), (1, 1)):
        return None
    new = replace(operator, inputs=(pad.inputs[0], *operator.inputs[1:]))
    return _Change((pad,), (new.with_options(padding=SAME),))


_RULES: tuple[_Rule, ...] = (
    _scale,
    _bias,
    _clip,
    _prelu,
    _activation_before_pool,
    _activation,
    _hard_swish,
    _normalisation,
    _affine,
    _affine_before_dense,
    _scale_before,
    _padding,
)
"""The rules, in the order in which they are tried."""
