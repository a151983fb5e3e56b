"""Real installers take the locks of the index: the requirements file, and pylock.toml."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support import REPO
from tests.support.hosting import Host, hosted
from tests.support.wheels import make_site, wheel
from wheelhouse.common.store import file_digest
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher

X86 = "manylinux_2_17_x86_64.manylinux2014_x86_64"
ARM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
TAGS = (f"cp311-cp311-{X86}", f"cp37-abi3-{X86}", f"cp37-abi3-{ARM}")
MACHINE = (
    *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64"),
    *("--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:"),
)
CHOSEN = f"tflite_runtime-2.14.1-cp311-cp311-{X86}.whl"
OLD = pytest.mark.skipif(sys.version_info >= (3, 12), reason="such a pip needs an older Python")


@pytest.fixture(scope="module")
def numpy(fetcher: Fetcher) -> Path:
    return fetcher.file(pins.shared("numpy-3.11-x86_64"))


@pytest.fixture
def host(tmp_path: Path, numpy: Path) -> Iterator[Host]:
    """An index of two releases, one of them yanked, and NumPy's wheel in a folder of its own."""
    for version in ("2.14.1", "2.14.0"):
        for tag in TAGS:
            wheel(tmp_path / "wheels", version=version, tag=tag, requires=("numpy>=1.23.2,<3",))
    runtime = ProjectSettings(yanked={"2.14.0": "crashes at noon"})
    settings = IndexSettings(projects={"tflite-runtime": runtime})
    make_site([tmp_path / "wheels"], settings, Place(), tmp_path / "site")
    (tmp_path / "numpy").mkdir()
    shutil.copy(numpy, tmp_path / "numpy")
    with hosted(tmp_path / "site") as server:
        yield server


@pytest.fixture
def locks(host: Host, tmp_path: Path) -> Path:
    return tmp_path / "site" / "locks" / "2.14.1"


def pip(
    version: str, fetcher: Fetcher, folder: Path, *words: str | Path
) -> subprocess.CompletedProcess[str]:
    program = folder / f"pip-{version}"
    with zipfile.ZipFile(fetcher.file(pins.shared(f"pip-{version}"))) as archive:
        archive.extractall(program)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    env = {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    command = [sys.executable, "-W", "ignore", program / "pip", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_there_is_a_pair_of_files_for_each_cpython_of_a_release_that_is_not_yanked(
    locks: Path,
) -> None:
    names = {path.name for path in locks.iterdir()}
    pythons = ("py39", "py311", "py313", "py314", "py315")
    assert names == {
        each.format(python)
        for python in pythons
        for each in ("pylock.{}.toml", "requirements.{}.txt")
    }
    assert [path.name for path in locks.parent.iterdir()] == ["2.14.1"]


@pytest.mark.parametrize("version", [pytest.param("23.0.1", marks=OLD), "26.3"])
def test_pip_installs_what_the_requirements_file_has(
    version: str, host: Host, locks: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    index = ("--index-url", f"{host.url}/simple/", "--find-links", tmp_path / "numpy")
    words = ("download", "-d", tmp_path / "got", *MACHINE, *index, "--require-hashes")
    done = pip(version, fetcher, tmp_path, *words, "-r", locks / "requirements.py311.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    got = {path.name: file_digest(path) for path in (tmp_path / "got").iterdir()}
    assert got == {
        path.name: file_digest(path)
        for path in (tmp_path / "wheels" / CHOSEN, *(tmp_path / "numpy").iterdir())
    }


@pytest.mark.parametrize("changed", [f"wheels/{CHOSEN}", "numpy"])
def test_pip_refuses_a_wheel_that_was_replaced(
    changed: str, locks: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "wheels", tmp_path / "mirror")
    name = CHOSEN if changed != "numpy" else next((tmp_path / "numpy").iterdir()).name
    shutil.copy(next((tmp_path / "numpy").iterdir()), tmp_path / "mirror")
    with zipfile.ZipFile(tmp_path / "mirror" / name, "a") as archive:
        archive.writestr("evil.py", "evil = 1")
    others = [path for path in (tmp_path / "mirror").glob("tflite*") if path.name != name]
    for path in others if changed != "numpy" else ():
        path.unlink()
    mirror = ("--no-index", "--find-links", tmp_path / "mirror")
    words = ("download", "-d", tmp_path / "got", *MACHINE, *mirror, "--require-hashes")
    done = pip("26.3", fetcher, tmp_path, *words, "-r", locks / "requirements.py311.txt")
    assert done.returncode != 0
    assert "do not match the hashes" in done.stderr.lower()


def documented() -> list[list[str]]:
    """The commands of the how-to for a folder, for this machine instead of 64-bit Arm."""
    text = (REPO / "docs" / "howto" / "company.md").read_text()
    section = text.split("## A folder")[1].split("\n## ")[0].replace("aarch64", "x86_64")
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


HERE = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="a lock is for one CPython")


@HERE
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_pylock_is_installed_with_numpy_beside_it(
    installer: str, locks: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    shutil.copy(next((tmp_path / "numpy").iterdir()), locks)
    into = ("install", "--no-index", "--target", tmp_path / "got")
    lock = locks / "pylock.py311.toml"
    if installer == "pip":
        done = pip("26.3", fetcher, tmp_path, *into, "-r", lock)
    else:
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            *map(str, into),
            "--no-config",
            "-r",
            str(lock),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {path.name for path in (tmp_path / "got").glob("*.dist-info")}
    assert found == {"numpy-2.4.6.dist-info", "tflite_runtime-2.14.1.dist-info"}


@HERE
def test_the_how_to_for_a_folder_works(host: Host, fetcher: Fetcher, tmp_path: Path) -> None:
    copied, fetched, *installed = documented()
    subprocess.run(copied, cwd=tmp_path, check=True)
    index = ("--index-url", f"{host.url}/simple/", "--find-links", "numpy")
    for number, words in enumerate((fetched, *installed)):
        assert words[:3] == ["python3", "-m", "pip"]
        more = ("--target", f"got-{number}") if words[3] == "install" else index
        done = pip("26.3", fetcher, tmp_path, *words[3:], *more)
        assert done.returncode == 0, done.stdout + done.stderr
    for number in (1, 2):
        found = {path.name for path in (tmp_path / f"got-{number}").glob("*.dist-info")}
        assert found == {"numpy-2.4.6.dist-info", "tflite_runtime-2.14.1.dist-info"}
    assert len(installed) == 2


@HERE
def test_pip_refuses_what_pylock_does_not_have(
    locks: Path, fetcher: Fetcher, tmp_path: Path
) -> None:
    shutil.copy(next((tmp_path / "numpy").iterdir()), locks)
    with zipfile.ZipFile(tmp_path / "site" / "files" / CHOSEN, "a") as archive:
        archive.writestr("evil.py", "evil = 1")
    lock = locks / "pylock.py311.toml"
    done = pip("26.3", fetcher, tmp_path, "install", "--target", tmp_path / "got", "-r", lock)
    assert done.returncode != 0
    assert re.search("hash", done.stderr, re.IGNORECASE), done.stderr
    assert not (tmp_path / "got" / "evil.py").exists()


def test_pylock_has_the_wheels_of_both_processors(locks: Path) -> None:
    lock = msgspec.toml.decode((locks / "pylock.py311.toml").read_text())
    assert lock["lock-version"] == "1.0"
    assert lock["requires-python"] == "==3.11.*"
    wheels = {row["name"]: [each for each in row["wheels"]] for row in lock["packages"]}
    names = {each["name"] for each in wheels["tflite-runtime"]}
    assert names == {f"tflite_runtime-2.14.1-{tag}.whl" for tag in TAGS}
    assert len(wheels["numpy"]) == 2
    assert {each["path"] for each in wheels["tflite-runtime"]} == {
        f"../../files/{name}" for name in names
    }
