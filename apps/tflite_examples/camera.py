"""Pictures one after the other: from Picamera2, V4L2 or a video file.

A source has ``read()``, which waits for the next picture and returns None at the end, and
``close()``. Picamera2 and OpenCV are imported only here, when one of them is asked for.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

from PIL import Image

from tflite_examples.errors import ExampleError, first_line

SIZE = (640, 480)
"""Width and height in pixels that a camera is asked for."""


def open_source(which: str) -> Any:
    """A source: ``auto`` is Picamera2 or else the first V4L2 camera; a number is a V4L2 camera.

    Anything else is a video file. Raises ExampleError if there is no such thing.
    """
    if which == "auto":
        try:
            module = importlib.import_module("picamera2")
        except ImportError:
            which = "0"
        else:
            return Latest(Picamera(module))
    video = Video(int(which) if which.isdecimal() else which)
    return Latest(video) if which.isdecimal() else video


class Picamera:
    """The camera at a Raspberry Pi's own connector."""

    def __init__(self, module: Any) -> None:
        try:
            self._camera = module.Picamera2()
            wanted = {"size": SIZE, "format": "BGR888"}  # red comes first in memory
            self._camera.configure(self._camera.create_video_configuration(main=wanted))
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise ExampleError(
                f"Picamera2 finds no camera: {first_line(error)}. A USB camera is --camera 0."
            ) from error

    def read(self) -> Image.Image:
        """The next picture."""
        try:
            return Image.fromarray(self._camera.capture_array("main"))
        except (RuntimeError, OSError) as error:
            raise ExampleError(f"The camera is gone: {first_line(error)}.") from error

    def close(self) -> None:
        """Stop the camera."""
        self._camera.close()


class Video:
    """A V4L2 camera by its number, or a video file, with OpenCV."""

    def __init__(self, which: int | str) -> None:
        try:
            self._cv2: Any = importlib.import_module("cv2")
        except ImportError as error:
            raise ExampleError(
                "OpenCV is not installed: `sudo apt install python3-opencv`."
            ) from error
        self._which, self._count = which, 0
        self._video = self._cv2.VideoCapture(which)
        if not self._video.isOpened():
            raise ExampleError(f"There is no camera and no video {which}.")
        if isinstance(which, int):
            for key, value in zip(("WIDTH", "HEIGHT"), SIZE):
                self._video.set(getattr(self._cv2, f"CAP_PROP_FRAME_{key}"), value)

    def read(self) -> Image.Image | None:
        """The next picture; None at the end of a file.

        Raises ExampleError if a camera is gone, or a file ends before it says that it does.
        """
        good, values = self._video.read()
        if good:
            self._count += 1
            return Image.fromarray(self._cv2.cvtColor(values, self._cv2.COLOR_BGR2RGB))
        if isinstance(self._which, int):
            raise ExampleError(f"Camera {self._which} is gone, or another program uses it.")
        told = int(self._video.get(self._cv2.CAP_PROP_FRAME_COUNT))
        if self._count < told:
            raise ExampleError(f"{self._which} ends after {self._count} of {told} pictures.")
        return None

    def close(self) -> None:
        """Let go of the camera or the file."""
        self._video.release()


class Latest:
    """The newest picture of a source, which a thread reads all the time.

    What is slower than the source misses pictures instead of falling behind.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._picture: Image.Image | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        error: BaseException | None = None
        try:
            for picture in iter(self._source.read, None):
                with self._changed:
                    self._picture = picture
                    self._changed.notify_all()
                if self._closing.is_set():
                    break
        except BaseException as raised:  # whoever reads next gets it
            error = raised
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def read(self) -> Image.Image | None:
        """The newest picture that was not read before; waits for one. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._picture is not None or self._ended)
            picture, self._picture = self._picture, None
            if picture is None and self._error:
                raise self._error
            return picture

    def close(self) -> None:
        """Stop reading, and close the source."""
        self._closing.set()
        self._thread.join(5)
        self._source.close()
