"""Run invoke with this checkout's tasks, independent of the user's settings; ``./inv`` starts it.

It is started by its path, because an isolated Python (``-I``) does not import from the current
folder. Invoke's configuration files and environment variables are not read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE))

from invoke.config import Config  # noqa: E402
from invoke.exceptions import Exit, ParseError  # noqa: E402
from invoke.program import Program  # noqa: E402

from wheelhouse.common import console  # noqa: E402
from wheelhouse.common.errors import Kind  # noqa: E402

_FLAG = re.compile(r"Flag <Argument: ([\w-]+).*?>")


GROUPS = {
    "Start here": ("build", "test"),
    "Wheels": (
        *("matrix", "verify", "upstream-tests", "fuzz"),
        *("reproduce", "plan", "make", "toolchain"),
    ),
    "Publishing": ("docs", "index", "publish", "releases", "changelog"),
    "This machine": ("doctor", "images", "cache"),
    "Sources": ("sources", "update-pins", "lock", "advisories"),
    "Development": ("lint", "bench", "models"),
}
"""The tasks as ``./inv`` shows them."""


class _Config(Config):
    prefix = "tflite-wheelhouse"


class _Program(Program):
    def parse_core(self, argv: list[str] | None) -> None:
        with _one_line():
            super().parse_core(argv)

    def parse_tasks(self) -> None:
        with _one_line():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        with _one_line():
            super().parse_cleanup()

    def no_tasks_given(self) -> NoReturn:
        for title, names in GROUPS.items():
            console.result(f"{title}:")
            for name in names:
                summary = (self.collection[name].__doc__ or "").partition("\n")[0]
                console.result(f"  ./inv {name:12} {summary}")
        console.result("\n`./inv --help TASK` shows a task's options, `./inv --help` invoke's own.")
        raise Exit


@contextmanager
def _one_line() -> Iterator[None]:
    """Report a wrong command line in one line, with the commands that show the right words."""
    try:
        yield
    except ParseError as error:
        text = _FLAG.sub(r"--\1", str(error))
        raise Exit(
            f"error: {text} (`./inv --list`, `./inv --help TASK`)", code=Kind.USAGE
        ) from error


def main(words: list[str]) -> int:
    """Run the tasks that ``words`` name and return the exit status."""
    if len(words) == 2 and words[1] in ("--help", "-h"):
        words = ["--help", words[0]]  # after `make`, invoke takes it for the name of a step
    program = _Program(name="inv", binary="./inv", config_class=_Config)
    try:
        with console.guarded_streams():
            program.run(["inv", "--search-root", str(HERE), *words])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Kind.OTHER
    except console.UnwritableError as error:
        console.write_error(str(error))
        return Kind.OTHER
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
