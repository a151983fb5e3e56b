from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wheelhouse.guest import probe
from wheelhouse.specimens import models
from wheelhouse.specimens.models import Model
from wheelhouse.verify import reference

Models = dict[str, Model]


PROBE = Path(probe.__file__)


@dataclass
class Probed:
    report: dict[str, Any]
    folder: Path
    stderr: str

    def outputs(self, name: str) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / f"{name}.out.npz") as stored:
            return {key: stored[key] for key in stored.files}


def run_probe(folder: Path, plan: dict[str, Any], **environment: str) -> Probed:
    (folder / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, PROBE, folder / "plan.json", folder / "report.json"],
        env={**os.environ, **environment},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    return Probed(json.loads((folder / "report.json").read_text()), folder, done.stderr)


def write(folder: Path, name: str, model: Model) -> None:
    (folder / f"{name}.tflite").write_bytes(model.content)
    np.savez(folder / f"{name}.npz", **dict[str, Any](model.inputs))


def planned(
    name: str, model: Model, *, key: str | None = None, threads: int = 1, from_bytes: bool = False
) -> dict[str, Any]:
    return {
        "name": key or name,
        "model": f"{name}.tflite",
        "inputs": f"{name}.npz",
        "outputs": f"{key or name}.out.npz",
        "threads": threads,
        "from_bytes": from_bytes,
        "signature": model.signature,
    }


@pytest.fixture(scope="module")
def generated() -> Models:
    return {model.name: model for model in models.generated()}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, generated: Models) -> Probed:
    folder = tmp_path_factory.mktemp("probe")
    for name, model in generated.items():
        write(folder, name, model)
    for name, content in models.bad_files().items():
        (folder / f"{name}.bad").write_bytes(content)
    int8 = "mobilenet-0.25-96-int8"
    runs = [planned(name, model) for name, model in generated.items()]
    runs.insert(1, {**planned("absent", generated[int8]), "inputs": f"{int8}.npz"})
    runs.append(planned(int8, generated[int8], key="four", threads=4))
    runs.append(planned(int8, generated[int8], key="bytes", from_bytes=True))
    bad = {name: f"{name}.bad" for name in models.bad_files()}
    return run_probe(folder, {"module": "ai_edge_litert.interpreter", "bad": bad, "runs": runs})


def test_outputs_are_the_references(probed: Probed, generated: Models) -> None:
    for name, model in generated.items():
        outputs = probed.outputs(name)
        keys = ("sum", "product") if model.signature else sorted(outputs)
        expected = reference.outputs(model.content, model.inputs)
        found = reference.compare(model.arithmetic, expected, [outputs[key] for key in keys])
        assert (found.worst, found.reason) == (0, ""), name


def test_versions_and_machine(probed: Probed) -> None:
    assert probed.report["system"] == {
        "runtime": version("ai-edge-litert"),
        "git": None,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "machine": os.uname().machine,
    }


def test_operators_in_and_out_of_the_delegate(probed: Probed) -> None:
    runs = probed.report["runs"]
    whole = runs["mobilenet-0.25-96-float32"]["delegation"]
    assert (whole["delegates"], whole["outside"]) == (1, [])
    part = runs["mobilenet-0.25-96-int8"]["delegation"]
    assert (part["delegates"], part["outside"]) == (1, ["SOFTMAX"])
    assert sorted([*part["inside"], "SOFTMAX"]) == sorted(whole["inside"])
    assert runs["arithmetic"]["delegation"]["inside"] == ["ADD", "MUL"]
    assert "XNNPACK delegate" in probed.stderr


def test_four_threads_are_four(probed: Probed) -> None:
    runs = probed.report["runs"]
    assert runs["mobilenet-0.25-96-int8"]["threads_started"] == 0
    assert runs["four"]["threads_started"] == 3


def test_a_model_from_bytes_is_the_model_from_its_file(probed: Probed) -> None:
    from_file = probed.outputs("mobilenet-0.25-96-int8")["0"]
    np.testing.assert_array_equal(probed.outputs("bytes")["0"], from_file)


def test_details(probed: Probed) -> None:
    run = probed.report["runs"]["mobilenet-0.25-96-uint8"]
    assert run["inputs"] == [
        {
            "name": "input",
            "shape": [1, 96, 96, 3],
            "dtype": "uint8",
            "quantization": [1 / 128, 128],
        }
    ]
    assert run["outputs"][0]["quantization"] == [1 / 256, 0]
    assert probed.report["runs"]["resizable"]["outputs"][0]["shape"] == [1, 24, 40, 2]


def test_signatures(probed: Probed) -> None:
    signature = probed.report["runs"]["arithmetic"]["signatures"][models.SIGNATURE]
    assert sorted(signature["inputs"]) == ["left", "right"]
    assert sorted(signature["outputs"]) == ["product", "sum"]


def test_tensor_views(probed: Probed) -> None:
    views = probed.report["runs"]["mobilenet-0.25-96-float32"]["views"]
    assert views["written_through"] is True
    assert views["while_held"]["error"]["type"] == "RuntimeError"


@pytest.mark.parametrize("source", ["path", "bytes"])
@pytest.mark.parametrize("name", models.bad_files())
def test_bad_files_are_refused(probed: Probed, name: str, source: str) -> None:
    error = probed.report["bad"][name][source]["error"]
    assert error["type"] in ("ValueError", "RuntimeError")
    assert error["message"]


def test_a_run_that_fails_hides_no_other(probed: Probed, generated: Models) -> None:
    assert probed.report["runs"]["absent"]["error"]["type"] == "ValueError"
    failed = [name for name, run in probed.report["runs"].items() if run["error"]]
    assert failed == ["absent"]
    assert len(probed.report["runs"]) == len(generated) + 3


def test_a_runtime_that_crashes_on_a_bad_file_is_reported(tmp_path: Path) -> None:
    module = tmp_path / "crashing.py"
    module.write_text(
        "import os, signal\n"
        "class Interpreter:\n"
        "    def __init__(self, **source): os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (tmp_path / "x.bad").write_bytes(b"x")
    plan = {"module": "crashing", "bad": {"x": "x.bad"}, "runs": []}
    probed = run_probe(tmp_path, plan, PYTHONPATH=str(tmp_path))
    assert probed.report["bad"]["x"]["path"] == {"signal": signal.SIGSEGV}


def test_a_runtime_that_cannot_be_imported_is_reported(tmp_path: Path) -> None:
    probed = run_probe(tmp_path, {"module": "no_such_runtime", "bad": {}, "runs": []})
    assert probed.report["error"]["type"] == "ModuleNotFoundError"


def test_the_probe_runs_on_the_oldest_python_and_stands_alone() -> None:
    tree = ast.parse(PROBE.read_text(encoding="utf-8"), feature_version=(3, 7))
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - sys.stdlib_module_names == {"numpy"}
