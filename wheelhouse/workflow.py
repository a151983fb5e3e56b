"""The steps of a request as a graph, and the jobs that make them on machines that share nothing.

Each job begins with an empty cache, but for what earlier jobs of the same run made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from wheelhouse.common import costs
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import Step, plan
from wheelhouse.common.store import Store, digest
from wheelhouse.machines import rootfs
from wheelhouse.package import products
from wheelhouse.package.products import Product
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

VERIFIED = "verified"
"""The kind of the steps that try a wheel."""

_SHORTEST = 8


class Node(msgspec.Struct, frozen=True):
    """One step of a plan.

    ``needs`` are keys. ``place`` is its folder below the cache. What tries a wheel has no key
    before there is a wheel. ``file`` is the name of a wheel that is in the cache.
    """

    key: str | None
    kind: str
    label: str
    needs: tuple[str, ...]
    cached: bool
    place: str | None
    cpu_seconds: float
    file: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A job that compiles what several wheels share, or what takes long.

    ``steps`` are keys with commas between, ``folder`` is theirs below the cache, ``key`` a digest
    of them all.
    """

    name: str
    steps: str
    folder: str
    key: str


class WheelJobs(msgspec.Struct, frozen=True):
    """The jobs of one wheel: one that makes it of a part, one that tries it, and what follows.

    ``part`` and ``folder`` are empty if nothing in it takes long. ``beside`` names the jobs of the
    runtime's wheel that it is tried with, or is empty. The job that tries it makes other wheels
    that it requires once more.
    """

    name: str
    steps: str
    package: str
    part: str
    folder: str
    beside: str


class Jobs(msgspec.Struct, frozen=True):
    """The jobs of a workflow, as its matrices."""

    parts: tuple[Part, ...]
    wheels: tuple[WheelJobs, ...]


class Sums(msgspec.Struct, frozen=True):
    """Expected CPU seconds.

    ``all`` has each step once, ``missing`` those that are not in the cache, ``jobs`` those of all
    jobs, ``alone`` those of jobs that make a wheel each, with all that it needs, and try it.
    """

    all: float
    missing: float
    jobs: float
    alone: float


class Plan(msgspec.Struct, frozen=True):
    """A request's steps, each after what it needs; its jobs; and what they cost."""

    steps: tuple[Node, ...]
    jobs: Jobs
    cpu_seconds: Sums


def published() -> list[Product]:
    """All that a release publishes."""
    wheels = (
        RuntimeWheel(target, tflite, True)
        for tflite in releases.known_versions()
        for target in matrix.targets()
    )
    return [*wheels, products.armnn(), *products.apps()]


@dataclass(frozen=True)
class _Long:
    """The steps of a part, and its job."""

    steps: list[Step]
    job: Part

    @classmethod
    def of_product(cls, product: Product) -> _Long | None:
        """What goes on when it was interrupted is what takes long; None if nothing does."""
        steps = [step for step in plan(product.step) if step.resume]
        if not steps:
            return None
        (folder,) = {step.kind for step in steps}
        label = steps[0].label if len(steps) == 1 else product.label
        keys = [step.key for step in steps]
        return cls(steps, Part(f"{folder}-{label}", ",".join(keys), folder, digest(*keys)))


@dataclass(frozen=True)
class Request:
    """The wheels that are wanted, and the cache that they are planned for."""

    wanted: Sequence[Product]
    store: Store

    @cached_property
    def products(self) -> list[Product]:
        """What is wanted, and what that is tried with."""
        with_it = (each for product in self.wanted for each in products.companions(product))
        return list({each.label: each for each in (*self.wanted, *with_it)}.values())

    @cached_property
    def parts(self) -> dict[str, _Long]:
        """By each wheel's label what it is made of that takes long; several may share it."""
        found: dict[str, _Long] = {}
        return {
            product.label: found.setdefault(part.job.steps, part)
            for product in self.products
            if (part := _Long.of_product(product))
        }

    def plan(self) -> Plan:
        """The whole of it."""
        made = [product.step for product in self.products]
        tried = [tree for product in self.products for tree in _trees(product)]
        steps = plan(*made, *tried)
        trials = [self._trial(product) for product in self.products]
        nodes = (*map(self._node, steps), *trials)
        trying = sum(node.cpu_seconds for node in trials)
        trying += sum(self._cost(_trees(product)) for product in self.products)
        parts = list({part.job.name: part for part in self.parts.values()}.values())
        jobs = trying + sum(self._cost(plan(*part.steps)) for part in parts)
        jobs += sum(self._cost(self._rest(product)) for product in self.products)
        return Plan(
            steps=nodes,
            jobs=Jobs(tuple(part.job for part in parts), tuple(map(self._jobs, self.products))),
            cpu_seconds=Sums(
                all=_rounded(node.cpu_seconds for node in nodes),
                missing=_rounded(node.cpu_seconds for node in nodes if not node.cached),
                jobs=round(jobs, 1),
                alone=_rounded([trying, *(self._cost(plan(step)) for step in made)]),
            ),
        )

    def _rest(self, product: Product) -> list[Step]:
        """What the job of a wheel makes, once its part is there."""
        part = self.parts.get(product.label)
        there = {step.key for step in part.steps} if part else set()
        found: dict[str, Step] = {}
        todo = [product.step]
        while todo:
            step = todo.pop()
            if step.key not in there | found.keys():
                found[step.key] = step
                todo += step.steps
        return list(found.values())

    def _cost(self, steps: Iterable[Step]) -> float:
        return sum(costs.expected(self.store, step.kind, step.label) for step in steps)

    def _node(self, step: Step) -> Node:
        place = self.store.path(step.entry)
        return Node(
            key=step.key,
            kind=step.kind,
            label=step.label,
            needs=tuple(need.key for need in step.steps),
            cached=place.is_dir(),
            place=str(place.relative_to(self.store.root)),
            cpu_seconds=costs.expected(self.store, step.kind, step.label),
            file=next((path.name for path in place.glob("*.whl")), None),
        )

    def _trial(self, product: Product) -> Node:
        """The step that tries a wheel; the table tells what one system takes."""
        beside = [each.step for each in products.companions(product)]
        needs = [product.step, *beside, *_trees(product)]
        return Node(
            key=None,
            kind=VERIFIED,
            label=product.label,
            needs=tuple(need.key for need in needs),
            cached=False,
            place=None,
            cpu_seconds=costs.tabled(VERIFIED, product.label) * len(product.systems),
        )

    def _jobs(self, product: Product) -> WheelJobs:
        part, beside = self.parts.get(product.label), products.companions(product)
        return WheelJobs(
            name=product.label,
            steps=product.step.key,
            package=product.metadata.package,
            part=part.job.name if part else "",
            folder=part.job.folder if part else "",
            beside=beside[0].label if beside else "",
        )


def _trees(product: Product) -> list[Step]:
    return [rootfs.system_tree(system) for system in products.systems_for(product)]


def _rounded(seconds: Iterable[float]) -> float:
    return round(sum(seconds), 1)


def as_json(made: Plan) -> str:
    """A plan in one line."""
    return msgspec.json.encode(made).decode()


def append(made: Plan, path: Path) -> None:
    """Append a plan to the file that GitHub takes the outputs of a job's step from."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"plan={as_json(made)}\n")


def find(words: str, known: Iterable[Step]) -> list[Step]:
    """The steps that ``words``, with commas between, name: by label, or by 8 or more digits of key.

    Raises WheelhouseError for a word that no step has, or several.
    """
    steps = list(known)
    return [_only(word.strip(), steps) for word in words.split(",") if word.strip()]


def _only(word: str, steps: Sequence[Step]) -> Step:
    found = [
        step
        for step in steps
        if word == step.label or (len(word) >= _SHORTEST and step.key.startswith(word))
    ]
    if len(found) == 1:
        return found[0]
    by_name: Mapping[str, Step] = {step.label: step for step in steps}
    near = difflib.get_close_matches(word, by_name, n=1, cutoff=0)
    what = f"{len(found)} steps are named {word}" if found else f"There is no step {word}"
    raise WheelhouseError(
        f"{what}; did you mean {near[0]}?" if near and not found else f"{what}.",
        "`invoke plan` lists them: give a label, or the first digits of a key.",
        Kind.USAGE,
    )
