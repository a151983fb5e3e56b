"""Groups of tests by what they need, and shards that take about the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import msgspec

from wheelhouse import workflow
from wheelhouse.common import console, costs
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import Entry, Store
from wheelhouse.compile import cxx
from wheelhouse.package import products
from wheelhouse.package.products import Product
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import releases
from wheelhouse.targets import matrix
from wheelhouse.targets.architectures import architectures
from wheelhouse.testing import results

SUITES = ("unit", "integration", "emulated")
"""The folders of tests."""

TESTS = "tests"
"""The kind of a unit's cost."""

_UNKNOWN = 60.0
"""The seconds of a unit where none was ever measured."""

_CAUTION = 1.2
"""What is expected of a shard is more than was measured, for no figure has the time of fetching."""


@dataclass(frozen=True)
class Group:
    """Tests that use a fixture, have a marker or are in a folder of tests: ``name`` is its name.

    ``first`` groups are in the first tier. Tests of ``native`` ones are not emulated; they run
    before all others. ``products`` are the wheels that its tests need. A test of an ``apart`` one
    makes them itself, in a cache of its own, and takes long.
    """

    name: str
    title: str
    first: bool = False
    products: Callable[[], Sequence[Product]] = tuple
    native: bool = False
    apart: bool = False


def _runtimes(
    release: int, python: str, xnnpack: bool = True, processors: Sequence[str] = ()
) -> list[Product]:
    tflite = releases.known_versions()[release]
    return [RuntimeWheel(target, tflite, xnnpack) for target in matrix.choose(python, processors)]


def _universal_of_both(processor: str) -> list[Product]:
    return [each for release in (0, -1) for each in _runtimes(release, "3.7", True, [processor])]


GROUPS = (
    Group("whole_release", "a whole release, job by job", products=workflow.published, apart=True),
    Group(
        "pc",
        "the wheel for PCs, natively",
        products=lambda: _universal_of_both("x86_64"),
        native=True,
    ),
    Group(
        "arm32",
        "the wheel for 32-bit Arm",
        products=lambda: _universal_of_both("armv7l"),
    ),
    Group(
        "musl",
        "the wheel for Alpine Linux",
        products=lambda: _runtimes(0, "3.7", processors=("aarch64-musl",)),
    ),
    Group("engine", "the Docker engine", products=lambda: _runtimes(0, "all")),
    Group("other_machines", "caches and compilers of other machines"),
    Group("tensorflow_js", "converted models beside TensorFlow.js"),
    Group("armnn_wheel", "the Arm NN delegate", products=lambda: [products.armnn()]),
    Group("app_wheels", "the apps", products=lambda: [products.universal(), *products.apps()]),
    Group("newest", "the newest TFLite", products=lambda: _runtimes(-1, "3.7,3.11")),
    Group("plain_wheel", "without XNNPACK", products=lambda: _runtimes(0, "3.11", xnnpack=False)),
    Group("wheels", "a wheel for each CPython", products=lambda: _runtimes(0, "all")),
    Group("universal", "the universal wheel", True, lambda: [products.universal()]),
    Group("emulated", "emulated systems", True),
    Group("integration", "integration", True),
    Group("unit", "unit", True),
)
"""A test belongs to the first one that it uses."""

ENGINE = "engine"
"""The group whose tests run in one process."""

ANYWHERE = frozenset({ENGINE, "other_machines", "tensorflow_js"})
"""The groups, besides those of folders, whose tests may be where nothing is emulated."""


class Case(msgspec.Struct, frozen=True):
    """A test by its pytest id, and the names of groups that it uses."""

    id: str
    uses: tuple[str, ...]

    @property
    def suite(self) -> str:
        """The folder of tests that it is in, as in ``unit``."""
        return self.id.split("/")[1]

    @property
    def group(self) -> Group:
        """The group that it belongs to."""
        return next(each for each in GROUPS if each.name in (*self.uses, self.suite))

    @property
    def unit(self) -> str:
        """The label of the unit that it is in.

        A group's tests of one file are one, those of the engine as well; each test of a group whose
        tests are apart is.
        """
        name = self.group.name
        if name == ENGINE:
            return name
        parameters = f"-{self.id.partition('[')[2].rstrip(']')}" if self.group.apart else ""
        return f"{results.label(results.file_of(self.id))}-{name}{parameters}"


def seconds(cases: Iterable[Case], store: Store) -> dict[str, float]:
    """What each unit is expected to take, its wheels being there; the mean for an unknown one."""
    labels = {case.unit: None for case in cases}
    known = {label: costs.expected(store, TESTS, label) for label in labels}
    measured = [each for each in known.values() if each]
    usual = mean(measured) if measured else _UNKNOWN
    return {label: each or usual for label, each in known.items()}


def split(units: Mapping[str, float], count: int) -> dict[str, int]:
    """The number of the shard, from 1, of each unit; ``units`` has their seconds."""
    loads = [0.0] * count
    found = {}
    for label in sorted(units, key=lambda each: (-units[each], each)):
        shard = loads.index(min(loads))
        loads[shard] += units[label]
        found[label] = shard + 1
    return found


def agreed(units: Mapping[str, float], count: int, key: str, store: Store) -> dict[str, int]:
    """The :func:`split` that was first asked for with this ``key``, though times changed since.

    So shards that run one after another have each test once.
    """
    entry = Entry(results.KIND, f"split-{count}", key)
    made = split(units, count)
    try:
        folder = store.cached(entry) or store.get_or_make(entry, partial(_write, made))
        known = msgspec.json.decode((folder / "split.json").read_bytes(), type=dict[str, int])
    except (OSError, WheelhouseError) as error:
        told = error.what if isinstance(error, WheelhouseError) else error
        console.warn(f"The next shard may be split otherwise, for this is not remembered: {told}")
        return made
    return {label: known.get(label, 1) for label in units}


def _write(made: Mapping[str, int], folder: Path) -> None:
    (folder / "split.json").write_bytes(msgspec.json.encode(made))


def minutes(cases: Sequence[Case], known: Mapping[str, float], store: Store, workers: int) -> float:
    """What tests are expected to take, so many at once, with the making of their wheels.

    ``known`` has the seconds of their units.
    """
    units = [known[label] for label in {case.unit: None for case in cases}]
    running = max(sum(units) / workers, *units)
    return _CAUTION * slowness(store) * (running + _making(cases, store) / workers) / 60


def slowness(store: Store) -> float:
    """How many times as long as in the table of costs this machine compiles; at least 1.

    It is that of zig's C++ libraries, which come from no compiler cache; 1 if it made none.
    """
    steps = [cxx.libraries(each.name, each.floor) for each in architectures()]
    return max(
        1.0,
        *(
            costs.expected(store, each.kind, each.label) / costs.tabled(each.kind, each.label)
            for each in steps
        ),
    )


def _making(cases: Iterable[Case], store: Store) -> float:
    """The CPU seconds of all that the tests need and the store lacks."""
    used = {name for case in cases for name in case.uses}
    groups = [group for group in GROUPS if group.name in used and not group.apart]
    wanted = [each for group in groups for each in group.products()]
    steps = workflow.Request(wanted, store).plan().steps
    there = {node.key for node in steps if node.cached}
    # What tries a wheel has no key: it is made where the wheel is.
    return sum(
        node.cpu_seconds
        for node in steps
        if not node.cached and not (node.kind == workflow.VERIFIED and node.needs[0] in there)
    )
