"""The examples' loop on a scripted camera, and the pictures in a browser's place."""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tflite_examples import camera, cli, live
from tflite_examples.errors import ExampleError

Show = Callable[[Image.Image, list[Any]], bool]


class Scripted:
    """A camera that gives ``count`` numbered pictures, one each ``seconds``, then ``error``."""

    def __init__(self, count: int, seconds: float, error: Exception | None = None) -> None:
        self.count, self.seconds, self.error = count, seconds, error
        self.given: list[float] = []
        self.is_closed = False

    def read(self) -> Image.Image | None:
        time.sleep(self.seconds)
        if len(self.given) == self.count:
            if self.error:
                raise self.error
            return None
        self.given.append(time.monotonic())
        return Image.new("RGB", (8, 8), (len(self.given) - 1, 0, 0))

    def close(self) -> None:
        self.is_closed = True


class Slow:
    """A pipeline that needs ``seconds`` for a picture, and finds its number and when it is done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started: list[tuple[int, float]] = []

    def run(self, picture: Image.Image) -> list[int]:
        red: Any = picture.getpixel((0, 0))
        self.started.append((red[0], time.monotonic()))
        time.sleep(self.seconds)
        return [red[0]]

    def draw(self, picture: Image.Image, found: list[int]) -> None:
        picture.putpixel((3, 0), (0, 255, 0))


def yes(_picture: Image.Image, _found: list[Any]) -> bool:
    return True


def test_a_slow_pipeline_drops_pictures_and_never_falls_behind() -> None:
    source, pipeline = Scripted(60, 0.01), Slow(0.05)
    count = live.loop(pipeline, camera.Latest(source), yes)
    numbers = [number for number, _ in pipeline.started]
    assert count == len(numbers) < 30
    assert numbers == sorted(set(numbers))
    late = sorted(start - source.given[number] for number, start in pipeline.started)
    assert late[len(late) // 2] < 0.03
    assert numbers[-1] > 50
    assert source.is_closed


def test_a_fast_pipeline_sees_every_picture_of_a_file_once() -> None:
    source, pipeline = Scripted(20, 0), Slow(0)
    assert live.loop(pipeline, source, yes) == 20
    assert [number for number, _ in pipeline.started] == list(range(20))


def test_the_last_picture_is_not_lost() -> None:
    pipeline = Slow(0.05)
    assert live.loop(pipeline, camera.Latest(Scripted(3, 0)), yes) >= 1
    assert pipeline.started[-1][0] == 2


def test_a_camera_that_is_unplugged_ends_the_loop_with_its_error() -> None:
    source = Scripted(5, 0.01, ExampleError("Camera 0 is gone."))
    with pytest.raises(ExampleError, match=r"Camera 0 is gone\."):
        live.loop(Slow(0), camera.Latest(source), yes)
    assert source.is_closed


def test_a_closed_window_ends_the_loop() -> None:
    source = Scripted(1000, 0.001)
    assert live.loop(Slow(0), camera.Latest(source), lambda *_: False) == 1
    assert source.is_closed


# OpenCV and Picamera2, whose interfaces are played


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a played OpenCV has: pictures that it gives, and how many it says that there are."""
    state: dict[str, Any] = {"pictures": 3, "told": 3, "opens": True, "given": 0}

    class Capture:
        def __init__(self, which: object) -> None:
            state["which"] = which

        def isOpened(self) -> bool:  # noqa: N802
            return bool(state["opens"])

        def read(self) -> tuple[bool, Any]:
            good = state["given"] < state["pictures"]
            state["given"] += good
            return good, np.full((4, 4, 3), (1, 2, 3), np.uint8) if good else None

        def get(self, _key: object) -> float:
            return float(state["told"])

        def set(self, key: object, value: float) -> None:
            state[str(key)] = value

        def release(self) -> None:
            state["released"] = True

    cv2 = SimpleNamespace(
        VideoCapture=Capture,
        COLOR_BGR2RGB="BGR to RGB",
        CAP_PROP_FRAME_COUNT="count",
        CAP_PROP_FRAME_WIDTH="width",
        CAP_PROP_FRAME_HEIGHT="height",
        cvtColor=lambda values, _: values[..., ::-1],
    )
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    return state


def test_a_video_file_ends_and_gives_red_first(played: dict[str, Any]) -> None:
    source = camera.open_source("film.mp4")
    found = list(iter(source.read, None))
    source.close()
    assert len(found) == 3
    assert found[0].getpixel((0, 0)) == (3, 2, 1)
    assert played["released"]


def test_a_video_file_that_ends_early_is_told(played: dict[str, Any]) -> None:
    played["told"] = 9
    with pytest.raises(ExampleError, match=r"film\.mp4 ends after 3 of 9 pictures"):
        live.loop(Slow(0), camera.open_source("film.mp4"), yes)
    assert played["released"]


def test_a_usb_camera_that_is_gone_is_told(played: dict[str, Any]) -> None:
    with pytest.raises(ExampleError, match="Camera 2 is gone"):
        live.loop(Slow(0), camera.open_source("2"), yes)
    assert (played["which"], played["width"], played["height"]) == (2, 640, 480)


@pytest.mark.parametrize("which", ["auto", "3", "film.mp4"])
def test_no_such_camera_is_an_error(played: dict[str, Any], which: str) -> None:
    played["opens"] = False
    with pytest.raises(ExampleError, match="no camera and no video"):
        camera.open_source(which)


def test_without_opencv_the_error_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ExampleError, match="apt install python3-opencv"):
        camera.open_source("auto")


def test_picamera2_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picamera2:
        def __init__(self) -> None:
            self.is_on = False

        def create_video_configuration(self, main: Any) -> Any:
            return main

        def configure(self, wanted: Any) -> None:
            assert wanted == {"size": (640, 480), "format": "BGR888"}

        def start(self) -> None:
            self.is_on = True

        def capture_array(self, name: str) -> Any:
            assert self.is_on
            assert name == "main"
            return np.full((2, 2, 3), (9, 0, 0), np.uint8)

        def close(self) -> None:
            self.is_on = False

    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))
    source = camera.open_source("auto")
    picture = source.read()
    assert picture
    assert picture.getpixel((0, 0)) == (9, 0, 0)
    source.close()


# In a browser


@pytest.fixture
def server() -> Iterator[live.Server]:
    made = live.Server("<detect>", "127.0.0.1", 0)
    yield made
    made.close()


def part(stream: Any) -> Image.Image:
    """The next picture of a stream."""
    assert stream.readline() == b"--x\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().split()[1])
    assert stream.readline() == b"\r\n"
    content = stream.read(length)
    assert stream.readline() == b"\r\n"
    return Image.open(io.BytesIO(content))


def test_the_page_and_its_stream(server: live.Server) -> None:
    address = f"http://127.0.0.1:{server.port}"
    page = urllib.request.urlopen(address, timeout=10).read().decode()
    assert "&lt;detect&gt;" in page
    assert 'src="stream"' in page
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(0.01):
            server(Image.new("RGB", (16, 16), (250, 0, 0)), [])

    thread = threading.Thread(target=show)
    thread.start()
    try:
        with urllib.request.urlopen(f"{address}/stream", timeout=10) as stream:  # noqa: S310
            for _ in range(3):
                red: Any = part(stream).getpixel((8, 8))
                assert red[0] > 200
                assert red[1] < 50
    finally:
        stop.set()
        thread.join()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/other", timeout=10)  # noqa: S310


def test_no_other_name_leads_to_a_private_server(server: live.Server) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    names = {"localhost": 200, "[::1]": 200, "127.0.0.1": 200, "example.org": 403}
    told = {**{f"{name}:{server.port}": status for name, status in names.items()}, **names}
    for name, status in told.items():
        request = urllib.request.Request(address, headers={"Host": name})
        try:
            found = urllib.request.urlopen(request, timeout=10).status  # noqa: S310
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status, name


def test_a_viewer_that_does_not_read_holds_up_nobody(server: live.Server) -> None:
    noise = np.random.default_rng(0).integers(256, size=(300, 300, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    with socket.create_connection(("127.0.0.1", server.port)) as viewer:
        viewer.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
        begin = time.monotonic()
        for _ in range(100):
            server(picture, [])
        assert time.monotonic() - begin < 5


def test_only_an_address_that_others_reach_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    live.Server("detect", "127.0.0.1", 0).close()
    told = capsys.readouterr()
    assert told.out.startswith("http://127.0.0.1:")
    assert not told.err
    live.Server("detect", "0.0.0.0", 0).close()  # noqa: S104
    told = capsys.readouterr()
    assert told.out.startswith(f"http://{socket.gethostname()}:")
    assert "can watch" in told.err


def test_a_port_that_is_taken_is_an_error(server: live.Server) -> None:
    with pytest.raises(ExampleError, match=f"port {server.port}"):
        live.Server("detect", "127.0.0.1", server.port)


def test_a_port_that_cannot_be_is_an_error() -> None:
    with pytest.raises(ExampleError, match="port 99999"):
        live.Server("detect", "127.0.0.1", 99999)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["detect", "--serve", "a.jpg"], "name both"),
        (["listen", "--microphone", "a.wav"], "either"),
    ],
)
def test_words_that_do_not_go_together_are_an_error(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert told in capsys.readouterr().err


def test_neither_pictures_nor_camera_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["detect"]) == 2
    assert (
        capsys.readouterr().err == "error: Name files, or --camera, or for `listen` --microphone.\n"
    )
