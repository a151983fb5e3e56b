"""The Arm NN delegate beside each runtime: what was wrong before, and what it tells."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulated import transcripts
from wheelhouse import record
from wheelhouse.machines import qemu, rootfs
from wheelhouse.package import products
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import armnn, models
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems
from wheelhouse.verify import reference, runtime_trials, session
from wheelhouse.verify.reference import Tolerance

SPARSE = "face_detection_full_range_sparse"
DENSE = "face_detection_short_range"
RUNTIMES = ("tflite_runtime", "newest", "ai_edge_litert")


@dataclass(frozen=True)
class Seen:
    """What the script reported and left, and what the log said under each of its headings."""

    report: dict[str, Any]
    log: dict[str, str]
    folder: Path

    def outputs(self, name: str) -> list[Any]:
        with np.load(self.folder / f"{name}-default.out.npz") as stored:
            return [stored[key] for key in sorted(stored.files, key=int)]

    def delegation(self, name: str) -> dict[str, Any]:
        assert self.report["runs"][name]["error"] is None
        return dict(self.report["runs"][name]["delegation"])


@pytest.fixture(scope="module")
def tried(archives: dict[str, Path]) -> dict[str, Model]:
    real = [model for model in models.real_models(archives) if model.name in (SPARSE, DENSE)]
    small = models.small_mobilenet("int8")
    return {model.name: model for model in (*armnn.generated(), small, *real)}


@pytest.fixture(scope="module", params=RUNTIMES)
def seen(
    request: pytest.FixtureRequest,
    armnn_wheel: Path,
    wheels: dict[str, Path],
    newest: dict[str, Path],
    tried: dict[str, Model],
    fetcher: Fetcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    runtimes = {"tflite_runtime": wheels["cp37"], "newest": newest["cp37"]}
    runtime = runtimes.get(request.param) or fetcher.file(pins.shared("ai-edge-litert"))
    module = "ai_edge_litert" if request.param == "ai_edge_litert" else "tflite_runtime"
    return _record(armnn_wheel, runtime, module, tried, fetcher, tmp_path_factory.mktemp("armnn"))


def _record(
    delegate: Path,
    runtime: Path,
    module: str,
    tried: dict[str, Model],
    fetcher: Fetcher,
    work: Path,
) -> Seen:
    system, board = systems.system("bookworm"), systems.board("Raspberry Pi 5")
    folder = runtime_trials.PROBE.parent
    for name in ("probe.py", "probe_armnn.py"):
        shutil.copyfile(folder / name, work / name)
    transcripts.bring_guest(work)
    for model in tried.values():
        (work / f"{model.name}.tflite").write_bytes(model.content)
        np.savez(work / f"{model.name}.npz", **dict(model.inputs))  # type: ignore[arg-type]
    # ai-edge-litert's further requirements are for other parts of it than the interpreter.
    session.install(runtime, delegate, system, fetcher, work, "--no-deps")
    command = ["env/bin/python", "-m", "guest.armnn", f"{module}.interpreter", "report.json"]
    done = qemu.run(command, tree=rootfs.tree(system, fetcher.store), board=board, work=work)
    assert done.status == 0, done.stderr
    parts = [part.partition("\n") for part in done.stderr.split("== ")[1:]]
    report = json.loads((work / "report.json").read_text())
    return Seen(report, {name: text for name, _, text in parts}, work)


def apart(seen: Seen, model: Model) -> float:
    """How far the outputs lie from those of TFLite's own kernels."""
    expected = reference.outputs(model.content, model.inputs, delegated=False)
    return reference.compare(Tolerance(np.inf), expected, seen.outputs(model.name)).worst


def test_an_int8_mean_over_two_axes_does_not_saturate(seen: Seen, tried: dict[str, Model]) -> None:
    assert seen.delegation("mean-int8")["inside"] == ["MEAN"]
    assert apart(seen, tried["mean-int8"]) <= 8


def test_an_int8_mobilenet_finds_the_same_class(seen: Seen, tried: dict[str, Model]) -> None:
    model = tried[models.small_mobilenet("int8").name]
    (expected,) = reference.outputs(model.content, model.inputs, delegated=False)
    (actual,) = seen.outputs(model.name)
    assert actual.argmax() == expected.argmax()
    assert apart(seen, model) <= 2


def test_interpreters_leave_nothing_behind(seen: Seen) -> None:
    used = seen.report["used"]
    third = len(used) // 3
    assert third > 1
    assert used[-1] - used[third] < 100_000


def test_an_exception_becomes_an_error_with_a_message(seen: Seen) -> None:
    error = seen.report["exception"]["error"]
    assert error["type"] in ("RuntimeError", "ValueError")
    assert "Arm NN failed: TfLiteArmnnDelegate: There are unsupported operators" in error["message"]


def test_a_comparison_of_tensors_of_other_ranks_stays_in_tflite(
    seen: Seen, tried: dict[str, Model]
) -> None:
    found = seen.delegation("comparison")
    assert sorted(found["inside"]) == ["ADD", "MUL"]
    assert found["outside"] == ["GREATER"]
    assert apart(seen, tried["comparison"]) == 0


def test_fp16_weights_are_converted_for_cpuacc(seen: Seen) -> None:
    found = seen.delegation(DENSE)
    assert "CONV_2D" in found["inside"]
    assert "DEQUANTIZE" in found["inside"]
    assert found["outside"] == []
    workloads = seen.report["runs"][DENSE]["workloads"]
    assert any(name.startswith("NeonConvolution2d") for name in workloads)
    assert not any(name.startswith("Ref") or "Dequantize" in name for name in workloads)
    assert "constants converted while loading" in seen.log[f"{DENSE} default"]


def test_sparse_weights_stay_in_tflite_unless_the_reference_is_asked_for(seen: Seen) -> None:
    default, asked = (seen.report["chosen"][choice] for choice in ("default", "reference"))
    assert "DENSIFY" in default["delegation"]["outside"]
    assert not any(name.startswith("Ref") for name in default["workloads"])
    assert any(name.startswith("RefConvolution2d") for name in asked["workloads"])


def test_the_log_says_which_backends_were_chosen(seen: Seen) -> None:
    line = "INFO: TfLiteArmnnDelegate: backends CpuAcc, chosen by the model: "
    assert f"{line}2 of 3 operators; TFLite keeps CUMSUM\n" in seen.log["unsupported default"]
    asked = "backends CpuAcc,CpuRef, as asked for: "
    assert asked in seen.log[f"{SPARSE} reference"]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(("end", "status"), [("end", 0), ("exit", 3), ("exception", 1)])
def test_a_program_ends_as_it_should_while_a_thread_infers(
    seen: Seen, end: str, status: int, threads: int
) -> None:
    assert seen.report["ends"][f"{end}, {threads}"] == [status] * 3


def test_a_forked_process_can_use_arm_nn(seen: Seen) -> None:
    used = ("the parent's", "a new one", "none")
    beside = (*(f"{name}, beside a thread" for name in used), "the thread's own")
    assert seen.report["forks"] == {name: [0, 0, 0] for name in (*used, *beside)}


def test_each_interpreter_has_its_own_number_of_threads(seen: Seen) -> None:
    assert seen.report["raised"] is True


@pytest.mark.parametrize("name", [system.name for system in products.systems_for(products.armnn())])
def test_it_is_verified_on_every_release(armnn_wheel: Path, name: str) -> None:
    told = json.loads(record.path_for(armnn_wheel).read_text())
    boards = {trial["board"] for trial in told["trials"] if trial["system"] == name}
    assert boards == {*products.armnn().boards}
