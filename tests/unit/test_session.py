"""A wheel that passes its trials gets a record; one that does not gets an error and a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wheels import wheel
from wheelhouse import record
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs, get_or_make
from wheelhouse.common.store import Store, file_digest
from wheelhouse.record import Check, Trial
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.verify import session


def trial(passed: bool) -> Trial:
    checks = (Check("import", True, "None"), Check("4 threads work", passed, "[0, 0] started"))
    return Trial("Raspberry Pi OS 12", "Raspberry Pi 4", "1.24.2 (own)", checks)


def passes(inputs: Inputs, folder: Path) -> None:
    session.write_record(inputs, folder, [trial(True)])


def fails(inputs: Inputs, folder: Path) -> None:
    session.write_record(inputs, folder, [trial(True), trial(False)])


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(Store(tmp_path / "cache"))


def test_trials_become_a_record(tmp_path: Path, fetcher: Fetcher) -> None:
    path, runtime = wheel(tmp_path, project="tflite_armnn_delegate"), wheel(tmp_path)
    step = session.verification(path, passes, [], "docker", {"runtime": runtime})
    told = get_or_make(step, fetcher) / session.RECORD
    found = record.read(told.read_bytes())
    assert (found.wheel, found.sha256) == (path.name, file_digest(path))
    assert (found.engine, found.trials) == ("docker", (trial(True),))
    assert found.runtime == record.Companion(runtime.name, file_digest(runtime))
    assert found.date.tzinfo is not None


def test_other_bytes_another_runtime_or_engine_are_tried_again(tmp_path: Path) -> None:
    path, runtime = wheel(tmp_path, project="tflite_armnn_delegate"), wheel(tmp_path)

    def key(engine: str = "docker") -> str:
        return session.verification(path, passes, [], engine, {"runtime": runtime}).key

    keys = [key(), key("host")]
    runtime.write_bytes(b"another")
    keys.append(key())
    path.write_bytes(b"another")
    keys.append(key())
    assert len({*keys}) == 4


def test_a_failed_check_is_an_error_and_all_that_was_seen_is_kept(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    path = wheel(tmp_path)
    with pytest.raises(WheelhouseError) as caught:
        get_or_make(session.verification(path, fails, [], "host", {}), fetcher)
    what = "4 threads work: [0, 0] started (Raspberry Pi OS 12, Raspberry Pi 4, NumPy 1.24.2 (own))"
    assert caught.value.what == f"{path.name} failed verification:\n  {what}"
    kept = Path(str(caught.value.hint).removeprefix("All checks are in ").rstrip("."))
    assert record.read(kept.read_bytes()).trials == (trial(True), trial(False))
    assert not list(fetcher.store.root.glob("verified/*/record.json"))
