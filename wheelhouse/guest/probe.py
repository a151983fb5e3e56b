"""Run models with an installed TFLite and report what happened: ``probe.py PLAN REPORT``.

Runs inside the system under test, so it stands alone: Python 3.7, NumPy and the runtime only. It
judges nothing. Paths in the plan are relative to the plan's folder::

    {"module": "tflite_runtime.interpreter",
     "bad": {"empty": "empty.tflite"},
     "runs": [{"name": "dense", "model": "dense.tflite", "inputs": "dense.npz",
               "outputs": "dense.out.npz", "threads": 1, "from_bytes": false,
               "signature": null}]}

Inputs are by tensor name or position, outputs by position, both by name for a signature. An input
of another shape than the model's resizes it.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # so that all new threads are the runtime's

import numpy as np

THREADS = Path("/proc/self/task")

BAD_FILE_SECONDS = 120
"""When a bad file counts as one that hangs the runtime; emulation is slow."""


def main(plan_path: str, report_path: str) -> None:
    """Do what the plan lists and write the report, JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = tried(follow, plan, Path(plan_path).resolve().parent)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def follow(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole report; a run that fails has its error in its place."""
    module = importlib.import_module(plan["module"])
    return {
        "error": None,
        "system": system(module),
        "bad": {name: refusals(module, folder / path) for name, path in plan["bad"].items()},
        "runs": {entry["name"]: tried(run, module, folder, entry) for entry in plan["runs"]},
    }


def system(module: Any) -> dict[str, Any]:
    """Versions of the runtime and of what it runs on."""
    package = importlib.import_module(module.__name__.split(".")[0])
    return {
        "runtime": getattr(package, "__version__", None),
        "git": getattr(package, "__git_version__", None),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def refusals(module: Any, path: Path) -> dict[str, Any]:
    """What becomes of a bad file, loaded by path and from bytes."""

    def load(**source: Any) -> dict[str, Any]:
        module.Interpreter(**source).allocate_tensors()
        return {"error": None}

    return {
        "path": in_child(lambda: load(model_path=str(path))),
        "bytes": in_child(lambda: load(model_content=path.read_bytes())),
    }


def run(module: Any, folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Run one model once, save its outputs and report how it ran."""
    threads_before = set(THREADS.iterdir())
    path, from_bytes = folder / entry["model"], entry["from_bytes"]
    source = {"model_content": path.read_bytes()} if from_bytes else {"model_path": str(path)}
    interpreter = module.Interpreter(num_threads=entry["threads"], **source)
    with np.load(str(folder / entry["inputs"])) as stored:
        inputs = {key: stored[key] for key in stored.files}
    if entry["signature"]:
        interpreter.allocate_tensors()  # a runner alone would not apply the default delegate
        outputs = interpreter.get_signature_runner(entry["signature"])(**inputs)
    else:
        outputs = invoked(interpreter, inputs)
    np.savez(str(folder / entry["outputs"]), **outputs)
    return {
        "error": None,
        "inputs": details(interpreter.get_input_details()),
        "outputs": details(interpreter.get_output_details()),
        "signatures": interpreter.get_signature_list(),
        "threads_started": len(set(THREADS.iterdir()) - threads_before),
        "delegation": delegation(interpreter),
        "views": views(interpreter),
    }


def invoked(interpreter: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Set the inputs, invoke, and return the outputs by position."""
    known = interpreter.get_input_details()
    places = {str(number): item for number, item in enumerate(known)}
    places.update({item["name"]: item for item in known})
    for key, values in inputs.items():
        if tuple(places[key]["shape"]) != values.shape:
            interpreter.resize_tensor_input(places[key]["index"], values.shape)
    interpreter.allocate_tensors()
    for key, values in inputs.items():
        interpreter.set_tensor(places[key]["index"], values)
    interpreter.invoke()
    outputs = enumerate(interpreter.get_output_details())
    return {str(place): interpreter.get_tensor(item["index"]) for place, item in outputs}


def delegation(interpreter: Any) -> dict[str, Any]:
    """How many delegate nodes the graph has, and the operators that run inside and outside them.

    The runtime keeps replaced nodes in its list beside the delegate's node. Inside are those that
    lead from the delegate's inputs to its outputs.
    """
    nodes = interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    plain = [node for node in nodes if node["op_name"] != "DELEGATE"]
    makers = {int(tensor): node for node in plain for tensor in node["outputs"]}
    inside = set()
    for delegate in delegates:
        edge = set(delegate["inputs"].tolist())
        pending = delegate["outputs"].tolist()
        while pending:
            tensor = pending.pop()
            node = None if tensor in edge else makers.get(tensor)
            if node and node["index"] not in inside:
                inside.add(node["index"])
                pending.extend(node["inputs"].tolist())
    return {
        "delegates": len(delegates),
        "inside": [node["op_name"] for node in plain if node["index"] in inside],
        "outside": [node["op_name"] for node in plain if node["index"] not in inside],
    }


def views(interpreter: Any) -> dict[str, Any]:
    """Whether ``tensor()`` shows the runtime's own memory, and what a held view prevents."""
    index = interpreter.get_input_details()[0]["index"]
    interpreter.tensor(index)()[...] = 1
    written = bool((interpreter.get_tensor(index) == 1).all())
    held = interpreter.tensor(index)()
    refusal = tried(interpreter.allocate_tensors)
    del held
    return {"written_through": written, "while_held": refusal}


def details(items: Any) -> list[dict[str, Any]]:
    """Input or output details as JSON: ``quantization`` is scale and zero point."""
    return [
        {
            "name": item["name"],
            "shape": [int(size) for size in item["shape"]],
            "dtype": np.dtype(item["dtype"]).name,
            "quantization": [float(item["quantization"][0]), int(item["quantization"][1])],
        }
        for item in items
    ]


def tried(action: Any, *arguments: Any) -> Any:
    """The action's result, or its exception as ``{"error": {"type": ..., "message": ...}}``."""
    try:
        return action(*arguments)
    except Exception as error:
        return {"error": {"type": type(error).__name__, "message": str(error)}}


def in_child(action: Any) -> Any:
    """``tried`` in a child process; ``{"signal": number}`` if that killed it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(BAD_FILE_SECONDS)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(tried(action)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    status = os.waitpid(child, 0)[1]
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
