"""A wheel that passes its trials gets a record; one that does not gets an error and a log."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.support.wheels import wheel
from wheelhouse import record
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs, Recipe, Step
from wheelhouse.common.store import Store, file_digest
from wheelhouse.record import Check, Trial
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.verify import session

RUNS: list[str] = []


def trial(passed: bool) -> Trial:
    checks = (Check("import", True, "None"), Check("4 threads work", passed, "[0, 0] started"))
    return Trial("Raspberry Pi OS 12", "Raspberry Pi 4", "1.24.2 (own)", checks)


def passes(inputs: Inputs, folder: Path) -> None:
    RUNS.append(inputs.parameters["board"])
    session.write_trial(folder, trial(True))


def fails(inputs: Inputs, folder: Path) -> None:
    RUNS.append(inputs.parameters["board"])
    session.write_trial(folder, trial(False))


def installs(inputs: Inputs, folder: Path) -> None:
    RUNS.append("installed")
    (folder / "env").mkdir()


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    RUNS.clear()
    return Fetcher(Store(tmp_path / "cache"))


def trials(*recipes: Recipe, engine: str = "docker") -> list[Step]:
    env = Step(session.INSTALLED, "env", installs)
    system = systems.system("bookworm")
    boards = ("Raspberry Pi 4", "Raspberry Pi 5", "Raspberry Pi 3")
    return [
        session.trial(recipe, system, board, engine, "thing", {"env": env}, {})
        for recipe, board in zip(recipes, boards, strict=False)
    ]


def test_trials_become_a_record(tmp_path: Path, fetcher: Fetcher) -> None:
    path, runtime = wheel(tmp_path, project="tflite_armnn_delegate"), wheel(tmp_path)
    step = session.verification(path, trials(passes, passes), "docker", "", runtime)
    found = record.read(session.verified(step, fetcher).read_bytes())
    assert (found.wheel, found.sha256) == (path.name, file_digest(path))
    assert (found.engine, found.trials) == ("docker", (trial(True),) * 2)
    assert found.runtime == record.Companion(runtime.name, file_digest(runtime))
    assert found.date.tzinfo is not None
    assert RUNS[0] == "installed"
    assert sorted(RUNS[1:]) == ["Raspberry Pi 4", "Raspberry Pi 5"]
    session.verified(step, fetcher)
    assert len(RUNS) == 3


def test_other_bytes_another_runtime_or_engine_are_tried_again(tmp_path: Path) -> None:
    path, runtime = wheel(tmp_path, project="tflite_armnn_delegate"), wheel(tmp_path)

    def key(engine: str = "docker") -> str:
        return session.verification(path, trials(passes, engine=engine), engine, "", runtime).key

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
    step = session.verification(path, trials(passes, fails), "docker", "")
    with pytest.raises(WheelhouseError) as caught:
        session.verified(step, fetcher)
    what = "4 threads work: [0, 0] started (Raspberry Pi OS 12, Raspberry Pi 4, NumPy 1.24.2 (own))"
    assert caught.value.what == f"{path.name} failed verification:\n  {what}"
    kept = Path(str(caught.value.hint).removeprefix("All checks are in ").rstrip("."))
    assert record.read(kept.read_bytes()).trials == (trial(True), trial(False))
    assert not list(fetcher.store.root.glob("verified/*/record.json"))


def test_a_trial_that_passed_is_not_repeated_after_one_that_failed(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    step = session.verification(wheel(tmp_path), trials(passes, fails), "docker", "")
    for _ in range(2):
        with pytest.raises(WheelhouseError):
            session.verified(step, fetcher)
    assert [*map(RUNS.count, ("installed", "Raspberry Pi 4", "Raspberry Pi 5"))] == [1, 1, 2]


def test_any_other_failure_ends_it_and_keeps_what_was_tried(
    tmp_path: Path, fetcher: Fetcher
) -> None:
    step = session.verification(wheel(tmp_path), trials(passes, breaks), "docker", "")
    with pytest.raises(WheelhouseError, match="The disk"):
        session.verified(step, fetcher)
    assert len(list(fetcher.store.root.glob("trials/*/trial.json"))) == 1


def breaks(inputs: Inputs, folder: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
