"""Compiles through a compiler cache, and the servers of shared caches, all of them real."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ziglang

from tests.support import REPO
from wheelhouse.common.step import Inputs, Recipe, Step, get_or_make
from wheelhouse.common.store import Store, tree_digest
from wheelhouse.compile import library
from wheelhouse.machines import debian_packages
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import Artefact, Component, Pin

DAV = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
RUY = ("allocator", "block_map", "blocking_counter", "prepacked_cache", "trmul", "wait")
"""Those files of ruy that the tests compile."""


def prepare() -> None:
    """Install the servers of shared caches."""
    purpose = "A test of the shared cache"
    debian_packages.ensure(purpose, {"redis-server": "redis-server", "nginx": "nginx-light"})
    if not DAV.exists():
        debian_packages.ensure(purpose, {DAV.name: "libnginx-mod-http-dav-ext"})


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ruy(inputs: Inputs, folder: Path) -> None:
    """Compile a part of ruy, which includes the C++ library's headers."""
    chosen = {f"ruy/{name}.cc": "" for name in RUY}
    library.archive(inputs, folder, chosen=chosen, flags=("-std=c++17",), includes=("ruy",))


def small(inputs: Inputs, folder: Path) -> None:
    """Compile whatever files a component has."""
    chosen = {path.name: "" for path in inputs.needs["small"].iterdir()}
    library.archive(inputs, folder, chosen=chosen, flags=(), includes=())


def of_folder(folder: Path, recipe: Recipe = small, processor: str = "aarch64") -> Step:
    """The step that compiles the files of a folder."""
    pin = Pin(
        "1",
        "MIT",
        (Artefact(at_most=1, url="https://example.org/a.tar"),),
        tree=tree_digest(folder),
    )
    return library.library(Component("small", pin, folder), (), processor, "2.17", recipe)


def of_ruy(tree: Path) -> Step:
    """The step that compiles the sources of ruy in a folder."""
    pin = Pin(
        "1", "MIT", (Artefact(at_most=1, url="https://example.org/a.tar"),), tree=tree_digest(tree)
    )
    return library.library(Component("ruy", pin, tree), (), "aarch64", "2.17", ruy)


def sources(folder: Path, count: int, text: str = "") -> Path:
    """Write C++ sources into a new folder, each of which takes some tenths of a second."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"file{number}.cc"
        path.write_text(f"#include <cstddef>\n{text}\nsize_t f{number}() {{ return {number}; }}\n")
    return folder


def compiled(step: Step, store: Store) -> bytes:
    """The static library that a step makes in a store."""
    return library.static_library(get_or_make(step, Fetcher(store))).read_bytes()


@dataclass(frozen=True)
class User:
    """Somebody with a checkout, a compiler and a cache in folders of their own."""

    folder: Path

    def compile(self, tree: Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Compile the sources of ruy in ``tree``; standard output is the library's SHA-256."""
        checkout, packages = self.folder / "checkout", self.folder / "packages"
        if not checkout.is_dir():
            left = shutil.ignore_patterns("__pycache__")
            for name in ("wheelhouse", "native", "tests"):
                shutil.copytree(REPO / name, checkout / name, ignore=left)
            packages.mkdir()
            zig = Path(ziglang.__file__).parent
            linked = subprocess.run(["cp", "-al", zig, packages], stderr=subprocess.DEVNULL)
            if linked.returncode:  # on another file system
                subprocess.run(["cp", "-a", zig, packages], check=True)
        return subprocess.run(
            [sys.executable, "-m", "tests.support.compile_cache", tree],
            cwd=checkout,
            env={
                **os.environ,
                "PYTHONPATH": f"{packages}:{checkout}",
                "WHEELHOUSE_CACHE": str(self.folder / "cache"),
                "HOME": str(self.folder),
                **env,
            },
            capture_output=True,
            text=True,
            check=True,
        )


@contextmanager
def running(
    command: Sequence[str | Path], port: int, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end; it listens at the port when this yields."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **env})
    try:
        for _ in range(500):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{command[0]} ended"
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait()


def redis(port: int, *words: str) -> list[str | Path]:
    """The command that runs a Redis server which keeps all in memory."""
    return ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", *words]


def nginx(port: int, folder: Path) -> list[str | Path]:
    """The command that runs a WebDAV server for the folder ``files`` below ``folder``."""
    (folder / "files").mkdir(parents=True)
    (folder / "nginx.conf").write_text(f"""\
load_module {DAV};
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    client_max_body_size 0;
    location / {{
      dav_methods PUT DELETE MKCOL;
      dav_ext_methods PROPFIND OPTIONS;
      create_full_put_path on;
    }}
  }}
}}
""")
    return ["nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf"]


class Redis:
    """What a test asks a Redis server or does to it."""

    def __init__(self, port: int) -> None:
        self.address = f"redis://127.0.0.1:{port}"
        self._command = ["redis-cli", "-p", str(port)]

    def ask(self, *words: str) -> str:
        """The answer to a command."""
        done = subprocess.run([*self._command, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def objects(self) -> set[str]:
        """The keys of objects."""
        return {key for key in self.ask("keys", "*").split() if "/" in key}

    def change(self, edit: Callable[[bytes], bytes]) -> None:
        """Change the content of every object."""
        for key in self.objects:
            got = subprocess.run([*self._command, "get", key], capture_output=True, check=True)
            put = [*self._command, "-x", "set", key]
            subprocess.run(put, input=edit(got.stdout[:-1]), capture_output=True, check=True)


def main(tree: Path) -> None:
    """Compile the sources of ruy in the default store and print the library's SHA-256."""
    print(hashlib.sha256(compiled(of_ruy(tree), Store.default())).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
