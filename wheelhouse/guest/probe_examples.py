"""Run command lines of tflite-examples and report what they did: ``probe_examples.py PLAN REPORT``.

Runs on the system under test, beside ``probe.py``. It reports and does not judge. ``runs`` are the
words of command lines, in order; of one that ends with ``-o`` the report tells, for every 8th pixel
of every 8th row, whether it was drawn on. ``command`` is run as the package's program::

    {"module": "tflite_runtime.interpreter",
     "runs": {"faces": ["faces", "portrait.png", "-o", "faces.png"]},
     "command": ["faces", "broken.jpg"]}
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import probe  # type: ignore[import-not-found]
from PIL import Image

PACKAGE = "tflite_examples"
APART = 8
"""The distance, in pixels, between those that are looked at."""


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = probe.attempt(carry_out, plan)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def carry_out(plan: dict[str, Any]) -> dict[str, Any]:
    """The whole report; for a run that fails it has the error, or the signal that ended it."""
    package = importlib.import_module(PACKAGE)
    importlib.import_module(PACKAGE + ".cli")  # once, for all runs
    return {
        "error": None,
        "system": probe.system(importlib.import_module(plan["module"])),
        "version": package.__version__,
        "folders": {module.__name__: module.__file__ for module in (np, PIL)},
        "runs": {name: started(words) for name, words in plan["runs"].items()},
        "command": command(plan["command"]),
    }


def started(words: list[str]) -> Any:
    """A run in a process of its own, which it may crash."""
    return probe.in_child(lambda: run(words))


def run(words: list[str]) -> dict[str, Any]:
    """How a command line ended, what it printed, and where it drew."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = importlib.import_module(PACKAGE + ".cli").main(words)
    told = {"error": None, "status": status, "printed": printed.getvalue()}
    told["errors"] = errors.getvalue()
    if "-o" in words:
        before, _, after = words[-3:]
        told["drawn"] = drawn(before, after)
    return told


def drawn(before: str, after: str) -> list[str]:
    """A row of 0 and 1 for every 8th row of two pictures: which pixels differ visibly."""
    one, other = (np.asarray(Image.open(path).convert("RGB"), int) for path in (before, after))
    differ = np.abs(one - other)[::APART, ::APART].max(axis=2) > 8
    return ["".join("01"[each] for each in row.tolist()) for row in differ]


def command(words: list[str]) -> dict[str, Any]:
    """How ``python -m tflite_examples`` ended and what it printed."""
    told: dict[str, Any] = probe.in_child(lambda: program(words))
    return told


def program(words: list[str]) -> dict[str, Any]:
    """Run the package as a program. An emulated process cannot start another."""
    sys.argv = [PACKAGE, *words]
    status: Any = 0
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        try:
            runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
    return {"status": status, "printed": printed.getvalue(), "errors": errors.getvalue()}


if __name__ == "__main__":
    main(*sys.argv[1:])
