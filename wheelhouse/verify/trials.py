"""The verification of any product: its kind of trials, on all its systems, as all its boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from wheelhouse.common import recipe
from wheelhouse.common.step import Step
from wheelhouse.package import products
from wheelhouse.package.products import Product
from wheelhouse.targets import architectures, systems
from wheelhouse.targets.systems import System
from wheelhouse.verify import (
    bench_trials,
    delegate_trials,
    examples_trials,
    models_trials,
    runtime_trials,
    session,
)

Trials = Callable[[Path, Sequence[Path], System, Sequence[str], str], Iterator[Step]]

KINDS: Mapping[str, Trials] = {
    "runtime": runtime_trials.trials_on,
    "delegate": delegate_trials.trials_on,
    "bench": bench_trials.trials_on,
    "examples": examples_trials.trials_on,
    "models": models_trials.trials_on,
}
"""By a product's ``trials``: the function that makes the trials of a wheel on one system.

Its arguments are the wheel, the wheels that it is tried beside, the system, the names of boards,
and the engine.
"""


def verification(wheel: Path, engine: str, beside: Sequence[Path] = ()) -> Step:
    """The folder with a wheel's record.

    ``beside`` are the wheels that it is tried beside, the runtime's first. Raises WheelhouseError
    if no product matches the wheel's name.
    """
    made = steps(wheel, engine, beside)
    verifier = recipe.code_digest_of(made[0].recipe)
    return session.verification(wheel, made, engine, verifier, next(iter(beside), None))


def steps(wheel: Path, engine: str, beside: Sequence[Path] = ()) -> list[Step]:
    """The trials of a wheel, in the order of its record; the files need not exist.

    Raises WheelhouseError as :func:`verification` does.
    """
    product = products.matching(wheel)
    boards = _boards(product, engine)
    return [
        trial
        for system in products.systems_for(product)
        for trial in KINDS[product.trials](wheel, beside, system, boards, engine)
    ]


def _boards(product: Product, engine: str) -> list[str]:
    """The names of a product's boards that the engine has.

    A container's programs run on the machine's own processor if they are for it, as no other.
    """
    boards = [systems.board(name, product.processor) for name in product.boards]
    native = architectures.native().name
    has_all = engine == "host"
    return [
        each.name for each in boards if has_all or each.processor != native or not each.emulated
    ]
