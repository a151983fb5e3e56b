"""What tflite_runtime does in each system: as promised here, and the same from every wheel."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulated import behaviour_expected as expected
from tests.emulated import transcripts
from tests.emulated.conftest import WHEELS, named_wheel
from tests.emulated.transcripts import at_path, brief
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems

Report = dict[str, Any]
Reports = Callable[[str, str, Path], Report]

OWN = {target.systems[0]: target.tag for target in matrix.choose("all") if not target.abi3}
PC = [(system.name, "pc") for system in systems.table().systems if system.processor == "x86_64"]
"""What runs natively: seconds."""
ARM32 = [(each.name, "arm32") for each in systems.table().systems if each.processor == "armv7l"]
LONG = [
    *PC,
    *ARM32,
    *((suite, f"wheels-{tag}") for suite, tag in OWN.items()),
    *((suite, "wheels-cp37") for suite in OWN),
]
"""What takes minutes is in the second tier, where ``wheels-cp37`` is the universal wheel."""

GUEST = sorted(transcripts.GUEST.rglob("*.py"))
BESIDE = {
    "numpy",
    "probe",
    "probe_armnn",
    "tflite_armnn_delegate",
    "tflite_examples_models",
    "tflite_runtime",
}
"""What is installed or laid beside them on a Pi."""


@pytest.fixture(scope="session")
def reports(fetcher: Fetcher) -> Reports:
    """What a script reports in a suite of a wheel; each is run once."""
    made: dict[tuple[str, str, Path], Report] = {}

    def report(script: str, suite: str, wheel: Path) -> Report:
        key = script, suite, wheel
        if key not in made:
            made[key] = transcripts.record(script, wheel, suite, fetcher)
        return made[key]

    return report


@pytest.fixture(
    params=[
        *PC,
        *ARM32,
        ("bookworm", "universal"),
        *((suite, WHEELS[tag]) for suite, tag in OWN.items()),
        *((suite, "wheels-cp37") for suite in OWN if suite != "bookworm"),
    ],
    ids=str,
)
def wheel_in_suite(request: pytest.FixtureRequest) -> tuple[str, Path]:
    suite, name = request.param
    return suite, named_wheel(name, request)


def test_the_behaviour_is_as_promised(reports: Reports, wheel_in_suite: tuple[str, Path]) -> None:
    cases = reports("behaviour", *wheel_in_suite)["cases"]
    processor = systems.system(wheel_in_suite[0]).architecture
    promised = expected.on(processor, expected.RESULTS)
    assert {path: brief(at_path(cases, path)) for path in promised} == promised


def test_every_case_is_run(reports: Reports, universal: Path) -> None:
    written = {
        node.name
        for path in GUEST
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Name) and mark.id in ("case", "mortal")
    }
    assert set(reports("behaviour", "bookworm", universal)["cases"]) == written


def test_wrong_arguments_are_type_errors_that_name_the_function(
    reports: Reports, wheel_in_suite: tuple[str, Path]
) -> None:
    cases = reports("behaviour", *wheel_in_suite)["cases"]
    refused = {path: brief(at_path(cases, path)) for path in expected.REFUSED}
    for case in ("arguments_too_many", "arguments_too_few", "arguments_by_unknown_keyword"):
        refused |= {f"{case}.{name}": brief(told) for name, told in cases[case].items()}
    for path, seen in refused.items():
        function = expected.REFUSED.get(path, path.rpartition(".")[2])
        assert str(seen).startswith("TypeError: "), path
        assert function in seen, path


def test_a_view_is_the_tensor_itself(reports: Reports, wheel_in_suite: tuple[str, Path]) -> None:
    view = reports("behaviour", *wheel_in_suite)["cases"]["views"]["view"]
    assert view["flags"] == ["writeable", "c_contiguous", "aligned"]
    assert brief(view) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_every_type_goes_in_and_out(reports: Reports, wheel_in_suite: tuple[str, Path]) -> None:
    told = reports("behaviour", *wheel_in_suite)["cases"]["every_type"]
    for name, (put, got, _) in told.items():
        assert put is None, name
        assert got["shape"] == [2, 3], name
    assert set(told) == {*expected.TYPES}


def test_xnnpack_is_announced(reports: Reports, wheel_in_suite: tuple[str, Path]) -> None:
    stderr = reports("behaviour", *wheel_in_suite)["stderr"]
    assert "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." in stderr


@pytest.mark.parametrize("suite", OWN)
def test_the_universal_wheel_behaves_like_the_systems_own(
    reports: Reports, suite: str, wheels: dict[str, Path], universal: Path
) -> None:
    own = reports("behaviour", suite, wheels[OWN[suite]])
    assert transcripts.differences(own, reports("behaviour", suite, universal)) == []


@pytest.mark.parametrize("wheel_in_suite", LONG, indirect=True, ids=str)
def test_nothing_leaks(reports: Reports, wheel_in_suite: tuple[str, Path]) -> None:
    """A block, or malloc's least, 32 bytes, lost in each cycle would be over these bounds."""
    report = reports("leaks", *wheel_in_suite)
    assert "inference" in report["grown"]
    quarter = report["cycles"] / 4
    for name, grown in report["grown"].items():
        assert min(grown["blocks"]) < 0.5 * quarter, name
        assert min(grown["bytes"]) < 16 * quarter, name
        assert sum(grown["resident"]) < expected.RESIDENT, name


def told(**cases: Any) -> Report:
    return {"cases": cases}


WRONG = {
    "raises": "TypeError",
    "message": "Invoke(): incompatible function arguments. The following argument types ...",
}


def test_differences_are_found_where_they_are() -> None:
    one = told(a={"x": [1, {"raises": "ValueError", "message": "no"}]}, b=2)
    assert transcripts.differences(one, one) == []
    other = told(a={"x": [1, {"raises": "RuntimeError", "message": "no"}]}, b=2.5)
    assert transcripts.differences(one, other) == [
        'a.x.1.raises: "ValueError" became "RuntimeError"',
        "b: 2 became 2.5",
    ]
    assert transcripts.differences(one, told(a=one["cases"]["a"])) == [
        "the reports have different cases"
    ]
    assert transcripts.differences(told(a={"x": 1, "y": 2}), told(a={"y": 2, "x": 1}))
    assert transcripts.differences(told(a=[1]), told(a=[1, 1])) == ["a: [1] became [1, 1]"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (WRONG, {"raises": "TypeError", "message": "Invoke() takes 0 to 1 arguments"}, True),
        (WRONG, {"raises": "TypeError", "message": "function takes 1 argument"}, False),
        (WRONG, {"raises": "ValueError", "message": "Invoke() takes 0 to 1 arguments"}, False),
        (WRONG, None, False),
        ({"signal": 11}, {"raises": "ValueError", "message": "no"}, True),
        ({"signal": 11}, {"signal": 11}, True),
        ({"signal": 11}, 3, True),
        (None, {"signal": 11}, False),
        ("'/a/_pywrap_tensorflow_interpreter_wrapper.so: x", "'/a/b.so: x", False),
        (
            "'/a/_pywrap_tensorflow_interpreter_wrapper.so: x",
            "'/a/_pywrap_tensorflow_interpreter_wrapper.abi3.so: x",
            True,
        ),
    ],
)
def test_only_what_must_differ_is_excused(one: Any, other: Any, same: bool) -> None:
    assert bool(transcripts.differences(told(a=one), told(a=other))) is not same


@pytest.mark.parametrize("path", GUEST, ids=lambda path: str(path.relative_to(transcripts.GUEST)))
def test_what_runs_on_a_pi_is_for_the_oldest_python_and_stands_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    modules = [
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    ]
    modules += [
        str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
    ]
    imported = {name.partition(".")[0] for name in modules}
    assert imported - sys.stdlib_module_names <= BESIDE
    assert "subprocess" not in imported
