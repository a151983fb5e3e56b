"""Interpreters beside threads and forks, and when the program ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulated import transcripts
from tests.emulated.conftest import named_wheel
from wheelhouse.sources.fetch import Fetcher

ENDS = {"fall_off": 0, "leave": 3, "fail": 1}
BEFORE_FORK = (
    "RuntimeError: This interpreter was made before fork(), and its threads are in the parent "
    "process. Make the interpreter after the fork, or with num_threads=1."
)
WHILE_FORKED = (
    "RuntimeError: Another thread was using this interpreter when the process forked. Make the "
    "interpreter after the fork."
)
HELD = "There is at least 1 reference to internal data in th"

RUNS = [
    *((name, "bookworm") for name in ("wheels-cp311", "newest-cp37", "newest-cp311")),
    *(("wheels-cp37", suite) for suite in ("bullseye", "bookworm", "trixie", "sid")),
    *(("pc", f"Debian {number} for PCs") for number in (11, 12, 13, 14)),
    *(("arm32", f"32-bit Raspberry Pi OS {number}") for number in (11, 12, 13, 14)),
]
"""All are in the second tier, for these take long; ``wheels-cp37`` is the universal wheel."""


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def report(request: pytest.FixtureRequest, fetcher: Fetcher) -> dict[str, Any]:
    name, suite = request.param
    return transcripts.record("concurrency", named_wheel(name, request), suite, fetcher)


def test_a_program_ends_as_it_would_without_the_thread(report: dict[str, Any]) -> None:
    seen = report["endings"]
    for end, status in ENDS.items():
        found = {name: ends for name, ends in seen.items() if name.startswith(end)}
        assert found
        assert found == dict.fromkeys(found, [status] * 3)


@pytest.mark.parametrize("threads", ["None", "1"])
def test_a_child_computes_what_the_parent_does(report: dict[str, Any], threads: str) -> None:
    assert set(report["forks"][threads].values()) == {True}


@pytest.mark.parametrize("threads", ["2", "4"])
def test_a_child_cannot_use_threads_of_the_parent(report: dict[str, Any], threads: str) -> None:
    seen = dict(report["forks"][threads])
    assert seen.pop("invoke") == BEFORE_FORK
    assert set(seen.values()) == {True}


def test_a_child_of_a_busy_parent_gets_an_error(report: dict[str, Any]) -> None:
    assert WHILE_FORKED in report["fork_while_invoked"]
    assert {*report["fork_while_invoked"]} <= {WHILE_FORKED, "computed"}


def test_threads_may_share_an_interpreter(report: dict[str, Any]) -> None:
    assert report["pool"] == []
    assert report["own_lock"] is True


def test_a_call_waits_for_no_more_than_the_inference_that_runs(report: dict[str, Any]) -> None:
    """But for a few in which the machine let the caller wait before it called."""
    assert report["fairness"][24] <= 2


def test_a_value_may_ask_the_interpreter_that_it_is_set_in(report: dict[str, Any]) -> None:
    assert report["reentry"] is True


def test_only_views_hold_an_interpreter(report: dict[str, Any]) -> None:
    assert report["views"] == {"methods": True, "view": HELD, "part": HELD, "none": True}
