"""A few trials of each kind that `./inv fuzz` has, with PCs' wheels on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.running import Cli
from wheelhouse.sources import releases

COUNT = 400


@pytest.mark.parametrize("release", releases.known_versions())
def test_no_trial_ends_the_process(cli: Cli, pc: Path, release: str) -> None:
    assert pc.is_file()
    done = cli("fuzz", "--seed", "1", "--count", str(COUNT), "--release", release)
    assert done.status == 0, done.stdout + done.stderr
    counts = {kind: int(count) for kind, count in re.findall(r"(\w+) +(\d+) tried:", done.stdout)}
    assert list(counts) == ["mutants", "operators", "integers", "tensors"]
    assert counts["mutants"] == counts["operators"] == counts["integers"] == COUNT
    assert counts["tensors"] > 4 * 18
