"""Compiles through the compiler cache of a store and caches that machines share, with servers."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest
from elftools.elf.elffile import ELFFile

from tests.support import compile_cache
from tests.support.compile_cache import Redis, User, compiled, of_folder, running, sources
from tests.support.loopback import Scripted, closed
from tests.support.running import Cli, Task, Until
from wheelhouse.common import costs
from wheelhouse.common.errors import Kind
from wheelhouse.common.step import Step, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import sccache, shared_cache
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import release_components

pytestmark = pytest.mark.other_machines

Use = Callable[..., None]
Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def servers() -> None:
    compile_cache.prepare()


@pytest.fixture
def redis() -> Iterator[Redis]:
    port = compile_cache.free_port()
    with running(compile_cache.redis(port), port):
        yield Redis(port)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Name a shared cache."""

    def name(address: str, mode: str = "") -> None:
        monkeypatch.setenv(shared_cache.ADDRESS, address)
        monkeypatch.setenv(shared_cache.MODE, mode)

    return name


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return of_folder(sources(tmp_path / "sources", 4))


@pytest.fixture
def right(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The library that a compile without a compiler cache makes."""
    with monkeypatch.context() as patch:
        patch.setattr(sccache, "PROGRAM", tmp_path / "none")
        return compiled(step, Store(tmp_path / "without"))


def servers_of(store: Store) -> list[psutil.Process]:
    """The processes of a store's server."""
    return _servers(lambda folder: folder == str(store.root / sccache.FOLDER))


def _servers(chosen: Callable[[str], bool]) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if chosen((process.info["environ"] or {}).get("SCCACHE_DIR", ""))
        and len(process.info["cmdline"] or []) == 1  # clients have more words
    ]


@pytest.fixture(autouse=True)
def none_left(tmp_path: Path) -> Iterator[None]:
    """End the servers that would end themselves in 10 minutes, as those of killed builds."""
    yield
    for process in _servers(lambda folder: folder.startswith(f"{tmp_path}/")):
        process.kill()


def objects(store: Store) -> list[Path]:
    """The objects that the compiler cache of a store keeps."""
    return [path for path in (store.root / sccache.FOLDER).rglob("*") if path.is_file()]


class TestShared:
    @pytest.mark.parametrize("kind", ["redis", "webdav"])
    def test_a_second_user_elsewhere_compiles_nothing(self, tmp_path: Path, kind: str) -> None:
        ruy = get_or_make(release_components("2.14.1")["ruy"].tree, Fetcher.from_options())
        port = compile_cache.free_port()
        command = compile_cache.redis(port)
        if kind == "webdav":
            command = compile_cache.nginx(port, tmp_path / "nginx")
        address = f"{kind}://127.0.0.1:{port}" + ("/team/objects" if kind == "webdav" else "")
        first, second = User(tmp_path / "one"), User(tmp_path / "home" / "a" / "second")
        with running(command, port):
            cold = first.compile(ruy, WHEELHOUSE_SHARED_CACHE=address)
            warm = second.compile(ruy, WHEELHOUSE_SHARED_CACHE=address)
        assert "from the compiler cache" not in cold.stderr
        count = len(compile_cache.RUY)
        assert f"{count} of {count} objects came from the compiler cache" in warm.stderr
        assert warm.stdout == cold.stdout
        assert "warning" not in cold.stderr + warm.stderr

    def test_two_processors_never_mix(self, redis: Redis, use: Use, tmp_path: Path) -> None:
        use(redis.address)
        folder = sources(tmp_path / "both", 2)
        for processor in ("aarch64", "x86_64"):
            for name in ("a", "b"):
                made = get_or_make(
                    of_folder(folder, processor=processor), Fetcher(Store(tmp_path / name))
                )
                archive = next(made.glob("*.a"))
                subprocess.run(["ar", "x", archive], cwd=made, check=True)
                with next(made.glob("*.o")).open("rb") as stream:
                    assert ELFFile(stream)["e_machine"] == f"EM_{processor.upper()}"
        assert len(redis.objects) == 4

    def test_two_sources_with_the_same_text_never_mix(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Their objects have the names of the sources."""
        monkeypatch.setenv("WHEELHOUSE_JOBS", "1")
        twins = tmp_path / "twins"
        twins.mkdir()
        for name in ("one.cc", "two.cc"):
            (twins / name).write_text("")
        made = compiled(of_folder(twins), Store(tmp_path / "a"))
        assert b"one.cc\0" in made
        assert b"two.cc\0" in made

    def test_a_reader_writes_nothing(
        self, redis: Redis, use: Use, step: Step, tmp_path: Path, capfd: Output
    ) -> None:
        use(redis.address, "read")
        made = compiled(step, Store(tmp_path / "a"))
        assert redis.objects == set()
        use(redis.address)
        assert compiled(step, Store(tmp_path / "b")) == made
        use(redis.address, "read")
        assert compiled(step, Store(tmp_path / "c")) == made
        assert capfd.readouterr().err.count("4 of 4 objects came") == 1

    def test_a_password_is_in_no_log_and_no_command_line(
        self, use: Use, step: Step, store: Store, capfd: Output
    ) -> None:
        port = compile_cache.free_port()
        seen: list[str] = []
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.05):
                for process in psutil.process_iter(["cmdline"]):
                    if "redis-server" not in (words := " ".join(process.info["cmdline"] or [])):
                        seen.append(words)

        with running(compile_cache.redis(port, "--requirepass", "s3cr3t"), port):
            use(f"redis://:s3cr3t@127.0.0.1:{port}")
            watcher = threading.Thread(target=look)
            watcher.start()
            compiled(step, store)
            done.set()
            watcher.join()
            use(f"redis://:wr0ng@127.0.0.1:{port}")
            compiled(step, Store(store.root / "second"))
        told = capfd.readouterr().err
        assert "cannot be used" in told or "failed" in told  # the wrong one
        files = [path for path in store.root.rglob("*") if path.is_file()]
        for secret in ("s3cr3t", "wr0ng"):
            assert secret not in told
            assert not any(secret in words for words in seen)
            assert not [path for path in files if secret.encode() in path.read_bytes()]
        assert any("--start-server" in words or "sccache" in words for words in seen)


class TestFailures:
    """A build goes on without what the shared cache cannot give, says so once, same bytes."""

    def warned(self, capfd: Output) -> str:
        lines = [line for line in capfd.readouterr().err.splitlines() if "warning:" in line]
        assert len(lines) == 1, lines
        return lines[0]

    def test_away(self, use: Use, step: Step, right: bytes, store: Store, capfd: Output) -> None:
        use(closed().replace("http", "webdav"))
        assert compiled(step, store) == right
        assert "does not answer; this build goes on without it" in self.warned(capfd)

    @pytest.mark.parametrize("kind", ["redis", "webdav"])
    def test_hanging(
        self,
        use: Use,
        step: Step,
        right: bytes,
        store: Store,
        kind: str,
        capfd: Output,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(shared_cache, "PATIENCE", 0.3)
        port = compile_cache.free_port()
        with running(compile_cache.redis(port), port) as server:
            server.send_signal(signal.SIGSTOP)
            use(f"{kind}://127.0.0.1:{port}")
            assert compiled(step, store) == right
            server.send_signal(signal.SIGCONT)
        assert "does not answer" in self.warned(capfd)

    def test_hanging_from_the_middle_on(
        self,
        redis: Redis,
        use: Use,
        right: bytes,
        step: Step,
        store: Store,
        capfd: Output,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class Slow(Scripted):
            """A WebDAV server that answers nothing any more after the first object."""

            stuck = threading.Event()

            def answer(self, request: BaseHTTPRequestHandler) -> None:
                if request.path.count("/") > 2:
                    self.stuck.set()
                if self.stuck.is_set():
                    time.sleep(20)
                request.send_error(404)

        monkeypatch.setattr(shared_cache, "PATIENCE", 0.3)
        monkeypatch.setattr(sccache, "_INTERVAL", 0.1)
        server = Slow()
        use(server.url.replace("http", "webdav"))
        start = time.monotonic()
        assert compiled(step, store) == right
        assert time.monotonic() - start < 40  # not 60 s for each object, as sccache alone
        assert server.stuck.is_set()
        assert "no longer answers" in self.warned(capfd)
        server.close()

    def test_restarted_in_the_middle(
        self, use: Use, step: Step, right: bytes, store: Store, until: Until, capfd: Output
    ) -> None:
        port = compile_cache.free_port()
        use(f"redis://127.0.0.1:{port}")
        made: list[bytes] = []
        build = threading.Thread(target=lambda: made.append(compiled(step, store)))
        with running(compile_cache.redis(port), port):
            build.start()
            until(lambda: servers_of(store) and Redis(port).ask("keys", "*"))
        with running(compile_cache.redis(port), port):
            build.join()
        assert made == [right]
        assert capfd.readouterr().err.count("warning:") <= 1

    def test_full(
        self, redis: Redis, use: Use, step: Step, right: bytes, store: Store, capfd: Output
    ) -> None:
        redis.ask("config", "set", "maxmemory", "100")
        use(redis.address)
        assert compiled(step, store) == right
        assert "failed" in self.warned(capfd)

    @pytest.mark.parametrize("edit", [lambda data: b"garbage", lambda data: data[: len(data) // 2]])
    def test_garbage_and_truncated_objects(
        self,
        redis: Redis,
        use: Use,
        step: Step,
        right: bytes,
        tmp_path: Path,
        capfd: Output,
        edit: Callable[[bytes], bytes],
    ) -> None:
        use(redis.address)
        compiled(step, Store(tmp_path / "first"))
        redis.change(edit)
        assert compiled(step, Store(tmp_path / "second")) == right
        assert "failed 4 times; what it could not give was compiled" in self.warned(capfd)
        assert compiled(step, Store(tmp_path / "third")) == right
        assert "4 of 4 objects" in capfd.readouterr().err  # the second user mended them


@pytest.mark.parametrize("words", [("build", "--no-verify"), ("make", "anything")])
@pytest.mark.parametrize(
    "env",
    [
        {"WHEELHOUSE_SHARED_CACHE": "http://me:s3cr3t@there"},
        {"WHEELHOUSE_SHARED_CACHE_MODE": "both"},
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_made(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], env: dict[str, str]
) -> None:
    done = cli(*words, WHEELHOUSE_CACHE=str(tmp_path / "cache"), **env)
    assert done.status == Kind.USAGE
    assert f"error: {next(iter(env))} is " in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not (tmp_path / "cache").exists()


class TestServer:
    def test_it_ends_with_the_build_and_what_it_keeps_serves_the_next(
        self, step: Step, store: Store, capfd: Output, until: Until
    ) -> None:
        made = compiled(step, store)
        until(lambda: not servers_of(store))
        subprocess.run(["rm", "-r", store.root / "libraries"], check=True)
        assert compiled(step, store) == made
        assert "4 of 4 objects came from the compiler cache" in capfd.readouterr().err

    def test_its_compiles_count_as_costs_of_the_step(self, store: Store, tmp_path: Path) -> None:
        templates = '#include <regex>\nbool f() { return std::regex_match("a", std::regex("a")); }'
        folder = tmp_path / "slow"
        folder.mkdir()
        (folder / "slow.cc").write_text(templates)
        step = of_folder(folder)
        compiled(step, store)
        assert costs.expected(store, step.kind, step.label) > 1

    def test_builds_at_once_share_one_and_the_last_one_ends_it(
        self, store: Store, task: Task, tmp_path: Path, until: Until
    ) -> None:
        builds = [build(task, store, sources(tmp_path / name, 12)) for name in ("a", "b")]
        seen: Counter[int] = Counter()
        while any(each.poll() is None for each in builds):
            seen.update(process.pid for process in servers_of(store))
            time.sleep(0.02)
        assert [each.wait() for each in builds] == [0, 0]
        assert len([pid for pid, times in seen.items() if times > 5]) == 1  # a start takes forks
        until(lambda: not servers_of(store))

    def test_that_of_a_killed_build_is_used_and_ended_by_the_next(
        self, store: Store, task: Task, tmp_path: Path, until: Until, step: Step
    ) -> None:
        killed = build(task, store, sources(tmp_path / "a", 40))
        until(lambda: objects(store))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        (left,) = servers_of(store)
        assert left.environ()["SCCACHE_IDLE_TIMEOUT"] == "600"  # if no other build comes
        compiled(step, store)
        until(lambda: not servers_of(store))

    def test_a_killed_server_is_started_again(
        self, store: Store, step: Step, task: Task, tmp_path: Path, until: Until, right: bytes
    ) -> None:
        going_on = build(task, store, sources(tmp_path / "a", 12))
        until(lambda: objects(store))
        for process in servers_of(store):
            process.kill()
        _, told = going_on.communicate()
        assert going_on.returncode == 0, told
        assert compiled(step, store) == right

    def test_a_build_with_other_settings_compiles_without_it(
        self, store: Store, redis: Redis, task: Task, tmp_path: Path, use: Use, capfd: Output,
        step: Step, right: bytes, until: Until
    ) -> None:  # fmt: skip
        other = build(task, store, sources(tmp_path / "a", 40))
        until(lambda: objects(store))
        use(redis.address)
        assert compiled(step, store) == right
        assert "with other settings of WHEELHOUSE_SHARED_CACHE" in capfd.readouterr().err
        assert redis.objects == set()
        other.kill()

    def test_a_folder_with_a_long_name_has_one(
        self, step: Step, tmp_path: Path, right: bytes, capfd: Output
    ) -> None:
        store = Store(tmp_path / ("long" * 30))
        assert compiled(step, store) == right
        subprocess.run(["rm", "-r", store.root / "libraries"], check=True)
        assert compiled(step, store) == right
        assert "4 of 4 objects" in capfd.readouterr().err

    def test_the_users_own_settings_and_server_are_left_alone(
        self, step: Step, store: Store, tmp_path: Path, right: bytes,
        monkeypatch: pytest.MonkeyPatch, capfd: Output,
    ) -> None:  # fmt: skip
        home = tmp_path / "home"
        (home / ".config" / "sccache").mkdir(parents=True)
        bad = "[cache.redis]\nendpoint = 'redis://127.0.0.1:1'\n"
        (home / ".config" / "sccache" / "config").write_text(bad)
        mine = {"SCCACHE_DIR": str(tmp_path / "mine"), "SCCACHE_SERVER_UDS": str(tmp_path / "sock")}
        mine |= {"SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:1", "SCCACHE_RECACHE": "1"}
        for name, value in {"HOME": str(home), **mine}.items():
            monkeypatch.setenv(name, value)
        own = {**os.environ, "SCCACHE_CONF": os.devnull, "SCCACHE_IDLE_TIMEOUT": "60"}
        own.pop("SCCACHE_REDIS_ENDPOINT")
        subprocess.run([sccache.PROGRAM, "--start-server"], env=own, check=True)
        try:
            assert compiled(step, store) == right
            shown = subprocess.run(
                [sccache.PROGRAM, "--show-stats"],
                env=own,
                check=True,
                capture_output=True,
                text=True,
            )
            assert "Compile requests                      0" in shown.stdout
            assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_file()]
        finally:
            subprocess.run([sccache.PROGRAM, "--stop-server"], env=own, check=True)
        assert "warning" not in capfd.readouterr().err


def build(task: Task, store: Store, folder: Path) -> subprocess.Popen[str]:
    """Compile a folder's sources as a task of another process."""
    return task(
        "from tests.support.compile_cache import compiled, of_folder\n"
        "from wheelhouse.common.store import Store\n"
        f"compiled(of_folder(Path({str(folder)!r})), Store(Path({str(store.root)!r})))",
    )
