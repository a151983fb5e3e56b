"""Run the tests, of the first tier or all, and tell what was tried and what was not."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from wheelhouse.common import console, costs, process
from wheelhouse.common.costs import Cost
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Store
from wheelhouse.testing import results, shards
from wheelhouse.testing.results import Results, file_of
from wheelhouse.testing.shards import GROUPS, SUITES, Case

_PYTEST = (*process.PYTHON, "pytest")
_SHARD = re.compile(r"(\d+)/([1-9]\d*)")


class Orders(msgspec.Struct, frozen=True):
    """What a run of pytest is told: where the results of each file go, and where outcomes.

    ``tests`` are those to run, all of the files if there is none.
    """

    tests: tuple[str, ...]
    folders: dict[str, str]
    outcomes: str


class Outcome(msgspec.Struct, frozen=True):
    """How a test ended: passed, failed or skipped, and the reason for that.

    ``seconds`` are all that it took, ``own`` those without the making of wheels. ``unwritten`` says
    why it is not remembered that the test passed.
    """

    test: str
    end: str
    seconds: float
    own: float
    reason: str = ""
    unwritten: str = ""


@dataclass(frozen=True)
class Wanted:
    """What is asked for: ``suites`` are folders of tests.

    ``shard`` is a number and how many there are. With ``minutes`` it is the first of those that run
    one after another, as long as they are expected to end within so many.
    """

    suites: Sequence[str] = SUITES
    everything: bool = False
    shard: tuple[int, int] | None = None
    minutes: float | None = None

    @classmethod
    def from_words(
        cls, suites: Sequence[str], everything: bool, shard: str, minutes: str
    ) -> Wanted:
        """What the options of the command line ask for; raises WheelhouseError for wrong ones."""
        if (shard or minutes) and not everything:
            raise WheelhouseError(
                "--shard and --minutes choose among all tests.", "Add --all.", Kind.USAGE
            )
        if minutes and not shard:
            raise WheelhouseError(
                "--minutes needs shards.", "Add the first one, as in --shard 1/6.", Kind.USAGE
            )
        limit = _number(minutes) if minutes else None
        return cls(suites, everything, _shard(shard, limit is not None) if shard else None, limit)

    def command(self, number: int = 0) -> str:
        """The command that runs this, or one of the shards."""
        words = ["./inv test", *(["--all"] if self.everything else [])]
        if self.shard and number:
            words.append(f"--shard {number}/{self.shard[1]}")
        if list(self.suites) != list(SUITES):
            words.append(f"--only {','.join(self.suites)}")
        return " ".join(words)

    @property
    def listed(self) -> Sequence[str]:
        """The suites to list the tests of: shards are split over all of them."""
        return SUITES if self.shard else self.suites

    @property
    def whole(self) -> bool:
        """Whether all tests of what is asked for run, so that nobody need list them before."""
        return list(self.suites) == ["unit"] and not self.everything

    def command_for(self, case: Case) -> str:
        """The command that runs a test that this does not."""
        words = ["./inv test", *(["--all"] if self.everything or not case.group.first else [])]
        if case.suite not in self.suites:
            words.append(f"--only {case.suite}")
        return " ".join(words)

    def unlisted(self) -> Iterator[tuple[tuple[str, str], str]]:
        """The title and the command of each suite whose tests are not listed, and ``all``."""
        for suite in SUITES:
            if suite not in self.listed:
                yield (suite, f"./inv test --all --only {suite}"), "all"


def _number(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    raise WheelhouseError(f"{text} is no number of minutes.", "As in --minutes 40.", Kind.USAGE)


def _shard(text: str, endless: bool) -> tuple[int, int]:
    """The number and the count; if ``endless``, the number after the last one is the first."""
    parts = _SHARD.fullmatch(text)
    number, count = (int(parts[1]), int(parts[2])) if parts else (0, 1)
    if parts and endless:
        return (number - 1) % count + 1, count
    if not 1 <= number <= count:
        raise WheelhouseError(f"There is no shard {text}.", "As in --shard 1/4.", Kind.USAGE)
    return number, count


@dataclass(frozen=True)
class _Round:
    """Tests that run at once, and the command that runs them; ``shard`` is 0 for all.

    The cases of a ``whole`` one are test files, and afterwards the tests in them.
    """

    shard: int
    command: str
    cases: list[Case]
    whole: bool = False


@dataclass
class _Session:
    """How tests ended, and what is known of them; ``rounds`` are asked for, ``foreign`` are not.

    ``known`` has the seconds of units, ``remembered`` those of tests that passed before,
    ``foreign`` the command that runs each test, and ``unlisted`` how many tests there are of which
    suite, by the command that runs it.
    """

    root: Path
    results: Results
    known: Mapping[str, float]
    remembered: Mapping[str, float]
    rounds: Sequence[_Round]
    foreign: Sequence[tuple[Case, str]]
    unlisted: Mapping[tuple[str, str], str]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    shards: list[int] = field(default_factory=list)
    status: int = 0

    def todo(self, cases: Iterable[Case]) -> list[Case]:
        """Those that must run, the ones of the longest files first."""
        left = [case for case in cases if case.id not in self.remembered]
        times: Counter[str] = Counter()
        for label, file in {(case.unit, file_of(case.id)): None for case in left}:
            times[file] += round(self.known[label])
        return sorted(left, key=lambda case: -times[file_of(case.id)])

    def run(self, chosen: _Round) -> None:
        """Run tests; the outcomes so far are there if that is interrupted."""
        self.shards.append(chosen.shard)
        try:
            if todo := self.todo(chosen.cases):
                self._pytest(todo, chosen.whole)
        finally:
            if chosen.whole:
                chosen.cases[:] = [Case(test, ()) for test in self.outcomes]
            self._note(chosen.cases)

    def _pytest(self, todo: Sequence[Case], whole: bool) -> None:
        files = [*{file_of(case.id): None for case in todo}]
        with tempfile.TemporaryDirectory() as scratch:
            orders, outcomes = Path(scratch, "orders.json"), Path(scratch, "outcomes.jsonl")
            folders = {file: str(self.results.folder(file)) for file in files}
            tests = () if whole else tuple(case.id for case in todo)
            told = Orders(tests, folders, str(outcomes))
            orders.write_bytes(msgspec.json.encode(told))
            workers = min(os.cpu_count() or 1, len(files))
            words = (
                "-n",
                str(workers if workers > 1 else 0),
                "--dist",
                "loadfile",
                "--no-loadscope-reorder",
            )
            command = (*_PYTEST, *words, "--orders", str(orders), *files)
            try:
                self.status = process.show(command, cwd=self.root) or self.status
            finally:
                for line in outcomes.read_bytes().splitlines() if outcomes.exists() else ():
                    with suppress(msgspec.DecodeError):  # the last one may be cut off
                        outcome = msgspec.json.decode(line, type=Outcome)
                        self.outcomes[outcome.test] = outcome

    def _note(self, cases: Iterable[Case]) -> None:
        """Note what the units took that ended."""
        units: dict[str, list[float | None]] = {}
        for case in cases:
            units.setdefault(case.unit, []).append(self._seconds(case.id))
        for label, times in units.items():
            known = [each for each in times if each is not None]
            if len(known) == len(times):
                cost = Cost(round(sum(known), 2), round(sum(known), 2))
                costs.note(self.results.store, shards.TESTS, label, cost)

    def _seconds(self, test: str) -> float | None:
        outcome = self.outcomes.get(test)
        return outcome.own if outcome else self.remembered.get(test)

    def lost(self) -> int:
        """How many tests should have run and did not."""
        begun = (case for each in self.rounds if each.shard in self.shards for case in each.cases)
        return sum(self._seconds(case.id) is None for case in begun)

    def show(self) -> None:
        """Print what was tried and what was not."""
        for reason in {each.unwritten for each in self.outcomes.values()} - {""}:
            console.warn(f"What passed is not remembered, so `--all` runs it again: {reason}")
        columns = ("tests of", "passed", "remembered", "failed", "skipped", "minutes")
        console.table("Tried", columns, [*self._rows()])
        asked = [(case, chosen.command) for chosen in self.rounds for case in chosen.cases]
        skipped = Counter(
            (case.group.title, outcome.reason)
            for case, _ in asked
            if (outcome := self.outcomes.get(case.id)) and outcome.end == "skipped"
        )
        _counted("Skipped", ("tests of", "because", "tests"), skipped.items())
        untried = [each for each in asked if self._seconds(each[0].id) is None]
        others = Counter((case.group.title, command) for case, command in [*untried, *self.foreign])
        titles = ("tests of", "the command that tries them", "tests")
        _counted("Not tried", titles, [*others.items(), *self.unlisted.items()])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        asked = [case for chosen in self.rounds for case in chosen.cases]
        for group in reversed(GROUPS):
            cases = [case for case in asked if case.group == group]
            ended = [self.outcomes[case.id] for case in cases if case.id in self.outcomes]
            ends = Counter(outcome.end for outcome in ended)
            remembered = sum(case.id in self.remembered for case in cases)
            if ended or remembered:
                minutes = sum(outcome.seconds for outcome in ended) / 60
                numbers = (ends["passed"], remembered, ends["failed"], ends["skipped"])
                yield (group.title, *map(str, numbers), f"{minutes:.1f}")


def _counted(
    title: str, columns: Sequence[str], rows: Iterable[tuple[tuple[str, str], object]]
) -> None:
    if found := [(*words, str(count)) for words, count in rows]:
        console.table(title, columns, found)


def run(wanted: Wanted, store: Store, root: Path = ROOT) -> None:
    """Run what is asked for of the tests of a checkout, and print what was tried.

    Raises WheelhouseError if a test fails.
    """
    begun = time.monotonic()
    session = _prepared(wanted, store, root)
    try:
        for each in session.rounds:
            if session.status and not wanted.shard:  # what runs natively failed
                break
            left = wanted.minutes and wanted.minutes - (time.monotonic() - begun) / 60
            if _fits(each, session, left):
                session.run(each)
    finally:
        session.show()
    if wanted.shard:
        numbers = ", ".join(map(str, session.shards)) or "none"
        console.result(f"Shards of {wanted.shard[1]} that ran: {numbers}")
    if session.status or session.lost():
        lost = f"; {session.lost()} tests did not run" if session.lost() else ""
        raise WheelhouseError(
            f"pytest ended with status {session.status}{lost}.",
            "Correct what it reports above and run the same command again.",
        )


def _fits(chosen: _Round, session: _Session, left: float | None) -> bool:
    """Whether tests are expected to end within ``left`` minutes."""
    todo = session.todo(chosen.cases)
    if left is None or not todo:
        return True
    workers = os.cpu_count() or 1
    needed = shards.minutes(todo, session.known, session.results.store, workers)
    console.say(
        f"Shard {chosen.shard}: {len(todo)} of {len(chosen.cases)} tests, "
        f"{needed:.0f} minutes expected, {left:.0f} left"
    )
    return needed <= left


def _prepared(wanted: Wanted, store: Store, root: Path) -> _Session:
    """What to run, one round after another, and what is known before."""
    if wanted.whole:
        held = Results(store, results.digests(root))
        files = [Case(f"{file}::", ()) for file in held.digests if file.startswith("tests/unit/")]
        return _Session(
            root,
            held,
            shards.seconds(files, store),
            {},
            [_Round(0, wanted.command(), files, whole=True)],
            [],
            dict(wanted.unlisted()),
        )
    cases = _collect(root, wanted.listed)
    held = Results(store, results.digests(root))
    known = shards.seconds(cases, store)
    chosen, foreign = [], []
    for case in cases:
        if case.suite in wanted.suites and (wanted.everything or case.group.first):
            chosen.append(case)
        else:
            foreign.append((case, wanted.command_for(case)))
    rounds = [_Round(0, wanted.command(), stage) for stage in _stages(chosen)]
    if wanted.shard:
        first, count = wanted.shard
        numbers = shards.agreed(known, count, results.split_key(held.digests), store)
        rounds = [
            _Round(n, wanted.command(n), [case for case in chosen if numbers[case.unit] == n])
            for n in (*range(first, count + 1), *range(1, first))
        ]
        if wanted.minutes is None:
            foreign += [(case, other.command) for other in rounds[1:] for case in other.cases]
            rounds = rounds[:1]
    remembered = held.passed() if wanted.everything else {}
    return _Session(root, held, known, remembered, rounds, foreign, dict(wanted.unlisted()))


def _stages(cases: Sequence[Case]) -> list[list[Case]]:
    """The tests that run natively, for these are quick, and all others."""
    native = [case for case in cases if case.group.native]
    return [*([native] if native else []), [case for case in cases if not case.group.native]]


def _collect(root: Path, suites: Sequence[str]) -> list[Case]:
    """The tests of some suites; raises WheelhouseError if a file of them cannot be imported."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch, "tests.json")
        folders = [f"tests/{suite}" for suite in suites if (root / "tests" / suite).is_dir()]
        command = [*_PYTEST, "--collect-only", "-qq", "--list-to", str(listed), *folders]
        done = process.run(command, cwd=root)
        if done.status:
            raise WheelhouseError(
                f"The tests could not be collected:\n{(done.stdout + done.stderr).strip()}",
                "Correct that and run the same command again.",
            )
        return msgspec.json.decode(listed.read_bytes(), type=list[Case])
