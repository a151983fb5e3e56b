"""What a few models execute on emulated boards is what it was when it was written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.bench import baseline
from wheelhouse.sources import releases
from wheelhouse.sources.fetch import Fetcher

RELEASES = {"wheels-cp37": releases.all_releases()[0], "newest-cp37": releases.all_releases()[-1]}


@pytest.mark.parametrize("wheel", RELEASES, indirect=True)
def test_no_phase_of_a_model_executes_more_than_it_did(
    request: pytest.FixtureRequest, wheel: Path, fetcher: Fetcher
) -> None:
    known = baseline.read()[RELEASES[request.node.callspec.params["wheel"]].version]
    found = baseline.measure(wheel, fetcher)
    assert {board: {*models} for board, models in found.items()} == {
        board: {*models} for board, models in known.items()
    }
    assert [*baseline.growths(known, found)] == []
