"""What a whole record of a wheel has, as this version of the verifier makes it.

The judges themselves say which checks they make: each judges a report here that has no failure at
its end, but no result. So a check is named only once, where it is made.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from wheelhouse.common import recipe
from wheelhouse.machines.qemu import Emulated
from wheelhouse.package import products
from wheelhouse.record import Check, Expected, Place, UnverifiedError
from wheelhouse.specimens import armnn, models
from wheelhouse.specimens.models import Model
from wheelhouse.targets import systems, versions
from wheelhouse.targets.systems import System
from wheelhouse.verify import (
    bench_trials,
    delegate_trials,
    examples_trials,
    models_trials,
    runtime_trials,
    trials,
)
from wheelhouse.verify.session import ProbeResult

Checks = Callable[[Path, System, Place], Iterable[Check]]

_NOWHERE = Path("/nonexistent")
_SYSTEM = {"runtime": "", "git": "", "numpy": "", "python": "", "machine": ""}


def expected(wheel: Path, engine: str) -> Expected:
    """The trials and checks of a wheel, if it is verified with an engine.

    Raises WheelhouseError if no product matches the wheel's name, and UnverifiedError if the wheel
    does not tell which models it has.
    """
    if products.matching(wheel).compiled:
        return _of_all_builds(_first_build(wheel.name), engine)
    return _expected(wheel, engine)


def _first_build(name: str) -> str:
    """The file name of the first build of a wheel's release."""
    project, version, tags = name.split("-", 2)
    first = versions.numbered_version(versions.upstream_release(Version(version)), 0)
    _, plus, label = version.partition("+")
    return f"{project}-{first}{plus}{label}-{tags}"


@cache
def _of_all_builds(first: str, engine: str) -> Expected:
    """What is expected of all builds of a compiled wheel: judges look at its name alone."""
    return _expected(Path(first), engine)


def _expected(wheel: Path, engine: str) -> Expected:
    product = products.matching(wheel)
    beside = [Path(f"beside-{number}") for number in range(len(products.companions(product)))]
    steps = trials.steps(wheel, engine, beside)
    places = {_place(step.parameters): step.parameters["system"] for step in steps}
    make = KINDS[product.trials]
    checks = {
        place: tuple(
            check.name for check in make(wheel, systems.system(name, product.processor), place)
        )
        for place, name in places.items()
    }
    return Expected(checks, recipe.code_digest_of(steps[0].recipe))


def _place(told: Mapping[str, Any]) -> Place:
    return Place(told["system"], told["board"], told.get("numpy", "own"))


def _judged(report: Mapping[str, Any]) -> ProbeResult:
    """A probe's result with that report and no outputs."""
    return ProbeResult({"error": None, **report}, Emulated(0, "", ""), _NOWHERE)


def _runtime(wheel: Path, system: System, place: Place) -> Iterable[Check]:
    tested = [model for model in _models() if runtime_trials.runs(wheel, model)]
    first = tested[0].name
    run: dict[str, Any] = {
        "error": None,
        "delegation": {"delegates": 0},
        "views": {"written_through": False, "while_held": None},
        "signatures": {},
    }
    names = [*(model.name for model in tested), f"{first}-threads", f"{first}-bytes"]
    ways: dict[str, Any] = {"path": {}, "bytes": {}}
    report = {
        "system": _SYSTEM,
        "runs": {name: run for name in names},
        "bad": {name: ways for name in _bad_files()},
    }
    newest = Path("numpy-0-py3-none-any.whl") if place.numpy == "newest" else None
    return runtime_trials.judge(wheel, system, newest, tested, (1, 1), _judged(report))


def _delegate(wheel: Path, _: System, place: Place) -> Iterable[Check]:
    universal = Path(f"tflite_runtime-{products.universal().metadata.version}-py3-none-any.whl")
    shared = [model for model in _models() if runtime_trials.runs(universal, model)]
    tested = [*_armnn_models(), *(model for model in shared if not model.signature)]
    delegation: dict[str, Any] = {"inside": [], "outside": []}
    run: dict[str, Any] = {"error": None, "delegation": delegation, "workloads": []}
    names = [*(model.name for model in tested), "fp16", "mixed"]
    report = {
        "version": "",
        "runs": {name: run for name in names},
        "together": {},
        "refusals": {name: None for name in ("option", "backend", "library's option")},
    }
    return delegate_trials.judge(wheel, systems.board(place.board), tested, _judged(report))


def _bench(wheel: Path, system: System, _: Place) -> Iterable[Check]:
    tested = bench_trials.models_of()
    figures = ("min_ms", "p5_ms", "median_ms", "p95_ms", "max_ms", "fps", "runs")
    measured = {"times": dict.fromkeys(figures, 0), "load_ms": 0, "first_ms": 0, "peak_bytes": 0}
    results: list[dict[str, Any]] = [
        {
            "model": f"{model.name}.tflite",
            "delegate": delegate,
            "delegates": [],
            "agreement": None,
            "measured": measured,
        }
        for model in tested
        for delegate in bench_trials.DELEGATES
    ]
    told: dict[str, Any] = {
        "schema": 0,
        "finished": None,
        "runtimes": [],
        "models": [],
        "failures": [],
    }
    run: dict[str, Any] = {"error": None, "printed": "", "told": {**told, "results": results}}
    report = {
        "system": _SYSTEM,
        "runs": {
            "installed": {**run, "status": 0, "version": ""},
            "file": {**run, "status": 1, "package": f"{wheel.name}/"},
        },
    }
    # Any wheel will do as the runtime: it is only compared with what was seen.
    return bench_trials.judge(wheel, wheel, system, tested, _judged(report))


def _examples(wheel: Path, system: System, _: Place) -> Iterable[Check]:
    report = {
        "system": _SYSTEM,
        "version": "",
        "folders": {},
        "runs": {
            name: {"error": None, "status": run.status, "printed": ""}
            for name, run in examples_trials.runs().items()
        },
        "command": {"status": 0, "errors": ""},
    }
    return examples_trials.judge(wheel.name, system, _judged(report))


class _Row(msgspec.Struct):
    """A model in ``models.json``."""

    files: dict[str, str]


def _packed_models(wheel: Path, _: System, __: Place) -> Iterable[Check]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(f"{wheel.name.partition('-')[0]}/models.json")
        table = msgspec.json.decode(text, type=dict[str, _Row])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UnverifiedError(f"has no readable models.json: {error}") from error
    tested = [
        models_trials.Packed(name, precision, Model(name, "float32", b"", {}))
        for name, row in table.items()
        for precision in row.files
    ]
    run: dict[str, Any] = {"error": None, "delegates": []}
    runs = {each.entry["outputs"]: run for each in tested}
    return models_trials.judge(tested, _judged({"names": [], "files": {}, "runs": runs}))


@cache
def _models() -> Sequence[Model]:
    """The models of runtimes as judges need them: published ones without their content."""
    table = models.catalogue().models
    published = (
        Model(name, "float32", b"", {}, since=entry.since) for name, entry in table.items()
    )
    return (*models.generated(), *published)


@cache
def _bad_files() -> Sequence[str]:
    return (*models.bad_files(),)


@cache
def _armnn_models() -> Sequence[Model]:
    return armnn.generated()


KINDS: Mapping[str, Checks] = {
    "runtime": _runtime,
    "delegate": _delegate,
    "bench": _bench,
    "examples": _examples,
    "models": _packed_models,
}
"""By a product's ``trials``: the checks of a wheel on one system and board, with one NumPy."""
