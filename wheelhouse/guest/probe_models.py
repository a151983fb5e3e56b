"""Run the models of an installed package and report what happened: ``probe_models.py PLAN REPORT``.

Runs on the system under test, beside ``probe.py``. It reports and does not judge. Each run names a
model and its precision; without ``xnnpack`` TFLite's own kernels run it::

    {"module": "tflite_runtime.interpreter", "package": "tflite_examples_models",
     "runs": [{"name": "emotion", "precision": "fp32", "inputs": "emotion.npz",
               "outputs": "emotion.out.npz", "xnnpack": true}]}
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import probe  # type: ignore[import-not-found]


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = probe.attempt(carry_out, plan)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def carry_out(plan: dict[str, Any]) -> dict[str, Any]:
    """The whole report; for a run that fails it has the error, or the signal that ended it."""
    module = importlib.import_module(plan["module"])
    package = importlib.import_module(plan["package"])
    return {
        "error": None,
        "system": probe.system(module),
        "names": package.names(),
        "files": {entry["outputs"]: digest(package, entry) for entry in plan["runs"]},
        "runs": {entry["outputs"]: started(module, package, entry) for entry in plan["runs"]},
    }


def digest(package: Any, entry: dict[str, Any]) -> str:
    """The SHA-256, in hex, of the file that the package names."""
    path = package.path(entry["name"], entry["precision"])
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def started(module: Any, package: Any, entry: dict[str, Any]) -> Any:
    """A run in a process of its own, which it may crash."""
    return probe.in_child(lambda: run(module, package, entry))


def run(module: Any, package: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """Run one model once, save its outputs and tell whether a delegate ran any part of it."""
    kinds = module.OpResolverType
    kind = kinds.AUTO if entry["xnnpack"] else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(
        package.path(entry["name"], entry["precision"]), experimental_op_resolver_type=kind
    )
    with np.load(entry["inputs"]) as stored:
        inputs = {key: stored[key] for key in stored.files}
    np.savez(entry["outputs"], **probe.infer(interpreter, inputs))
    return {"error": None, "delegates": probe.delegation(interpreter)["delegates"]}


if __name__ == "__main__":
    main(*sys.argv[1:])
