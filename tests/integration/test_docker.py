"""The Docker engine and the ways in which it fails, each of them real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.models.containers import Container

from tests.support.daemon import daemon
from tests.support.running import Cli, Until
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.machines import docker, images
from wheelhouse.machines.docker import Limits
from wheelhouse.package import products
from wheelhouse.package.container import MAIN
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems

LIMITS = Limits(memory=10**9, processors=1)
PYTHON = "/opt/toolchain/bin/python"
WORDS = ("build", "--engine", "docker", "--no-verify")


@pytest.fixture(scope="session")
def builder(engine: DockerClient, fetcher: Fetcher) -> str:
    return images.builder(engine, fetcher)


@pytest.fixture
def box(engine: DockerClient, builder: str) -> Iterator[docker.Box]:
    with docker.box(engine, builder, LIMITS) as box:
        yield box


def ours(engine: DockerClient) -> list[Container]:
    return engine.containers.list(all=True, filters={"label": docker.LABEL})


NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


class TestNoEngine:
    @pytest.mark.parametrize("words", [WORDS, ("images",), ("verify", "--engine", "docker")])
    def test_every_task_that_wants_one_says_what_to_do(
        self, cli: Cli, words: tuple[str, ...], tmp_path: Path
    ) -> None:
        wheel = tmp_path / "tflite_runtime-2.14.1-cp37-abi3-linux_aarch64.whl"
        wheel.touch()
        words = (*words, "--wheel", str(wheel)) if "verify" in words else words
        done = cli(*words, **NOWHERE, WHEELHOUSE_CACHE=str(tmp_path / "cache"))
        assert done.status == Kind.ENGINE
        assert "No Docker engine answers at unix:///nowhere/docker.sock." in done.stderr
        assert "systemctl start docker" in done.stderr
        assert "--engine host" in done.stderr
        assert "Traceback" not in done.stderr

    def test_auto_says_that_this_machine_builds(self, cli: Cli) -> None:
        done = cli("build", "--engine", "auto", "--no-verify", **NOWHERE)
        assert done.status == 0, done.stderr
        assert "The engine is host" in done.stderr

    def test_an_unknown_engine_is_answered_with_a_likely_one(self, cli: Cli) -> None:
        done = cli("build", "--engine", "doker")
        assert done.status == Kind.USAGE
        assert "did you mean docker?" in done.stderr

    def test_an_unknown_context_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
        with pytest.raises(WheelhouseError, match="no Docker context named elsewhere"):
            docker.connect()


def test_a_context_names_the_engine(
    cli: Cli, engine: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["DOCKER_HOST"]
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for words in (["create", "bigger", "--docker", f"host={address}"], ["use", "bigger"]):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True)
    done = cli("images", "--bootstrap")
    assert done.status == 0, done.stderr
    assert "The Docker engine has all images" in done.stderr


def test_a_user_without_permission_is_told_how_to_get_it(engine: DockerClient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become a user without permission")
    os.seteuid(65534)
    try:
        with pytest.raises(WheelhouseError, match="may not use the Docker engine") as caught:
            docker.connect()
    finally:
        os.seteuid(0)
    assert "sudo usermod -aG docker" in caught.value.hint


def test_a_base_that_no_registry_gives_is_offered_from_debians_archive(
    cli: Cli, project: Path, engine: DockerClient, cache: Callable[..., Path]
) -> None:
    table = project / "wheelhouse/machines/images.toml"
    text = table.read_text().replace('"debian:', '"registry.invalid/debian:')
    table.write_text(text.replace('"dash", ', ""))  # so that no base was made here
    shared = cache("files", "trees", "requirements")
    done = cli(*WORDS, cwd=project, WHEELHOUSE_CACHE=str(shared))
    assert done.status == Kind.FETCH
    assert "registry.invalid/debian:bookworm-slim@sha256:" in done.stderr
    assert "could not be pulled" in done.stderr
    assert "invoke images --bootstrap" in done.stderr
    assert not (project / "wheels").exists()


class TestImages:
    def test_the_builder_runs_as_an_ordinary_user(self, box: docker.Box) -> None:
        assert box.run(["id", "-u"], cwd="/").stdout == "1000\n"

    def test_its_labels_hold_the_digest_of_its_sources(
        self, engine: DockerClient, builder: str
    ) -> None:
        labels = engine.images.get(builder).labels
        assert builder.endswith(f":{labels['org.opencontainers.image.revision']}")

    def test_no_layer_knows_where_packages_come_from(
        self, engine: DockerClient, builder: str
    ) -> None:
        """Neither an address, which may hold a password, nor the environment of this process."""
        image = engine.images.get(builder)
        told = str(image.history()) + str(image.attrs["Config"])
        assert "://" not in told
        assert "PIP_" not in told

    def test_each_system_has_an_arm64_image_without_root(self, engine: DockerClient) -> None:
        for system in systems.catalogue().systems:
            image = engine.images.get(images.pi(engine, system, Store.default()))
            assert image.attrs["Architecture"] == "arm64"
            assert image.attrs["Config"]["User"] == docker.USER
            assert image.attrs["Config"].get("Healthcheck") is None


class TestBox:
    def test_it_has_no_network(self, box: docker.Box) -> None:
        done = box.run(["cat", "/proc/net/dev"], cwd="/")
        assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:]] == ["lo"]

    def test_it_has_no_capability_and_gets_none(self, box: docker.Box) -> None:
        status = box.run(["cat", "/proc/self/status"], cwd="/").stdout
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status

    def test_files_come_back_as_they_went(self, box: docker.Box, tmp_path: Path) -> None:
        there, back = tmp_path / "there", tmp_path / "back"
        (there / "in").mkdir(parents=True)
        (there / "in/program").write_bytes(b"\0\1")
        (there / "in/program").chmod(0o755)
        (there / "link").symlink_to("in/program")
        box.send({"/cache/some/where": there})
        assert box.run(["touch", "/cache/some/where/in/new"], cwd="/").status == 0
        back.mkdir()
        box.fetch("/cache/some/where", back)
        assert (back / "in/program").read_bytes() == b"\0\1"
        assert os.access(back / "in/program", os.X_OK)
        assert (back / "link").readlink() == Path("in/program")
        assert (back / "in/new").exists()

    def test_what_is_absent_is_not_fetched(self, box: docker.Box, tmp_path: Path) -> None:
        box.fetch("/cache/absent", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_keys_are_the_same_as_on_this_machine(self, box: docker.Box, repo: Path) -> None:
        box.send({f"/project/{name}": repo / name for name in ("wheelhouse", "native", "patches")})
        code = (
            "from wheelhouse.package.products import every\n"
            "print(*(product.step.key for product in every()))"
        )
        done = box.run([PYTHON, "-c", code], cwd="/project", env={})
        assert done.stdout.split() == [product.step.key for product in products.every()]

    def test_a_build_without_its_sources_fails_instead_of_fetching(
        self, box: docker.Box, repo: Path
    ) -> None:
        box.send({f"/project/{name}": repo / name for name in ("wheelhouse", "native", "patches")})
        label = RuntimeWheel(matrix.targets()[0], matrix.matrix().tflite, True).label
        env = {"WHEELHOUSE_CACHE": "/cache"}
        done = box.run([*MAIN, label], cwd="/project", env=env)
        assert done.status == Kind.FETCH
        failure = box.run(["cat", "/cache/failure/failure.json"], cwd="/").stdout
        assert "the network is not to be used" in failure

    def test_lack_of_memory_is_named_with_a_remedy(
        self, engine: DockerClient, builder: str
    ) -> None:
        small = Limits(memory=100_000_000, processors=1)
        with (
            docker.box(engine, builder, small) as box,
            pytest.raises(WheelhouseError, match=r"out of memory: it may use 0\.1 GB") as caught,
        ):
            box.run([PYTHON, "-c", "bytearray(300_000_000)"], cwd="/")
        assert "WHEELHOUSE_JOBS=1" in caught.value.hint

    def test_a_container_killed_from_outside_is_named(self, box: docker.Box) -> None:
        threading.Timer(1, box.container.kill).start()
        with pytest.raises(WheelhouseError, match="killed from outside"):
            box.run(["sleep", "60"], cwd="/")

    def test_a_container_dies_with_the_process_that_made_it(
        self, engine: DockerClient, builder: str, until: Until
    ) -> None:
        code = (
            "from wheelhouse.machines import docker\n"
            "client = docker.connect()\n"
            f"with docker.box(client, {builder!r}, docker.Limits(10**8, 1)) as box:\n"
            "    print(box.container.id, flush=True)\n"
            "    box.run(['sleep', '600'], cwd='/')\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        name = process.stdout.readline().strip()
        assert name in [container.id for container in ours(engine)]
        process.kill()
        process.wait()
        until(lambda: name not in [container.id for container in ours(engine)])


def test_ctrl_c_leaves_no_container_and_nothing_half_made(
    engine: DockerClient, project: Path, cache: Callable[..., Path]
) -> None:
    env = {**os.environ, "WHEELHOUSE_CACHE": str(cache("files", "trees"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", *WORDS],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("Configuring"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted." in said
    assert ours(engine) == []
    assert not (project / "wheels").exists()


def test_a_full_disk_of_the_engine_is_named_as_such(engine: DockerClient, tmp_path: Path) -> None:
    """An engine of its own on a disk of 250 MB."""
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("only root can start an engine on a small disk")
    system = systems.system("bullseye")
    name = images.pi(engine, system, Store.default())
    short = Path(tempfile.mkdtemp())  # a socket's path has 108 characters at most
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250m", "none", disk], check=True)
    try:
        with daemon(disk, short) as address:
            small = DockerClient(base_url=address)
            chunks = engine.images.get(name).save(named=True)
            small.images.load(chunks)  # type: ignore[arg-type] # it takes any iterable
            big = tmp_path / "big"
            with big.open("wb") as stream:
                stream.truncate(300_000_000)
            with (
                pytest.raises(WheelhouseError, match="disk of the Docker engine is full") as caught,
                docker.box(small, name, LIMITS) as box,
            ):
                box.send({"/home/pi/big": big})
            assert "docker system df" in caught.value.hint
            assert ours(small) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
