"""The wheels with the examples' models are made, installed and loaded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

from tests.support import REPO
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.package import models_wheel, products
from wheelhouse.package.models_wheel import ModelsWheel
from wheelhouse.sources.fetch import Fetcher

MEBIBYTES = 1 << 20
ABOUT = """
import importlib, json, sys
package = importlib.import_module(sys.argv[1])
print(json.dumps({
    name: {**package.about(name),
           "paths": [package.path(name, each) for each in package.about(name)["files"]]}
    for name in package.names()
}))
"""
CONVERT = """
import hashlib, sys
from pathlib import Path
from wheelhouse.common.step import Inputs, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.package import models_wheel
from wheelhouse.sources.fetch import Fetcher
step, fetcher = models_wheel.conversion("liveness"), Fetcher(Store.default())
originals, pictures = step.needs["originals"], step.needs["pictures"]
needs = {"originals": get_or_make(originals, fetcher), "pictures": fetcher.file(pictures)}
step.recipe(Inputs(needs, step.parameters, fetcher.store), Path(sys.argv[1]))
"""


@pytest.fixture(
    scope="module",
    params=models_wheel.wheels(),
    ids=[wheel.package for wheel in models_wheel.wheels()],
)
def product(request: pytest.FixtureRequest) -> ModelsWheel:
    found: ModelsWheel = request.param
    return found


@pytest.fixture(scope="module")
def wheel(product: ModelsWheel) -> Path:
    return products.wheel_in(get_or_make(product.step, Fetcher(Store.default())))


def test_a_wheel_is_installed_and_all_its_models_load(
    product: ModelsWheel, wheel: Path, tmp_path: Path
) -> None:
    assert wheel.stat().st_size <= 40 * MEBIBYTES
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path), str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", ABOUT, product.package],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    known = json.loads(done.stdout)
    assert known.keys() == {*product.converted, *product.copied}
    licences = tmp_path / f"{product.metadata.dist_info}" / "licenses"
    for name, row in known.items():
        assert row["credit"], name
        assert row["origin"].startswith("https://"), name
        package = row["package"].rpartition("-")[0]
        assert any((licences / package).iterdir()), name
        for path in row["paths"]:
            interpreter = Interpreter(path)
            interpreter.allocate_tensors()
            (first,) = interpreter.get_input_details()
            assert first["shape"].tolist() == [1, *row["input"]["size"]], name
            assert len(interpreter.get_output_details()) == len(row["outputs"]), name
            kinds = {tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
            is_exact = row["files"].get("fp32") == Path(path).name
            assert is_exact == kinds.isdisjoint({"int8", "uint8"}), path


def test_labels_are_as_many_as_a_model_tells_apart(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        name = next(name for name in content.namelist() if name.endswith("models.json"))
        known = json.loads(content.read(name))
    counts = {name: len(row["labels"]) for name, row in known.items() if row["labels"]}
    if "efficientnet" in known:
        assert counts.pop("centernet") == counts.pop("nanodet") == 80
        assert counts == {"deeplab": 21, "efficientnet": 1000, "emotion": 7}
        assert known["deeplab"]["labels"][15] == "person"
        assert known["efficientnet"]["labels"][0].startswith("tench")
    else:
        assert counts == {}


def test_a_conversion_is_the_same_bytes_on_another_cpu(tmp_path: Path) -> None:
    digests = []
    for number, core in enumerate(["Prescott", "Haswell"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = {"OPENBLAS_CORETYPE": core, "PYTHONHASHSEED": str(number)}
        subprocess.run(
            [sys.executable, "-c", CONVERT, folder],
            env={**os.environ, **environment},
            cwd=REPO,
            check=True,
        )
        digests.append(
            {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
        )
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]
