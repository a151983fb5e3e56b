"""The tasks' words: what they choose, and how a wrong one is answered."""

import subprocess
import sys

import pytest

from tests.conftest import REPO
from wheelhouse import pipeline


@pytest.mark.parametrize(
    ("words", "suites"),
    [
        ("", ["unit", "integration", "emulated"]),
        ("unit", ["unit"]),
        ("emulated, unit", ["unit", "emulated"]),
    ],
)
def test_only_chooses_among_the_folders_of_tests(words, suites):
    assert pipeline.suites(words) == suites
    assert all((REPO / "tests" / suite).is_dir() for suite in suites)


def test_an_unknown_kind_of_tests_is_answered_with_the_nearest():
    command = [sys.executable, "-m", "invoke", "test", "--only", "unit,emulate"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr == (
        "error: There is no kind of tests emulate; did you mean emulated?\n"
        "next: Give --only one of these: unit, integration, emulated.\n"
    )
