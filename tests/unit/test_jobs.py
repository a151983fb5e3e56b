from __future__ import annotations

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.jobs import jobs

GB = 10**9


@pytest.mark.parametrize(
    ("processors", "free", "expected"),
    [(4, 8 * GB, 4), (8, 4 * GB, 4), (4, GB, 1), (4, 0, 1), (1, 64 * GB, 1)],
)
def test_only_as_many_compiles_run_at_once_as_memory_holds(
    processors: int, free: int, expected: int
) -> None:
    assert jobs(processors, free) == expected


def test_the_user_may_say_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELHOUSE_JOBS", "7")
    assert jobs(2, GB) == 7


@pytest.mark.parametrize("named", ["0", "-1", "many"])
def test_what_is_no_number_of_jobs_is_refused_by_name(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_JOBS", named)
    with pytest.raises(WheelhouseError, match=f"WHEELHOUSE_JOBS is {named}"):
        jobs(2, GB)
