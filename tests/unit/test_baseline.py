"""Growth of what models execute."""

from __future__ import annotations

from pathlib import Path

from wheelhouse.bench import baseline
from wheelhouse.machines.qemu import Instructions

BEFORE = Instructions(branch=100_000, integer=400_000, memory=700_000, vector=2_000_000)


def counts(allocate: Instructions) -> baseline.Counts:
    return {"Raspberry Pi 5": {"face": {"construct": BEFORE, "allocate": allocate}}}


def test_growth_names_board_model_phase_and_kinds() -> None:
    now = Instructions(branch=100_000, integer=401_000, memory=699_000, vector=2_040_000)
    (told,) = baseline.growths(counts(BEFORE), counts(now))
    assert told == (
        "Raspberry Pi 5, face, allocate: 3,240,000 instructions, +40,000 "
        "(branch +0, integer +1,000, memory -1,000, vector +40,000)"
    )


def test_up_to_a_hundredth_and_less_than_before_are_no_growth() -> None:
    for vector in (2_000_000, 2_032_000, 1_000_000):
        now = Instructions(BEFORE.branch, BEFORE.integer, BEFORE.memory, vector)
        assert [*baseline.growths(counts(BEFORE), counts(now))] == []


def test_what_two_runs_may_differ_by_is_no_growth() -> None:
    few, more = Instructions(vector=100_000), Instructions(vector=101_900)
    assert [*baseline.growths(counts(few), counts(more))] == []


def test_what_is_written_is_read(tmp_path: Path) -> None:
    known = {"2.14.1": counts(BEFORE), "2.22.0": counts(Instructions(vector=7))}
    baseline.write(known, tmp_path / "baseline.toml")
    assert baseline.read(tmp_path / "baseline.toml") == known
