"""The plan of a request: a graph, jobs that cover it, and what both cost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.support import REPO
from wheelhouse import workflow
from wheelhouse.common import costs
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import Step, plan
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import releases
from wheelhouse.targets import architectures, matrix
from wheelhouse.workflow import Plan, Request


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    """All steps of a release, each after what it needs."""
    return plan(*(product.step for product in workflow.published()))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of a release in an empty cache, as other programs read it."""
    made = Request(workflow.published(), Store(tmp_path_factory.mktemp("cache"))).plan()
    return msgspec.json.decode(workflow.as_json(made), type=Plan)


def test_each_step_follows_what_it_needs_and_costs_something(
    release: Plan, steps: list[Step]
) -> None:
    seen: set[str] = set()
    for node in release.steps:
        assert {*node.needs} <= seen, node.label
        assert node.cpu_seconds > 0 or node.kind == "toolchains", node.label
        assert not node.cached
        if node.key:
            seen.add(node.key)
            assert node.place == f"{node.kind}/{node.label}-{node.key[:16]}"
    assert {step.key for step in steps} <= seen


def test_each_wheel_of_a_release_is_tried_and_those_that_need_it_beside_the_universal_one(
    release: Plan,
) -> None:
    labels = [product.label for product in workflow.published()]
    trials = {node.label: node for node in release.steps if node.kind == workflow.VERIFIED}
    assert [*trials] == labels == [job.name for job in release.jobs.wheels]
    keys = {node.label: node.key for node in release.steps if node.kind == "wheels"}
    assert all(keys[label] in trials[label].needs for label in labels)
    assert keys[labels[0]] in trials[products.armnn().label].needs
    beside = {job.name: job.beside for job in release.jobs.wheels if job.beside}
    assert beside == {product.label: labels[0] for product in (products.armnn(), *products.apps())}


def test_a_release_has_every_target_of_every_tflite_the_delegate_and_the_apps() -> None:
    runtimes = [each for each in workflow.published() if isinstance(each, RuntimeWheel)]
    assert {(each.tflite, each.target) for each in runtimes} == {
        (tflite, target) for tflite in releases.known_versions() for target in matrix.targets()
    }
    assert all(each.xnnpack for each in runtimes)
    more = [product.label for product in workflow.published()[len(runtimes) :]]
    assert more == [each.label for each in (products.armnn(), *products.apps())]


def test_every_core_is_compiled_by_one_job_and_each_wheel_takes_its_own(
    release: Plan, steps: list[Step]
) -> None:
    parts = {part.name: part for part in release.jobs.parts}
    keys = [key for part in parts.values() for key in part.steps.split(",")]
    assert sorted(keys) == sorted(step.key for step in steps if step.resume)
    by_key = {step.key: step for step in steps}
    for job in release.jobs.wheels:
        needed = [step.key for step in plan(by_key[job.steps]) if step.resume]
        if not needed:
            assert (job.part, job.folder) == ("", "")
            continue
        part = parts[job.part]
        assert part.steps.split(",") == needed
        assert {by_key[key].kind for key in needed} == {part.folder} == {job.folder}


def test_each_processor_has_cores_and_wheels_of_its_own_in_a_release(release: Plan) -> None:
    known = architectures.chosen("all")

    def processor(name: str) -> str:
        return next(each for each in known if name.endswith(f"-{each}"))

    cores = [part for part in release.jobs.parts if part.folder == "cores"]
    assert {processor(part.name) for part in cores} == {*known}
    for job in release.jobs.wheels:
        if job.part:
            assert processor(job.part) == processor(job.name)
        else:
            assert job.name in {product.label for product in products.apps()}


def test_a_release_costs_little_more_in_jobs_than_on_one_machine(release: Plan) -> None:
    sums = release.cpu_seconds
    assert sums.missing == sums.all < sums.jobs < 1.25 * sums.all
    assert sums.jobs < 0.5 * sums.alone


def test_the_documented_costs_of_a_release_are_those_of_its_plan(
    release: Plan, tmp_path: Path
) -> None:
    text = (REPO / "docs/howto/several-machines.md").read_text()
    runtimes = [each for each in workflow.published() if isinstance(each, RuntimeWheel)]
    for name, made in {
        "all wheels, tried": release,
        "the runtime's wheels, tried": Request(runtimes, Store(tmp_path)).plan(),
    }.items():
        jobs, alone = made.cpu_seconds.jobs, made.cpu_seconds.alone
        row = f"| {name} | {jobs / 60:.0f} | {alone / 60:.0f} | {jobs / alone:.2f} |\n"
        assert row in text


def test_what_is_in_the_cache_is_not_missing_and_a_wheel_there_has_a_name(tmp_path: Path) -> None:
    store, product = Store(tmp_path), workflow.published()[0]
    folder = store.path(product.step.entry)
    folder.mkdir(parents=True)
    (folder / "some.whl").touch()
    made = Request([product], store).plan()
    (node,) = [node for node in made.steps if node.cached]
    assert (node.key, node.file) == (product.step.key, "some.whl")
    difference = made.cpu_seconds.all - made.cpu_seconds.missing
    assert difference == pytest.approx(node.cpu_seconds, abs=0.1)


def test_what_was_measured_here_counts_before_the_table(tmp_path: Path) -> None:
    store, product = Store(tmp_path), workflow.published()[0]
    note = store.root / "costs" / "wheels" / f"{product.label}.json"
    note.parent.mkdir(parents=True)
    note.write_bytes(msgspec.json.encode(costs.Cost(1234, 1)))
    nodes = Request([product], store).plan().steps
    assert [node.label for node in nodes if node.cpu_seconds == 1234] == [product.label]


def test_steps_are_found_by_label_and_by_the_first_digits_of_a_key(steps: list[Step]) -> None:
    core = next(step for step in steps if step.kind == "cores")
    tree = steps[0]
    assert workflow.find(f"{core.label}, {tree.key[:8]}", steps) == [core, tree]


@pytest.mark.parametrize("word", ["tflite-2.14.1-aarch", "0123456789abcdef", "2e9"])
def test_an_unknown_step_is_answered_with_the_nearest(word: str, steps: list[Step]) -> None:
    with pytest.raises(WheelhouseError, match=r"There is no step .*; did you mean ") as failure:
        workflow.find(word, steps)
    assert failure.value.kind is Kind.USAGE
