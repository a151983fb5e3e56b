"""TensorFlow's own tests: which there are, and what is made of how they ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheelhouse.machines.qemu import Emulated
from wheelhouse.record import Check, Trial
from wheelhouse.sources import pins, releases
from wheelhouse.verify import session, upstream
from wheelhouse.verify.session import ProbeResult
from wheelhouse.verify.upstream import Expected, Table

FILE = """
class FirstTest(Base):
  def setUp(self):
    self.testNothing = 1

  def testOne(self):
    def testInside(): pass

  @decorated
  def testTwo(self): pass

  def helper(self): pass

class SecondTest(Base):
  def testOne(self): pass

def testAlone(): pass
"""
RUNS = {"stage": "end", "error": None}
REFUSED = {"stage": "load", "error": {"type": "ValueError", "message": "no"}}


def end(word: str, seen: str = "") -> dict[str, str]:
    return {"end": word, "seen": seen}


ENDS = {
    "FirstTest.testOne": end("passed"),
    "FirstTest.testTwo": end("skipped", "flaky"),
    "SecondTest.testOne": end("passed"),
}
SKIPPED = Expected("FirstTest.testTwo", ("2.14.1",), "skipped", "It is flaky.")
TABLE = Table((SKIPPED,), ())
DIFFERS = Expected("add.bin", ("2.14.1",), "other outputs", "It is a sum.")


def write(folder: Path, models: Mapping[str, Any], **outputs: Any) -> Path:
    (folder / session.OUTPUTS).mkdir(parents=True)
    (folder / session.OUTPUTS / "report.json").write_text(json.dumps({"models": models}))
    for name, values in outputs.items():
        np.savez(folder / session.OUTPUTS / f"{name}.bin.npz", values)
    return folder


@pytest.fixture
def failed(tmp_path: Path) -> Any:
    """The names of checks that do not pass; what is not given is as it should be."""

    def judged(
        ends: Mapping[str, Any] = ENDS,
        ours: Mapping[str, Any] = RUNS,
        values: float = 1,
        table: Table = TABLE,
        release: str = "2.14.1",
    ) -> set[str]:
        test = tmp_path / "test.py"
        test.write_text(FILE)
        theirs = write(tmp_path / "theirs", {"add.bin": RUNS}, add=np.float32(1))
        here = write(tmp_path / "ours", {}, add=np.float32(values)) / session.OUTPUTS
        report = {"error": None, "tests": ends, "models": {"add.bin": ours}}
        result = ProbeResult(report, Emulated(0, "", ""), here)
        checks = upstream.judge(table, release, test, theirs, result)
        return {check.name for check in checks if not check.passed}

    return judged


def test_the_tests_of_a_file_are_those_of_its_classes() -> None:
    assert upstream.tests_in(FILE) == [*ENDS]


def test_what_ends_as_expected_passes(failed: Any) -> None:
    assert failed() == set()


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ({**ENDS, "SecondTest.testOne": end("failed", "no")}, "SecondTest.testOne"),
        ({**ENDS, "SecondTest.testOne": end("skipped")}, "SecondTest.testOne"),
        ({**ENDS, "FirstTest.testTwo": end("passed")}, "FirstTest.testTwo"),
        ({name: ENDS[name] for name in [*ENDS][:2]}, "SecondTest.testOne"),
    ],
)
def test_a_test_that_ends_otherwise_is_found(failed: Any, ends: Any, found: str) -> None:
    assert failed(ends) == {found}


@pytest.mark.parametrize("ours", [REFUSED, {"signal": 11}])
def test_a_model_that_ends_otherwise_is_found(failed: Any, ours: Any) -> None:
    assert failed(ours=ours) == {"add.bin"}


def test_other_outputs_are_found_unless_they_are_listed(failed: Any, tmp_path: Path) -> None:
    assert failed(values=1.001) == {"add.bin"}


def test_listed_outputs_pass(failed: Any) -> None:
    assert failed(values=1.001, table=Table((SKIPPED,), (DIFFERS,))) == set()


def test_what_is_listed_must_differ(failed: Any) -> None:
    assert failed(table=Table((SKIPPED,), (DIFFERS,))) == {"add.bin"}


def test_what_is_listed_of_another_release_does_not_count(failed: Any) -> None:
    assert failed(release="2.22") == {"FirstTest.testTwo"}


def test_what_is_listed_must_exist(failed: Any) -> None:
    gone = Expected("gone.bin", ("2.14.1",), "other outputs", "It was there.")
    assert failed(table=Table((SKIPPED,), (gone,))) == {"upstream.toml names what there is"}


@pytest.mark.parametrize(
    ("theirs", "ours", "difference"),
    [
        (REFUSED, REFUSED, ""),
        (RUNS, REFUSED, "ValueError at load; the reference: runs"),
        (REFUSED, RUNS, "runs; the reference: ValueError at load"),
        (RUNS, {"signal": 11}, "signal 11; the reference: runs"),
        (REFUSED, {**REFUSED, "stage": "invoke"}, "ValueError at invoke; the reference: "),
    ],
)
def test_a_difference_tells_both_ends(theirs: Any, ours: Any, difference: str) -> None:
    found = upstream.difference(theirs, ours, ())
    assert found.startswith(difference)
    assert bool(found) is bool(difference)


@pytest.mark.parametrize(
    ("wanted", "given", "same"),
    [
        (np.array([1, np.nan], "f4"), np.array([1.00001, np.nan], "f4"), True),
        (np.array([1], "f4"), np.array([1.001], "f4"), False),
        (np.array([], "f4"), np.array([], "f4"), True),
        (np.array([1], "f4"), np.array([[1]], "f4"), False),
        (np.array([1], "i1"), np.array([1], "f4"), False),
        (np.array([1], "i1"), np.array([2], "i1"), False),
        (np.array([b"a", b"bc"]), np.array([b"a", b"bc"]), True),
        (np.array([b"a"]), np.array([b"b"]), False),
    ],
)
def test_outputs_are_compared(tmp_path: Path, wanted: Any, given: Any, same: bool) -> None:
    paths = [tmp_path / "wanted.npz", tmp_path / "given.npz"]
    for path, values in zip(paths, (wanted, given), strict=True):
        np.savez(path, values)
    assert (upstream.difference(RUNS, RUNS, paths) == "") is same


def test_the_summary_counts_tests_and_models() -> None:
    checks = (
        Check("import", True, "None"),
        Check("A.testOne", True, "passed"),
        Check("A.testTwo", True, "skipped flaky"),
        Check("add.bin", True, "runs"),
        Check("sub.bin", False, "signal 11; the reference: runs"),
    )
    assert upstream.summary(Trial("", "", "", checks)) == ("1 of 2", "1 of 2")


def test_each_release_has_a_test_of_its_own() -> None:
    for release in releases.known_versions():
        assert upstream.test(release).pin.version == release


def test_what_differs_is_of_known_releases_and_has_a_reason() -> None:
    table, known = upstream.table(), set(releases.known_versions())
    for row in (*table.tests, *table.models):
        assert row.releases, row.name
        assert set(row.releases) <= known, row.name
        assert row.reason.endswith("."), row.name


def test_the_models_are_made_again_byte_by_byte() -> None:
    assert upstream.generated() == upstream.generated()


def test_the_data_is_in_one_release() -> None:
    assert upstream.DATA in pins.pins().tflite
