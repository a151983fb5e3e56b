"""Let a network take pictures as they are, where its original wants them prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wheelhouse.specimens.conversion.network import ACTIVATION, VALID, Network, Operator


def take_rgb(network: Network, mean: Sequence[float], deviation: Sequence[float]) -> None:
    """Put a convolution of 1 x 1 before a network that wants blue, green and red, normalised.

    Then the network takes red, green and blue from 0 to 255. ``mean`` and ``deviation`` are those
    of blue, green and red in the original's training.
    """
    (first,) = network.inputs
    inner, weights, bias = (f"{first}/{name}" for name in ("normalised", "weights", "bias"))
    swapped = np.eye(3)[::-1] / np.array(deviation)[:, np.newaxis]
    network.constants[weights] = swapped.reshape(3, 1, 1, 3).astype(np.float32)
    network.constants[bias] = (-np.array(mean) / np.array(deviation)).astype(np.float32)
    network.shapes[inner] = network.shapes[first]
    options = {"strideH": 1, "strideW": 1, "padding": VALID, ACTIVATION: 0}
    network.operators = [
        Operator("CONV_2D", (first, weights, bias), inner, options),
        *(
            replace(each, inputs=tuple(inner if name == first else name for name in each.inputs))
            for each in network.operators
        ),
    ]
