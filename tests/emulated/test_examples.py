"""The pipelines of the examples on one emulated system and board; `./inv verify` tries all."""

from __future__ import annotations

from pathlib import Path

from wheelhouse import record
from wheelhouse.common.step import get_or_make
from wheelhouse.package import app_wheel, products
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems
from wheelhouse.verify import examples_trials, session


def test_the_answers_are_right_on_a_pi(universal: Path, fetcher: Fetcher) -> None:
    (product,) = (each for each in app_wheel.apps() if each.package == "tflite_examples")
    wheel, *models = (
        products.build(each, fetcher) for each in (product, *products.companions(product)[1:])
    )
    (trial,) = examples_trials.trials_on(
        wheel,
        [universal, *models],
        systems.system("bookworm"),
        ["Raspberry Pi 4"],
        "host",
    )
    told = record.read_trial((get_or_make(trial, fetcher) / session.TRIAL).read_bytes())
    assert not told.failed
    answers = {check.name for check in told.checks if check.name.endswith(": the answer")}
    assert answers == {f"{name}: the answer" for name in examples_trials.runs()}
