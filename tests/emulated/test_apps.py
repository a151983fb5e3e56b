"""`./inv build --apps` makes wheels that were tried as they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse import record
from wheelhouse.package import products
from wheelhouse.record import Demand

APPS = {product.metadata.package: product for product in products.apps()}


@pytest.mark.parametrize("package", APPS)
def test_an_app_is_verified_beside_the_universal_wheel(
    app_wheels: dict[str, Path], package: str
) -> None:
    told = record.vouch(app_wheels[package], Demand.TODAY).record
    systems = [system.name for system in products.systems_for(APPS[package])]
    tried = [(trial.system, trial.board) for trial in told.trials]
    assert tried == [(system, board) for system in systems for board in APPS[package].boards]
    assert told.runtime
    assert products.matches(Path(told.runtime.wheel), products.universal())


def test_every_app_is_built(app_wheels: dict[str, Path]) -> None:
    assert [*app_wheels] == [*APPS]
    assert {path.name.rpartition("-")[2] for path in app_wheels.values()} == {"any.whl"}
