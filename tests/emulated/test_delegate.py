"""The wheel of the Arm NN delegate, from the command line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.emulated.conftest import NO_NETWORK
from wheelhouse import record
from wheelhouse.common.process import Completed
from wheelhouse.common.store import file_digest
from wheelhouse.package import audit
from wheelhouse.record import Demand
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.verify.expected import expected

Cli = Callable[..., Completed]

NAME = "tflite_armnn_delegate-23.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"
OWNERS = {
    *("arm-compute-library", "armnn", "armnn-delegate", "flatbuffers", "fmt", "ghc", "half"),
    *("libcxx", "libcxxabi", "libunwind", "tflite-c", "zig"),
}


@pytest.fixture(scope="module")
def library(armnn_wheel: Path) -> ELFFile:
    with zipfile.ZipFile(armnn_wheel) as archive:
        content = archive.read("tflite_armnn_delegate/libarmnnDelegate.so")
    return ELFFile(io.BytesIO(content))


def test_the_wheel_has_the_promised_name_and_size(armnn_wheel: Path) -> None:
    assert armnn_wheel.name == NAME
    assert armnn_wheel.stat().st_size <= 4_000_000


def test_auditwheel_agrees_with_the_name(armnn_wheel: Path) -> None:
    command = [sys.executable, "-m", "auditwheel", "show", str(armnn_wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"manylinux_2_17_aarch64"' in done.stdout.replace("\n", " ")


def test_the_library_stands_alone(library: ELFFile) -> None:
    assert set(audit.needed(library)) <= {
        *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-aarch64.so.1"),
    }
    table = library.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    defined = {each.name for each in table.iter_symbols() if each["st_shndx"] != "SHN_UNDEF"}
    assert defined == {"tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"}
    assert library.get_section_by_name(".symtab") is None


def test_no_path_of_this_machine_is_in_the_wheel(armnn_wheel: Path, repo: Path) -> None:
    with zipfile.ZipFile(armnn_wheel) as wheel:
        content = b"".join(wheel.read(name) for name in wheel.namelist())
    for path in (f"{Path.home()}/", f"{repo}/", ".cache/", ".partial"):
        assert path.encode() not in content


def test_the_licences_of_all_that_is_linked_are_in_the_wheel(armnn_wheel: Path) -> None:
    with zipfile.ZipFile(armnn_wheel) as wheel:
        texts = {
            name.split("/")[2]: wheel.read(name).decode()
            for name in wheel.namelist()
            if "/licenses/" in name
        }
    assert set(texts) == OWNERS
    assert "MIT" in texts["armnn"]
    assert "MIT License" in texts["arm-compute-library"]


def test_a_second_build_changes_nothing(armnn_wheel: Path, cli: Cli) -> None:
    before = armnn_wheel.stat().st_mtime_ns
    done = cli("build", "--armnn", "--offline", through=NO_NETWORK)
    assert done.status == 0, done.stderr
    assert armnn_wheel.stat().st_mtime_ns == before
    built = [Path(path).name for path in done.stdout.splitlines()]
    said = done.stderr.splitlines()
    assert said[: len(built)] == [f"{name} is verified" for name in built]


def test_the_record_is_of_this_wheel_and_all_passed(armnn_wheel: Path) -> None:
    told = json.loads(record.path_for(armnn_wheel).read_text())
    assert told["sha256"] == file_digest(armnn_wheel)
    assert all(check["passed"] for trial in told["trials"] for check in trial["checks"])
    assert record.vouch(armnn_wheel, Demand.TODAY, expected).today


def test_it_is_built_again_bit_for_bit(armnn_wheel: Path, cli: Cli) -> None:
    done = cli("reproduce", str(armnn_wheel))
    assert done.status == 0, done.stderr
    assert f"{NAME} is what this checkout builds" in done.stdout


def test_pip_takes_the_delegate_with_the_extra(
    armnn_wheel: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    """A real pip, asked on behalf of a Raspberry Pi with CPython 3.11."""
    numpy = fetcher.file(pins.shared("numpy-3.11-aarch64"))
    platforms = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
    command = [
        *(sys.executable, "-m", "pip", "download", "tflite-runtime[armnn]", "--no-index"),
        *("--find-links", str(armnn_wheel.parent), "--find-links", str(numpy.parent)),
        *("--only-binary", ":all:", "--python-version", "3.11", "--dest", str(tmp_path)),
        *(word for platform in platforms for word in ("--platform", platform)),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    got = {path.name.split("-")[0] for path in tmp_path.iterdir()}
    assert got == {"numpy", "tflite_armnn_delegate", "tflite_runtime"}
