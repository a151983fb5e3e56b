"""Serve a folder by HTTP on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from tests.support.loopback import Server

JSON = "application/vnd.pypi.simple.v1+json"


class Host(Server):
    """A server of a folder; ``asked`` has the requested paths.

    By default it serves files only, as a static host. With ``json`` it answers a request whose
    Accept header has JSON with the folder's ``index.json``.
    """

    def __init__(self, folder: Path) -> None:
        self.json = False
        self.asked: list[str] = []
        self.served: list[str] = []
        super().__init__(partial(_Handler, self, directory=str(folder)))


@contextmanager
def hosted(folder: Path) -> Iterator[Host]:
    """Serve the folder while the block runs."""
    host = Host(folder)
    try:
        yield host
    finally:
        host.close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, host: Host, *words: object, **options: object) -> None:
        self.host = host
        super().__init__(*words, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.host.asked.append(self.path)
        page = Path(self.translate_path(self.path)) / "index.json"
        if not (self.host.json and JSON in self.headers.get("Accept", "") and page.is_file()):
            super().do_GET()
            return
        content = page.read_bytes()
        self.host.served.append(JSON)
        self.send_response(200)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        pass
