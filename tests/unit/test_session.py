"""A wheel that passes its trials gets a record; one that does not gets an error and a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wheels import wheel
from wheelhouse import record, session
from wheelhouse.errors import WheelhouseError
from wheelhouse.record import Check, Trial
from wheelhouse.sources import Sources
from wheelhouse.store import Store, file_digest


def trial(passed: bool) -> Trial:
    checks = (Check("import", True, "None"), Check("4 threads work", passed, "[0, 0] started"))
    return Trial("Raspberry Pi OS 12", "Raspberry Pi 4", "1.24.2 (own)", checks)


@pytest.fixture
def at(tmp_path: Path) -> Sources:
    return Sources(Store(tmp_path / "cache"))


def records(at: Sources) -> list[Path]:
    """The records of wheels that passed."""
    return list(at.store.root.glob("verified/*/record.json"))


def test_trials_become_a_record_once(tmp_path: Path, at: Sources) -> None:
    path, runtime = wheel(tmp_path, project="tflite_armnn_delegate"), wheel(tmp_path)
    runs: list[int] = []

    def trials() -> list[Trial]:
        runs.append(1)
        return [trial(True)]

    told = session.verified(path, "key", trials, at, "docker", runtime)
    assert session.verified(path, "key", trials, at, "docker", runtime) == told
    assert len(runs) == 1
    assert records(at) == [told]
    found = record.read(told.read_bytes())
    assert (found.wheel, found.sha256) == (path.name, file_digest(path))
    assert (found.engine, found.trials) == ("docker", (trial(True),))
    assert found.runtime == record.Companion(runtime.name, file_digest(runtime))
    assert found.date.tzinfo is not None


def test_a_failed_check_is_an_error_and_all_that_was_seen_is_kept(
    tmp_path: Path, at: Sources
) -> None:
    path = wheel(tmp_path)
    with pytest.raises(WheelhouseError) as caught:
        session.verified(path, "key", lambda: [trial(True), trial(False)], at, "host")
    what = "4 threads work: [0, 0] started (Raspberry Pi OS 12, Raspberry Pi 4, NumPy 1.24.2 (own))"
    assert caught.value.what == f"{path.name} did not pass:\n  {what}"
    kept = Path(str(caught.value.hint).removeprefix("All that was seen is in ").rstrip("."))
    assert record.read(kept.read_bytes()).trials == (trial(True), trial(False))
    assert records(at) == []
