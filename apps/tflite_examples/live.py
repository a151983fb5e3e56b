"""Run a pipeline on one picture after the other, and show what it finds."""

from __future__ import annotations

import html
import importlib
import io
import ipaddress
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from tflite_examples.errors import ExampleError, first_line
from tflite_examples.pictures import Pen

_RECENT = 20
"""Pictures that the rate is of."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ margin: 0; background: #111 }} img {{ width: 100%; max-width: 960px }}</style>
<img src="stream" alt="What the camera sees, and what {title} finds in it">
"""


def loop(pipeline: Any, source: Any, show: Callable[[Image.Image, list[Any]], bool]) -> int:
    """Run until the source ends or ``show`` returns false; the number of pictures.

    Closes the source. Raises ExampleError from the source.
    """
    times: deque[float] = deque(maxlen=_RECENT)
    count = 0
    try:
        while True:
            picture = source.read()
            if picture is None:
                return count
            found = pipeline.run(picture)
            pipeline.draw(picture, found)
            times.append(time.monotonic())
            if len(times) > 1:
                rate = (len(times) - 1) / max(times[-1] - times[0], 1e-9)
                Pen(picture).text((0, picture.size[1]), f"{rate:.1f} FPS", (60, 60, 60))
            count += 1
            if not show(picture, found):
                return count
    finally:
        source.close()


def told(_picture: Image.Image, found: list[Any]) -> bool:
    """Print what was found, in a line."""
    print("; ".join(map(str, found)) or "-", flush=True)
    return True


class Window:
    """A window of OpenCV; the key q and closing it end the loop."""

    def __init__(self, title: str) -> None:
        self._cv2: Any = importlib.import_module("cv2")
        self._title = title

    def __call__(self, picture: Image.Image, _found: list[Any]) -> bool:
        """Show a picture; whether to go on."""
        np: Any = importlib.import_module("numpy")
        self._cv2.imshow(self._title, np.asarray(picture)[..., ::-1].copy())
        key = self._cv2.waitKey(1) & 0xFF  # which also lets the window draw
        is_open = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1
        return bool(is_open and key != ord("q"))


def window(title: str) -> Callable[[Image.Image, list[Any]], bool]:
    """A window if there is a screen and OpenCV, or else printed lines."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        try:
            return Window(title)
        except ImportError:
            print("note: without OpenCV there is no window", file=sys.stderr)
    return told


class Server:
    """Show pictures in browsers: the newest one, as fast as each of them takes pictures."""

    def __init__(self, title: str, host: str, port: int) -> None:
        """Listen, and print the address; raises ExampleError if that cannot be."""
        self._changed = threading.Condition()
        self._number, self._jpeg, self._closed = 0, b"", False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(BrokenPipeError, ConnectionResetError):  # a browser that went away
                    outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._is_private = _is_loopback(host)
        self._page = _PAGE.format(title=html.escape(title)).encode()
        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except (OSError, OverflowError) as error:
            where = f"{host}, port {port}"
            raise ExampleError(f"Cannot listen on {where}: {first_line(error)}.") from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        name = socket.gethostname() if host == "0.0.0.0" else host  # noqa: S104
        print(f"http://{name}:{self.port}/ shows it.", flush=True)
        if not self._is_private:
            print("warning: whoever reaches this address can watch", file=sys.stderr, flush=True)

    def __call__(self, picture: Image.Image, _found: list[Any]) -> bool:
        """Show a picture; true."""
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=80)
        with self._changed:
            self._number, self._jpeg = self._number + 1, packed.getvalue()
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """Stop listening, and end the streams."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request: the page, or the pictures as they come."""
        path = request.path.partition("?")[0]
        host = request.headers.get("Host")
        if host and self._is_private and not _is_loopback(_without_port(host)):
            request.send_error(403)  # a page elsewhere whose name was made to mean this machine
            return
        if path not in ("/", "/stream"):
            request.send_error(404)
            return
        kind = "text/html; charset=utf-8" if path == "/" else "multipart/x-mixed-replace;boundary=x"
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Cache-Control", "no-store")
        request.end_headers()
        if path == "/":
            request.wfile.write(self._page)
        else:
            self._stream(request.wfile)

    def _stream(self, out: Any) -> None:
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._number > seen)  # noqa: B023
                if self._closed:
                    return
                seen, jpeg = self._number, self._jpeg
            head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            out.write(head.encode() + jpeg + b"\r\n")


def _without_port(host: str) -> str:
    """A name or an address, as in ``[::1]:8000``, without port and brackets."""
    inner, bracket, _ = host.partition("]")
    return inner.strip("[") if bracket else host.partition(":")[0].lower()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
