"""What a step costs is noted when it is made, and expected of one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from wheelhouse.common import costs
from wheelhouse.common.costs import noted
from wheelhouse.common.store import Store

BURN = "import time\nwhile time.process_time() < 0.2: pass"


def burn() -> None:
    subprocess.run([sys.executable, "-c", BURN], check=True)


def made(store: Store, label: str, folder: Path) -> float:
    """Make a step that costs a fifth of a second of a child; what it is expected to cost then."""
    folder.mkdir(exist_ok=True)
    with noted(store, "things", label, folder):
        burn()
    return costs.expected(store, "things", label)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_the_processor_time_of_programs_that_a_step_starts_counts(
    store: Store, tmp_path: Path
) -> None:
    assert 0.15 < made(store, "one", tmp_path / "folder") < 2


def test_its_own_processor_time_counts_and_waiting_does_not(store: Store, tmp_path: Path) -> None:
    with noted(store, "things", "one", tmp_path):
        time.sleep(0.3)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    assert 0.15 < costs.expected(store, "things", "one") < 0.45


def test_what_runs_side_by_side_costs_no_more_together_than_there_was(
    store: Store, tmp_path: Path
) -> None:
    before = sum(os.times()[:4])
    threads = [Thread(target=made, args=(store, name, tmp_path / name)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    each = [costs.expected(store, "things", name) for name in "ab"]
    assert sum(each) == pytest.approx(sum(os.times()[:4]) - before, abs=0.1)


def test_nothing_is_noted_of_what_failed_or_went_on(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), noted(store, "things", "failed", tmp_path):
        1 / 0  # noqa: B018
    (tmp_path / "half").touch()
    assert made(store, "resumed", tmp_path) == 0
    assert not list(store.root.glob("costs/*/*"))


def test_a_store_that_takes_no_note_hinders_nothing(store: Store, tmp_path: Path) -> None:
    store.root.mkdir()
    (store.root / "costs").touch()
    assert made(store, "one", tmp_path / "folder") == 0


def test_a_note_that_cannot_be_read_is_none(store: Store, tmp_path: Path) -> None:
    made(store, "one", tmp_path / "folder")
    (note,) = store.root.glob("costs/*/*")
    note.write_text("{")
    assert costs.expected(store, "things", "one") == 0
