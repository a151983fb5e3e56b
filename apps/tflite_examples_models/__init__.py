"""Models for TensorFlow Lite's examples: ``path("emotion")`` is the file of one of them.

``models.json`` beside this file says of each model what it is for, where it comes from, its licence
and credit, its input and its outputs; ``about`` returns that. The package has data alone: CPython
3.7 or later runs it, and it needs nothing else.
"""

import json
import os
from typing import Any, Dict, List

__all__ = ["about", "names", "path"]

_HERE = os.path.dirname(os.path.abspath(__file__))


def names() -> List[str]:
    """The names of all models of this package, sorted."""
    return sorted(_table())


def about(name: str) -> Dict[str, Any]:
    """What is known of a model.

    The keys are those of models.json: ``pipeline``, ``about``, ``origin``, ``credit``, ``package``,
    ``license``, ``files``, ``input`` (its ``size`` in pixels and the ``range`` from black to
    white), ``outputs`` and, for some, ``labels``. Raises ValueError if there is no such model.
    """
    known = _table()
    if name not in known:
        raise ValueError("there is no model {!r}; there are {}".format(name, ", ".join(known)))
    found: Dict[str, Any] = known[name]
    return found


def path(name: str, precision: str = "") -> str:
    """The path of a model's file.

    ``precision`` is ``fp32``, ``int8``, or empty for the first that there is. Raises ValueError if
    there is no such model, or none of that precision.
    """
    files = about(name)["files"]
    chosen = precision or next(iter(files))
    if chosen not in files:
        raise ValueError("{} is there in {}, not in {}".format(name, " and ".join(files), chosen))
    return os.path.join(_HERE, files[chosen])


def _table() -> Dict[str, Any]:
    with open(os.path.join(_HERE, "models.json"), encoding="utf-8") as file:
        table: Dict[str, Any] = json.load(file)
    return table
