"""Use interpreters beside threads and forks, and end the program meanwhile.

``-m guest.concurrency REPORT``, where ``guest.behaviour`` runs. It judges nothing; it writes JSON.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from tflite_runtime.interpreter import Interpreter, InterpreterWithCustomOps

MODEL = "mobilenet-0.25-96-float32.tflite"
CHILD_SECONDS = 60
RUNS = int(os.environ.get("RUNS", "3"))
KEPT: list[object] = []
"""What only the end of the program deletes."""
PICTURES = [np.full((1, 96, 96, 3), value, np.float32) for value in (-1, -0.5, 0, 0.5, 1)]


class EndOfProgramError(Exception):
    """Raised in a forked child, which then ends as a program does that got this far."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__(end)
        self.end = end


def main(report: str) -> None:
    """Run all cases and write the report."""
    try:
        told = {
            "endings": endings(),
            "forks": forks(),
            "fork_while_invoked": fork_while_invoked(),
            "pool": pool(),
            "own_lock": own_lock(),
            "fairness": fairness(),
            "reentry": reentry(),
            "views": views(),
        }
    except EndOfProgramError as program:
        program.end()
        return
    pathlib.Path(report).write_text(json.dumps(told, indent=1))


def opened(**options: Any) -> Any:
    """An interpreter of the model with its tensors allocated."""
    interpreter = Interpreter(MODEL, **options)
    interpreter.allocate_tensors()
    return interpreter


def computed(interpreter: Any, picture: Any = PICTURES[0]) -> Any:
    """The output for a picture."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def child(run: Callable[[], Any]) -> int:
    """The process id of a child that runs something; its exception becomes status 70."""
    process = os.fork()
    if process == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            run()
        except EndOfProgramError:
            raise
        except BaseException:
            os._exit(70)
        os._exit(0)
    return process


def status(process: int) -> int:
    """A child's exit status, or minus the signal that ended it."""
    left = os.waitpid(process, 0)[1]
    return -os.WTERMSIG(left) if os.WIFSIGNALED(left) else os.WEXITSTATUS(left)


def answer(run: Callable[[], Any]) -> Any:
    """What something returned or raised in a child, or the signal that ended the child."""
    reader, writer = os.pipe()

    def tell() -> None:
        try:
            told = run()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writer, json.dumps(told).encode())

    process = child(tell)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        content = stream.read()
    ended = status(process)
    return json.loads(content.decode()) if ended == 0 else {"status": ended}


# The end of the program


def fall_off() -> None:
    """Reach the end of the program."""


def leave() -> None:
    """Call ``sys.exit``."""
    sys.exit(3)


def fail() -> None:
    """Raise an exception that nobody catches."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    raise ValueError("nobody catches this")


class Last:
    """Invokes once more when the end of the program deletes it."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter

    def __del__(self) -> None:
        with suppress(RuntimeError):
            self.interpreter.invoke()


def end_while_invoked(threads: int, end: Callable[[], None], once: bool, last: bool) -> None:
    """Let a daemon thread invoke, again and again or once, and end the program meanwhile."""
    interpreter = opened(num_threads=threads)
    going = threading.Event()

    def work() -> None:
        going.set()
        interpreter.invoke()
        while not once:
            interpreter.invoke()

    if last:
        KEPT.append(Last(interpreter))
    threading.Thread(target=work, daemon=True).start()
    going.wait()
    time.sleep(0.003 if once else 0.1)
    raise EndOfProgramError(end)


def end_while_registered() -> None:
    """Let a daemon thread of Python code below C++ ask for the GIL, and end the program."""
    going = threading.Event()

    def register(_: int) -> None:
        going.set()
        while True:
            time.sleep(0.001)

    def work() -> None:
        InterpreterWithCustomOps(model_path=MODEL, custom_op_registerers=[register])

    threading.Thread(target=work, daemon=True).start()
    going.wait()
    raise EndOfProgramError(fall_off)


def endings() -> Any:
    """The exit statuses of programs that end while a daemon thread invokes."""
    ends = [
        *((threads, end, False, False) for threads in (1, 4) for end in (fall_off, leave, fail)),
        *((threads, fall_off, True, False) for threads in (1, 4)),
        (1, fall_off, False, True),
    ]
    told = {}
    for threads, end, once, last in ends:
        run = partial(end_while_invoked, threads, end, once, last)
        processes = [child(run) for _ in range(RUNS)]
        name = f"{end.__name__}{'_blocked' * once}{'_last' * last}_{threads}"
        told[name] = [status(each) for each in processes]
    processes = [child(end_while_registered) for _ in range(RUNS)]
    told["fall_off_registered"] = [status(each) for each in processes]
    return told


# Forks


def same(one: Any, other: Any) -> bool:
    """Whether two outputs are equal bit for bit."""
    return bool(one.tobytes() == other.tobytes())


def agrees(interpreter: Any, expected: Any) -> bool:
    """Whether an interpreter computes that."""
    return same(computed(interpreter), expected)


def made_anew(expected: Any) -> bool:
    """Whether a new interpreter computes that.

    On one thread: qemu 7.2 cannot start a thread in the child of a process that has some.
    """
    return agrees(opened(num_threads=1), expected)


def forks() -> Any:
    """Whether a child computes the parent's result, by its number of threads; or the error."""
    told = {}
    for threads in (None, 1, 2, 4):
        interpreter = opened(num_threads=threads)
        expected = computed(interpreter)
        told[str(threads)] = {
            "invoke": answer(partial(agrees, interpreter, expected)),
            "made_in_the_child": answer(partial(made_anew, expected)),
            "deleted": answer(partial(deleted, interpreter)),
            "parent_still_works": agrees(interpreter, expected),
        }
    return told


def deleted(interpreter: Any) -> bool:
    """Whether an interpreter could be deleted."""
    interpreter.__del__()
    gc.collect()
    return True


def fork_while_invoked() -> Any:
    """What a child gets whose parent had a thread inside the interpreter; several forks."""
    interpreter = opened(num_threads=1)
    stop: list[bool] = []

    def work() -> None:
        while not stop:
            interpreter.invoke()

    thread = threading.Thread(target=work)
    thread.start()

    def use() -> str:
        computed(interpreter)
        return "computed"

    told = [answer(use) for _ in range(10)]
    stop.append(True)
    thread.join()
    return sorted(set(told))


# Threads


def pool() -> Any:
    """What went wrong where four threads shared an interpreter without a lock of their own."""
    interpreter = opened(num_threads=1)
    allowed = [computed(interpreter, picture) for picture in PICTURES]
    wrong = set()

    def work(number: int) -> None:
        for turn in range(12):
            try:
                seen = computed(interpreter, PICTURES[(number + turn) % len(PICTURES)])
                if not any(same(seen, each) for each in allowed):
                    wrong.add("an output of no picture")
                if turn % 4 == number:
                    interpreter.allocate_tensors()
                    interpreter.set_tensor(0, PICTURES[0])
                    interpreter.get_tensor_details()
            except Exception as error:
                wrong.add(f"{type(error).__name__}: {error}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    return sorted(wrong)


def own_lock() -> bool:
    """Whether each thread gets its own result where the callers hold a lock."""
    interpreter, lock = opened(num_threads=1), threading.Lock()
    allowed = [computed(interpreter, picture) for picture in PICTURES]

    def work(number: int) -> bool:
        with lock:
            return same(computed(interpreter, PICTURES[number]), allowed[number])

    with ThreadPoolExecutor(4) as threads:
        return all(threads.map(work, [0, 1, 2, 3, 4] * 3))


def fairness() -> Any:
    """How many inferences of a thread that repeats them each call of another one waited for."""
    interpreter, done, waits = opened(num_threads=1), [0], []
    stop: list[bool] = []

    def work() -> None:
        while not stop:
            interpreter.invoke()
            done[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(30):
        before = done[0]
        interpreter.set_tensor(0, PICTURES[0])
        waits.append(done[0] - before)
        time.sleep(0.002)
    stop.append(True)
    thread.join()
    return sorted(waits)


def reentry() -> bool:
    """Whether a value may ask the interpreter that it is set in."""
    interpreter = opened(num_threads=1)

    class Lazy:
        def __array__(self, *_: Any, **__: Any) -> Any:
            return interpreter.get_tensor(0) + PICTURES[1]

    interpreter.set_tensor(0, PICTURES[2])
    interpreter.set_tensor(0, Lazy())
    return same(interpreter.get_tensor(0), PICTURES[1])


def views() -> Any:
    """What holds memory of the interpreter and what does not."""
    interpreter = opened(num_threads=1)

    def safe() -> Any:
        try:
            interpreter.invoke()
        except RuntimeError as error:
            return " ".join(str(error).split())[:52]
        return True

    method, native = interpreter.invoke, interpreter._interpreter
    told = {"methods": safe()}
    whole = interpreter.tensor(0)()
    part = whole[0, 0]
    told["view"] = safe()
    del whole
    told["part"] = safe()
    del part
    told["none"] = safe()
    del method, native
    return told


if __name__ == "__main__":
    main(*sys.argv[1:])
