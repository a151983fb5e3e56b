"""Run the modules of ``tests/guest`` with a wheel in a system; compare two wheels.

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
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems
from wheelhouse.verify import session

GUEST = Path(__file__).parents[1] / "guest"

UNSPECIFIED = ("native_class_made_around_its_constructor",)
"""Cases in which upstream uses memory that it never filled."""

_MODULE = re.compile(r"[^ '\"]*/_pywrap_tensorflow_interpreter_wrapper[^/ ]*\.so")
_ARGUMENTS = re.compile(r"(\w+)\(\): incompatible function arguments\.")


def bring_guest(work: Path) -> None:
    """Copy the package ``guest`` into a folder that a system sees."""
    shutil.copytree(GUEST, work / "guest", ignore=shutil.ignore_patterns("__pycache__"))


def record(module: str, wheel: Path, name: str, fetcher: Fetcher) -> dict[str, Any]:
    """The report of a module of ``guest``, run with a wheel, and its ``stderr``.

    ``name`` is that of a system or its suite; the board is the first that its wheels are tried as.
    """
    system = systems.system(name)
    first, *_ = matrix.choose("all", (system.processor,))
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        session.install(wheel, None, system, fetcher, work)
        specimens.lay_out(work, fetcher.store, system.processor)
        bring_guest(work)
        done = qemu.run(
            ["env/bin/python", "-m", f"guest.{module}", "report.json"],
            tree=rootfs.tree(system, fetcher.store),
            board=systems.board(first.boards[0]),
            work=work,
        )
        assert done.status == 0, done.stderr[-4000:]
        return {**json.loads((work / "report.json").read_text()), "stderr": done.stderr}


def at_path(cases: Any, path: str) -> Any:
    """What stands at a path into a report's cases, without the warnings on the way."""
    for word in path.split("."):
        cases = cases[int(word)] if isinstance(cases, list) else cases[word]
        if isinstance(cases, dict) and list(cases) == ["warned", "result"]:
            cases = cases["result"]
    return cases


def brief(told: Any) -> Any:
    """What a report tells, with less about types: ``ValueError: text`` for an exception."""
    if isinstance(told, list):
        return [brief(each) for each in told]
    if not isinstance(told, dict):
        return told
    if "raises" in told:
        return f"{told['raises']}: {told['message']}"
    if "flags" in told:
        return brief(told.get("values", told.get("sha256")))
    if "numpy" in told:
        return brief(told["value"])
    for key, read in (("float", float), ("bytes", str), ("type", str), ("object", str)):
        if list(told) == [key]:
            return read(told[key])
    return tuple(brief(told["tuple"])) if "tuple" in told else {k: brief(told[k]) for k in told}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where the second of two reports of ``guest.behaviour`` departs from the first.

    These differ without being a difference:

    - the text of a TypeError for wrong arguments, where pybind11 lists the overloads: the other
      must be a TypeError that names the function;
    - the path of the native module in the dynamic loader's messages;
    - anything where the first crashes or shows memory that it never filled.
    """
    first, second = _cases(one), _cases(other)
    if list(first) != list(second):
        return ["the reports have different cases"]
    return [line for name in first for line in _different(name, first[name], second[name])]


def _cases(report: dict[str, Any]) -> dict[str, Any]:
    text = _MODULE.sub("the native module", json.dumps(report["cases"]))
    return dict(json.loads(text))


def _different(place: str, one: Any, other: Any) -> Iterator[str]:
    if json.dumps(one) == json.dumps(other) or _excused(place, one, other):
        return
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        pairs = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(fetcher), *both) for fetcher, both in enumerate(zip(one, other, strict=True))]
    else:
        yield f"{place}: {json.dumps(one)} became {json.dumps(other)}"
        return
    for key, left, right in pairs:
        yield from _different(f"{place}.{key}", left, right)


def _excused(place: str, one: Any, other: Any) -> bool:
    if place in UNSPECIFIED or (isinstance(one, dict) and "signal" in one):
        return True
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    wrong = _ARGUMENTS.match(one.get("message", ""))
    named = other.get("raises") == "TypeError" and wrong and wrong[1] in other["message"]
    return bool(named)


def main(name: str, *wheels: str) -> None:
    """Print the differences of two wheels."""
    fetcher = Fetcher.from_options()
    one, other = (record("behaviour", Path(wheel), name, fetcher) for wheel in wheels)
    found = differences(one, other)
    print("\n".join(found))
    print(f"{len(one['cases'])} cases, {len(found)} differences, {one['system']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
