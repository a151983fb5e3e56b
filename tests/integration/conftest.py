"""A mirror on loopback that can misbehave, and real processes."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from wheelhouse import download
from wheelhouse.store import Store

REPO = Path(__file__).parents[2]


class Mirror:
    """What a server on loopback holds, how it misbehaves, and what it was asked for.

    ``cuts`` says after how many bytes each of the next answers breaks off (or, with ``stall``,
    waits for ``go_on``), ``statuses`` what each of the next requests is refused with.
    """

    def __init__(self):
        self.files = {}
        self.requests = []
        self.cuts = []
        self.statuses = []
        self.ranges = True
        self.stall = False
        self.go_on = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *words):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request):
        path = unquote(request.path).lstrip("/")
        asked = request.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        self.requests.append((path, start))
        content = self.files.get(path)
        if self.statuses or content is None:
            request.send_error(self.statuses.pop(0) if self.statuses else 404)
            return
        if start and self.ranges:
            if start >= len(content):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(content)
        request.wfile.write(content[:cut])
        if self.stall:
            self.go_on.wait(30)
            with suppress(ConnectionError):
                request.wfile.write(content[cut:])


@pytest.fixture
def mirror(monkeypatch):
    server = Mirror()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", server.url)
    yield server
    server.close()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that downloads would have waited between attempts."""
    seconds = []
    monkeypatch.setattr(download.time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture(scope="session")
def zig_cache(tmp_path_factory):
    """The environment for compiles: zig's libraries are shared, for their compile is slow."""
    copies = tmp_path_factory.mktemp("zig")
    return {
        "ZIG_GLOBAL_CACHE_DIR": str(Store.default().root / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(copies),
    }


@pytest.fixture
def until():
    """Wait, 20 s at most, until a condition holds."""

    def wait(condition):
        for _ in range(2000):
            if condition():
                return
            time.sleep(0.01)
        pytest.fail("waited 20 s in vain")

    return wait


@pytest.fixture
def task():
    """Start Python code as a task of its own process, with ``tasks.task``'s manner of failing.

    The process leads its own group. ``through`` is a command to start it with.
    """
    started = []

    def start(code, through=(), **env):
        lines = "".join(f"    {line}\n" for line in code.strip().splitlines())
        script = (
            "from pathlib import Path\n"
            "from tasks import task\n"
            f"@task()\ndef it(_):\n{lines}"
            "from invoke.context import Context\n"
            "it(Context())\n"
        )
        process = subprocess.Popen(
            [*through, sys.executable, "-c", script],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def small_disk():
    """A command that runs another on a full and then on an enlarged disk, both of them real."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    script = """
        mount -t tmpfs -o size=1m none "$WHEELHOUSE_CACHE"
        "$@"; echo "status $?"; echo "---" >&2
        mount -o remount,size=64m none "$WHEELHOUSE_CACHE"
        "$@"; echo "status $?"
    """
    return [*unshare, "sh", "-c", script, "sh"]
