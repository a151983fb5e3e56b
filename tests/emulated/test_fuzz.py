"""Mutants of right models, with a PC's wheel on this machine."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import Cli

COUNT = 1000


def test_no_mutant_ends_the_process(cli: Cli, pc: Path) -> None:
    done = cli("fuzz", "--seed", "1", "--count", str(COUNT), "--wheel", str(pc))
    assert done.status == 0, done.stdout + done.stderr
    assert f"{COUNT} mutants" in done.stderr
