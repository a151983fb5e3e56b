"""The parts of tflite-bench that need no runtime."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tflite_bench import agreement, benchmark, cli, layers, machine, runtimes, timing, trial
from tflite_bench.agreement import Agreement
from tflite_bench.errors import BenchError, advice
from tflite_bench.trial import Measured, WarmUp

from tests.support import REPO
from wheelhouse.targets import systems

PACKAGE = REPO / "apps" / "tflite_bench"


def test_a_summary_of_known_times() -> None:
    found = timing.summarise([number / 1000 for number in range(1, 102)])
    assert (found.runs, found.median_ms, found.p5_ms, found.p95_ms) == (101, 51, 6, 96)
    assert (found.min_ms, found.max_ms, found.mean_ms, found.fps) == (1, 101, 51, 19.61)


def test_percentiles_between_two_times_are_by_proportion() -> None:
    found = timing.summarise([0.010, 0.020])
    assert (found.p5_ms, found.median_ms, found.p95_ms) == (10.5, 15, 19.5)


def test_one_outlier_moves_no_median() -> None:
    assert timing.summarise([0.010] * 20 + [5.0]).median_ms == 10


@pytest.mark.parametrize(
    ("medians", "steady"),
    [
        ([], False),
        ([1.0, 1.0], False),
        ([1.0, 1.01, 1.019], True),
        ([1.0, 1.01, 1.03], False),
        ([9.0, 5.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 1.0, 2.0], False),
    ],
)
def test_times_are_steady_when_three_medians_are_alike(medians: list[float], steady: bool) -> None:
    assert timing.is_steady(medians) is steady


def compared(expected: Any, given: Any, arithmetic: str = "float32") -> Agreement:
    return agreement.compare("the first", [np.asarray(expected)], [np.asarray(given)], arithmetic)


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


FLOATS = np.array([100.0, 0.001], np.float32)
BYTES = np.array([0, 200], np.uint8)


@pytest.mark.parametrize(
    ("expected", "given", "arithmetic", "worst", "agrees"),
    [
        (FLOATS, FLOATS, "float32", 0, True),
        (FLOATS, FLOATS + floats(0.05, 0), "float32", 0.0005, True),
        (FLOATS, FLOATS + floats(0, 0.5), "float32", 0.005, False),
        (FLOATS, FLOATS + floats(0, 0.5), "float16", 0.005, True),
        (BYTES, BYTES + np.array([0, 24], np.uint8), "quantised", 0.0941, True),
        (BYTES, np.array([200, 0], np.uint8), "quantised", 0.784, False),
        (np.arange(4), np.array([0, 1, 3, 2]), "float32", 0.5, False),
        (np.zeros(3, np.float32), np.zeros(3, np.float32), "float32", 0, True),
        (np.zeros(3, np.float32), np.ones(3, np.float32), "float32", 1, False),
        (np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), "float32", 0, True),
        (floats(np.inf, 1), floats(np.inf, 1), "float32", 0, True),
        (floats(np.nan, 1), floats(np.nan, 1), "float32", 0, True),
        (floats(np.inf, 1), floats(-np.inf, 1), "float32", 1, False),
        (floats(2, 1), floats(np.nan, 1), "float32", 1, False),
    ],
)
def test_how_far_outputs_lie_apart(
    expected: NDArray[Any], given: NDArray[Any], arithmetic: str, worst: float, agrees: bool
) -> None:
    found = compared(expected, given, arithmetic)
    assert found.worst == pytest.approx(worst, rel=0.01)
    assert found.agrees is agrees
    assert bool(found.reason) is not agrees


def test_outputs_of_another_shape_or_type_disagree() -> None:
    found = compared(FLOATS, BYTES)
    assert not found.agrees
    assert found.reason == "the outputs are uint8[2], not float32[2]"


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int16", "int32", "bool"])
def test_the_same_seed_makes_the_same_inputs_of_the_asked_type(dtype: str) -> None:
    one, again, other = (
        trial.values((2, 8), np.dtype(dtype), np.random.RandomState(seed)) for seed in (1, 1, 2)
    )
    assert (one.shape, one.dtype.name) == ((2, 8), dtype)
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_there_are_no_values_for_strings() -> None:
    with pytest.raises(TypeError, match="bytes"):
        trial.values((1,), np.bytes_, np.random.RandomState(0))


def lay_out(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_raspberry_pi_is_described(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0/cpufreq"
    lay_out(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
            "proc/cpuinfo": systems.board("Raspberry Pi 4").cpuinfo_text(),
            "proc/meminfo": "MemTotal:        3884344 kB\nMemFree: 1 kB\n",
            "etc/os-release": 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "etc/rpi-issue": "Raspberry Pi reference 2024-11-19\nGenerated using pi-gen\n",
            f"{cpu}/scaling_governor": "ondemand\n",
            f"{cpu}/cpuinfo_max_freq": "1800000\n",
            "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "90000\n",
            "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "48199\n",
        },
    )
    found = machine.describe(tmp_path)
    assert found.board == "Raspberry Pi 4 Model B Rev 1.5"
    assert (found.cpu, found.cores, found.max_mhz) == ("Cortex-A72", 4, 1800)
    assert (found.ram_bytes, found.governor) == (3_977_568_256, "ondemand")
    assert found.os == "Debian GNU/Linux 12 (bookworm), Raspberry Pi reference 2024-11-19"
    assert machine.temperature(tmp_path) == 48.2


def test_a_machine_that_tells_nothing_is_described(tmp_path: Path) -> None:
    found = machine.describe(tmp_path)
    assert (found.board, found.cpu, found.os) == ("unknown",) * 3
    assert (found.ram_bytes, found.governor, found.max_mhz) == (None,) * 3
    assert machine.temperature(tmp_path) is None
    assert machine.memory("VmHWM", tmp_path) is None
    assert machine.CpuMeter(tmp_path).others() is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, 0, None),
        (0, 0, []),
        (0x50000, 0x50000, []),
        (0, 0x50005, ["under-voltage", "throttled"]),
        (0, 0x80000, ["soft temperature limit"]),
        (0x20002, 0x20000, ["frequency capped"]),
    ],
)
def test_what_slowed_a_board_since_the_first_look(
    before: int | None, after: int | None, expected: list[str] | None
) -> None:
    assert machine.throttles(before, after) == expected


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("echo throttled=0x50005", 0x50005),
        ("echo VCHI initialization failed; exit 255", None),
    ],
)
def test_vcgencmd_is_asked(
    program: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\n{program}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.throttle_word() == expected


def test_work_is_all_but_idling_and_waiting() -> None:
    hertz = os.sysconf("SC_CLK_TCK")
    text = f"cpu  {hertz} {hertz} {hertz} 999 999 {hertz} {hertz} {hertz} 5 5\ncpu0 1 2\n"
    assert machine.busy_seconds(text) == 6
    assert machine.busy_seconds("") is None


def test_this_machine_is_not_emulated() -> None:
    assert machine.is_emulated() is False


def measured(others: float | None = 0.0, steady: bool = True) -> Measured:
    times = timing.summarise([0.01])
    return Measured(1, 1, WarmUp(9, 1, steady), times, None, None, others)


def test_what_spoils_figures_is_noted() -> None:
    apart = Agreement("the first", 0.5, 0.1, False, "far")
    assert benchmark.notes(measured(), None, []) == []
    assert benchmark.notes(measured(others=None), None, None) == []
    assert benchmark.notes(measured(1.26, False), apart, ["throttled", "under-voltage"]) == [
        "outputs disagree",
        "slowed by throttled and under-voltage",
        "others used 1.3 CPUs",
        "not steady",
    ]


def event(name: str, number: int, microseconds: float) -> str:
    return (
        f'"{name}_Execute_#{number}": {{ "GUID": "1", "NeonKernelTimer/0_#{number}": {{ "raw": [\n'
        f'1.5 ] }}, "Wall clock time_#{number}": {{ "type": "Measurement", "raw": [\n'
        f'{microseconds:.6f}\n], "unit": "us" }} }},\n'
    )


def test_layers_of_arm_nn_are_told_without_their_first_run() -> None:
    first = event("FilterNeonConstantWorkload", 1, 9) + event("Conv:0", 2, 9000)
    later = event("Conv:0", 3, 2000) + event("Softmax:1", 4, 500) + event("Conv:0", 5, 3000)
    found = layers.parse(first + first + later)
    assert [(each.name, each.ms) for each in found] == [("Conv:0", 2.5), ("Softmax:1", 0.5)]
    assert layers.parse("INFO: no profile") == []


def install(folder: Path, package: str, distribution: str) -> None:
    lay_out(
        folder,
        {
            f"{package}/__init__.py": "",
            f"{distribution}.dist-info/RECORD": f"{package}/__init__.py,sha256=x,0\n",
        },
    )


def test_runtimes_in_folders_have_names_that_differ(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    install(folders[0], "tflite_runtime", "tflite_runtime-2.14.0")
    install(folders[1], "tflite_runtime", "tflite_runtime-2.14.0")
    install(folders[1], "ai_edge_litert", "ai_edge_litert_nightly-2.4.0.dev1")
    found = runtimes.find([str(folder) for folder in folders], tmp_path)
    assert [each.name for each in found] == [
        "tflite-runtime 2.14.0",
        "tflite-runtime 2.14.0 (2)",
        "ai-edge-litert-nightly 2.4.0.dev1",
    ]
    assert [each.path for each in found] == [str(folders[number]) for number in (0, 1, 1)]


def test_a_folder_without_a_runtime_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no runtime"):
        runtimes.find([str(tmp_path)], tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "model.tflite"),
        (["m", "--threads", "0"], "'0' is not 1 or more"),
        (["m", "--threads", "1,many"], "'many' is not 1 or more"),
        (["m", "--delegate", "xnpack"], "there is no delegate 'xnpack'"),
        (["m", "--delegate", ","], "name one at least"),
        (["m", "--seconds", "nan"], "'nan' is not a number above 0"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == cli.WRONG_USE
    assert told in capsys.readouterr().err


def test_a_file_that_is_missing_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([str(tmp_path / "absent.tflite")]) == cli.WRONG_USE
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "ModuleNotFoundError: No module named 'tflite_armnn_delegate'",
            "pip install tflite-armnn",
        ),
        ("it crashed with SIGSEGV", "numpy<2"),
        ("ValueError: Model provided has model identifier 'x", "whole"),
        ("ValueError: Didn't find op for builtin opcode 'CONV_2D' version '9'", "newer runtime"),
        ("something", "another runtime"),
    ],
)
def test_each_failure_comes_with_advice(reason: str, told: str) -> None:
    assert told in advice(reason)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_for_the_oldest_python_and_needs_numpy_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    nodes = list(ast.walk(tree))
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {name.partition(".")[0] for name in names}
    assert imported - sys.stdlib_module_names <= {"numpy", "tflite_bench"}
