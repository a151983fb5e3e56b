"""The front door: ``invoke --list`` shows what there is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.tasks import task as invoke_task

from wheelhouse import bench as figures
from wheelhouse import console, pipeline, upstream
from wheelhouse import matrix as targets
from wheelhouse.emulator import tools
from wheelhouse.errors import WheelhouseError
from wheelhouse.sources import Sources

HERE = Path(__file__).parent
PYTEST = f"{sys.executable} -m pytest"
OFFLINE = {
    "offline": "fail rather than use the network",
    "sources": "a folder made by `invoke sources --export`, to be used instead of the network",
}


def task(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """An invoke task that shows failures as a user should see them."""

    def wrap(action: Callable[..., None]) -> Any:
        @wraps(action)
        def guarded(*words: Any, **options: Any) -> None:
            try:
                action(*words, **options)
            except WheelhouseError as error:
                console.fail(error)
                sys.exit(1)
            except KeyboardInterrupt:
                console.say("Interrupted. What is finished is kept: the same command goes on.")
                sys.exit(130)

        return invoke_task(guarded, **settings)

    return wrap


@task(
    help={
        "py": "CPython versions: 3.7, which is for all later ones too (the default), or 3.9,3.11, "
        "or all",
        "xnnpack": "with the XNNPACK delegate (the default)",
        "tflite": "the release of TFLite, as far as it takes to know it: 2.22",
        "tflite-source": "a checkout of TensorFlow to take it from instead",
        "verify": "try the wheels on emulated Raspberry Pis (the default)",
        **OFFLINE,
    }
)
def build(
    _: Context,
    py: str = "3.7",
    tflite: str = "",
    tflite_source: str = "",
    xnnpack: bool = True,
    verify: bool = True,
    offline: bool = False,
    sources: str = "",
) -> None:
    """Build wheels into wheels/ and try them on emulated Raspberry Pis."""
    at = Sources.given(offline, sources)
    release = upstream.choose(tflite, tflite_source)
    wheels = pipeline.build(targets.choose(py), xnnpack, at, release)
    for wheel in wheels:
        console.result(str(wheel))
    if verify:
        pipeline.check_if_possible(wheels, at)


@task(iterable=["wheel"], help={"wheel": "one to try; all in wheels/ if none is named"})
def verify(_: Context, wheel: list[str]) -> None:
    """Try finished wheels on emulated Raspberry Pis."""
    pipeline.check(pipeline.delivered(wheel), Sources.given())


@task()
def matrix(_: Context) -> None:
    """List what can be built."""
    pipeline.show_matrix()


@task(
    help={
        "export": "also copy everything into this folder, for `--sources`",
        "tflite": "only what this release of TFLite takes",
        **OFFLINE,
    }
)
def sources(
    _: Context, export: str = "", tflite: str = "", offline: bool = False, sources: str = ""
) -> None:
    """List, fetch and check everything that builds and tests take from elsewhere."""
    chosen = [upstream.choose(tflite)] if tflite else upstream.every()
    at = Sources.given(offline, sources)
    pipeline.supply(at, Path(export) if export else None, chosen)


@task()
def bench(_: Context) -> None:
    """Measure what README's table of figures says."""
    figures.run(Sources.given())


@task()
def lint(c: Context) -> None:
    """Check style and types."""
    with c.cd(str(HERE)):
        for command in ("ruff check .", "ruff format --check .", "mypy"):
            c.run(f"{sys.executable} -m {command}")


@task()
def lock(c: Context) -> None:
    """Pin what requirements.in names, with hashes, for every supported Python."""
    options = "--universal --python-version 3.10 --generate-hashes --no-annotate --no-header"
    with c.cd(str(HERE)):
        c.run(
            f"{sys.executable} -m uv pip compile -q {options} requirements.in -o requirements.lock"
        )


@task()
def test(c: Context) -> None:
    """Run all tests, those on emulated Raspberry Pis included."""
    tools.ensure()
    with c.cd(str(HERE)):
        c.run(f"{PYTEST} tests/unit tests/integration tests/emulated", pty=sys.stdout.isatty())
