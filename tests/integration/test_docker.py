"""The Docker engine and the ways in which it fails, each of them real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from tests.support.daemon import daemon
from tests.support.running import Cli, Until
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store, tree_digest
from wheelhouse.machines import binfmt, docker, images, volumes
from wheelhouse.machines.docker import Limits
from wheelhouse.machines.volumes import Kept
from wheelhouse.package import products
from wheelhouse.package.container import MAIN
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix, systems
from wheelhouse.targets.architectures import architecture

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
    return engine.containers.list(all=True, filters={"label": docker.LABEL}, ignore_removed=True)


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

    def test_a_system_s_image_is_for_its_processor_without_root(self, engine: DockerClient) -> None:
        for system in systems.debian():
            image = engine.images.get(images.pi(engine, system, Store.default()))
            assert image.attrs["Architecture"] == system.architecture.docker
            assert image.attrs["Config"]["User"] == docker.USER
            assert image.attrs["Config"].get("Healthcheck") is None


class TestOtherProcessors:
    def test_what_the_engine_cannot_run_is_named_with_what_to_install(
        self, engine: DockerClient, fetcher: Fetcher
    ) -> None:
        """32-bit Arm, for which no emulator is registered."""
        known = architecture("aarch64")
        arm = msgspec.structs.replace(
            known, name="arm", zig="arm-linux-gnueabihf", debian="armhf", docker="arm", qemu=None
        )
        with pytest.raises(WheelhouseError, match="cannot run armhf programs") as caught:
            images.require(engine, arm, fetcher.store)
        assert caught.value.kind is Kind.ENGINE
        assert "apt-get install qemu-user-static binfmt-support" in caught.value.hint

    def test_root_registers_qemu_on_the_engines_own_machine(
        self, engine: DockerClient, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even where binfmt_misc is not mounted."""
        if os.geteuid() != 0 or not binfmt.is_this_machine(engine) or "CI" not in os.environ:
            pytest.skip("only root can change what the kernel runs, and should in CI only")
        monkeypatch.setattr(images, "_ABLE", set())
        subprocess.run(["umount", binfmt.FOLDER], check=True)
        name = images.pi(engine, systems.system("bookworm"), fetcher.store)
        with docker.box(engine, name, LIMITS) as box:
            assert box.run(["sh", "-c", "echo runs"], cwd="/").stdout == "runs\n"


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
            "from wheelhouse.package.products import compiled\n"
            "print(*(product.step.key for product in compiled()))"
        )
        done = box.run([PYTHON, "-c", code], cwd="/project", env={})
        assert done.stdout.split() == [product.step.key for product in products.compiled()]

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


@pytest.fixture
def kept(engine: DockerClient, tmp_path: Path) -> Iterator[Callable[[str], Kept]]:
    """Folders to keep, by name, each with a file that has this name for content."""
    made: list[Kept] = []

    def make(name: str) -> Kept:
        folder = tmp_path / "kept" / name
        folder.mkdir(parents=True)
        (folder / "file").write_text(name)
        made.append(Kept(f"{tmp_path.name}-{name}", f"key of {name}", lambda: folder))
        return made[-1]

    yield make
    volumes.prune(engine, keys(engine) - {each.key for each in made})


def keys(engine: DockerClient) -> set[str]:
    found = engine.volumes.list(filters={"label": volumes.KEY})
    return {str(each.attrs["Labels"][volumes.KEY]) for each in found}


def never() -> Path:
    raise AssertionError("it is sent again")


class TestKept:
    def test_what_was_sent_once_is_there_read_only(
        self, engine: DockerClient, builder: str, kept: Callable[[str], Kept]
    ) -> None:
        first, second = kept("first"), kept("second")
        with volumes.box(engine, builder, LIMITS, {"/cache/a/first": first}) as box:
            assert box.run(["cat", "file"], cwd="/cache/a/first").stdout == "first"
        both = {"/cache/a/first": replace(first, folder=never), "/cache/a/second": second}
        with volumes.box(engine, builder, LIMITS, both) as box:
            done = box.run(["sh", "-c", "cat */file; touch first/new"], cwd="/cache/a")
            assert done.stdout == "firstsecond"
            assert "Read-only file system" in done.stderr

    def test_its_digest_is_that_of_the_folder(
        self, engine: DockerClient, builder: str, kept: Callable[[str], Kept], repo: Path
    ) -> None:
        one = kept("one")
        code = (
            "from pathlib import Path\n"
            "from wheelhouse.common.store import tree_digest\n"
            "print(tree_digest(Path('/cache/one')))"
        )
        with volumes.box(engine, builder, LIMITS, {"/cache/one": one}) as box:
            box.send({"/project/wheelhouse": repo / "wheelhouse"})
            done = box.run([PYTHON, "-c", code], cwd="/project")
        assert done.stdout.strip() == tree_digest(one.folder())

    def test_half_of_a_sending_that_was_killed_counts_for_nothing(
        self, engine: DockerClient, builder: str, kept: Callable[[str], Kept], until: Until
    ) -> None:
        """It is killed while its stream arrives."""
        whole, half = kept("whole"), kept("half")
        with (half.folder() / "large").open("wb") as stream:
            stream.truncate(400_000_000)
        told = [(str(each.folder()), each.volume, each.key) for each in (whole, half)]
        code = (
            "from pathlib import Path\n"
            "from wheelhouse.machines import docker, volumes\n"
            "kept = {\n"
            "    f'/cache/{Path(path).name}': volumes.Kept(name, key, lambda p=path: Path(p))\n"
            f"    for path, name, key in {told}\n"
            "}\n"
            "limits = docker.Limits(10**9, 1)\n"
            f"with volumes.box(docker.connect(), {builder!r}, limits, kept): pass\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        until(lambda: arrived(engine, "/cache/half/large"))
        process.kill()
        process.wait()
        until(lambda: ours(engine) == [])
        assert {whole.volume, half.volume} <= {each.name for each in engine.volumes.list()}
        paths = {"/cache/whole": replace(whole, folder=never), "/cache/half": half}
        with volumes.box(engine, builder, LIMITS, paths) as box:
            done = box.run(["sh", "-c", "stat -c %s large; cat file"], cwd="/cache/half")
            assert done.stdout == "400000000\nhalf"

    def test_two_builds_at_once_send_it_once(
        self, builder: str, kept: Callable[[str], Kept], capfd: pytest.CaptureFixture[str]
    ) -> None:
        shared = kept("shared")
        sent = []

        def folder() -> Path:
            sent.append(threading.get_ident())
            time.sleep(1)
            return shared.folder()

        def build(_: int) -> str:
            paths = {"/cache/shared": replace(shared, folder=folder)}
            with volumes.box(docker.connect(), builder, LIMITS, paths) as box:
                return box.run(["cat", "file"], cwd="/cache/shared").stdout

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(build, range(2))) == ["shared", "shared"]
        assert len(sent) == 1
        assert "Another build uses the container" in capfd.readouterr().err

    def test_what_is_not_needed_is_removed_unless_it_is_in_use(
        self, engine: DockerClient, builder: str, kept: Callable[[str], Kept]
    ) -> None:
        every = {f"/cache/{name}": kept(name) for name in ("needed", "used", "idle")}
        with volumes.box(engine, builder, LIMITS, every):
            pass
        with volumes.box(engine, builder, LIMITS, {"/cache/used": every["/cache/used"]}):
            assert volumes.prune(engine, keys(engine) - {"key of used", "key of idle"}) == 1
        left = {each.name for each in engine.volumes.list()}
        assert [each.volume in left for each in every.values()] == [True, True, False]

    def test_a_failed_sending_leaves_nothing_half(
        self, engine: DockerClient, builder: str, kept: Callable[[str], Kept]
    ) -> None:
        good = kept("good")
        paths = {"/cache/good": good, "/cache/bad": replace(kept("bad"), folder=never)}
        with (
            pytest.raises(AssertionError, match="sent again"),
            volumes.box(engine, builder, LIMITS, paths),
        ):
            pass
        left = {each.name for each in engine.volumes.list()}
        assert good.volume in left
        assert paths["/cache/bad"].volume not in left
        assert ours(engine) == []


def arrived(engine: DockerClient, path: str) -> bool:
    """Whether a file lies in the container that fills volumes."""
    try:
        sender = engine.containers.get(f"{docker.LABEL}-sender")
        return bool(sender.exec_run(["test", "-e", path]).exit_code == 0)
    except APIError:
        return False


def test_an_image_that_is_gone_is_named(engine: DockerClient) -> None:
    gone = f"{docker.LABEL}/gone:1"
    with (
        pytest.raises(WheelhouseError, match=f"has lost an image: .*{gone}") as caught,
        docker.box(engine, gone, LIMITS),
    ):
        pass
    assert caught.value.kind is Kind.ENGINE
    assert "Run the same command again" in caught.value.hint


@dataclass(frozen=True)
class Small:
    """An engine of its own on a small disk, with one image."""

    client: DockerClient
    image: str
    folder: Path
    size: int
    """Of the disk, in bytes."""

    def stop(self) -> None:
        """End it, as its machine does when it is shut down."""
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        while (self.folder / "pid").exists():
            time.sleep(0.1)

    def volumes(self) -> list[str]:
        return [str(each.name) for each in self.client.volumes.list()]


@pytest.fixture
def small(engine: DockerClient, tmp_path: Path) -> Iterator[Small]:
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("only root can start an engine on a small disk")
    name = images.pi(engine, systems.system("bullseye"), Store.default())
    image = engine.images.get(name)
    short = Path(tempfile.mkdtemp())  # a socket's path has 108 characters at most
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 3 * image.attrs["Size"]  # its archive lies there too while it is loaded
    options = f"size={size}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)
    try:
        with daemon(disk, short) as address:
            client = DockerClient(base_url=address)
            chunks = image.save(named=True)
            client.images.load(chunks)  # type: ignore[arg-type] # it takes any iterable
            yield Small(client, name, short, size)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def big(small: Small, tmp_path: Path) -> Kept:
    """A folder that the small engine's disk has no room for."""
    folder = tmp_path / "big"
    folder.mkdir()
    with (folder / "file").open("wb") as stream:
        stream.truncate(small.size)
    return Kept("big", "key of big", lambda: folder)


class TestSmallDisk:
    def test_a_full_disk_of_the_engine_is_named_as_such(self, small: Small, big: Kept) -> None:
        with (
            pytest.raises(WheelhouseError, match="disk of the Docker engine is full") as caught,
            docker.box(small.client, small.image, LIMITS) as box,
        ):
            box.send({"/home/pi/big": big.folder()})
        assert "docker system df" in caught.value.hint
        assert ours(small.client) == []

    def test_what_has_no_room_is_not_kept_by_half(self, small: Small, big: Kept) -> None:
        with (
            pytest.raises(WheelhouseError, match="disk of the Docker engine is full") as caught,
            volumes.box(small.client, small.image, LIMITS, {"/home/pi/big": big}),
        ):
            pass
        assert caught.value.kind is Kind.DISK
        assert (ours(small.client), small.volumes()) == ([], [])

    def test_an_engine_that_goes_away_while_it_gets_files_is_named(
        self, small: Small, kept: Callable[[str], Kept]
    ) -> None:
        def leave() -> Path:
            small.stop()
            return one.folder()

        one = kept("one")
        paths = {"/home/pi/one": replace(one, folder=leave)}
        with (
            pytest.raises(WheelhouseError, match="Docker engine went away") as caught,
            volumes.box(small.client, small.image, LIMITS, paths),
        ):
            pass
        assert caught.value.kind is Kind.ENGINE
        assert "finished steps are kept" in caught.value.hint
