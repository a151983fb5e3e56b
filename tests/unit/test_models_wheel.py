"""The wheels with the examples' models: their table, their file format, their few functions."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from packaging.metadata import Metadata
from packaging.version import Version
from PIL import Image

from tests.support import REPO
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.package import models_wheel, wheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.specimens import pipelines

TABLE = {
    "late": {"files": {"int8": "late.tflite"}, "about": "words"},
    "early": {"files": {"fp32": "early.tflite", "int8": "early-int8.tflite"}, "about": "faces"},
}


@pytest.fixture
def package(tmp_path: Path) -> Any:
    """The package with another table."""
    path = tmp_path / "__init__.py"
    path.write_bytes((REPO / "apps" / "tflite_examples_models" / "__init__.py").read_bytes())
    (tmp_path / "models.json").write_text(json.dumps(TABLE))
    spec = importlib.util.spec_from_file_location("models_of_a_test", path)
    assert spec
    assert spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_model_has_a_path_and_what_is_known_of_it(package: Any, tmp_path: Path) -> None:
    assert package.names() == ["early", "late"]
    assert package.path("early") == str(tmp_path / "early.tflite")
    assert package.path("early", "int8") == str(tmp_path / "early-int8.tflite")
    assert package.path("late") == str(tmp_path / "late.tflite")
    assert package.about("late")["about"] == "words"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("lat",), "there is no model 'lat'; there are late, early"),
        (("late", "fp32"), "late is there in int8, not in fp32"),
        (("early", "fp16"), "early is there in fp32 and int8, not in fp16"),
    ],
)
def test_an_unknown_model_or_precision_is_told_with_the_known_ones(
    package: Any, words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        package.path(*words)


METADATA = CoreMetadata("some_data", Version("1.0"), "Some data", "Text.\n", ">=3.7")


def packed(folder: Path) -> Path:
    folder.mkdir()
    licences = {"one/LICENSE": b"free", "two/COPYING": b"free too"}
    files = {"__init__.py": b"", "data.bin": bytes(1000)}
    return wheel.pack_pure(METADATA, ["MIT", "Apache-2.0"], licences, files, "{}", folder)


def test_a_wheel_of_data_is_the_same_bytes_again_and_as_the_standards_say(tmp_path: Path) -> None:
    path = packed(tmp_path / "a")
    assert path.name == "some_data-1.0-py3-none-any.whl"
    assert path.read_bytes() == packed(tmp_path / "b").read_bytes()
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    info = "some_data-1.0.dist-info"
    found = Metadata.from_email(content[f"{info}/METADATA"])
    assert str(found.license_expression) == "Apache-2.0 AND MIT"
    assert found.license_files == ["one/LICENSE", "two/COPYING"]
    assert content[f"{info}/licenses/two/COPYING"] == b"free too"
    assert b"Root-Is-Purelib: true\nTag: py3-none-any\n" in content[f"{info}/WHEEL"]
    rows = list(csv.reader(io.StringIO(content.pop(f"{info}/RECORD").decode())))
    assert {name for name, *_ in rows} == {*content, f"{info}/RECORD"}
    for name, digest, size in rows[:-1]:
        expected = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest())
        assert digest == f"sha256={expected.decode().rstrip('=')}"
        assert int(size) == len(content[name])


@pytest.fixture
def broken_table(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write pipelines.toml with one text replaced by another."""

    def write(old: str, new: str) -> Path:
        text = pipelines.TABLE.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "pipelines.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('original = "antispoof"\n', "", "original"),
        ('calibration = "faces"', 'calibration = "people"', "calibration"),
        ("size = [128, 128, 3]", "size = 128", "size"),
        ("range = [0.0, 1.0]", "range = [0.0]", "range"),
        ('node = "Identity"', 'nodes = "Identity"', "nodes"),
        ('precision = "int8"', 'precision = "int4"', "precision"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_key(
    broken_table: Callable[[str, str], Path], old: str, new: str, key: str
) -> None:
    with pytest.raises(WheelhouseError, match=rf"pipelines\.toml is not valid: .*{key}"):
        pipelines.pipelines(broken_table(old, new))


def test_every_model_of_the_table_is_in_a_wheel_or_says_that_it_is_in_none() -> None:
    table = pipelines.pipelines()
    packages = {product.package for product in models_wheel.wheels()}
    assert {model.wheel for model in (*table.converted.values(), *table.copied.values())} == {
        "",
        *packages,
    }


def test_a_picture_is_scaled_and_has_the_models_range() -> None:
    picture = Image.new("RGB", (40, 30), (255, 0, 0))
    colour = pipelines.prepare(picture, (8, 4, 3), (-1.0, 1.0))
    assert colour.shape == (1, 8, 4, 3)
    np.testing.assert_array_equal(colour[0, 0, 0], [1, -1, -1])
    grey = pipelines.prepare(picture, (2, 2, 1), (0.0, 255.0))
    np.testing.assert_allclose(grey, np.full((1, 2, 2, 1), 0.2989 * 255), rtol=1e-6)
