"""A few trials of each kind that `./inv fuzz` has, with a PC's wheel on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.running import Cli

COUNT = 400


def test_no_trial_ends_the_process(cli: Cli, pc: Path) -> None:
    done = cli("fuzz", "--seed", "1", "--count", str(COUNT), "--wheel", str(pc))
    assert done.status == 0, done.stdout + done.stderr
    counts = {kind: int(count) for kind, count in re.findall(r"(\w+) +(\d+) tried:", done.stdout)}
    assert list(counts) == ["mutants", "operators", "integers", "tensors"]
    assert counts["mutants"] == counts["operators"] == counts["integers"] == COUNT
    assert counts["tensors"] > 4 * 18
