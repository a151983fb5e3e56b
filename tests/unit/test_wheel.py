from __future__ import annotations

import ast
import base64
import csv
import hashlib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from wheelhouse.compile.extension import MODULE
from wheelhouse.package import products, runtime_wheel, wheel
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import pins
from wheelhouse.targets import matrix

Write = Callable[..., Path]


UNIVERSAL, TARGET = matrix.choose("3.7,3.11")
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")


@pytest.fixture(params=[True, False], ids=["xnnpack", "noxnnpack"])
def runtime(request: pytest.FixtureRequest) -> RuntimeWheel:
    return RuntimeWheel(TARGET, "2.14.1", request.param)


def metadata(runtime: RuntimeWheel) -> str:
    terms = [part.pin.license for part in runtime.linked]
    return wheel.metadata_text(runtime.metadata, terms, ["eigen/COPYING.MPL2", "zig/LICENSE"])


@pytest.fixture
def written(runtime: RuntimeWheel, tmp_path: Path) -> Write:
    info = f"tflite_runtime-{runtime.version}.dist-info"
    files = {
        "tflite_runtime/__init__.py": b"",
        f"tflite_runtime/{MODULE}.so": bytes(range(256)) * 9,
        f"{info}/METADATA": metadata(runtime).encode(),
        f"{info}/licenses/eigen/COPYING.MPL2": b"",
        f"{info}/licenses/zig/LICENSE": b"",
    }

    def write(folder: str, order: Callable[[Iterable[str]], Iterable[str]] = sorted) -> Path:
        (tmp_path / folder).mkdir()
        chosen = {name: files[name] for name in order(files)}
        return wheel.write(runtime.metadata, runtime.tag, chosen, PLATFORMS, tmp_path / folder)

    return write


def test_the_metadata_is_valid(runtime: RuntimeWheel) -> None:
    parsed = Metadata.from_email(metadata(runtime), validate=True)
    assert parsed.name == "tflite-runtime"
    assert parsed.version == runtime.version
    assert parsed.license_files == ["eigen/COPYING.MPL2", "zig/LICENSE"]
    assert parsed.license_expression
    assert parsed.description
    assert parsed.requires_python
    assert "MPL-2.0" in parsed.license_expression
    assert "Interpreter" in parsed.description
    assert parsed.summary
    assert list(parsed.requires_python.filter(["3.6.9", "3.7.0", "3.15.0"])) == ["3.7.0", "3.15.0"]


# The NumPys: of Raspberry Pi OS, then the newest with a wheel for that CPython.
@pytest.mark.parametrize(
    ("python", "good", "bad"),
    [
        ("3.7", ["1.16.2", "1.19.5", "1.21.6"], ["1.15.4", "3.0.0"]),
        ("3.8", ["1.24.4"], ["1.16.6"]),
        ("3.9", ["1.19.5", "2.0.2"], ["1.16.6"]),
        ("3.10", ["2.2.6"], ["1.19.5"]),
        ("3.11", ["1.24.2", "2.4.6"], ["1.22.4", "3.0.0"]),
        ("3.12", ["2.5.5"], ["1.24.2", "3.0.0"]),
        ("3.13", ["2.2.4", "2.5.5"], ["1.26.4", "3.0.0"]),
        ("3.14", ["2.4.6", "2.5.5"], ["2.2.4", "3.0.0"]),
        ("3.15", ["2.4.6", "2.5.5"], ["2.2.4", "3.0.0"]),
    ],
)
def test_each_cpython_gets_a_numpy_that_serves_it(
    python: str, good: list[str], bad: list[str]
) -> None:
    parsed = Metadata.from_email(metadata(RuntimeWheel(UNIVERSAL, "2.14.1", True)))
    here = {"python_version": python}
    assert parsed.requires_dist
    needed = [
        each for each in parsed.requires_dist if not each.marker or each.marker.evaluate(here)
    ]
    assert {each.name for each in needed} == {"numpy"}
    wanted = [each.specifier for each in needed]
    assert [version for version in good + bad if all(version in one for one in wanted)] == good


@pytest.mark.parametrize("tflite", pins.pins().tflite)
def test_the_extra_asks_for_the_delegate_and_for_nothing_else(tflite: str) -> None:
    parsed = Metadata.from_email(metadata(RuntimeWheel(UNIVERSAL, tflite, True)), validate=True)
    assert parsed.provides_extra == ["armnn"]
    assert parsed.requires_dist
    extra, plain = ({"python_version": "3.11", "extra": name} for name in ("armnn", ""))
    more = [
        each
        for each in parsed.requires_dist
        if each.marker and each.marker.evaluate(extra) and not each.marker.evaluate(plain)
    ]
    assert [each.name for each in more] == [products.armnn().metadata.package.replace("_", "-")]


def test_only_a_wheel_for_one_cpython_carries_pybind11() -> None:
    linked = {
        target: [part.name for part in RuntimeWheel(target, "2.14.1", True).extension.linked]
        for target in (UNIVERSAL, TARGET)
    }
    assert [*linked[UNIVERSAL], "pybind11"] == linked[TARGET]


def test_without_xnnpack_the_version_and_the_core_are_others() -> None:
    with_it, without = (RuntimeWheel(TARGET, "2.14.1", xnnpack) for xnnpack in (True, False))
    assert with_it.version == Version("2.14.1")
    assert without.version == Version("2.14.1+noxnnpack")
    assert with_it.extension.core.step.key != without.extension.core.step.key
    assert with_it.step.key != without.step.key


MODULES = ("__init__", "interpreter", "metrics_interface", "metrics_portable", "xnnpack", MODULE)


@pytest.mark.parametrize("tflite", pins.pins().tflite)
def test_every_module_of_every_release_has_a_stub(tflite: str) -> None:
    types = runtime_wheel.types(tflite)
    assert types.keys() == {*(f"{name}.pyi" for name in MODULES), "py.typed"}
    assert types.pop("py.typed") == b""
    for name, stub in types.items():
        assert "# since" not in stub.decode()
        ast.parse(stub, name)


def test_a_stub_tells_only_what_its_release_has() -> None:
    old, new = (
        runtime_wheel.types(tflite)["interpreter.pyi"] for tflite in ("2.14.1", "2.22.0.dev1")
    )
    assert b"def num_subgraphs(self) -> int: ...\n" in new
    assert b"num_subgraphs" not in old
    assert set(old.splitlines()) < set(new.splitlines())


def test_wheels_of_two_targets_share_a_core() -> None:
    first, second = (RuntimeWheel(target, "2.14.1", True) for target in matrix.choose("3.9,3.13"))
    assert first.extension.core.step.key == second.extension.core.step.key
    assert first.step.key != second.step.key


def test_a_wheel_is_the_same_bytes_every_time(written: Write) -> None:
    path = written("a")
    assert path.read_bytes() == written("b", reversed).read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_wheels_name_and_its_tags_say_the_same(runtime: RuntimeWheel, written: Write) -> None:
    path = written("a")
    name, version, _, tags = parse_wheel_filename(path.name)
    assert (name, version) == (canonicalize_name("tflite_runtime"), runtime.version)
    assert tags == {Tag("cp311", "cp311", platform) for platform in PLATFORMS}
    with zipfile.ZipFile(path) as archive:
        text = archive.read(f"tflite_runtime-{version}.dist-info/WHEEL").decode()
    inside = [line.removeprefix("Tag: ") for line in text.splitlines() if line.startswith("Tag: ")]
    assert set(inside) == {str(tag) for tag in tags}
    assert "Root-Is-Purelib: false" in text.splitlines()


def test_the_record_lists_each_file_with_its_hash_and_size(
    runtime: RuntimeWheel, written: Write
) -> None:
    with zipfile.ZipFile(written("a")) as archive:
        names = archive.namelist()
        record = f"tflite_runtime-{runtime.version}.dist-info/RECORD"
        rows = {row[0]: row[1:] for row in csv.reader(archive.read(record).decode().splitlines())}
        assert rows.pop(record) == ["", ""]
        assert {*rows, record} == set(names)
        assert len(names) == len(set(names))
        for name, (digest, size) in rows.items():
            content = archive.read(name)
            algorithm, _, value = digest.partition("=")
            raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
            assert (algorithm, raw) == ("sha256", hashlib.sha256(content).digest())
            assert int(size) == len(content)


def test_the_package_knows_its_version_and_suits_the_oldest_python(runtime: RuntimeWheel) -> None:
    text = runtime_wheel._init(str(runtime.version), runtime.tflite).decode()
    tree = ast.parse(text, feature_version=(3, 7))
    assert "TensorFlow Lite" in (ast.get_docstring(tree) or "")
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    content: dict[str, object] = {}
    exec(text, content)  # noqa: S102
    assert content["__version__"] == str(runtime.version)
    assert content["__git_version__"] == "v2.14.1"
