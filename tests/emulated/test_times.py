"""The benchmark's turns of two runtimes on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wheelhouse.bench import times
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models

MODELS = [models.small_mobilenet("float32"), models.small_mobilenet("int8")]


def test_each_model_is_timed_with_each_number_of_threads(pc: Path, fetcher: Fetcher) -> None:
    official = fetcher.file(pins.shared("tflite-runtime-x86_64"))
    found = times.ratios(pc, official, MODELS, fetcher)
    assert {threads: [*ratios] for threads, ratios in found.items()} == {
        threads: [model.name for model in MODELS] for threads in times.THREADS
    }
    assert all(ratio > 0 for ratios in found.values() for ratio in ratios.values())


def test_a_runtime_that_refuses_a_model_is_told(pc: Path, fetcher: Fetcher) -> None:
    broken = replace(MODELS[0], content=b"nothing")
    with pytest.raises(WheelhouseError, match="The race failed: A contestant ended") as caught:
        times.ratios(pc, pc, [broken], fetcher)
    log = fetcher.store.root / "logs" / "race.log"
    assert str(log) in caught.value.hint
    assert "ValueError: " in log.read_text()
