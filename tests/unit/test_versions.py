"""A wheel that changes while TFLite does not gets a version of its own, wherever it is read."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.package import products, runtime_wheel, wheel
from wheelhouse.package.delegate_wheel import DelegateWheel
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import pins, releases
from wheelhouse.targets import matrix, versions
from wheelhouse.targets.matrix import Matrix

PLATFORMS = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
TAIL = "manylinux_2_17_aarch64.manylinux2014_aarch64.whl"
DEFAULT, NEWEST = releases.known_versions()
Numbered = Callable[[int], None]
Made = RuntimeWheel | DelegateWheel


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> Numbered:
    """Give all releases a number, as matrix.toml would."""
    table = matrix.matrix()

    def change(number: int) -> None:
        builds = {name: dict.fromkeys(known, number) for name, known in table.builds.items()}
        changed: Matrix = replace(table, builds=builds)
        monkeypatch.setattr(matrix, "matrix", lambda: changed)

    return change


def runtime(release: str, xnnpack: bool = True) -> RuntimeWheel:
    return RuntimeWheel(matrix.targets()[0], release, xnnpack)


def packed(product: Made, folder: Path) -> Path:
    """The wheel with all that tells its version, and without what is compiled."""
    about = product.metadata
    metadata = wheel.metadata_text(about, [part.pin.license for part in product.linked], [])
    files = {f"{about.dist_info}/METADATA": metadata.encode()}
    if isinstance(product, RuntimeWheel):
        files[f"{about.package}/__init__.py"] = runtime_wheel._init(
            str(product.version), product.tflite
        )
    return wheel.write(about, product.tag, files, PLATFORMS, folder)


def assigned(text: str) -> dict[str, str]:
    """The strings that a module gives names to."""
    return {
        ast.unparse(node.targets[0]): node.value.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


@pytest.mark.parametrize(
    ("release", "number", "version"),
    [
        ("2.14.1", 0, "2.14.1"),
        ("2.14.1", 1, "2.14.1.post1"),
        ("2.14.1", 12, "2.14.1.post12"),
        ("2.22.0rc1", 1, "2.22.0rc1.post1"),
        ("2.22.0.dev20260518", 0, "2.22.0.dev2026051800"),
        ("2.22.0.dev20260518", 1, "2.22.0.dev2026051801"),
        ("2.22.0.dev20260518", 99, "2.22.0.dev2026051899"),
    ],
)
def test_a_number_is_in_the_version_and_can_be_taken_out(
    release: str, number: int, version: str
) -> None:
    assert str(versions.numbered_version(release, number)) == version
    assert versions.upstream_release(Version(version)) == release
    assert versions.upstream_release(Version(f"{version}+noxnnpack")) == release


def test_pip_orders_wheels_by_release_and_then_by_number() -> None:
    ordered = ("2.14.1", "2.14.2", "2.22.0.dev20260518", "2.22.0.dev20260601", "2.22.0")
    made = [
        versions.numbered_version(release, number) for release in ordered for number in (0, 1, 10)
    ]
    assert made == sorted(made)


def test_every_number_is_of_a_release_that_is_here() -> None:
    assert matrix.matrix().builds == {
        "tflite-runtime": dict.fromkeys(pins.pins().tflite, 0),
        "tflite-armnn-delegate": {pins.shared("armnn").pin.version: 0},
    }


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (0, ["2.14.1", "2.14.1+noxnnpack", "2.22.0.dev2026051800", "23.8"]),
        (1, ["2.14.1.post1", "2.14.1.post1+noxnnpack", "2.22.0.dev2026051801", "23.8.post1"]),
    ],
)
def test_name_metadata_and_module_tell_one_version(
    number: int, names: list[str], numbered: Numbered, tmp_path: Path
) -> None:
    numbered(number)
    made: list[Made] = [runtime(DEFAULT), runtime(DEFAULT, False), runtime(NEWEST)]
    made.append(products.armnn())
    paths = [packed(product, tmp_path) for product in made]
    assert [path.name.split("-")[1] for path in paths] == names
    for product, path, name in zip(made, paths, names, strict=True):
        with zipfile.ZipFile(path) as archive:
            info = f"{product.metadata.package}-{name}.dist-info"
            metadata = Metadata.from_email(archive.read(f"{info}/METADATA"))
            assert metadata.version == Version(name) == parse_wheel_filename(path.name)[1]
            if isinstance(product, RuntimeWheel):
                module = assigned(archive.read("tflite_runtime/__init__.py").decode())
                assert module["__version__"] == name
                assert module["__git_version__"] == f"v{product.tflite}"


def test_the_matrix_target_of_a_wheel_does_not_depend_on_its_number() -> None:
    for version in ("2.14.1", "2.14.1.post3", "2.14.1.post3+noxnnpack", "2.22.0.dev2026051812"):
        known = products.matching(Path(f"tflite_runtime-{version}-cp311-cp311-{TAIL}"))
        assert (known.metadata.package, known.tag) == ("tflite_runtime", "cp311-cp311")


@pytest.mark.parametrize(
    "name",
    [
        f"tflite_runtime-2.14.2.post1-cp311-cp311-{TAIL}",
        f"tflite_runtime-2.22.0.dev2026051901-cp311-cp311-{TAIL}",
        f"tflite_runtime-2.14.1.post1-cp310-cp310-{TAIL}",
        "tflite_runtime-2.14.1-cp311-cp311-manylinux_2_17_riscv64.whl",
    ],
)
def test_a_wheel_of_no_target_is_wrong_use(name: str) -> None:
    with pytest.raises(WheelhouseError, match=re.escape(name)) as caught:
        products.matching(Path(name))
    assert caught.value.kind is Kind.USAGE


def test_only_the_number_of_this_checkout_is_built_again(
    numbered: Numbered, tmp_path: Path
) -> None:
    numbered(1)
    made: list[Made] = [runtime(DEFAULT), runtime(NEWEST), products.armnn()]
    first = [packed(product, tmp_path) for product in made]
    assert [products.from_filename(path) for path in first] == made
    numbered(2)
    for path in first:
        with pytest.raises(WheelhouseError, match="no wheel that this checkout builds"):
            products.from_filename(path)


def test_a_release_is_known_by_the_version_of_its_wheels(numbered: Numbered) -> None:
    numbered(1)
    for word in ("2.14.1.post1", "2.14.1", "2.14"):
        assert releases.choose(word).version == DEFAULT
    for word in ("2.22.0.dev2026051801", "2.22.0.dev20260518", "2.22.0", "2.22"):
        assert releases.choose(word).version == NEWEST
    for word in ("2.14.1.post2", "2.14.1.post", "2.22.0.dev2026051800", "2.22.0.dev202605"):
        with pytest.raises(WheelhouseError, match="names no single TFLite release"):
            releases.choose(word)
