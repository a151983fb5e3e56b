"""Measured figures: the data, and the table that the documentation makes of it."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.support import REPO
from wheelhouse import figures
from wheelhouse.bench import run
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.figures import Figure

WHEEL = Figure("Largest wheel", 1.63, "MB", date(2026, 11, 22), "bytes of the file", 2.0)
RATIO = Figure('A \\ "B"', 0.5, "×", date(2026, 11, 23), "counted", detail="1 M / 2 M")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    written = {"largest-wheel": WHEEL, "ratio": RATIO}
    figures.write(written, tmp_path / "figures.toml")
    assert figures.read(tmp_path / "figures.toml") == written


def test_the_table_shows_value_goal_manner_and_date() -> None:
    assert figures.table([WHEEL, RATIO]) == (
        "| figure | measured | goal | how | date |\n"
        "|---|---|---|---|---|\n"
        "| Largest wheel | 1.63 MB | ≤ 2.0 MB | bytes of the file | 2026-11-22 |\n"
        '| A \\ "B" | 0.5 × (1 M / 2 M) | — | counted | 2026-11-23 |\n'
    )


def test_a_part_of_the_benchmark_that_is_unknown_names_the_known() -> None:
    every = [
        *("builds", "tests", "emulated", "arm32", "loading", "precision", "compiled", "threads"),
        *("native", "baseline", "table"),
    ]
    assert run.parts("") == every[:-2]
    assert run.parts("native, builds") == ["native", "builds"]
    with pytest.raises(WheelhouseError, match="nativ; did you mean native") as caught:
        run.parts("builds,nativ")
    assert ", ".join(every) in caught.value.hint
    assert caught.value.kind is Kind.USAGE


def test_each_figure_keeps_its_goal() -> None:
    missed = {k: f for k, f in figures.read().items() if f.goal is not None and f.value > f.goal}
    assert not missed


def test_a_wrong_field_is_told_with_its_figure(tmp_path: Path) -> None:
    path = tmp_path / "figures.toml"
    figures.write({"largest-wheel": WHEEL}, path)
    path.write_text(path.read_text().replace("value = 1.63", 'value = "1.63"'))
    with pytest.raises(WheelhouseError) as failure:
        figures.read(path)
    assert failure.value.kind is Kind.USAGE
    assert "figures.toml" in failure.value.what
    assert ".value" in failure.value.what


def test_who_reads_figures_does_not_load_what_builds() -> None:
    code = "import sys; import wheelhouse.figures; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert "wheelhouse.figures" in done.stdout.split()
    assert not {"wheelhouse.pipeline", "wheelhouse.bench.run"} & set(done.stdout.split())
