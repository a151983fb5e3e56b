import base64
import csv
import hashlib
import subprocess
import sys
import zipfile

import pytest
from packaging.metadata import Metadata
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from wheelhouse import matrix, wheel
from wheelhouse.extension import MODULE
from wheelhouse.wheel import Wheel

(TARGET,) = matrix.choose("3.11")
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")


@pytest.fixture(params=[True, False], ids=["xnnpack", "noxnnpack"])
def made(request):
    return Wheel(TARGET, "2.14.1", request.param)


def metadata(made):
    linked = [*made.extension.core.components.values(), made.extension.inputs["pybind11"]]
    return wheel.metadata(made, linked, ["eigen/COPYING.MPL2", "zig/LICENSE"])


@pytest.fixture
def written(made, tmp_path):
    info = f"tflite_runtime-{made.version}.dist-info"
    files = {
        "tflite_runtime/__init__.py": b"",
        f"tflite_runtime/{MODULE}.so": bytes(range(256)) * 9,
        f"{info}/METADATA": metadata(made).encode(),
        f"{info}/licenses/eigen/COPYING.MPL2": b"",
        f"{info}/licenses/zig/LICENSE": b"",
    }

    def write(folder, order=sorted):
        (tmp_path / folder).mkdir()
        chosen = {name: files[name] for name in order(files)}
        return wheel._write(made, chosen, PLATFORMS, tmp_path / folder)

    return write


def test_the_metadata_is_valid(made):
    parsed = Metadata.from_email(metadata(made), validate=True)
    assert parsed.name == "tflite-runtime"
    assert parsed.version == made.version
    assert parsed.license_files == ["eigen/COPYING.MPL2", "zig/LICENSE"]
    assert "MPL-2.0" in parsed.license_expression
    assert "Interpreter" in parsed.description
    assert parsed.summary
    pythons = [target.python for target in matrix.targets()]
    assert [python for python in [*pythons, "3.8"] if python in parsed.requires_python] == pythons
    (numpy,) = parsed.requires_dist
    assert numpy.name == "numpy"
    known = ["1.19.5", "1.24.2", "1.26.4", "2.0.2", "2.4.6"]
    assert list(numpy.specifier.filter(["1.16.6", *known, "3.0"])) == known


def test_without_xnnpack_the_version_and_the_core_are_others():
    with_it, without = (Wheel(TARGET, "2.14.1", xnnpack) for xnnpack in (True, False))
    assert with_it.version == Version("2.14.1")
    assert without.version == Version("2.14.1+noxnnpack")
    assert with_it.extension.core.identity != without.extension.core.identity
    assert with_it.identity != without.identity


def test_wheels_of_two_targets_share_a_core():
    first, second = (Wheel(target, "2.14.1", True) for target in matrix.choose("3.9,3.13"))
    assert first.extension.core.identity == second.extension.core.identity
    assert first.identity != second.identity


def test_a_wheel_is_the_same_bytes_every_time(written):
    path = written("a")
    assert path.read_bytes() == written("b", reversed).read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_wheels_name_and_its_tags_say_the_same(made, written):
    path = written("a")
    name, version, _, tags = parse_wheel_filename(path.name)
    assert (name, version) == (canonicalize_name("tflite_runtime"), made.version)
    assert tags == {Tag("cp311", "cp311", platform) for platform in PLATFORMS}
    with zipfile.ZipFile(path) as archive:
        text = archive.read(f"tflite_runtime-{version}.dist-info/WHEEL").decode()
    inside = [line.removeprefix("Tag: ") for line in text.splitlines() if line.startswith("Tag: ")]
    assert set(inside) == {str(tag) for tag in tags}
    assert "Root-Is-Purelib: false" in text.splitlines()


def test_the_record_lists_each_file_with_its_hash_and_size(made, written):
    with zipfile.ZipFile(written("a")) as archive:
        names = archive.namelist()
        record = f"tflite_runtime-{made.version}.dist-info/RECORD"
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


def test_pip_installs_it_for_the_target(written, tmp_path):
    platform = ["--platform", PLATFORMS[0], "--python-version", "3.11", "--implementation", "cp"]
    where = ["--target", tmp_path / "installed", "--only-binary=:all:"]
    offline = ["--no-index", "--no-deps", "--disable-pip-version-check", "-q"]
    command = [sys.executable, "-m", "pip", "install", *platform, *where, *offline, written("a")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    module = tmp_path / "installed" / "tflite_runtime" / f"{MODULE}.so"
    assert module.read_bytes() == bytes(range(256)) * 9
    assert module.stat().st_mode & 0o111
