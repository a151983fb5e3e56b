"""What :mod:`wheelhouse.testing` does inside of pytest: list the tests, and run chosen ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wheelhouse.testing.results import Writer
from wheelhouse.testing.shards import ANYWHERE, GROUPS, Case
from wheelhouse.testing.tiers import Orders, Outcome

NAMES = {group.name for group in GROUPS}
_BUILT = "built"
_RUNNING: list[pytest.Item] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tiers")
    group.addoption("--list-to", type=Path, help="write the tests and what they use to this file")
    group.addoption("--orders", type=Path, help="run only the tests that this file names")


def _orders(config: pytest.Config) -> Orders | None:
    path = config.getoption("--orders")
    return msgspec.json.decode(path.read_bytes(), type=Orders) if path else None


def pytest_configure(config: pytest.Config) -> None:
    orders = _orders(config)
    if orders and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Outcomes(orders))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if path := config.getoption("--list-to"):
        path.write_bytes(msgspec.json.encode([Case(item.nodeid, _uses(item)) for item in items]))
    orders = _orders(config)
    if orders and orders.tests:
        places = {test: place for place, test in enumerate(orders.tests)}
        left = [item for item in items if item.nodeid not in places]
        config.hook.pytest_deselected(items=left)
        chosen = (item for item in items if item.nodeid in places)
        items[:] = sorted(chosen, key=lambda item: places[item.nodeid])


def _uses(item: pytest.Item) -> tuple[str, ...]:
    """The groups whose fixtures or markers a test has, or whose wheels its parameters name.

    Where nothing is emulated there are no wheels: fixtures of those names are others.
    """
    callspec = getattr(item, "callspec", None)
    values = _words(callspec.params.values()) if callspec else ()
    words = {word.partition("-")[0] for word in values}
    words |= {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
    return tuple(sorted(words & (NAMES if "emulated" in item.path.parts else ANYWHERE)))


def _words(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from _words(value)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _RUNNING[:] = [item]
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    begun = time.monotonic()
    try:
        return (yield)
    finally:
        if fixturedef.argname in NAMES and _RUNNING:
            _RUNNING[0].user_properties.append((_BUILT, time.monotonic() - begun))


class _Outcomes:
    """Writes how each test ended, as soon as it is known."""

    def __init__(self, orders: Orders) -> None:
        self._file = Path(orders.outcomes)
        self._writer = Writer(orders.folders)
        self._seconds: Counter[str] = Counter()
        self._ends: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid
        self._seconds[test] += report.duration  # type: ignore[assignment]
        if report.failed:
            self._ends[test] = ("failed", "")
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._ends[test] = ("skipped", reason.removeprefix("Skipped: "))
        if report.when not in ("setup", "call"):  # after a crash there is no teardown
            self._finish(report)

    def _finish(self, report: pytest.TestReport) -> None:
        test, unwritten = report.nodeid, ""
        end, reason = self._ends.get(test, ("passed", ""))
        seconds = self._seconds[test]
        own = seconds - sum(float(str(t)) for name, t in report.user_properties if name == _BUILT)
        if end == "passed":
            try:
                self._writer.add(test, round(own, 3))
            except OSError as error:
                unwritten = f"{error.filename}: {error.strerror}"
        outcome = Outcome(test, end, round(seconds, 3), round(own, 3), reason, unwritten)
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(outcome) + b"\n")
