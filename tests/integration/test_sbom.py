"""The list of components is in the wheel, and tools that read wheels accept it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from wheelhouse import workflow
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher

NAME = "tflite_bench-1.0.dist-info/sboms/tflite_bench.cdx.json"

PRODUCTS = {product.label: product for product in workflow.published()}
SCHEMA = JsonStrictValidator(SchemaVersion.V1_6)


@pytest.mark.parametrize("label", PRODUCTS)
def test_it_is_valid_by_the_standards_own_schema(label: str) -> None:
    assert SCHEMA.validate_str(PRODUCTS[label].step.parameters["sbom"]) is None


def test_the_schema_sees_a_defect() -> None:
    text = products.universal().step.parameters["sbom"]
    assert SCHEMA.validate_str(text.replace('"SHA-256"', '"SHA-255"', 1)) is not None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    (bench, *_) = products.apps()
    return products.build(bench, Fetcher(Store(folder), offline=True))


def test_it_is_in_the_wheel_and_in_its_record(built: Path) -> None:
    (bench, *_) = products.apps()
    with zipfile.ZipFile(built) as archive:
        assert archive.read(NAME).decode() == bench.step.parameters["sbom"]
        assert f"{NAME},sha256=" in archive.read("tflite_bench-1.0.dist-info/RECORD").decode()


def test_twine_accepts_the_wheel(built: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", str(built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_pip_installs_it(built: Path, tmp_path: Path) -> None:
    options = ["--no-index", "--no-deps", "--disable-pip-version-check", "--target", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "install", "-q", *options, str(built)]
    subprocess.run(command, check=True)
    assert (tmp_path / NAME).is_file()
