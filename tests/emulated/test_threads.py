"""Four threads share an inference, and rest after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.bench import parallel
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems

each_release = pytest.mark.parametrize("wheel", ["wheels-cp37", "newest-cp37"], indirect=True)


@each_release
def test_each_of_four_threads_has_a_quarter_of_the_work(wheel: Path, fetcher: Fetcher) -> None:
    model, board = models.benchmark_mobilenet("int8").content, systems.board("Raspberry Pi 5")
    use = parallel.use(wheel, model, board, fetcher)
    assert min(use.work) > 1_000_000
    assert use.unevenness < 1.1


@each_release
def test_threads_rest_between_inferences(wheel: Path, fetcher: Fetcher) -> None:
    """One thread computes the softmax at the end, while the others still wait for more work."""
    model, board = models.small_mobilenet("float32").content, systems.board("Raspberry Pi 4")
    use = parallel.use(wheel, model, board, fetcher)
    assert use.idle < 30_000_000
    assert use.later < 10_000
