"""The universal wheel for pips that know no manylinux tag on 64-bit Arm."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy
import pytest
from bs4 import BeautifulSoup
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tests.support.wheels import make_site, trial, wheel
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.package import retagged
from wheelhouse.package.wheel import CoreMetadata, write
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings

PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
SETTINGS = ProjectSettings()
OLDER = "tflite_runtime-2.14.1-cp37-abi3-linux_aarch64.whl"


def universal(folder: Path) -> Path:
    trials = [trial(f"Raspberry Pi OS {number}") for number in (11, 12)]
    return wheel(folder, tag=f"cp37-abi3-{PLATFORM}", recorded={"trials": trials})


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_only_the_tag_and_the_python_differ(tmp_path: Path) -> None:
    original = universal(tmp_path)
    made = retagged.retag(original, tmp_path)
    assert made.name == OLDER
    before, after = contents(original), contents(made)
    assert before.keys() == after.keys()
    different = {name for name in before if before[name] != after[name]}
    info = "tflite_runtime-2.14.1.dist-info"
    assert different == {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL")}
    lines = {
        *after[f"{info}/METADATA"].decode().splitlines(),
        *after[f"{info}/WHEEL"].decode().splitlines(),
    }
    assert {"Requires-Python: >=3.7,<3.8", "Tag: cp37-abi3-linux_aarch64"} <= lines
    (tmp_path / "again").mkdir()
    assert retagged.retag(original, tmp_path / "again").read_bytes() == made.read_bytes()


def test_the_bytes_are_those_of_a_wheel_that_is_compressed_again(tmp_path: Path) -> None:
    metadata = CoreMetadata("tflite_runtime", Version("2.14.1"), "", "", ">=3.7")
    core = "tflite_runtime-2.14.1.dist-info/METADATA"
    files = {
        core: b"Requires-Python: >=3.7\n",
        "tflite_runtime/module.so": bytes(range(256)) * 999,
        "tflite_runtime/py.typed": b"",
    }
    original = write(metadata, retagged.TAG, files, (PLATFORM,), tmp_path)
    files[core] = b"Requires-Python: >=3.7,<3.8\n"
    (tmp_path / "again").mkdir()
    again = write(metadata, retagged.TAG, files, (retagged.PLATFORM,), tmp_path / "again")
    made = retagged.retag(original, tmp_path)
    assert made.name == again.name == OLDER
    assert made.read_bytes() == again.read_bytes()


def test_a_wheel_for_any_python_is_none(tmp_path: Path) -> None:
    replaced: dict[str, str | bytes | None] = {
        "tflite_runtime-2.14.1.dist-info/METADATA": "Metadata-Version: 2.4\n"
    }
    original = wheel(tmp_path, tag=f"cp37-abi3-{PLATFORM}", replaced=replaced)
    with pytest.raises(WheelhouseError, match="does not say which Python"):
        retagged.retag(original, tmp_path)


@pytest.mark.parametrize(
    ("tag", "serves"),
    [
        (f"cp37-abi3-{PLATFORM}", True),
        (f"cp39-cp39-{PLATFORM}", False),
        ("cp37-abi3-manylinux_2_17_x86_64", False),
        ("cp37-abi3-linux_aarch64", False),
        ("py3-none-any", False),
    ],
)
def test_it_is_for_the_universal_wheel_on_64_bit_arm(tag: str, serves: bool) -> None:
    _, _, _, tags = parse_wheel_filename(f"x-1-{tag}.whl")
    assert retagged.serves(tags) is serves


def made(tmp_path: Path, settings: ProjectSettings = SETTINGS, **place: str) -> Path:
    universal(tmp_path / "in")
    projects = {"tflite-runtime": settings}
    make_site(
        [tmp_path / "in"], IndexSettings(projects=projects), Place(**place), tmp_path / "site"
    )
    return tmp_path / "site"


def links(folder: Path) -> dict[str, dict[str, str]]:
    """The links of the project's page: their attributes by the file's name."""
    page = (folder / "simple/tflite-runtime/index.html").read_text()
    found = BeautifulSoup(page, "html.parser").select("a")
    return {link.get_text(): {k: str(v) for k, v in link.attrs.items()} for link in found}


def test_the_index_keeps_other_pythons_from_it(tmp_path: Path) -> None:
    found = links(made(tmp_path))
    original = next(name for name in found if name != OLDER)
    assert found[OLDER]["data-requires-python"] == "<3.8,>=3.7"
    assert found[original]["data-requires-python"] == ">=3.7"
    assert found[OLDER]["href"].startswith(f"../../files/{OLDER}#sha256=")
    assert (tmp_path / "site/files" / OLDER).is_file()


def test_the_site_has_it_where_wheels_lie_elsewhere(tmp_path: Path) -> None:
    folder = made(tmp_path, files="https://releases.example/")
    found = links(folder)
    assert found[OLDER]["href"].startswith(f"../../files/{OLDER}#sha256=")
    assert "data-core-metadata" in found[OLDER]
    assert [path.name for path in folder.rglob("*.whl")] == [OLDER]
    assert (folder / f"files/{OLDER}.metadata").is_file()


def test_a_site_is_made_again_of_its_own_files(tmp_path: Path) -> None:
    first = made(tmp_path)
    settings = IndexSettings(projects={"tflite-runtime": SETTINGS})
    make_site([first / "files"], settings, Place(), tmp_path / "again")
    one, two = (folder / "files" / OLDER for folder in (first, tmp_path / "again"))
    assert one.read_bytes() == two.read_bytes()


def test_who_yanks_the_wheel_yanks_both(tmp_path: Path) -> None:
    name = f"tflite_runtime-2.14.1-cp37-abi3-{PLATFORM}.whl"
    found = links(made(tmp_path, ProjectSettings(yanked={name: "bad"})))
    assert [each["data-yanked"] for each in found.values()] == ["bad", "bad"]


def test_the_front_page_says_that_buster_was_not_tried(tmp_path: Path) -> None:
    page = BeautifulSoup((made(tmp_path) / "index.html").read_text(), "html.parser")
    chosen = [each["value"] for each in page.select("input[name=os]")]
    assert chosen == ["bookworm", "bullseye", "buster"]
    (panel,) = page.select(".for-buster")
    text = " ".join(panel.get_text().split())
    assert "Nothing was tried on Raspberry Pi OS 10" in text
    assert f"pip takes {OLDER}" in text
    commands = [
        [line.get_text() for line in page.select(f".for-{suite} .command")]
        for suite in ("buster", "bullseye")
    ]
    assert commands[0] == commands[1]
    assert "checks passed" in page.get_text()
    (row,) = [row for row in page.select("#tested tbody tr") if "OS 11" in row.get_text()]
    assert "✓ 1" in row.get_text()  # the file with the same content does not count again


def test_numpy_s_table_has_one_version_for_1_16_to_1_19() -> None:
    header = Path(numpy.get_include()) / "numpy/numpyconfig.h"
    rows = [line.split() for line in header.read_text().splitlines() if "API_VERSION 0x" in line]
    known = {name: int(value, 16) for _, name, value in rows}
    assert {known[f"NPY_1_{minor}_API_VERSION"] for minor in (16, 17, 18, 19)} == {0xD}
    assert known["NPY_1_15_API_VERSION"] < 0xD < known["NPY_1_20_API_VERSION"]
