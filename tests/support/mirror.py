"""A mirror on loopback that can fail on purpose."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from tests.support.loopback import Scripted


class Mirror(Scripted):
    """A server of ``files``; ``requests`` has the requested paths and start offsets in bytes.

    ``cuts`` has the number of bytes after which each of the next answers breaks off (or, with
    ``stall``, waits for ``go_on``). ``statuses`` has the status of each of the next refusals.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, int]] = []
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.ranges = True
        self.stall = False
        self.go_on = threading.Event()
        super().__init__()

    def close(self) -> None:
        self.go_on.set()
        super().close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
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
        if request.command == "HEAD":
            return
        cut = self.cuts.pop(0) if self.cuts else len(content)
        request.wfile.write(content[:cut])
        if self.stall:
            self.go_on.wait(30)
            with suppress(ConnectionError):
                request.wfile.write(content[cut:])
