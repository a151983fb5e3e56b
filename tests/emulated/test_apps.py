"""`./inv build --apps` makes wheels that were tried as they are used, and that pages install."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from tests.emulated.following import URL, Reader, lines, shown
from tests.emulated.transcripts import bring_guest
from tests.support import REPO
from tests.support.wheels import make_site
from wheelhouse import record
from wheelhouse.package import products
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.record import Demand
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.verify.expected import expected

APPS = {product.metadata.package: product for product in products.apps()}


@pytest.mark.parametrize("package", APPS)
def test_an_app_is_verified_beside_the_universal_wheel(
    app_wheels: dict[str, Path], package: str
) -> None:
    told = record.vouch(app_wheels[package], Demand.TODAY, expected).record
    systems = [system.name for system in products.systems_for(APPS[package])]
    tried = [(trial.system, trial.board) for trial in told.trials]
    assert tried == [(system, board) for system in systems for board in APPS[package].boards]
    assert told.runtime
    assert products.matches(Path(told.runtime.wheel), products.universal())


def test_every_app_is_built(app_wheels: dict[str, Path]) -> None:
    assert [*app_wheels] == [*APPS]
    assert {path.name.rpartition("-")[2] for path in app_wheels.values()} == {"any.whl"}


@pytest.fixture(scope="module")
def srv(
    universal: Path, app_wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the server holds: an index of the runtime and the apps, and of nothing else."""
    folder, found = tmp_path_factory.mktemp("srv"), tmp_path_factory.mktemp("wheels")
    for path in (universal, *app_wheels.values()):
        for each in (path, path.with_name(f"{path.name}.verified.json")):
            shutil.copyfile(each, found / each.name)
    settings = IndexSettings.read(REPO / "index.toml")
    make_site([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    return folder


@pytest.fixture
def work(archives: dict[str, Path], tmp_path: Path) -> Path:
    """The user's folder, with a picture and a model."""
    bring_guest(tmp_path)
    models.portrait(archives).save(tmp_path / "picture.jpg", quality=95)
    (tmp_path / "model.tflite").write_bytes(models.generated()[0].content)
    return tmp_path


SHORT = "--seconds 0.05 --warm-up 0.05 --threads 1"


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", "sid"])
def test_the_front_page_s_lines_find_a_face_and_time_a_model(
    suite: str, srv: Path, fetcher: Fetcher, work: Path
) -> None:
    """NumPy and Pillow are apt's, which are in the tree already."""
    page = BeautifulSoup((srv / "site/index.html").read_text(), "html.parser")
    found = [line.get_text() for line in page.select(f".for-{suite} .command")]
    benchmark = f"{found.pop()} {SHORT}"
    assert " -m tflite_bench model.tflite" in benchmark
    reader = Reader(systems.system(suite), fetcher, srv, work)
    done = reader.follow([*found, benchmark, found[-2].replace("faces", "expression")])
    face, _, times, expression = done[-4:]
    assert face.stdout.startswith("face 0.9")
    assert expression.stdout.startswith("happy ")
    assert "model.tflite" in times.stdout
    with Image.open(work / "out.jpg") as drawn, Image.open(work / "picture.jpg") as picture:
        assert drawn.size == picture.size


def test_the_how_to_pages_lines_work(srv: Path, fetcher: Fetcher, work: Path) -> None:
    commands = []
    for name in ("examples", "benchmark"):
        text = (REPO / "docs" / "howto" / f"{name}.md").read_text()
        text = text.replace("{{ address() }}", f"{URL}/site/")
        commands += lines(shown(text, "sh")[:1])
    reader = Reader(systems.system("bookworm"), fetcher, srv, work)
    reader.follow(commands)
    (done,) = reader.follow(["~/tflite/bin/python -m tflite_examples expression picture.jpg"])
    assert done.stdout.startswith("happy ")
