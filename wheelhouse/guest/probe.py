"""Run models with an installed TFLite and report what happened: ``probe.py PLAN REPORT``.

Runs on the system under test, so it needs nothing but Python 3.7, NumPy and the runtime. It reports
and does not judge. Paths in the plan are relative to the plan's folder::

    {"module": "tflite_runtime.interpreter",
     "bad": {"empty": "empty.tflite"},
     "runs": [{"name": "dense", "model": "dense.tflite", "inputs": "dense.npz",
               "outputs": "dense.out.npz", "threads": 1, "from_bytes": false,
               "signature": null}]}

Inputs are named by tensor name or position, outputs by position; for a signature both have its
names. An input of another shape than the tensor's resizes it.
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
"""The folder that has an entry for each thread of this process."""

BAD_FILE_SECONDS = 120
"""How long loading a bad file may take, in seconds, before it is killed; emulation is slow."""


def main(plan_path: str, report_path: str) -> None:
    """Carry out the plan and write the report as JSON."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    report = attempt(carry_out, plan, Path(plan_path).resolve().parent)
    Path(report_path).write_text(json.dumps(report, indent=1), encoding="utf-8")


def carry_out(plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole report; for a run that fails it has the error."""
    module = importlib.import_module(plan["module"])
    return {
        "error": None,
        "system": system(module),
        "bad": {name: load_bad_file(module, folder / path) for name, path in plan["bad"].items()},
        "runs": {entry["name"]: attempt(run, module, folder, entry) for entry in plan["runs"]},
    }


def system(module: Any) -> dict[str, Any]:
    """The versions of the runtime, NumPy and Python, and the machine."""
    package = importlib.import_module(module.__name__.split(".")[0])
    return {
        "runtime": getattr(package, "__version__", None),
        "git": getattr(package, "__git_version__", None),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def load_bad_file(module: Any, path: Path) -> dict[str, Any]:
    """What happens when a bad file is loaded by path, and from bytes."""

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
        outputs = infer(interpreter, inputs)
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


def infer(interpreter: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Set the inputs, invoke, and return the outputs by position."""
    ordered = interpreter.get_input_details()
    tensors = {str(position): item for position, item in enumerate(ordered)}
    tensors.update({item["name"]: item for item in ordered})
    for key, values in inputs.items():
        if tuple(tensors[key]["shape"]) != values.shape:
            interpreter.resize_tensor_input(tensors[key]["index"], values.shape)
    interpreter.allocate_tensors()
    for key, values in inputs.items():
        interpreter.set_tensor(tensors[key]["index"], values)
    interpreter.invoke()
    outputs = enumerate(interpreter.get_output_details())
    return {str(position): interpreter.get_tensor(item["index"]) for position, item in outputs}


def delegation(interpreter: Any) -> dict[str, Any]:
    """The number of delegate nodes, and the operators that run inside and outside of them.

    The runtime's list of nodes still has those that a delegate's node replaced. The ones on a path
    from the delegate's inputs to its outputs are inside.
    """
    nodes = interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    operators = [node for node in nodes if node["op_name"] != "DELEGATE"]
    producers = {int(tensor): node for node in operators for tensor in node["outputs"]}
    inside = set()
    for delegate in delegates:
        inputs = set(delegate["inputs"].tolist())
        pending = delegate["outputs"].tolist()
        while pending:
            tensor = pending.pop()
            node = None if tensor in inputs else producers.get(tensor)
            if node and node["index"] not in inside:
                inside.add(node["index"])
                pending.extend(node["inputs"].tolist())
    return {
        "delegates": len(delegates),
        "inside": [node["op_name"] for node in operators if node["index"] in inside],
        "outside": [node["op_name"] for node in operators if node["index"] not in inside],
    }


def views(interpreter: Any) -> dict[str, Any]:
    """Whether writing to ``tensor()`` changes the tensor, and the error while a view is held."""
    index = interpreter.get_input_details()[0]["index"]
    interpreter.tensor(index)()[...] = 1
    written = bool((interpreter.get_tensor(index) == 1).all())
    held = interpreter.tensor(index)()
    error = attempt(interpreter.allocate_tensors)
    del held
    return {"written_through": written, "while_held": error}


def details(items: Any) -> list[dict[str, Any]]:
    """Input or output details for JSON; ``quantization`` is scale and zero point."""
    return [
        {
            "name": item["name"],
            "shape": [int(size) for size in item["shape"]],
            "dtype": np.dtype(item["dtype"]).name,
            "quantization": [float(item["quantization"][0]), int(item["quantization"][1])],
        }
        for item in items
    ]


def attempt(action: Any, *arguments: Any) -> Any:
    """The action's result, or its exception as ``{"error": {"type": ..., "message": ...}}``."""
    try:
        return action(*arguments)
    except Exception as error:
        return {"error": {"type": type(error).__name__, "message": str(error)}}


def in_child(action: Any) -> Any:
    """:func:`attempt` in a child process; ``{"signal": number}`` if a signal killed that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(BAD_FILE_SECONDS)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(attempt(action)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    status = os.waitpid(child, 0)[1]
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
