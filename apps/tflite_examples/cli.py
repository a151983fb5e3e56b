"""The command line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tflite_examples import __version__, camera, live, pictures, sound
from tflite_examples.errors import ExampleError
from tflite_examples.model import Options

FOUND, NOTHING, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: something was found in every picture, nothing in one, an error, Ctrl-C."""

PIPELINES = {
    "detect": ("detect", "objects of 80 classes"),
    "classify": ("classify", "what a picture shows, of 1000 classes"),
    "segment": ("segment", "what each pixel shows, of 20 classes"),
    "age-gender": ("age_gender", "age and gender of each face"),
    "expression": ("expression", "the expression of each face"),
    "anti-spoof": ("anti_spoof", "whether each face is a real one"),
    "recognise": ("recognise", "whose each face is"),
    "faces": ("faces", "faces, 468 points of each, irises"),
    "hands": ("hands", "hands and 21 points of each"),
    "listen": ("listen", "a word in a sound"),
    "pose": ("pose", "people and 33 points of each"),
}
"""Each pipeline's module and what it finds."""


def main(words: Sequence[str]) -> int:
    """Run the pipeline that the words ask for; the exit status."""
    try:
        if not words or words[0] not in PIPELINES:
            _overview().parse_args(words)
            raise ExampleError("Name a pipeline.")  # never here: one of them is required
        return _run(words[0], words[1:])
    except ExampleError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(name: str, words: Sequence[str]) -> int:
    module = _module(name)
    options = parser(name).parse_args(words)
    _check(options)
    pipeline = _pipeline(module, vars(options))
    if getattr(options, "microphone", False):
        for word in pipeline.follow(sound.microphone()):
            print(word, flush=True)
    if options.camera:
        return _live(name, pipeline, options)
    status = FOUND
    for path in options.pictures:
        picture = getattr(module, "read", pictures.load)(path)
        found = pipeline.run(picture)
        for each in found:
            print(each)
        if not found:
            print(f"{path}: {module.NOTHING} found")
            status = NOTHING
        if options.output:
            pipeline.draw(picture, found)
            pictures.save(picture, options.output)
    return status


def _module(name: str) -> Any:
    return importlib.import_module(f"tflite_examples.{PIPELINES[name][0]}")


def _check(options: argparse.Namespace) -> None:
    """Raise ExampleError for words that do not go together."""
    if not (options.pictures or options.camera or getattr(options, "microphone", False)):
        raise ExampleError("Name files, or --camera, or for `listen` --microphone.")
    if options.pictures and (options.camera or getattr(options, "microphone", False)):
        raise ExampleError("Name either files, or --camera, or --microphone.")
    if options.serve and not options.camera:
        raise ExampleError("--serve shows what --camera sees: name both.")
    if options.output and len(options.pictures) != 1:
        raise ExampleError("With -o name one picture.")
    if hasattr(options, "microphone") and (options.camera or options.output):
        raise ExampleError("`listen` takes no --camera and draws nothing.")
    if options.camera and getattr(options, "enrol", ""):
        raise ExampleError("--enrol takes a picture, not --camera.")


def _live(name: str, pipeline: Any, options: argparse.Namespace) -> int:
    """Run on a camera or a video; whether there was a picture at all."""
    source = camera.open_source(options.camera)
    if not options.serve:
        return FOUND if live.loop(pipeline, source, live.window(name)) else NOTHING
    try:
        server = live.Server(name, options.host, options.port)
    except ExampleError:
        source.close()
        raise
    try:
        return FOUND if live.loop(pipeline, source, server) else NOTHING
    finally:
        server.close()


def _pipeline(module: Any, words: Mapping[str, Any]) -> Any:
    """The module's pipeline; what its ``add_options`` adds are keyword arguments."""
    own = argparse.ArgumentParser()
    getattr(module, "add_options", bool)(own)
    names = [action.dest for action in own._actions if action.dest != "help"]
    options = Options(**{each.name: words[each.name] for each in fields(Options)})
    return module.Pipeline(options, **{name: words[name] for name in names})


def _overview() -> argparse.ArgumentParser:
    rows = "\n".join(f"  {name:12}{about}" for name, (_, about) in PIPELINES.items())
    parser = argparse.ArgumentParser(
        prog="tflite_examples",
        description="TensorFlow Lite on a Raspberry Pi, by example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"pipelines:\n{rows}\n\n`tflite_examples PIPELINE --help` tells its options.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("pipeline", choices=PIPELINES, metavar="PIPELINE")
    return parser


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of a pipeline's words."""
    module = _module(name)
    made = argparse.ArgumentParser(
        prog=f"tflite_examples {name}",
        description=f"Find {PIPELINES[name][1]}.",
        epilog="Exit status: 0 found, 1 nothing found, 2 an error, 130 interrupted.",
    )
    add: Callable[..., Any] = made.add_argument
    add("pictures", nargs="*", metavar="picture.jpg")
    add("-o", "--output", metavar="out.jpg", help="draw what was found on a copy of the picture")
    add(
        "--camera",
        nargs="?",
        const="auto",
        default="",
        metavar="N",
        help="instead of pictures: Picamera2, or a V4L2 camera's number, or a video file",
    )
    add("--serve", action="store_true", help="show the camera's pictures in a browser")
    add("--host", default="127.0.0.1", help="for --serve: whoever reaches it can watch (127.0.0.1)")
    add("--port", type=int, default=8000, help="for --serve (8000)")
    cores = len(os.sched_getaffinity(0))
    add("--threads", type=_count, default=cores, metavar="N", help="processors to use (all)")
    add("--precision", choices=["fp32", "int8"], default="", help="which of the model's files")
    add(
        "--delegate",
        choices=["xnnpack", "none", "armnn"],
        default="xnnpack",
        help="what computes (xnnpack)",
    )
    add("--model", default="", metavar="NAME", help="another model: its name or its path")
    add("--labels", default="", metavar="FILE", help="that model's labels, one a line")
    add(
        "--range",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="what that model takes (0 1)",
    )
    if hasattr(module, "add_options"):
        module.add_options(made)
    return made


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)
