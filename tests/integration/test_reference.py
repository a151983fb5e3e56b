from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from tests.support import REPO
from wheelhouse.specimens import models
from wheelhouse.specimens.networks import Kind, network_input, pictures
from wheelhouse.verify import reference

ZERO_POINT = {"int8": -128, "uint8": 0}


def probabilities(kind: Kind, count: int) -> NDArray[Any]:
    content = models.small_mobilenet(kind).content
    rows = [
        reference.outputs(content, {"0": network_input(kind, picture)})[0]
        for picture in pictures(count, 96, seed=11)
    ]
    answers = np.concatenate(rows)
    if kind == "float32":
        return answers
    return (answers.astype(np.float64) - ZERO_POINT[kind]) / 256


@pytest.fixture(scope="module")
def exact() -> NDArray[Any]:
    return probabilities("float32", 8)


def test_the_answer_depends_on_the_picture(exact: NDArray[Any]) -> None:
    assert exact.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert len(set(exact.argmax(axis=1))) >= 6
    assert (exact.max(axis=1) > 0.03).all()


@pytest.mark.parametrize(("kind", "least"), [("int8", 0.9), ("uint8", 0.75)])
def test_a_quantised_twin_agrees_with_fp32(exact: NDArray[Any], kind: Kind, least: float) -> None:
    twin = probabilities(kind, 8)
    agreements = [np.corrcoef(a, b)[0, 1] for a, b in zip(exact, twin, strict=True)]
    assert min(agreements) > least
    strangers = [np.corrcoef(a, b)[0, 1] for a, b in zip(exact, np.roll(twin, 1, 0), strict=True)]
    assert max(strangers) < least


def test_the_benchmark_model_answers_about_the_picture() -> None:
    content = models.benchmark_mobilenet("int8").content
    answers = [
        reference.outputs(content, {"input": network_input("int8", picture)})[0]
        for picture in pictures(4, 224, seed=11)
    ]
    assert len({int(answer.argmax()) for answer in answers}) >= 3
    assert all(answer.max() > -128 + 8 for answer in answers)


def test_named_inputs_and_an_input_of_another_shape() -> None:
    made = {model.name: model for model in models.generated()}
    arithmetic = made["arithmetic"]
    total, product = reference.outputs(arithmetic.content, arithmetic.inputs)
    left, right = arithmetic.inputs["left"], arithmetic.inputs["right"]
    np.testing.assert_array_equal(total, left + right)
    np.testing.assert_array_equal(product, left * right)
    resizable = made["resizable"]
    (answer,) = reference.outputs(resizable.content, resizable.inputs)
    assert answer.shape == (1, 24, 40, 2)
    assert answer.std() > 0.1


@pytest.mark.parametrize("kind", ["int8", "uint8", "dynamic"])
def test_the_tolerance_tells_xnnpack_from_built_in_kernels(kind: Kind) -> None:
    model = next(model for model in models.generated() if model.arithmetic == kind)
    xnnpack = reference.outputs(model.content, model.inputs)
    built_in = reference.outputs(model.content, model.inputs, delegated=False)
    assert reference.compare(kind, xnnpack, xnnpack).near
    assert not reference.compare(kind, xnnpack, built_in).near


@pytest.mark.parametrize(
    ("arithmetic", "right", "given", "reason"),
    [
        ("float32", [1.0, 100.0], [1.0, 100.001], ""),
        ("float32", [1.0, 100.0], [1.01, 100.0], "off by 0.01"),
        ("float32", [1.0, 100.0], [1.0, np.nan], "not finite"),
        ("float32", [1.0, 100.0], [1.0], "not"),
        ("int8", np.array([-128, 5], np.int8), np.array([-127, 5], np.int8), ""),
        ("int8", np.array([-128, 5], np.int8), np.array([127, 5], np.int8), "off by 255"),
        ("int8", np.array([-128, 5], np.int8), np.array([128, 5], np.uint8), "uint8"),
        ("uint8", np.array([0, 5], np.uint8), np.array([255, 5], np.uint8), "off by 255"),
    ],
)
def test_compare(arithmetic: str, right: ArrayLike, given: ArrayLike, reason: str) -> None:
    found = reference.compare(arithmetic, [np.array(right)], [np.array(given)])
    assert found.near == (not reason)
    assert reason in found.reason


def test_the_worst_output_decides() -> None:
    right = [np.array([1e6], np.float32), np.array([1], np.float32)]
    found = reference.compare(
        "float32", right, [np.array([1e6 + 1], np.float32), np.array([1.01], np.float32)]
    )
    assert "output 1" in found.reason
    assert found.worst == pytest.approx(0.01, rel=1e-4)


ALONE = """
from wheelhouse.specimens import models
from wheelhouse.verify import reference
model = models.small_mobilenet("float32")
reference.outputs(model.content, model.inputs)
"""


def test_the_runtime_logs_nothing() -> None:
    """In a process of its own: some lines are said once in each."""
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
