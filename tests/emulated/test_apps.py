"""`./inv build --apps` makes wheels that were tried as they are used, and that pages install."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.emulated.following import URL, Reader, lines, shown
from tests.emulated.transcripts import bring_guest
from tests.support import REPO
from wheelhouse import record
from wheelhouse.package import products
from wheelhouse.publish import site
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.record import Demand
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems

APPS = {product.metadata.package: product for product in products.apps()}


@pytest.mark.parametrize("package", APPS)
def test_an_app_is_verified_beside_the_universal_wheel(
    app_wheels: dict[str, Path], package: str
) -> None:
    told = record.vouch(app_wheels[package], Demand.TODAY).record
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
    site.make([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    return folder


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_the_pages_lines_install_the_examples_and_the_benchmark_which_run(
    suite: str, srv: Path, fetcher: Fetcher, archives: dict[str, Path], tmp_path: Path
) -> None:
    """NumPy and Pillow are apt's, which are in the tree already."""
    commands = []
    for name in ("examples", "benchmark"):
        text = (REPO / "docs" / "howto" / f"{name}.md").read_text()
        text = text.replace("{{ address() }}", f"{URL}/site/")
        commands += lines(shown(text, "sh")[:1])
    python = "~/tflite/bin/python"
    if suite == "bullseye":  # as the page says
        commands = [each for each in commands if " venv " not in each]
        commands = [each.replace("~/tflite/bin/pip", "python3 -m pip") for each in commands]
        python = "python3"
    bring_guest(tmp_path)
    models.portrait(archives).save(tmp_path / "picture.png")
    (tmp_path / "model.tflite").write_bytes(models.generated()[0].content)
    reader = Reader(systems.system(suite), fetcher, srv, tmp_path)
    reader.follow(commands)
    face, expression, benchmark = reader.follow(
        [
            f"{python} -m tflite_examples faces picture.png",
            f"{python} -m tflite_examples expression picture.png",
            f"{python} -m tflite_bench model.tflite --seconds 0.05 --warm-up 0.05 --threads 1",
        ]
    )
    assert face.stdout.startswith("face 0.9")
    assert expression.stdout.startswith("happy ")
    assert "model.tflite" in benchmark.stdout
