"""Packed weights: in a file, in a folder of the environment, and shared in a process."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native
from tflite_runtime import interpreter as runtime

from .models import opened
from .report import Told
from .runner import case, in_child
from .xnnpack import classified, given

FILE = pathlib.Path("weights.cache")
KINDS = ("float32", "int8", "uint8")


def logged(action: Callable[[], object]) -> object:
    """What an action returned in a child, and the warnings on standard error."""

    def told() -> object:
        with open("weights.txt", "w+b") as log:  # noqa: PTH123 (its descriptor)
            os.dup2(log.fileno(), 2)
            result = action()
            log.seek(0)
            lines = log.read().decode().replace(os.getcwd() + "/", "").splitlines()  # noqa: PTH109
        return [result, [line for line in lines if line.startswith("WARNING")]]

    return in_child(told)


def same(kind: str = "int8", **options: Any) -> bool:
    """Whether two interpreters with these options compute what one without them does."""
    alone = classified(kind)
    return all(np.array_equal(alone, classified(kind, **given(**options))) for _ in range(2))


def cached(kind: str = "int8", file: pathlib.Path = FILE) -> bool:
    return same(kind, weight_cache=file)


def fresh() -> bytes:
    """A good file's content; the file is there."""
    remove()
    in_child(cached)
    return FILE.read_bytes()


def remove() -> None:
    if FILE.is_dir():
        FILE.rmdir()
    elif FILE.exists() or FILE.is_symlink():
        FILE.unlink()


def write(content: bytes) -> None:
    remove()
    FILE.write_bytes(content)


@case
def weights_in_a_file() -> object:
    """Kinds of models, each with a new file; then that the file is left as it is."""
    told = {}
    for kind in KINDS:
        remove()
        told[kind] = [logged(partial(cached, kind)), FILE.exists()]
        before = FILE.stat().st_ino
        told[kind] += [logged(partial(cached, kind)), FILE.stat().st_ino == before]
    return told


@case
def weights_of_one_model_in_two_precisions() -> object:
    """FP32 and FP16 have one file, and both have their weights there."""

    def use() -> object:
        half = classified("float32", **given(precision="fp16"))
        cached_half = classified("float32", **given(precision="fp16", weight_cache=FILE))
        return [cached("float32"), np.array_equal(half, cached_half)]

    remove()
    told = [in_child(use)]
    before = FILE.stat().st_ino
    return [*told, in_child(use), FILE.stat().st_ino == before]


@case
def weights_shared() -> object:
    return {kind: same(kind, share_weights=True) for kind in KINDS}


@case
def weights_shared_in_many_threads() -> object:
    alone = classified("int8")
    options = [given(share_weights=True, weight_cache=file) for file in (None, FILE)]
    results: list[Any] = []

    def work() -> None:
        results.extend(classified("int8", **each) for each in options for _ in range(3))

    remove()
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [len(results), all(np.array_equal(result, alone) for result in results)]


def twins(**options: Any) -> object:
    """Two layers that have the same weights and differ in zero points and in scale."""
    interpreter = opened("twins", **options)
    interpreter.allocate_tensors()
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], np.arange(16, dtype=np.int8).reshape(each["shape"]))
    interpreter.invoke()
    outputs = interpreter.get_output_details()
    return [interpreter.get_tensor(each["index"]).ravel().tolist() for each in outputs]


@case
def weights_that_layers_share() -> object:
    remove()
    alone = twins()
    options: list[dict[str, Any]] = [{"weight_cache": FILE}, {"share_weights": True}]
    return [twins(**given(**each)) == alone for each in options for _ in range(2)]


@case
def weights_in_bad_files() -> object:
    """What is said, whether results are right, and whether the next process says nothing."""
    good = fresh()

    def flipped(place: int) -> bytes:
        return good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :]

    bad = {
        "empty": b"",
        "short": good[:20],
        "half": good[: len(good) // 2],
        "long": good + b"more",
        "magic": flipped(3),
        "model": flipped(32),
        "build": flipped(48),
        "size": flipped(64),
        "count": flipped(72),
        "digest": flipped(88),
        "index": flipped(110),
        "last": flipped(len(good) - 200),
        "zeros": bytes(len(good)),
        "something": b"What somebody else wrote." * 10,
        "letter": b"t",
        "later": bytes(100) + b"What somebody else wrote.",
    }
    told = {}
    for name, content in bad.items():
        write(content)
        told[name] = [logged(cached), logged(cached), FILE.read_bytes() == good]
    return told


@case
def weights_with_any_bit_flipped() -> object:
    """How often results are wrong, of 20 places."""
    good = fresh()
    wrong = 0
    for place in range(0, len(good), len(good) // 20):
        write(good[:place] + bytes([good[place] ^ 0x80]) + good[place + 1 :])
        wrong += in_child(cached).content is not True
    return wrong


@case
def weights_of_another_model() -> object:
    fresh()
    return [logged(partial(cached, "float32")), logged(partial(cached, "float32"))]


@case
def weights_that_cannot_be_written() -> object:
    """Where no file can be made, where something else is, and on a full disk."""

    def limited() -> object:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        return cached()

    remove()
    told = {
        "no_folder": logged(partial(cached, file=pathlib.Path("nowhere/weights"))),
        "file_for_folder": logged(partial(cached, file=pathlib.Path("arithmetic.tflite/weights"))),
        "read_only": logged(partial(cached, file=pathlib.Path("/usr/weights"))),
        "full": [logged(limited), FILE.exists()],
    }
    FILE.mkdir()
    told["folder"] = logged(cached)
    remove()
    os.mkfifo(FILE)
    told["pipe"] = logged(cached)
    remove()
    FILE.symlink_to(FILE)
    told["loop"] = [logged(cached), FILE.is_symlink()]
    remove()
    left = [path.name for path in pathlib.Path().glob("*.tmp")]
    return {**told, "left": left}


@case
def weights_beside_what_a_killed_process_left() -> object:
    def use() -> object:
        left = [pathlib.Path(f"tflite_runtime-{os.getpid()}-{count}.tmp") for count in (0, 1)]
        for path in left:
            path.touch()
        told = [cached(), FILE.exists(), [path.stat().st_size for path in left]]
        for path in left:
            path.unlink()
        return told

    remove()
    return logged(use)


@case
def weights_in_files_of_any_name() -> object:
    told = []
    for name in (b"w" * 255, b"weights-\xff"):
        file = pathlib.Path(os.fsdecode(name))
        told.append([logged(partial(cached, file=file)), file.exists()])
        file.unlink()
    return told


@case
def weights_where_names_are_in_latin_1() -> object:
    """The file that a path of bytes names where Python takes names for Latin-1."""
    for path in pathlib.Path().glob("weights-*"):
        path.unlink()
    decode = mock.patch("os.fsdecode", lambda path: path.decode("latin-1"))
    encode = mock.patch(
        "os.fsencode", lambda path: path if isinstance(path, bytes) else path.encode("latin-1")
    )
    with decode, encode:
        classified("int8", **given(weight_cache=b"weights-\xe9"))
    return [os.fsencode(path.name) for path in pathlib.Path().glob("weights-*")]


@case
def weights_of_two_processes_at_once() -> object:
    """Twenty times: both compute what is right, whoever writes the file, and it is good."""
    right = 0
    for _ in range(20):
        remove()
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                os._exit(0 if cached() else 1)
            children.append(child)
        right += [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    return [right, logged(cached)]


@case
def weights_in_the_environment() -> object:
    folder = pathlib.Path("weights")
    shutil.rmtree("weights", ignore_errors=True)

    def named() -> object:
        os.environ["TFLITE_XNNPACK_WEIGHT_CACHE"] = str(folder)
        found = [classified(kind) for kind in ("int8", "float32") for _ in range(2)]
        del os.environ["TFLITE_XNNPACK_WEIGHT_CACHE"]
        alone = [classified(kind) for kind in ("int8", "float32") for _ in range(2)]
        return all(map(np.array_equal, found, alone))

    def moved() -> None:
        os.environ["TFLITE_XNNPACK_WEIGHT_CACHE"] = str(folder)
        interpreter = opened("resizable")
        os.chdir("/")
        interpreter.allocate_tensors()

    told = [logged(named)]
    folder.mkdir()
    told += [logged(named), logged(named), len(list(folder.iterdir()))]
    in_child(moved)
    return [*told, len(list(folder.iterdir()))]


@case
def weights_in_signature_runners() -> object:
    """A model of many graphs."""

    def totals(**options: Any) -> object:
        interpreter = opened("branches", **options)
        x = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2)
        names = ("total", "left+right", "convolved+positive+left+right+total+last")
        runners = [interpreter.get_signature_runner(name) for name in names]
        return [each.tolist() for run in runners for each in run(x=x).values()]

    remove()
    alone = totals()
    return [totals(**given(weight_cache=FILE)) == alone for _ in range(2)]


@case
def weights_after_resizing() -> object:
    """Whether results are right, and how many times the file was written."""
    files = set()

    def results(**options: Any) -> object:
        interpreter, told = opened("resizable", **options), []
        for count in (1, 3, 2):
            index = interpreter.get_input_details()[0]["index"]
            shape = [count, *interpreter.get_input_details()[0]["shape"][1:]]
            interpreter.resize_tensor_input(index, shape)
            interpreter.allocate_tensors()
            values = np.arange(np.prod(shape)).reshape(shape) % 7
            interpreter.set_tensor(index, values.astype(np.float32))
            interpreter.invoke()
            output = interpreter.get_output_details()[0]["index"]
            told.append(interpreter.get_tensor(output).tolist())
            files.update([FILE.stat().st_ino] if options else [])
        return told

    remove()
    alone = results()
    return [results(**given(weight_cache=FILE)) == alone for _ in range(2)] + [len(files)]


@case
def weights_options() -> Told:
    def said(**options: Any) -> str:
        try:
            runtime.load_delegate(native.__file__, options)
        except ValueError as error:
            return str(error).splitlines()[-1]
        return ""

    return Told([said(share_weights="yes"), said(share_weights=True), said(weight_cache="")])
