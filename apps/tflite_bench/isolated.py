"""Run a function in a process of its own, so that memory, threads and libraries are its own.

The process is forked and starts no program: an emulated Raspberry Pi can do no more.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and the end of the session."""

_TAIL = 300
"""Characters that a crashed process printed last and that are told."""


class TrialError(Exception):
    """The function raised an error or its process ended; the text says which."""


@dataclass(frozen=True)
class Outcome:
    """What a function returned, and what it and its libraries printed."""

    value: Any
    printed: str


def call(function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function in a forked process.

    Raises TrialError for any error of the function and for a crash, KeyboardInterrupt if somebody
    ended the other process. Whatever interrupts this process ends the other one.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryFile() as log:
        process = context.Process(target=_child, args=(sender, log, function, arguments))
        process.start()
        sender.close()
        try:
            kind, value = receiver.recv()
        except EOFError:
            kind, value = "crash", ""
        except BaseException:
            process.kill()
            raise
        finally:
            process.join()
            receiver.close()
        log.seek(0)
        printed = log.read().decode(errors="replace")
    if kind == "result":
        return Outcome(value, printed)
    if kind == "error":
        raise TrialError(value)
    if -(process.exitcode or 0) in INTERRUPTS:
        raise KeyboardInterrupt
    said = " ".join(printed[-_TAIL:].split())
    raise TrialError(_ending(process.exitcode or 0) + (f"; it printed: {said}" if said else ""))


def _child(
    sender: Connection, log: IO[bytes], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_DFL)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    try:
        result = ("result", function(*arguments))
    except BaseException as error:  # whatever it is, it is this contestant's alone
        result = ("error", _told(error))
    sender.send(result)


def _told(error: BaseException) -> str:
    """An error in one line, and its cause."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{text}, because of {_told(error.__cause__)}" if error.__cause__ else text


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with status {code} and no result"
    return f"it crashed with {signal.Signals(-code).name}"
