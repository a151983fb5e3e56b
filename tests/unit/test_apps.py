"""The wheels without compiled code: their table, their metadata, where they are tried."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from tests.support import REPO
from tests.support.wheels import wheel
from wheelhouse import pipeline
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Inputs, Step
from wheelhouse.common.store import Store
from wheelhouse.package import app_wheel, audit, container, models_wheel, products
from wheelhouse.package.products import Product
from wheelhouse.publish.index import IndexSettings
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix
from wheelhouse.verify import trials

APPS = {product.metadata.package: product for product in products.apps()}
PROGRAMS = {program.package: program for program in app_wheel.apps()}
UNIVERSAL = "cp37-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64"


def pack(package: str, folder: Path) -> Path:
    """The wheel of a program, of the modules in this checkout."""
    step = PROGRAMS[package].step
    needs = {name: need for name, need in step.needs.items() if isinstance(need, Path)}
    assert needs.keys() == step.needs.keys()
    step.recipe(Inputs(needs, step.parameters, Store(folder / "store")), folder)
    (path,) = folder.glob("*.whl")
    return path


def test_the_table_has_every_app_and_no_other() -> None:
    assert [*matrix.matrix().apps] == [*APPS]


def test_the_index_takes_every_project() -> None:
    names = IndexSettings.read(REPO / "index.toml").projects
    for product in products.every():
        assert product.metadata.package.replace("_", "-") in names


@pytest.mark.parametrize("package", PROGRAMS)
def test_a_programs_wheel_has_its_modules_and_valid_metadata(package: str, tmp_path: Path) -> None:
    path = pack(package, tmp_path)
    assert path.name == f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if name.startswith(f"{package}/")}
        told = Metadata.from_email(archive.read(f"{package}-1.0.dist-info/METADATA"))
    modules = (REPO / "apps" / package).glob("*.py")
    assert names == {f"{package}/{path.name}" for path in modules}
    assert told.name == package.replace("_", "-")
    required = [str(each) for each in told.requires_dist or ()]
    assert required == list(PROGRAMS[package].requires)
    assert told.license_expression == "Apache-2.0"
    assert f"python3 -m {package}" in (told.description or "")
    assert told.requires_python
    assert told.requires_python.contains("3.7")


def test_the_examples_bring_their_models_and_take_the_systems_numpy_and_pillow() -> None:
    examples = PROGRAMS["tflite_examples"]
    names = [Requirement(each).name for each in examples.metadata.requires_dist]
    models = [product.metadata.package.replace("_", "-") for product in models_wheel.wheels()]
    assert names == ["numpy", "pillow", *models]
    beside = [product.metadata.package for product in products.companions(examples)]
    assert beside == ["tflite_runtime", *(name.replace("-", "_") for name in models)]


@pytest.mark.parametrize("product", APPS.values(), ids=APPS)
def test_an_app_is_known_by_its_name_for_any_processor_alone(product: Product) -> None:
    name = f"{product.metadata.package}-{product.metadata.version}-py3-none"
    assert products.matching(Path(f"{name}-any.whl")) == product
    for other in (f"{name}-manylinux_2_17_aarch64.whl", f"{name}-linux_aarch64.whl"):
        with pytest.raises(WheelhouseError, match="is for no CPython of the matrix"):
            products.matching(Path(other))


@pytest.mark.parametrize("product", APPS.values(), ids=APPS)
def test_an_app_is_tried_once_on_each_of_its_systems_beside_the_universal_wheel(
    product: Product, tmp_path: Path
) -> None:
    about = product.metadata
    path = wheel(tmp_path, about.package, str(about.version))
    runtime = wheel(tmp_path, tag=UNIVERSAL)
    known = [each.metadata for each in products.companions(product)[1:]]
    models = [wheel(tmp_path, each.package, str(each.version)).name for each in known]
    step = pipeline.verification(path, Fetcher(Store(tmp_path / "store"), offline=True), "host")
    assert step.needs["runtime"] == runtime
    tried = [each.parameters for each in step.needs.values() if isinstance(each, Step)]
    assert [(each["system"], each["board"]) for each in tried] == [
        (system.name, board) for system in products.systems_for(product) for board in product.boards
    ]
    assert {each["runtime"] for each in tried} == {runtime.name}
    assert all(each.get("models", []) == models for each in tried)


def test_a_wheel_for_every_processor_holds_nothing_compiled(tmp_path: Path) -> None:
    bench = pack("tflite_bench", tmp_path)
    audit.portable(bench)
    with zipfile.ZipFile(bench, "a") as archive:
        archive.write(sys.executable, "tflite_bench/fast.so")
    with pytest.raises(WheelhouseError, match=r"but tflite_bench/fast\.so in it is for one"):
        audit.portable(bench)


def test_every_kind_of_trials_is_one_of_a_product() -> None:
    assert {product.trials for product in products.every()} == {*trials.KINDS}


def test_an_engine_compiles_and_packs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Product] = []

    def contained(wanted: list[Product], *_: object) -> list[Path]:
        asked.extend(wanted)
        return [Path("compiled.whl") for _ in wanted]

    monkeypatch.setattr(container, "build", contained)
    program = PROGRAMS["tflite_bench"]
    fetcher = Fetcher(Store(tmp_path), offline=True)
    paths = pipeline._build_products([program, products.universal()], fetcher, "docker")
    assert [path.name for path in paths] == ["tflite_bench-1.0-py3-none-any.whl", "compiled.whl"]
    assert asked == [products.universal()]
