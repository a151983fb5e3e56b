"""Threads and forks."""

from __future__ import annotations

import pathlib
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from tflite_runtime.interpreter import Interpreter

from .models import ROW, computed, opened, ready
from .registerers import registered
from .report import Told, shown
from .runner import case, in_child


@case
def interpreters_in_threads() -> object:
    results = [None] * 4

    def work(number: int) -> None:
        interpreter = opened("arithmetic")
        for _ in range(5):
            results[number] = shown(computed(interpreter, ROW + number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [Told(result) for result in results]


@case
def interpreter_handed_to_a_thread() -> object:
    interpreter = ready("arithmetic")
    results = []
    thread = threading.Thread(target=lambda: results.append(shown(computed(interpreter))))
    thread.start()
    thread.join()
    return Told(results)


@case
def global_lock() -> object:
    """Whether another thread gets on meanwhile, in each of three attempts.

    A call that gives the lock up always lets it; a busy machine now and then does so elsewhere.
    """
    content = pathlib.Path("mobilenet-0.25-96-float32.tflite").read_bytes()
    picture = np.zeros((1, 96, 96, 3), np.float32)
    counter, going = [0], [True]

    def count() -> None:
        while going:
            counter[0] += 1
            time.sleep(0.0001)

    def moved(action: Callable[..., object], *arguments: object) -> bool:
        time.sleep(0.01)
        before = counter[0]
        action(*arguments)
        return counter[0] - before > 5

    def invoke(interpreter: Interpreter) -> None:
        """Long enough for a busy machine to run the other thread, if the lock is given up."""
        before = counter[0]
        for _ in range(400):
            interpreter.invoke()
            if counter[0] - before > 5:
                return

    def attempt() -> dict[str, bool]:
        interpreter = opened("mobilenet-0.25-96-float32", num_threads=1)
        return {
            "create": moved(lambda: Interpreter(model_content=content)),
            "allocate": moved(interpreter.allocate_tensors),
            "set": moved(interpreter.set_tensor, 0, picture),
            "invoke": moved(invoke, interpreter),
            "get": moved(interpreter.get_tensor, 0),
        }

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        attempts = [attempt() for _ in range(3)]
    finally:
        going.clear()
        sys.setswitchinterval(interval)
        thread.join()
    return {call: all(each[call] for each in attempts) for call in attempts[0]}


@case
def lock_kept_by_registerers() -> object:
    names = []
    registered(lambda address: names.append(threading.current_thread().name))
    return names


@case
def invoke_in_a_forked_child() -> object:
    interpreter = ready("arithmetic")
    return in_child(lambda: computed(interpreter))
