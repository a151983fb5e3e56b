"""Time runtimes on the same models, in turns: ``race.py PLAN TIMES``, two JSON files.

Runs natively on Debian 12. PLAN has ``contestants``, which are folders with a virtual environment
each, ``races``, which are pairs of a model's path and a number of threads, and ``turns``. TIMES
becomes, for each race, a list per contestant: the seconds per inference in each turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

TURN, PAUSE, WARM_UP = 0.04, 0.005, 0.2
"""Seconds: of a turn at least; between turns, for idle threads to fall asleep; before the first."""


class Contestant:
    """A process that has loaded a model with one runtime and waits for its turns."""

    def __init__(self, folder: str, model: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [folder + "/env/bin/python", __file__, "--serve", model, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self, inferences: int) -> float:
        """Seconds per inference."""
        with suppress(BrokenPipeError):
            print(inferences, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline() if self.process.stdout else ""
        if not answer:
            sys.exit(f"A contestant ended with status {self.process.wait()}.")
        return float(answer)

    def leave(self) -> None:
        """End the process."""
        self.process.communicate()


def race(contestants: list[str], model: str, threads: int, turns: int) -> list[list[float]]:
    """The seconds per inference in each turn, a list per contestant."""
    running = [Contestant(folder, model, threads) for folder in contestants]
    try:
        slowest = max(each.turn(1) for each in running)
        inferences = max(1, int(TURN / slowest))
        found: list[list[float]] = [[] for _ in running]
        for number in range(turns):
            pairs = list(zip(running, found, strict=True))
            for each, times in pairs if number % 2 else pairs[::-1]:
                time.sleep(PAUSE)
                times.append(each.turn(inferences))
    finally:
        for each in running:
            each.leave()
    return found


def serve(model: str, threads: int) -> None:
    """Load a model, warm up, and answer each number of inferences with the seconds of one."""
    try:
        from tflite_runtime.interpreter import Interpreter
    except ImportError:
        from ai_edge_litert.interpreter import (  # type: ignore[import-untyped,no-redef]
            Interpreter,
        )
    interpreter = Interpreter(model, num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    ramp = np.arange(np.prod(entry["shape"])) % 101
    interpreter.set_tensor(entry["index"], ramp.reshape(entry["shape"]).astype(entry["dtype"]))
    until = time.monotonic() + WARM_UP
    while time.monotonic() < until:
        interpreter.invoke()
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            interpreter.invoke()
        print((time.perf_counter() - begun) / int(line), flush=True)


def main(plan: str, times: str) -> None:
    """Run the races of a plan."""
    wanted = json.loads(Path(plan).read_text())
    found = [
        race(wanted["contestants"], model, threads, wanted["turns"])
        for model, threads in wanted["races"]
    ]
    Path(times).write_text(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1], sys.argv[2])
