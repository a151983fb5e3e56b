"""TensorFlow's own tests and test models, with the universal wheels of both releases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.running import Cli
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

DEFAULT, NEWEST = releases.known_versions()[0], releases.known_versions()[-1]
SEEN = {DEFAULT: [("30", "31"), ("41", "41")], NEWEST: [("39", "40"), ("41", "41")]}
"""Of each release: how many tests of all pass, and how many models end as expected.

TensorFlow skips the other test itself.
"""


def assert_all_pass(cli: Cli, release: str, processor: str) -> None:
    """They pass on all systems beside each NumPy, and the task says so."""
    done = cli("upstream-tests", "--tflite", release, "--arch", processor, COLUMNS="200")
    assert done.status == 0, done.stderr
    universal, *_ = matrix.choose("3.7", (processor,))
    trials = 2 * len(universal.systems)
    assert re.findall(r"(\d+) of (\d+)", done.stdout) == SEEN[release] * trials


@pytest.mark.parametrize("release", [DEFAULT, NEWEST])
def test_they_pass_natively(cli: Cli, pc: Path, release: str) -> None:
    assert pc.is_file()
    assert_all_pass(cli, release, "x86_64")


def test_they_pass_on_emulated_systems(cli: Cli, wheels: dict[str, Path]) -> None:
    assert "cp37" in wheels
    assert_all_pass(cli, DEFAULT, "aarch64")


def test_they_pass_in_the_newest_tflite(cli: Cli, newest: dict[str, Path]) -> None:
    assert "cp37" in newest
    assert_all_pass(cli, NEWEST, "aarch64")
