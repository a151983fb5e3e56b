from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Step
from wheelhouse.compile import arm_compute
from wheelhouse.package import products, wheel
from wheelhouse.package.delegate_wheel import DelegateWheel
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import pins
from wheelhouse.targets import architectures, matrix

Patch = Callable[[str], set[str]]


NAME = "tflite_armnn_delegate-23.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")


@pytest.fixture
def delegate() -> DelegateWheel:
    return products.armnn()


@pytest.fixture
def patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patch:
    """Add a patch to a component and tell which libraries that changes."""

    def patch(name: str) -> set[str]:
        before = identities()
        component = pins.shared(name)
        folder = tmp_path / component.label
        folder.mkdir()
        (folder / "0001-more.patch").write_text("more\n")
        monkeypatch.setattr(pins, "PATCHES", tmp_path)
        return {key for key, identity in identities().items() if identity != before[key]}

    monkeypatch.setattr(pins, "PATCHES", tmp_path / "none")
    return patch


def identities() -> dict[str, str]:
    delegate = products.armnn()
    needs = delegate.link.needs.items()
    libraries = {name: need.key for name, need in needs if isinstance(need, Step)}
    del libraries["toolchain"]
    return {**libraries, "link": delegate.link.key, "wheel": delegate.step.key}


@pytest.mark.parametrize(
    ("component", "changed"),
    [
        ("arm-compute-library", {"arm-compute-library"}),
        ("arm-compute-headers", {"armnn", "armnn-delegate"}),
        ("armnn-delegate", {"armnn-delegate"}),
        ("armnn", {"armnn", "armnn-delegate"}),
        ("tflite-c", {"armnn-delegate", "tflite-c"}),
    ],
)
def test_a_patch_compiles_no_more_than_includes_it(
    component: str, changed: set[str], patched: Patch
) -> None:
    assert patched(component) == changed | {"link", "wheel"}


def test_the_runtime_does_not_depend_on_the_delegate(patched: Patch) -> None:
    runtime = RuntimeWheel(matrix.targets()[0], "2.14.1", True)
    before = runtime.step.key
    assert patched("armnn")
    assert RuntimeWheel(matrix.targets()[0], "2.14.1", True).step.key == before


def test_the_metadata_is_valid(delegate: DelegateWheel) -> None:
    terms = [part.pin.license for part in delegate.linked]
    text = wheel.metadata_text(delegate.metadata, terms, ["armnn/LICENSE"])
    parsed = Metadata.from_email(text, validate=True)
    assert (parsed.name, str(parsed.version)) == ("tflite-armnn-delegate", "23.8")
    assert not parsed.requires_dist
    assert parsed.license_expression
    assert parsed.requires_python
    assert {"MIT", "Apache-2.0"} <= set(parsed.license_expression.split(" AND "))
    assert list(parsed.requires_python.filter(["3.6.9", "3.7.0", "3.15.0"])) == ["3.7.0", "3.15.0"]


def test_the_name_is_for_every_python(delegate: DelegateWheel, tmp_path: Path) -> None:
    files = {"tflite_armnn_delegate/__init__.py": b""}
    path = wheel.write(delegate.metadata, delegate.tag, files, PLATFORMS, tmp_path)
    assert path.name == NAME
    *_, tags = parse_wheel_filename(path.name)
    assert tags == {Tag("py3", "none", platform) for platform in PLATFORMS}


def test_every_wheel_is_known_again_by_its_name(tmp_path: Path) -> None:
    for product in products.every():
        platforms = architectures.architecture(product.processor).platforms
        platforms = platforms if product.compiled else ("any",)
        path = wheel.write(product.metadata, product.tag, {}, platforms, tmp_path)
        assert products.from_filename(path) == product
        assert products.matching(path).metadata.package == product.metadata.package


@pytest.mark.parametrize(
    "name", [NAME.replace("23.8", "23.9"), NAME.replace("py3-none", "cp311-cp311"), "odd.whl"]
)
def test_another_wheel_is_not_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(WheelhouseError, match="no wheel that this checkout builds"):
        products.from_filename(tmp_path / name)


def test_every_product_has_a_label_of_its_own() -> None:
    labels = [product.label for product in products.every()]
    assert len({*labels}) == len(labels)
    known = products.compiled()
    assert [products.with_label(product.label) for product in known] == known


def test_files_for_other_processors_are_not_compiled(tmp_path: Path) -> None:
    neon = {"common": ["neon.cpp"], "fp16": ["half.cpp"], "estate32": ["old.cpp"]}
    operator = {"files": {"common": ["both.cpp"], "neon": neon, "sve": {"common": ["sve.cpp"]}}}
    listed = {
        "common": ["base.cpp"],
        "c_api": {"common": [], "operators": []},
        "scheduler": {"single": ["one.cpp"], "threads": ["many.cpp"], "omp": ["omp.cpp"]},
        "cpu": {"common": [], "operators": {"Add": operator}},
    }
    (tmp_path / "filelist.json").write_text(json.dumps(listed))
    plain = {"base.cpp", "both.cpp", "many.cpp", "neon.cpp", "one.cpp"}
    half = {"half.cpp": "-march=armv8-a+fp16"}
    assert arm_compute.source_files(tmp_path) == dict.fromkeys(plain, "") | half


@pytest.mark.parametrize(
    ("version", "is_it"), [("2.14.1", True), ("2.14.1+noxnnpack", False), ("2.14.1.post1", False)]
)
def test_a_delegate_is_tried_with_the_usual_runtime_alone(version: str, is_it: bool) -> None:
    runtime = RuntimeWheel(matrix.targets()[0], "2.14.1", True)
    path = Path(f"tflite_runtime-{version}-cp37-abi3-manylinux2014_aarch64.whl")
    assert products.matches(path, runtime)
    assert products.is_named_as(path, runtime) is is_it
