"""What the tasks do: from targets to verified wheels in ``wheels/``."""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from wheelhouse import record, workflow
from wheelhouse.common import cache, console
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Step, get_or_make, is_cached, plan
from wheelhouse.common.store import Store, disk_space, file_digest
from wheelhouse.machines import debian_packages, docker, images, qemu, rootfs
from wheelhouse.package import container, delegate_wheel, diff, products, runtime_wheel
from wheelhouse.package.products import Product
from wheelhouse.package.runtime_wheel import Wheel
from wheelhouse.record import Demand, UnverifiedError
from wheelhouse.sources import pins, pip, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.releases import Release
from wheelhouse.targets import matrix, systems
from wheelhouse.targets.matrix import Target
from wheelhouse.verify import delegate_trials, runtime_trials, session

WHEELS = ROOT / "wheels"
REQUIREMENTS = ROOT / "requirements.lock"
ENGINES = ("host", "docker", "auto")
SUITES = ("unit", "integration", "emulated")


def engine(name: str) -> str:
    """``host`` or ``docker``; ``auto`` is docker where an engine answers, and says which.

    Raises WheelhouseError for another name.
    """
    _known(name, ENGINES, "engine", "--engine")
    if name != "auto":
        return name
    chosen = "docker" if docker.answers() else "host"
    console.say(f"The engine is {chosen}")
    return chosen


def targets(words: str) -> tuple[Target, ...]:
    """The targets that ``--py`` names; raises WheelhouseError as :func:`matrix.choose` does."""
    with failures_of(Kind.USAGE):
        return matrix.choose(words)


def suites(words: str) -> list[str]:
    """The kinds of tests that ``words`` lists with commas between; all for an empty list.

    Raises WheelhouseError for a kind that does not exist.
    """
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        _known(name, SUITES, "kind of tests", "--only")
    return [name for name in SUITES if name in names or not names]


def _known(word: str, words: Sequence[str], what: str, option: str) -> None:
    if word not in words:
        near = difflib.get_close_matches(word, words, n=1, cutoff=0)[0]
        raise WheelhouseError(
            f"There is no {what} {word}; did you mean {near}?",
            f"Give {option} one of these: {', '.join(words)}.",
            Kind.USAGE,
        )


def build(
    targets: Sequence[Target],
    xnnpack: bool,
    fetcher: Fetcher,
    engine: str,
    release: Release | None = None,
    armnn: bool = False,
) -> list[Path]:
    """Build a wheel for each target, of the default release, into ``wheels/``; the paths there.

    With ``armnn`` the delegate's as well.
    """
    of = release or releases.choose()
    if engine == "docker" and of.checkout:
        raise WheelhouseError(
            "A container does not see a checkout of this machine.",
            "Leave out --tflite-source, or --engine.",
            Kind.USAGE,
        )
    if not os.access(WHEELS if WHEELS.exists() else WHEELS.parent, os.W_OK):
        raise WheelhouseError(
            f"This user cannot write into {WHEELS}, where wheels are put.",
            "Build in a checkout of this user's own; it can use the same cache.",
            Kind.MACHINE,
        )
    asked = wanted(targets, xnnpack, of, armnn)
    return [_deliver(path, WHEELS) for path in _made(asked, fetcher, engine)]


def wanted(targets: Sequence[Target], xnnpack: bool, chosen: Release, armnn: bool) -> list[Product]:
    """A wheel of a release for each target; with ``armnn`` the delegate's as well."""
    runtimes = [Wheel(target, chosen.version, xnnpack, chosen.checkout) for target in targets]
    return [*runtimes, *([products.armnn()] if armnn else [])]


def _made(wanted: Sequence[Product], fetcher: Fetcher, engine: str) -> list[Path]:
    if engine == "docker":
        return container.build(wanted, fetcher)
    return [products.build(one, fetcher) for one in wanted]


def reproduce(theirs: Path, fetcher: Fetcher, engine: str) -> None:
    """Build a published wheel again and compare the bytes.

    Raises WheelhouseError, and leaves diffoscope's report in the cache's logs, if they differ.
    """
    if not theirs.is_file():
        raise WheelhouseError(
            f"There is no file {theirs}.", "Name a wheel that was published.", Kind.USAGE
        )
    ours, *_ = _made([products.from_filename(theirs)], fetcher, engine)
    if found := diff.report(theirs, ours):
        console.result(found)
        log = fetcher.store.log(f"difference-{theirs.name}")
        log.write_text(found)
        raise WheelhouseError(
            f"{theirs.name} is not what this checkout builds (report: {log}).",
            "Check out the tag that the wheel was made from; if it still differs, do not trust it.",
            Kind.VERIFICATION,
        )
    console.result(f"{theirs.name} is what this checkout builds: SHA-256 {file_digest(ours)}")


def delivered(named: Sequence[str]) -> list[Path]:
    """The named wheel files, or all in ``wheels/``; raises WheelhouseError if there is none."""
    wheels = [Path(name) for name in named] or sorted(WHEELS.glob("*.whl"))
    for path in wheels:
        if not path.is_file():
            raise WheelhouseError(
                f"There is no wheel {path}.", "`invoke build` makes wheels.", Kind.USAGE
            )
    if not wheels:
        raise WheelhouseError(
            "There is no wheel in wheels/ yet.", "Run `invoke build` first.", Kind.USAGE
        )
    return wheels


@failures_of(Kind.VERIFICATION)
def check(wheels: Sequence[Path], fetcher: Fetcher, engine: str) -> None:
    """Verify wheels and lay each one's record beside it.

    Raises WheelhouseError for the first wheel that fails.
    """
    for path in wheels:
        _place(
            get_or_make(verification(path, fetcher, engine), fetcher) / session.RECORD,
            record.beside(path),
        )
        _vouch(path)
        console.say(f"{path.name} is verified")


def verification(path: Path, fetcher: Fetcher, engine: str) -> Step:
    """The folder with a wheel's record; raises WheelhouseError if it is no wheel of the matrix."""
    return _VERIFICATIONS[products.akin(path).about.package](path, fetcher, engine)


def _of_runtime(path: Path, fetcher: Fetcher, engine: str) -> Step:
    return runtime_trials.verification(path, engine)


def _of_delegate(path: Path, fetcher: Fetcher, engine: str) -> Step:
    """With the universal wheel that lies beside it, built where there is none."""
    runtime = workflow.universal()
    beside = (each for each in path.parent.glob("*.whl") if products.is_akin(each, runtime))
    found = next(beside, None) or _made([runtime], fetcher, engine)[0]
    return delegate_trials.verification(path, found, engine)


_VERIFICATIONS = {runtime_wheel.PROJECT: _of_runtime, delegate_wheel.PROJECT: _of_delegate}
"""How the wheels of each project are tried."""


def _vouch(path: Path) -> None:
    try:
        record.vouch(path, Demand.TODAY)
    except UnverifiedError as reason:
        raise WheelhouseError(
            f"{path.name} {reason}; it changed while it was tried.", "Run `invoke verify` again."
        ) from reason


def check_if_possible(wheels: Sequence[Path], fetcher: Fetcher, engine: str) -> None:
    """As :func:`check`, but only say so where an emulated system cannot be had."""
    packages = debian_packages.missing()
    trees = [rootfs.system_tree(each) for path in wheels for each in products.systems_of(path)]
    if engine == "docker":
        check(wheels, fetcher, engine)
    elif packages and os.geteuid() != 0:
        console.warn(
            "The wheels are not verified, for emulation needs Debian packages. Run "
            f"`{debian_packages.hint(packages)}`, then `invoke verify`."
        )
    elif not fetcher.network and not all(is_cached(tree, fetcher.store) for tree in trees):
        console.warn(
            "The wheels are not verified, for the emulated systems are not in the cache. Run "
            "`invoke verify` with a network."
        )
    else:
        check(wheels, fetcher, "host")


def prepare_images(fetcher: Fetcher, bootstrap: bool) -> None:
    """Make the images of the Docker engine that it does not have."""
    client = docker.connect()
    (images.bootstrap if bootstrap else images.prepare)(client, fetcher)
    console.say("All images are there")


def show_matrix() -> None:
    """Print what can be built."""
    rows = []
    for target in matrix.targets():
        on = [systems.system(name) for name in target.systems]
        names = "\n".join(system.name for system in on)
        suites = "\n".join(system.suite for system in on)
        rows.append((target.python, target.name, names, suites, f"glibc {target.floor}"))
    processors = " and ".join(dict.fromkeys(target.processor for target in matrix.targets()))
    default, *others = releases.known()
    more = "".join(f", or {version} with --tflite" for version in others)
    console.table(
        f"TFLite {default} for {processors}{more}",
        ("--py", "for", "verified on", "Debian suite", "runs on"),
        rows,
    )


def supply(fetcher: Fetcher, export: Path | None, chosen: Sequence[Release]) -> None:
    """Fetch and check every component of the chosen releases and what all of them share; list them.

    They are copied to ``export``, which also gets the locked Python requirements, for the same
    Python as this one.
    """
    owned = {each.version: tuple(pins.release(each.version).values()) for each in chosen}
    owned["all"] = pins.everything_shared()
    rows = [
        (tflite, c.name, c.pin.version, c.pin.license, c.pin.artefacts[0].origin)
        for tflite, components in owned.items()
        for c in components
    ]
    components = [component for parts in owned.values() for component in parts]
    for component in components:
        fetcher.file(component)
    columns = ("TFLite", "component", "version", "licence", "origin")
    console.table("All here and checked", columns, rows)
    if export:
        fetcher.export(export, tuple(components))
        pip.export_requirements(REQUIREMENTS, export / "python", fetcher.store)
        console.say(f"`invoke build --sources {shlex.quote(str(export))}` needs no network")


def _deliver(made: Path, folder: Path) -> Path:
    """Put a wheel into ``folder``, unless it is there already; without the record of another."""
    final = _folder(folder) / made.name
    if not final.is_file() or final.read_bytes() != made.read_bytes():
        _place(made, final)
        record.beside(final).unlink(missing_ok=True)
    return final


def _folder(path: Path) -> Path:
    with suppress(OSError):
        path.mkdir(exist_ok=True)
    return path


def _place(made: Path, final: Path) -> None:
    with disk_space(final.parent), tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        shutil.copyfile(made, Path(scratch, final.name)).rename(final)


def show_cache(store: Store) -> None:
    """Print what lies in the cache: for each kind how many outputs, their size and last use."""
    found, needed = list(cache.entries(store)), _needed(store)
    rows = []
    for kind in dict.fromkeys(entry.kind for entry in found):
        of_kind = [entry for entry in found if entry.kind == kind]
        idle = cache.superfluous(of_kind, needed)
        used = datetime.fromtimestamp(max(entry.used for entry in of_kind)).astimezone()
        sizes = (sum(entry.size for entry in part) for part in (of_kind, idle))
        megabytes = (f"{size / 1e6:,.0f} MB" for size in sizes)
        rows.append((kind, str(len(of_kind)), *megabytes, f"{used:%Y-%m-%d %H:%M}"))
    columns = ("what", "outputs", "size", "of this not needed", "last used")
    console.table(f"The cache {store.root}", columns, rows)


def prune(store: Store, keep: str, limit: str) -> None:
    """Remove from the cache what no pin of this checkout needs and no running build holds.

    ``keep``, as in 30d, leaves what was used within that time; ``limit``, as in 5GB, leaves what
    was used last, as long as all takes no more. Raises WheelhouseError if they are no such words.
    """
    found = list(cache.entries(store))
    chosen = cache.superfluous(
        found,
        _needed(store),
        cache.duration(keep) if keep else None,
        cache.size(limit) if limit else None,
    )
    gone = cache.remove(store, chosen)
    freed = sum(entry.size for entry in gone) / 1e9
    console.say(f"{len(gone)} of {len(found)} outputs removed, {freed:.1f} GB")
    if len(gone) < len(chosen):
        console.say(f"{len(chosen) - len(gone)} stay, for a build runs that may use them")


def _needed(store: Store) -> set[str]:
    """The first 16 hex digits of every key that the pins of this checkout have."""
    steps = [product.step for product in products.every()]
    steps += [rootfs.system_tree(system) for system in systems.catalogue().systems]
    steps += [qemu.instruction_counter(), *images.steps()]
    keys = [step.key for step in plan(*steps)]
    for component in pins.everything():
        keys += [component.pin.tree, *(artefact.sha256 for artefact in component.pin.artefacts)]
    ours = {file_digest(path) for path in WHEELS.glob("*.whl")}
    tried = (store.root / "verified").glob(f"*/{session.RECORD}")
    keys += [path.parent.name[-16:] for path in tried if _about(path) in ours]
    return {key[:16] for key in keys if key}


def _about(path: Path) -> str:
    """The SHA-256 of the wheel that a record is about, or "" for a record that cannot be read."""
    try:
        return record.read(path.read_bytes()).sha256
    except UnverifiedError:
        return ""


def show_plan(made: workflow.Plan) -> None:
    """Print a plan's steps and what they cost."""
    rows = [
        (node.kind, node.label, f"{node.cpu_seconds:,.0f}", "yes" if node.cached else "no")
        for node in made.steps
    ]
    console.table("Steps", ("what", "label", "CPU s", "in the cache"), rows)
    for what, seconds in (
        ("All steps", made.cpu_seconds.all),
        ("What is not in the cache", made.cpu_seconds.missing),
        (f"{len(made.jobs.parts)} + {len(made.jobs.wheels)} jobs", made.cpu_seconds.jobs),
        ("Each wheel alone", made.cpu_seconds.alone),
    ):
        console.result(f"{what}: {seconds / 60:,.0f} CPU minutes")


@failures_of(Kind.COMPILE)
def make(words: str, fetcher: Fetcher) -> list[Path]:
    """Make the steps that ``words`` name, in the cache; their folders, or their wheels in wheels/.

    Raises WheelhouseError if a word names no step of this checkout.
    """
    known = plan(*(product.step for product in products.every()))
    made = []
    for step in workflow.find(words, known):
        folder = get_or_make(step, fetcher)
        made += [_deliver(path, WHEELS) for path in folder.glob("*.whl")] or [folder]
    return made
