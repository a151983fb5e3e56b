"""What locks have for a CPython, and the addresses in them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from packaging.pylock import Pylock

from tests.support.wheels import accepted, wheel
from wheelhouse.publish import index, locks
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins

X86 = "manylinux_2_17_x86_64.manylinux2014_x86_64"
ARM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
MUSL = "musllinux_1_2_aarch64"


NOWHERE = Place()


def made(folder: Path, *tags: str, place: Place = NOWHERE, python: str = ">=3.7") -> dict[str, str]:
    files = [accepted(wheel(folder, tag=tag, python=python)) for tag in tags]
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    pages = locks.pages(index.group_by_project(files, settings), place)
    return {path.removeprefix("locks/2.14.1/"): text.decode() for path, text in pages.items()}


def wheels_of(text: str, project: str = "tflite-runtime") -> list[dict[str, str]]:
    content = msgspec.toml.decode(text)
    Pylock.from_dict(content).validate()
    return [each for row in content["packages"] if row["name"] == project for each in row["wheels"]]


def test_a_wheel_for_one_cpython_is_in_no_other_lock(tmp_path: Path) -> None:
    pages = made(tmp_path, f"cp311-cp311-{X86}")
    assert set(pages) == {"pylock.py311.toml", "requirements.py311.txt"}


def test_a_processor_without_a_wheel_is_left_out(tmp_path: Path) -> None:
    pages = made(tmp_path, f"cp37-abi3-{X86}")
    lock = msgspec.toml.decode(pages["pylock.py313.toml"])
    assert lock["environments"] == ['platform_machine == "x86_64"']
    assert len(wheels_of(pages["pylock.py313.toml"], "numpy")) == 1
    assert pages["requirements.py313.txt"].count("--hash") == 2
    # NumPy for CPython 3.15 is pinned for aarch64 alone.
    assert "pylock.py315.toml" not in pages


def test_requires_python_counts(tmp_path: Path) -> None:
    pages = made(tmp_path, f"cp37-abi3-{ARM}", python=">=3.7,<3.12")
    assert {name for name in pages if name.endswith(".txt")} == {
        "requirements.py39.txt",
        "requirements.py311.txt",
    }


def test_both_processors_are_in_one_lock(tmp_path: Path) -> None:
    pages = made(tmp_path, f"cp37-abi3-{ARM}", f"cp311-cp311-{X86}", f"cp37-abi3-{X86}")
    assert len(wheels_of(pages["pylock.py311.toml"])) == 3
    assert pages["requirements.py311.txt"].count("--hash=sha256:") == 5
    assert ";" not in pages["requirements.py311.txt"]


def test_a_lock_has_the_wheels_of_both_libcs(tmp_path: Path) -> None:
    pages = made(tmp_path, *(f"cp37-abi3-{each}" for each in (ARM, X86, MUSL)))
    lock = pages["pylock.py313.toml"]
    assert msgspec.toml.decode(lock)["environments"] == [
        'platform_machine == "aarch64"',
        'platform_machine == "x86_64"',
    ]
    assert sum(MUSL in row["name"] for row in wheels_of(lock)) == 1
    assert sum(MUSL in row["path"] for row in wheels_of(lock, "numpy")) == 1
    musl = pins.shared("numpy-3.13-aarch64-musl").pin.artefacts[0]
    first, *lines = pages["requirements.py313.txt"].splitlines()
    assert first.endswith(" for CPython 3.13 on aarch64, x86_64, aarch64-musl")
    assert f"    --hash=sha256:{musl.sha256} \\" in lines
    assert len([line for line in lines if "--hash" in line]) == 6
    # No marker tells the libc, so both must have one version of NumPy.
    assert not any(";" in line for line in lines)
    # NumPy for musl is pinned for one CPython.
    assert not any(MUSL in pages[name] for name in pages if "py313" not in name)
    alone = made(tmp_path / "alone", f"cp37-abi3-{MUSL}")
    assert set(alone) == {"pylock.py313.toml", "requirements.py313.txt"}


def test_a_processor_without_a_wheel_of_numpy_is_in_no_lock(tmp_path: Path) -> None:
    """The NumPy that is pinned for 32-bit Arm is a package of Debian."""
    narrow = ARM.replace("aarch64", "armv7l")
    assert made(tmp_path / "narrow", f"cp37-abi3-{narrow}") == {}
    pages = made(tmp_path / "both", f"cp37-abi3-{ARM}", f"cp37-abi3-{narrow}")
    assert pages == made(tmp_path / "wide", f"cp37-abi3-{ARM}")


@pytest.mark.parametrize(
    ("place", "begins"),
    [
        (Place("https://host.example/pi/"), "https://host.example/pi/files/"),
        (Place("https://host.example/pi"), "https://host.example/pi/files/"),
        (Place("", "https://files.example/{folder}/"), "https://files.example/some/"),
    ],
)
def test_wheels_with_a_known_address_have_it(place: Place, begins: str, tmp_path: Path) -> None:
    pages = made(tmp_path / "some", f"cp37-abi3-{ARM}", place=place)
    (row,) = wheels_of(pages["pylock.py311.toml"])
    assert row["url"] == f"{begins}{row['name']}"
    assert urlsplit(row["url"]).scheme == "https"
    assert "path" not in row
