"""tflite-bench on an emulated Raspberry Pi, where the official wheel is a contestant, too."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import REPO
from wheelhouse.common.store import file_digest
from wheelhouse.machines import qemu, rootfs
from wheelhouse.machines.qemu import Emulated
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.verify import session

INT8 = "mobilenet-0.25-96-int8"
OURS, THEIRS = "tflite-runtime 2.14.1", "tflite-runtime 2.14.0"
DELEGATES = ("xnnpack", "none", "armnn")


@dataclass
class Run:
    """How the benchmark ended, what it recorded, and its home folder."""

    done: Emulated
    told: dict[str, Any]
    work: Path

    def results(self, model: str) -> dict[tuple[str, str], dict[str, Any]]:
        rows = [each for each in self.told["results"] if each["model"] == f"{model}.tflite"]
        return {(each["runtime"], each["delegate"]): each for each in rows}


@pytest.fixture(scope="module")
def run(wheels: dict[str, Path], armnn_wheel: Path, fetcher: Fetcher) -> Iterator[Run]:
    system = systems.system("bookworm")
    tree = rootfs.tree(system, fetcher.store)
    official = fetcher.file(pins.shared("tflite-runtime"))
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        session.install(armnn_wheel, wheels["cp37"], system, fetcher, work)
        shutil.copy(official, work)
        shutil.copytree(REPO / "apps" / "tflite_bench", work / "tflite_bench")
        for model in models.generated():
            (work / f"{model.name}.tflite").write_bytes(model.content)
        (work / "noise.tflite").write_bytes(models.bad_files()["noise"])
        done = qemu.run(
            [
                *("env/bin/python", "-m", "tflite_bench"),
                *(f"{INT8}.tflite", "arithmetic.tflite", "noise.tflite", "--threads", "1"),
                *("--runtime", f"tflite_runtime,{official.name}"),
                *("--delegate", ",".join(DELEGATES), "--operators", "--json", "out.json"),
                *("--seconds", "0.1", "--runs", "3", "--warm-up", "0.1"),
            ],
            tree=tree,
            board=systems.board("Raspberry Pi 4"),
            work=work,
        )
        assert (work / "out.json").is_file(), done.stderr
        yield Run(done, json.loads((work / "out.json").read_text()), work)


def test_it_ends_as_one_with_failures_and_without_a_traceback(run: Run) -> None:
    assert (run.done.status, run.done.stderr) == (1, "")
    assert "Traceback" not in run.done.stdout


@pytest.mark.parametrize("model", [INT8, "arithmetic"])
def test_two_wheels_of_one_package_are_measured_and_agree(run: Run, model: str) -> None:
    found = run.results(model)
    assert list(found) == [(name, each) for name in (OURS, THEIRS) for each in DELEGATES]
    assert [each["agreement"] and each["agreement"]["agrees"] for each in found.values()] == [
        None,
        *[True] * 5,
    ]
    assert all(each["measured"]["times"]["median_ms"] > 0 for each in found.values())
    assert all(each["measured"]["peak_bytes"] > 10e6 for each in found.values())


def test_it_is_seen_which_delegate_takes_the_model(run: Run) -> None:
    delegates = {key: each["delegates"] for key, each in run.results(INT8).items()}
    assert {key: bool(count) for key, count in delegates.items()} == {
        (OURS, "xnnpack"): True,
        (OURS, "none"): False,
        (OURS, "armnn"): True,
        (THEIRS, "xnnpack"): False,
        (THEIRS, "none"): False,
        (THEIRS, "armnn"): True,
    }
    assert (
        f"{INT8}.tflite: in {THEIRS} the delegate xnnpack takes no operator" in run.told["warnings"]
    )


def test_arm_nn_tells_the_time_of_each_layer(run: Run) -> None:
    found = run.results(INT8)
    names = [each["name"] for each in found[OURS, "armnn"]["layers"]]
    assert sum("NeonConvolution2dWorkload" in name for name in names) == 14
    assert any("NeonSoftmaxWorkload" in name for name in names)
    assert found[OURS, "xnnpack"]["layers"] is None


def test_the_board_is_the_one_that_is_emulated(run: Run) -> None:
    told = run.told["machine"]
    assert told["board"].startswith("Raspberry Pi 4")
    assert (told["cpu"], told["cores"], told["architecture"]) == ("Cortex-A72", 4, "aarch64")
    assert told["emulated"] is True
    assert "this processor is emulated: the times say nothing about a board" in run.told["warnings"]


def test_each_runtime_is_known_by_its_files(run: Run) -> None:
    files = {each["name"]: each["files"] for each in run.told["runtimes"]}
    (ours,) = (run.work / "env").rglob("tflite_runtime/_pywrap*.so")
    (armnn,) = (run.work / "env").rglob("libarmnnDelegate.so")
    assert files[OURS] == {path.name: file_digest(path) for path in (ours, armnn)}
    assert files[THEIRS][armnn.name] == file_digest(armnn)
    assert len(files[THEIRS]) == 2
    assert {*files[THEIRS].values()} != {*files[OURS].values()}


def test_a_file_that_is_no_model_is_a_line_for_each_contestant(run: Run) -> None:
    assert {each["model"] for each in run.told["failures"]} == {"noise.tflite"}
    assert len(run.told["failures"]) == 6
    assert run.done.stdout.count("noise.tflite: ") == 6
