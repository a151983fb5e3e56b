"""What an action did, as JSON."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

SHOWN_ELEMENTS = 16
"""A larger array is told by its digest."""


class Told:
    """Something that is already told as JSON."""

    def __init__(self, content: Any) -> None:
        self.content = content


def tried(action: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What an action returned, warned of or raised, as JSON."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action(*arguments, **named)
            told = shown(result)
            del result
        except Exception as error:
            told = {"raises": type_name(type(error)), "message": without_addresses(str(error))}
            if error.__cause__ is not None:
                told["cause"] = type_name(type(error.__cause__))
    if caught:
        seen = sorted({without_addresses(str(each.message)) for each in caught})
        return {"warned": seen, "result": told}
    return told


def step(action: Callable[..., Any], *arguments: Any, **named: Any) -> Told:
    """``tried`` as a part of a case's result."""
    return Told(tried(action, *arguments, **named))


def shown(value: Any) -> Any:
    """A value as JSON, with its type."""
    kind = type(value)
    for types, show in SHOWN:
        if kind in types:
            return show(value)
    if isinstance(value, np.generic):
        return {"numpy": kind.__name__, "value": shown(value.item())}
    if isinstance(value, type):
        return {"type": type_name(value)}
    return {"object": type_name(kind)}


def array_shown(value: Any) -> Any:
    flags = value.flags
    told = {
        "array": value.dtype.str,
        "shape": list(value.shape),
        "flags": [
            name
            for name in ("owndata", "writeable", "c_contiguous", "aligned")
            if getattr(flags, name)
        ],
    }
    if value.size > SHOWN_ELEMENTS:
        told["sha256"] = hashlib.sha256(value.tobytes()).hexdigest()
    else:
        told["values"] = shown(value.ravel().tolist())
    return told


SHOWN = (
    ((type(None), bool, int), lambda value: value),
    ((str,), lambda value: value.encode("utf-8", "backslashreplace").decode()),
    ((Told,), lambda value: value.content),
    ((float,), lambda value: {"float": repr(value)}),
    ((complex,), lambda value: {"complex": repr(value)}),
    ((bytes,), lambda value: {"bytes": value.decode("latin-1")}),
    ((list,), lambda value: [shown(each) for each in value]),
    ((tuple,), lambda value: {"tuple": [shown(each) for each in value]}),
    ((dict,), lambda value: {str(key): shown(each) for key, each in value.items()}),
    ((np.ndarray,), array_shown),
)


def type_name(kind: type) -> str:
    """``ValueError``, or ``module.Class`` for what is not built in."""
    built_in = kind.__module__ == "builtins"
    return kind.__qualname__ if built_in else kind.__module__ + "." + kind.__qualname__


def without_addresses(text: str) -> str:
    """Text without the addresses of objects."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)
