"""Run ``behaviour.py`` and ``leaks.py`` with a wheel in an emulated system; compare two wheels.

By hand, from the project's folder::

    python -m tests.emulated.transcripts bookworm ONE.whl OTHER.whl

prints each step in which the second wheel does something else than the first.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.emulated import specimens
from wheelhouse import verify
from wheelhouse.emulator import qemu, rootfs, systems
from wheelhouse.sources import Sources

BOARD = "Raspberry Pi 4"

UNSPECIFIED = ("native_class_made_around_its_constructor",)
"""Cases in which upstream uses memory that it never filled."""

_MODULE = re.compile(r"[^ ']*/_pywrap_tensorflow_interpreter_wrapper[^/ ]*\.so")
_ARGUMENTS = re.compile(r"(\w+)\(\): incompatible (?:function|constructor) arguments\.")


def record(
    script: str, wheel: Path, suite: str, at: Sources, numpy: Path | None = None
) -> dict[str, Any]:
    """The report of a script of this folder, run with a wheel, and its ``stderr``.

    ``numpy`` is a NumPy to install beside it, else it is the system's own.
    """
    system = systems.system(suite)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        verify.install(wheel, numpy, system, at, work)
        specimens.lay_out(work, at.store)
        shutil.copyfile(Path(__file__).with_name(script), work / script)
        done = qemu.run(
            ["env/bin/python", script, "report.json"],
            tree=rootfs.tree(system, at.store),
            board=systems.board(BOARD),
            work=work,
        )
        assert done.status == 0, done.stderr[-4000:]
        return {**json.loads((work / "report.json").read_text()), "stderr": done.stderr}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where the second of two reports of ``behaviour.py`` departs from the first.

    These differ without being a difference:

    - the text of a TypeError for wrong arguments, where pybind11 lists the overloads: the other
      must be a TypeError that names the function;
    - the path of the native module in the dynamic loader's messages;
    - what a wheel does where the first crashes or shows memory that it never filled: the other
      may raise an exception.
    """
    first, second = one["cases"], other["cases"]
    if list(first) != list(second):
        return ["the reports have different cases"]
    return [line for name in first for line in _different(name, first[name], second[name])]


def _different(place: str, one: Any, other: Any) -> Iterator[str]:
    if _same(place, one, other):
        return
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        if "raises" not in one:
            for key in one:
                yield from _different(f"{place}.{key}", one[key], other[key])
            return
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _different(f"{place}.{number}", left, right)
        return
    yield f"{place}: {json.dumps(one)} became {json.dumps(other)}"


def _same(place: str, one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _MODULE.sub("MODULE", one) == _MODULE.sub("MODULE", other)
    raised = isinstance(other, dict) and "raises" in other
    if raised and (place in UNSPECIFIED or isinstance(one, dict) and "signal" in one):
        return True
    if place in UNSPECIFIED:
        return "signal" not in other if isinstance(other, dict) else True
    if raised and isinstance(one, dict) and one.get("raises") == other["raises"] == "TypeError":
        found = _ARGUMENTS.match(one["message"])
        return bool(found and found[1] in other["message"]) or one == other
    if raised and isinstance(one, dict) and "raises" in one:
        texts = [_MODULE.sub("MODULE", each["message"]) for each in (one, other)]
        return texts[0] == texts[1] and {**one, "message": ""} == {**other, "message": ""}
    return bool(one == other)


def main(suite: str, *wheels: str) -> None:
    """Print the differences of two wheels."""
    at = Sources.given()
    one, other = (record("behaviour.py", Path(wheel), suite, at) for wheel in wheels)
    found = differences(one, other)
    print("\n".join(found))
    print(f"{len(one['cases'])} cases, {len(found)} differences, {one['system']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
