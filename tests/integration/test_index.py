"""Real installers, old and new, take packages from the index over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple

from tests.support.hosting import Host, hosted
from tests.support.running import Cli
from tests.support.wheels import make_site, wheel
from wheelhouse.common.errors import Kind
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures, matrix

NEWEST = "26.3"
RUNTIME = ("tflite_runtime-2.14.1-py3-none-any.whl", "tflite_runtime-2.14.0-py3-none-any.whl")


Programs = dict[str, tuple[str | Path, ...]]


@dataclass(frozen=True)
class Done:
    status: int
    output: str
    folder: Path

    @property
    def installed(self) -> dict[str, str]:
        """The installed projects and their versions."""
        infos = [path.name.removesuffix(".dist-info") for path in self.folder.glob("*.dist-info")]
        return dict(sorted(info.split("-") for info in infos))


@dataclass(frozen=True)
class Client:
    """An installer: ``pip-<version>``, or uv."""

    name: str
    folder: Path
    program: tuple[str | Path, ...]

    def install(self, *words: str | Path) -> Done:
        done = self.run("install", "--target", self.folder, *words)
        return Done(done.returncode, done.stdout + done.stderr, self.folder)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
        env = {
            **kept,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CACHE": "1",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON": sys.executable,
        }
        return subprocess.run(
            [*self.program, *words], env=env, capture_output=True, text=True, check=False
        )


OLD = pytest.mark.skipif(sys.version_info >= (3, 12), reason="such a pip needs an older Python")
CLIENTS = [
    pytest.param("pip-20.3.4", marks=OLD),
    pytest.param("pip-23.0.1", marks=OLD),
    f"pip-{NEWEST}",
    "uv",
]


@pytest.fixture(scope="session")
def programs(fetcher: Fetcher, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The command of every installer; a pip is unpacked, for it starts slowly from its wheel."""
    commands: Programs = {"uv": (sys.executable, "-m", "uv", "pip")}
    for name in ("pip-20.3.4", "pip-23.0.1", f"pip-{NEWEST}"):
        folder = tmp_path_factory.mktemp(name)
        with zipfile.ZipFile(fetcher.file(pins.shared(name))) as archive:
            archive.extractall(folder)
        commands[name] = (sys.executable, "-W", "ignore", folder / "pip")
    return commands


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, programs: Programs, tmp_path: Path) -> Client:
    return Client(request.param, tmp_path / "installed", programs[request.param])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """An index of several releases, one yanked, one a development release, one for no Python."""
    files = tmp_path / "files"
    requires = ("numpy>=1.19.5",)
    for version in ("2.14.0", "2.14.1", "2.14.2", "2.22.0.dev2026051800"):
        wheel(files, version=version, requires=requires)
    wheel(files, version="2.15.0", python=">=99", requires=requires)
    wheel(files, "numpy", "2.4.6")
    settings = IndexSettings(
        projects={
            "numpy": ProjectSettings(),
            "tflite-runtime": ProjectSettings(yanked={"2.14.2": "crashes at noon"}),
            "gone": ProjectSettings(status="quarantined"),
        }
    )
    make_site([files], settings, Place(), tmp_path / "site")
    with hosted(tmp_path / "site") as server:
        yield server


@pytest.mark.parametrize(
    ("spelling", "as_json"), [("tflite_runtime", False), ("TFLite.Runtime", True)]
)
def test_an_installer_takes_the_newest_good_release(
    host: Host, client: Client, spelling: str, as_json: bool
) -> None:
    host.json = as_json
    done = client.install("--index-url", f"{host.url}/simple/", spelling)
    assert done.status == 0, done.output
    assert done.installed == {"numpy": "2.4.6", "tflite_runtime": "2.14.1"}
    assert bool(host.served) == (as_json and client.name != "pip-20.3.4")


def test_a_development_release_is_there_for_who_asks(host: Host, client: Client) -> None:
    allow = "--prerelease=allow" if client.name == "uv" else "--pre"
    done = client.install("--index-url", f"{host.url}/simple/", allow, "tflite-runtime")
    assert done.installed["tflite_runtime"] == "2.22.0.dev2026051800", done.output


def test_a_yanked_release_is_there_for_who_pins_it_and_says_why(host: Host, client: Client) -> None:
    done = client.install("--index-url", f"{host.url}/simple/", "tflite-runtime==2.14.2")
    assert done.installed["tflite_runtime"] == "2.14.2", done.output
    assert "crashes at noon" in done.output


def test_the_flat_page_serves_find_links(host: Host, client: Client) -> None:
    done = client.install("--no-index", "--find-links", f"{host.url}/files/", "tflite-runtime")
    assert done.installed == {"numpy": "2.4.6", "tflite_runtime": "2.14.1"}, done.output


def test_a_quarantined_project_cannot_be_installed(host: Host, client: Client) -> None:
    done = client.install("--index-url", f"{host.url}/simple/", "gone")
    assert done.status != 0
    assert done.installed == {}


def pinned(tmp_path: Path, digest: str) -> Path:
    numpy = (tmp_path / "site/files/numpy-2.4.6-py3-none-any.whl").read_bytes()
    path = tmp_path / "requirements.txt"
    path.write_text(
        f"tflite-runtime==2.14.1 --hash=sha256:{digest}\n"
        f"numpy==2.4.6 --hash=sha256:{hashlib.sha256(numpy).hexdigest()}\n"
    )
    return path


def test_hashes_that_are_required_are_those_of_the_files(
    host: Host, client: Client, tmp_path: Path
) -> None:
    digest = hashlib.sha256((tmp_path / "files" / RUNTIME[0]).read_bytes()).hexdigest()
    index = ("--index-url", f"{host.url}/simple/", "--require-hashes", "-r")
    done = client.install(*index, pinned(tmp_path, digest))
    assert done.installed == {"numpy": "2.4.6", "tflite_runtime": "2.14.1"}, done.output


def test_a_file_with_another_hash_than_required_is_refused(
    host: Host, client: Client, tmp_path: Path
) -> None:
    digest = hashlib.sha256((tmp_path / "files" / RUNTIME[1]).read_bytes()).hexdigest()
    index = ("--index-url", f"{host.url}/simple/", "--require-hashes", "-r")
    done = client.install(*index, pinned(tmp_path, digest))
    assert done.status != 0
    assert "hash" in done.output.lower()
    assert "tflite_runtime" not in done.installed


def test_a_file_that_was_changed_on_the_server_is_refused(
    host: Host, client: Client, tmp_path: Path
) -> None:
    served = tmp_path / "site/files" / RUNTIME[0]
    served.unlink()
    other = wheel(tmp_path / "evil", requires=("numpy>=1.19.5",), replaced={"evil.py": "evil = 1"})
    other.rename(served)
    done = client.install("--index-url", f"{host.url}/simple/", "tflite-runtime==2.14.1")
    assert done.status != 0
    assert "hash" in done.output.lower()
    assert not list(tmp_path.glob("installed/**/evil.py"))


def test_new_installers_resolve_from_metadata_alone(
    host: Host, programs: Programs, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    index = ("--index-url", f"{host.url}/simple/")
    words = ("install", "--dry-run", "--ignore-installed", "--report", report, *index)
    done = Client(f"pip-{NEWEST}", tmp_path, programs[f"pip-{NEWEST}"]).run(
        *words, "tflite-runtime"
    )
    assert done.returncode == 0, done.stderr
    chosen = {
        entry["metadata"]["name"]: entry["metadata"]["version"]
        for entry in json.loads(report.read_text())["install"]
    }
    assert chosen == {"tflite-runtime": "2.14.1", "numpy": "2.4.6"}
    _only_metadata(host)


def test_uv_locks_from_metadata_alone(host: Host, programs: Programs, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.in"
    wanted.write_text("tflite-runtime\n")
    words = ("compile", "--generate-hashes", "--index-url", f"{host.url}/simple/", wanted)
    done = Client("uv", tmp_path, programs["uv"]).run(*words)
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256((tmp_path / "files" / RUNTIME[0]).read_bytes()).hexdigest()
    assert "tflite-runtime==2.14.1" in done.stdout
    assert f"--hash=sha256:{digest}" in done.stdout
    _only_metadata(host)


def _only_metadata(host: Host) -> None:
    files = [path for path in host.asked if path.startswith("/files/")]
    assert files
    assert all(path.endswith(".metadata") for path in files), files


def test_uv_can_look_at_the_index_as_of_a_day(
    host: Host, programs: Programs, tmp_path: Path
) -> None:
    """The time of upload: here, that of the record."""
    host.json = True
    client = Client("uv", tmp_path / "installed", programs["uv"])
    index = ("--index-url", f"{host.url}/simple/", "--exclude-newer")
    assert client.install(*index, "2026-11-20T09:59:59Z", "tflite-runtime").status != 0
    done = client.install(*index, "2026-11-20T10:00:01Z", "tflite-runtime")
    assert done.installed["tflite_runtime"] == "2.14.1", done.output


PROCESSORS = tuple(dict.fromkeys(target.processor for target in matrix.targets()))


@pytest.fixture(scope="module")
def matrix_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """An index with a file of the right name for each target."""
    folder = tmp_path_factory.mktemp("matrix")
    for target in matrix.targets():
        wheel(folder / "files", tag=f"{target.tag}-{target.abi}-{platforms(target.processor)}")
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    make_site([folder / "files"], settings, Place(), folder / "site")
    with hosted(folder / "site") as server:
        yield server


def platforms(processor: str) -> str:
    known = architectures.architecture(processor)
    newest = known.platforms[0]
    return newest if known.libc == "musl" else f"{newest}.manylinux2014_{known.wheel}"


def downloaded(
    client: Client, host: Host, python: str, *named: str
) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """The files that pip downloads for a CPython, told the platforms that it would know there."""
    done = client.run(
        *("download", "tflite-runtime", "--no-deps", "--only-binary=:all:"),
        *("--dest", client.folder, "--index-url", f"{host.url}/simple/", "--implementation", "cp"),
        *(word for each in named for word in ("--platform", each)),
        *("--python-version", python),
    )
    return [path.name for path in client.folder.glob("*.whl")], done


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize(
    ("python", "tag"),
    [
        ("3.7", "cp37-abi3"),
        ("3.9", "cp39-cp39"),
        ("3.11", "cp311-cp311"),
        ("3.12", "cp37-abi3"),
        ("3.14", "cp314-cp314"),
        ("3.15", "cp37-abi3"),
    ],
)
def test_pip_takes_the_file_for_the_processor_and_the_cpython(
    matrix_host: Host, programs: Programs, tmp_path: Path, python: str, tag: str, processor: str
) -> None:
    client = Client("pip", tmp_path, programs[f"pip-{NEWEST}"])
    *_, newer = platforms(processor).split(".")
    tag = tag if len(matrix.choose("all", (processor,))) > 1 else "cp37-abi3"
    got, done = downloaded(client, matrix_host, python, newer)
    assert got == [f"tflite_runtime-2.14.1-{tag}-{platforms(processor)}.whl"], done.stderr


KNOWN = """
import sys
sys.path.insert(0, sys.argv[1])
from pip._vendor.packaging import _manylinux, tags
tags.sysconfig.get_platform = lambda: "linux-" + sys.argv[2]
_manylinux._is_linux_armhf = lambda *_: True
_manylinux._get_glibc_version = lambda: (2, 36)
print(*tags._linux_platforms(is_32bit=True))
"""
"""Prints the platforms that a pip knows in a 32-bit Python for armhf, under a kernel."""


@pytest.mark.parametrize(
    ("kernel", "python", "tag"),
    [
        ("armv6l", "3.11", ""),
        ("armv7l", "3.11", "cp311-cp311"),
        ("armv8l", "3.11", "cp311-cp311"),
        ("aarch64", "3.7", "cp37-abi3"),
        ("aarch64", "3.11", "cp311-cp311"),
        ("aarch64", "3.12", "cp37-abi3"),
    ],
)
@pytest.mark.parametrize("pip", [pytest.param("pip-23.0.1", marks=OLD), f"pip-{NEWEST}"])
def test_a_32_bit_system_under_any_kernel_gets_its_own_file(
    matrix_host: Host,
    programs: Programs,
    tmp_path: Path,
    pip: str,
    kernel: str,
    python: str,
    tag: str,
) -> None:
    """Under a 64-bit kernel ``uname -m`` says aarch64; a Raspberry Pi Zero has armv6l.

    It says armv8l there to whom ``linux32`` starts; that is a word which pip knows since 24.1.
    """
    folder = Path(programs[pip][-1]).parent
    told = subprocess.run(
        [sys.executable, "-c", KNOWN, folder, kernel], capture_output=True, text=True, check=True
    )
    client = Client(pip, tmp_path, programs[pip])
    got, done = downloaded(client, matrix_host, python, *told.stdout.split())
    if tag and (kernel, pip) != ("armv8l", "pip-23.0.1"):
        assert got == [f"tflite_runtime-2.14.1-{tag}-{platforms('armv7l')}.whl"], done.stderr
    else:
        assert got == []
        assert "No matching distribution found for tflite-runtime" in done.stderr


@pytest.mark.parametrize("platform", ["manylinux2014_ppc64le", "musllinux_1_1_aarch64"])
def test_pip_has_no_file_for_another_processor_or_an_older_libc(
    matrix_host: Host, programs: Programs, tmp_path: Path, platform: str
) -> None:
    client = Client("pip", tmp_path, programs[f"pip-{NEWEST}"])
    got, done = downloaded(client, matrix_host, "3.11", platform)
    assert (got, done.returncode) == ([], 1)
    assert "No matching distribution found for tflite-runtime" in done.stderr


def test_wheels_at_another_address_are_found(client: Client, tmp_path: Path) -> None:
    path = wheel(tmp_path / "releases/v1.0")
    with hosted(tmp_path / "releases") as there, hosted(tmp_path / "site") as here:
        settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
        place = Place(files=f"{there.url}/{{folder}}/")
        make_site([tmp_path / "releases"], settings, place, tmp_path / "site")
        done = client.install("--index-url", f"{here.url}/simple/", "tflite-runtime")
        assert done.installed == {"tflite_runtime": "2.14.1"}, done.output
        assert there.asked[-1] == f"/v1.0/{path.name}"


@pytest.mark.parametrize(
    ("platforms", "python", "taken"),
    [
        (("manylinux2014_aarch64", "linux_aarch64"), "3.7", "manylinux_2_17_aarch64"),
        (("linux_aarch64",), "3.7", "linux_aarch64"),
        (("linux_aarch64",), "3.11", ""),  # with musl
        (("manylinux2014_aarch64", "linux_aarch64"), "3.11", "manylinux_2_17_aarch64"),
    ],
)
@pytest.mark.parametrize("pip", [pytest.param("pip-23.0.1", marks=OLD), f"pip-{NEWEST}"])
def test_the_file_for_older_pips_is_for_nobody_else(
    platforms: tuple[str, ...],
    python: str,
    taken: str,
    pip: str,
    programs: Programs,
    tmp_path: Path,
) -> None:
    wheel(tmp_path / "in", tag="cp37-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64")
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    make_site([tmp_path / "in"], settings, Place(), tmp_path / "site")
    chosen = [word for each in platforms for word in ("--platform", each)]
    chosen += ["--implementation", "cp", "--python-version", python, "--abi", "abi3"]
    with hosted(tmp_path / "site") as host:
        index = ("--index-url", f"{host.url}/simple/", "--only-binary", ":all:", "--no-deps")
        done = Client(pip, tmp_path, programs[pip]).run(
            "download", *index, *chosen, "--dest", tmp_path / "got", "tflite-runtime"
        )
    got = [path.name for path in (tmp_path / "got").glob("*.whl")]
    assert (done.returncode == 0) == bool(taken), done.stderr
    assert [name.split("-")[-1].split(".")[0] for name in got] == [taken] * bool(taken)


@pytest.mark.parametrize("accept", [ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY], ids=["html", "json"])
def test_a_strict_reader_gets_all_that_the_pages_promise(
    host: Host, tmp_path: Path, accept: str
) -> None:
    host.json = accept == ACCEPT_JSON_ONLY
    with PyPISimple(f"{host.url}/simple/", accept=accept) as reader:
        assert sorted(reader.get_index_page().projects) == ["gone", "numpy", "tflite-runtime"]
        page = reader.get_project_page("tflite-runtime")
        assert len(page.packages) == 5
        for shown in page.packages:
            fetched = tmp_path / "fetched.whl"
            reader.download_package(shown, fetched)
            assert fetched.read_bytes() == (tmp_path / "files" / shown.filename).read_bytes()
            metadata = reader.get_package_metadata(shown)
            assert metadata.startswith("Metadata-Version: 2.4\nName: tflite-runtime\n")
    assert bool(host.served) == host.json


def test_the_command_names_the_file_that_it_refuses(
    cli: Cli, project: Path, tmp_path: Path
) -> None:
    path = wheel(tmp_path)
    path.with_name(f"{path.name}.verified.json").unlink()
    before = sorted(project.iterdir())
    done = cli("index", "--wheels", str(tmp_path), cwd=project)
    assert done.status == Kind.INDEX
    assert f"error: {path.name} was never verified" in done.stderr
    assert "`invoke verify`" in done.stderr
    assert sorted(project.iterdir()) == before
