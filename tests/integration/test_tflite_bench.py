"""tflite-bench on this machine, with ai-edge-litert."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import REPO
from tests.support.running import Until
from wheelhouse.common.store import Store
from wheelhouse.package import app_wheel, products
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models

APPS = REPO / "apps"
LITERT = f"ai-edge-litert {version('ai-edge-litert')}"
SHORT = ("--seconds", "0.05", "--runs", "5", "--warm-up", "0.1", "--threads", "1")

LIAR = """
import os, numpy as np
class OpResolverType:
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3
class Interpreter:
    def __init__(self, model_path, num_threads, experimental_op_resolver_type=None):
        if experimental_op_resolver_type:
            os.kill(os.getpid(), 11)
    def allocate_tensors(self): pass
    def set_tensor(self, index, value): pass
    def invoke(self): pass
    def get_tensor(self, index): return np.full((1, 8), 1e6, np.float32)
    def get_input_details(self): return self.get_tensor_details()[:2]
    def get_output_details(self): return self.get_tensor_details()[2:]
    def get_tensor_details(self):
        return [dict(name=n, index=0, shape=np.array([1, 8]), dtype=np.float32) for n in "abcd"]
"""
"""A runtime whose outputs are wrong, and that crashes without its delegate."""


def start(words: Sequence[object], folder: Path, *, program: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *([program] if program else ["-m", "tflite_bench"]), *map(str, words)],
        cwd=folder,
        env={**os.environ, **({} if program else {"PYTHONPATH": str(APPS)})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bench(folder: Path, *words: object, status: int = 0, program: str = "") -> str:
    process = start(words, folder, program=program)
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, out + err
    assert "Traceback" not in out + err
    return out + err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("bench")
    for model in models.generated():
        (where / f"{model.name}.tflite").write_bytes(model.content)
    (where / "noise.tflite").write_bytes(models.bad_files()["noise"])
    return where


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    names = ["mobilenet-0.25-96-int8", "mobilenet-0.25-96-float32", "resizable", "perceptron"]
    words = [*(f"{name}.tflite" for name in names), "--delegate", "xnnpack,none", *SHORT]
    text = bench(folder, *words, "--json", "out.json")
    content: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return {**content, "text": text}


def test_every_contestant_is_measured_and_agrees(told: dict[str, Any]) -> None:
    assert told["failures"] == []
    rows = [(each["model"], each["delegate"]) for each in told["results"]]
    names = [each["name"] for each in told["models"]]
    assert rows == [(name, delegate) for name in names for delegate in ("xnnpack", "none")]
    assert {each["runtime"] for each in told["results"]} == {LITERT}
    for first, second in zip(told["results"][::2], told["results"][1::2], strict=True):
        assert first["agreement"] is None
        assert second["agreement"]["agrees"]
        assert second["agreement"]["reference"] == f"{LITERT}, xnnpack, 1 thread"
        assert (first["delegates"], second["delegates"]) == (1, 0)


def test_figures_are_plausible(told: dict[str, Any]) -> None:
    for each in told["results"]:
        measured, times = each["measured"], each["measured"]["times"]
        ordered = [times[f"{name}_ms"] for name in ("min", "p5", "median", "p95", "max")]
        assert ordered == sorted(ordered)
        assert times["fps"] == pytest.approx(1000 / times["median_ms"], rel=0.05)
        assert times["runs"] >= 5
        assert measured["load_ms"] > 0
        assert measured["first_ms"] > 0
        assert 10e6 < measured["peak_bytes"] < 1e9
        assert measured["model_bytes"] < measured["peak_bytes"]


def test_xnnpack_is_faster_and_the_table_says_so(told: dict[str, Any]) -> None:
    fast, slow = (each["measured"]["times"]["min_ms"] for each in told["results"][:2])
    assert fast < slow
    rows = [line for line in told["text"].splitlines() if line.startswith(f"{LITERT} ")]
    assert len(rows) == len(told["results"])
    assert f"{told['results'][0]['measured']['times']['median_ms']:.3f}"[:4] in rows[0]


def test_files_versions_and_machine_are_recorded(told: dict[str, Any], folder: Path) -> None:
    (runtime,) = told["runtimes"]
    assert "_pywrap_litert_interpreter_wrapper.so" in runtime["files"]
    for name, digest in runtime["files"].items():
        (path,) = Path(sys.prefix).rglob(f"ai_edge_litert/{name}")
        assert subprocess.check_output(["sha256sum", path], text=True).startswith(digest)
    assert told["python"]["numpy"] == np.__version__
    assert told["machine"]["architecture"] == os.uname().machine
    assert told["machine"]["emulated"] is False
    assert told["models"][0]["inputs"] == [
        {"name": "input", "shape": [1, 96, 96, 3], "dtype": "int8", "free": False}
    ]
    assert told["models"][0]["bytes"] == (folder / told["models"][0]["name"]).stat().st_size
    assert str(folder) not in json.dumps(told)


def test_a_shape_that_is_free_is_told(told: dict[str, Any]) -> None:
    assert any("no fixed shape; (1, 1, 1, 3) is measured" in text for text in told["warnings"])


def test_each_field_is_described(told: dict[str, Any]) -> None:
    def keys(part: Any) -> set[str]:
        if isinstance(part, list):
            return {key for each in part for key in keys(each)}
        if not isinstance(part, dict):
            return set()
        below = {key for name, each in part.items() if name != "files" for key in keys(each)}
        return {*part, *below}

    described = (APPS / "tflite_bench" / "README.md").read_text()
    content = {key: value for key, value in told.items() if key != "text"}
    assert [key for key in sorted(keys(content)) if f"`{key}`" not in described] == []
    assert told["schema"] == 1


def test_what_cannot_run_is_a_line(folder: Path) -> None:
    words = ["noise.tflite", "arithmetic.tflite", "--delegate", "none,armnn", *SHORT]
    text = bench(folder, *words, "--json", "bad.json", status=1)
    assert "noise.tflite: " in text
    assert "Is the file a TensorFlow Lite model, and whole?" in text
    assert "pip install tflite-armnn-delegate" in text
    told = json.loads((folder / "bad.json").read_text())
    assert [each["model"] for each in told["results"]] == ["arithmetic.tflite"]
    assert len(told["failures"]) == 3


def test_a_contestant_that_computes_something_else_or_crashes(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(LIAR)
    words = ["arithmetic.tflite", "--runtime", f"ai_edge_litert,{tmp_path}"]
    words += ["--delegate", "xnnpack,none", "--json", "liar.json"]
    text = bench(folder, *words, *SHORT, status=1)
    assert "tflite-runtime unknown, xnnpack, 1 thread, disagrees with" in text
    assert "outputs disagree" in text
    assert "it crashed with SIGSEGV" in text
    told = json.loads((folder / "liar.json").read_text())
    verdicts = {
        (each["runtime"], each["delegate"]): each["agreement"] and each["agreement"]["agrees"]
        for each in told["results"]
    }
    assert verdicts == {
        (LITERT, "xnnpack"): None,
        (LITERT, "none"): True,
        ("tflite-runtime unknown", "xnnpack"): False,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_done_survives_an_interrupt(
    folder: Path, tmp_path: Path, until: Until, number: signal.Signals
) -> None:
    out = tmp_path / "out.json"
    words = ["arithmetic.tflite", "--delegate", "xnnpack,none", *SHORT[2:], "--seconds", "3"]
    process = start([*words, "--json", out], folder)
    until(lambda: out.is_file() and json.loads(out.read_text())["results"])
    time.sleep(0.5)
    process.send_signal(number)
    text, err = process.communicate(timeout=30)
    assert process.returncode == 130, text + err
    assert "what is done is kept" in text
    assert err == ""
    told = json.loads(out.read_text())
    assert (told["interrupted"], len(told["results"]), told["failures"]) == (True, 1, [])
    assert not list(tmp_path.glob("*.partial"))


def test_a_record_that_cannot_be_written_is_known_before_the_measuring(folder: Path) -> None:
    text = bench(folder, "arithmetic.tflite", "--json", "absent/out.json", *SHORT, status=2)
    assert "Cannot write absent/out.json: No such file or directory." in text
    assert "median" not in text


def test_without_a_runtime_it_says_how_to_get_one(folder: Path) -> None:
    text = bench(folder, "arithmetic.tflite", "--runtime", "tflite_runtime", status=2)
    assert "pip install tflite-runtime" in text


def test_without_numpy_it_says_how_to_get_it(folder: Path) -> None:
    environment = {"PYTHONPATH": str(APPS), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tflite_bench", "arithmetic.tflite"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "apt install python3-numpy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_record_names_no_folder(folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "delegate.so"
    library.write_text("no library")
    words = [folder / "noise.tflite", "--delegate", f"none,{library}", *SHORT]
    bench(folder, *words, "--json", "private.json", status=1)
    told = (folder / "private.json").read_text()
    assert [each["delegate"] for each in json.loads(told)["failures"]] == ["none", "delegate.so"]
    assert str(folder) not in told
    assert str(tmp_path) not in told


def test_operators_are_told_by_arm_nn_alone(folder: Path) -> None:
    text = bench(folder, "arithmetic.tflite", "--operators", *SHORT)
    assert "only the delegate armnn tells the time of each operator" in text


def test_the_wheel_is_a_program_too(folder: Path, tmp_path: Path) -> None:
    (product,) = (each for each in app_wheel.apps() if each.package == "tflite_bench")
    wheel = products.build(product, Fetcher(Store(tmp_path), offline=True))
    text = bench(folder, "arithmetic.tflite", *SHORT, program=str(wheel / product.package))
    assert "1 measured" in text
