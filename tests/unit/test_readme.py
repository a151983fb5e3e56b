"""README's text: its length and order, and that what it says is what the code says."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.support import REPO
from tests.support.wheels import accepted, trial, wheel
from wheelhouse.publish import front_page, index, site
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.sources import releases
from wheelhouse.targets import matrix

README = (REPO / "README.md").read_text()
SETTINGS = IndexSettings.read(REPO / "index.toml")
LINK = re.compile(r"(!?)\[[^]]*\]\(([^)]+)\)")
PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"


def test_it_is_short_and_in_its_order() -> None:
    assert len(README.splitlines()) <= 120
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == [
        "Install on a Raspberry Pi",
        "Run a model",
        "Which wheel, which TFLite?",
        "Build your own",
        "How it works",
        "More",
    ]


def test_every_link_leads_to_a_file() -> None:
    links = LINK.findall(README)
    assert len(links) > 10
    for _, target in links:
        assert (REPO / target.partition("#")[0]).exists(), target


def test_it_shows_one_picture_and_no_badge() -> None:
    (picture,) = [REPO / target for mark, target in LINK.findall(README) if mark]
    assert picture.stat().st_size < 150_000
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def panels(tmp_path: Path) -> BeautifulSoup:
    """The front page of an index of one wheel at the address of index.toml."""
    trials = [trial(f"Raspberry Pi OS {number}") for number in (11, 12, 13)]
    path = wheel(tmp_path, tag=f"cp37-abi3-{PLATFORM}", recorded={"trials": trials})
    read = [accepted(path)]
    with ThreadPoolExecutor() as threads:
        read += site.for_older_pips(read, tmp_path, threads)
    projects = index.group_by_project(read, SETTINGS)
    page = front_page.page(projects, Place(site=SETTINGS.address), [])
    return BeautifulSoup(page, "html.parser")


@pytest.mark.parametrize(
    ("suite", "number"),
    [("buster", "11, and 10"), ("bullseye", "11"), ("bookworm", "12"), ("trixie", "12")],
)
def test_its_lines_are_those_of_the_front_page(
    suite: str, number: str, panels: BeautifulSoup
) -> None:
    _, _, rest = README.partition(f"\n**Raspberry Pi OS {number}")
    block = re.findall(r"```sh\n(.*?)```", rest, re.DOTALL)[0]
    shown = [line.get_text() for line in panels.select(f".for-{suite} .command")]
    assert block.splitlines() == shown[:-1]


def test_it_names_the_releases_and_the_wheel_that_are_built() -> None:
    default, newest = releases.known_versions()
    assert default in README
    assert f"./inv build --tflite {newest.rpartition('.0.dev')[0]}" in README
    target = matrix.targets()[0]
    assert f"tflite_runtime-{default}-{target.tag}-{target.abi}-{PLATFORM}.whl" in README


def test_it_names_the_command_that_tests() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert "./inv build\n./inv test\n" in blocks
    assert "both tiers" in README
