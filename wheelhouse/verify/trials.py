"""The verification of any product: its kind of trials, on all its systems, as all its boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from wheelhouse.common.step import Step
from wheelhouse.package import products
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System
from wheelhouse.verify import delegate_trials, runtime_trials, session

Trials = Callable[[Path, Sequence[Path], System, Sequence[str], str], Iterator[Step]]

KINDS: Mapping[str, Trials] = {
    "runtime": runtime_trials.trials_on,
    "delegate": delegate_trials.trials_on,
}
"""By a product's ``trials``: the function that makes the trials of a wheel on one system.

Its arguments are the wheel, the wheels that it is tried beside, the system, the names of boards,
and the engine.
"""


def verification(wheel: Path, engine: str, runtime: Path | None = None) -> Step:
    """The folder with a wheel's record.

    ``runtime`` is the wheel that it is tried beside, if its product needs one. Raises
    WheelhouseError if no product matches the wheel's name.
    """
    product = products.matching(wheel)
    beside = [runtime] if runtime else []
    made = [
        trial
        for name in product.systems
        for trial in KINDS[product.trials](
            wheel, beside, systems.system(name), product.boards, engine
        )
    ]
    return session.verification(wheel, made, engine, runtime)
