"""Run tflite-bench as its users do and report what it did: ``probe_bench.py PLAN REPORT``.

Runs on the system under test, beside ``probe.py``. It reports and does not judge. Each run has the
words of a command line, and the path of a wheel to run, or null for the installed package::

    {"runs": {"installed": {"words": ["dense.tflite", "--json", "told.json"], "wheel": null,
                            "json": "told.json"}}}
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import probe  # type: ignore[import-not-found]


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = {
        "error": None,
        "system": {
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
        "runs": {name: started(entry) for name, entry in plan["runs"].items()},
    }
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def started(entry: dict[str, Any]) -> Any:
    """A run in a process of its own: no module of one run is there in the next."""
    return probe.in_child(lambda: run(entry))


def run(entry: dict[str, Any]) -> dict[str, Any]:
    """How the program ended, what it printed and recorded, and which package it was."""
    log = Path("printed.txt")
    with log.open("wb") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    sys.argv = ["tflite_bench", *entry["words"]]
    status: Any = None
    try:
        if entry["wheel"]:
            runpy.run_path("{}/tflite_bench".format(entry["wheel"]), run_name="__main__")
        else:
            runpy.run_module("tflite_bench", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    package = sys.modules["tflite_bench"]
    return {
        "error": None,
        "status": status,
        "printed": log.read_text(encoding="utf-8"),
        "told": json.loads(Path(entry["json"]).read_text(encoding="utf-8")),
        "package": package.__file__,
        "version": getattr(package, "__version__", None),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
