"""The work of the tasks: build targets into ``wheels/``, verify and reproduce wheels."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from wheelhouse import record, workflow
from wheelhouse.common import cache, console, costs, progress
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of, require_known
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Step, get_or_make, is_cached, plan
from wheelhouse.common.store import Store, disk_space, file_digest
from wheelhouse.compile import distributed, shared_cache
from wheelhouse.compile.toolchain import CLANG, SANITIZER_PACKAGES
from wheelhouse.machines import debian_packages, docker, doctor, images, qemu, rootfs, volumes
from wheelhouse.package import audit, container, diff, products, retagged
from wheelhouse.package.products import Product
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.publish import advisories, vex
from wheelhouse.record import Demand, UnverifiedError
from wheelhouse.sources import pins, pip, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.releases import TfliteRelease
from wheelhouse.targets import architectures, matrix, systems
from wheelhouse.targets.matrix import Target
from wheelhouse.testing import results
from wheelhouse.testing.shards import SUITES
from wheelhouse.verify import session, trials, upstream
from wheelhouse.verify.expected import expected

WHEELS = ROOT / "wheels"
REQUIREMENTS = ROOT / "requirements.lock"
ENGINES = ("host", "docker", "auto")
UNTRIED = "not verified"
"""What is said of a wheel without a record that suffices."""


def engine(name: str) -> str:
    """``host`` or ``docker`` for the word of ``--engine``.

    ``auto`` means ``docker`` if a Docker engine answers; the choice is printed. Raises
    WheelhouseError for any other word.
    """
    require_known(name, ENGINES, "engine", "--engine")
    if name != "auto":
        return name
    chosen = "docker" if docker.answers() else "host"
    console.say(f"The engine is {chosen}")
    return chosen


def targets(words: str, processors: str = "") -> tuple[Target, ...]:
    """The targets that ``--py`` and ``--arch`` name.

    Raises WheelhouseError as :func:`matrix.choose` and :func:`architectures.chosen` do.
    """
    with failures_of(Kind.USAGE):
        return matrix.choose(words, architectures.chosen(processors))


def suites(words: str) -> list[str]:
    """The kinds of tests in a comma-separated list; all kinds if it is empty.

    Raises WheelhouseError for an unknown kind.
    """
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        require_known(name, SUITES, "kind of tests", "--only")
    return [name for name in SUITES if name in names or not names]


def build_wheels(
    targets: Sequence[Target],
    xnnpack: bool,
    fetcher: Fetcher,
    engine: str,
    release: TfliteRelease | None = None,
    armnn: bool = False,
) -> list[Path]:
    """Build a wheel for each target into ``wheels/`` and return their paths.

    ``release`` is the TFLite release, the default one if None. With ``armnn`` the Arm NN delegate's
    wheel is built too. Raises WheelhouseError if a wheel cannot be built or written.
    """
    chosen = release or releases.choose()
    asked = wanted(targets, xnnpack, chosen, armnn)
    return _build_into_wheels(asked, fetcher, engine, chosen)


def _build_into_wheels(
    asked: Sequence[Product], fetcher: Fetcher, engine: str, chosen: TfliteRelease
) -> list[Path]:
    _prepare_compiles(fetcher, engine)
    if not os.access(WHEELS if WHEELS.exists() else WHEELS.parent, os.W_OK):
        raise WheelhouseError(
            f"This user cannot write into {WHEELS}, the folder for wheels.",
            "Build in a checkout that this user owns; it can use the same cache.",
            Kind.MACHINE,
        )
    return [_deliver(path, WHEELS) for path in _build_products(asked, fetcher, engine, chosen)]


def build(
    asked: Sequence[Product], fetcher: Fetcher, engine: str, chosen: TfliteRelease, verified: bool
) -> None:
    """Build wheels into ``wheels/``, verify them if that is wanted and possible, and sum up.

    On this machine the long steps are announced. Raises WheelhouseError as :func:`build_wheels`
    and :func:`verify` do.
    """
    begun = time.monotonic()
    if verified and engine == "docker":
        for each in asked:
            for system in products.systems_for(each):
                session.require_image(system)
    expected = seconds_by_step(asked, fetcher.store, verified) if engine == "host" else {}
    with progress.expecting(expected):
        wheels = _build_into_wheels(asked, fetcher, engine, chosen)
        for wheel in wheels:
            console.result(str(wheel))
        if verified:
            verify_if_possible(wheels, fetcher, engine)
    for wheel in wheels:
        console.say(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, {seen(wheel)}")
    console.say(
        f"Done in {progress.took(time.monotonic() - begun)}. Next: copy the wheel to the "
        "machine that it is for and install it there, or make a package index with `./inv index`."
    )


def seconds_by_step(
    asked: Sequence[Product], store: Store, verified: bool
) -> dict[progress.Name, float]:
    """What is to be made for wheels, and the seconds that each step is expected to take."""
    processors = len(os.sched_getaffinity(0))
    nodes = workflow.Request(asked, store).plan().steps
    there = {node.key: node.file for node in nodes if node.cached and node.file}
    found = {}
    for node in nodes:
        name = (node.kind, node.label)
        if node.cached or (node.kind in (workflow.VERIFIED, "rootfs") and not verified):
            continue
        if node.kind != workflow.VERIFIED:
            found[name] = costs.expected_time(store, *name, processors)
        elif node.needs[0] not in there or seen(WHEELS / there[node.needs[0]]) == UNTRIED:
            found[name] = node.cpu_seconds / processors
    return found


def seen(wheel: Path) -> str:
    """What was seen of a wheel, for readers."""
    try:
        trials = record.vouch(wheel, Demand.TODAY, expected).record.trials
    except UnverifiedError:
        return UNTRIED
    systems_tried = {trial.system for trial in trials}
    passed = sum(len(trial.checks) for trial in trials)
    return f"{_counted(passed, 'check')} passed on {_counted(len(systems_tried), 'system')}"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _prepare_compiles(fetcher: Fetcher, engine: str) -> None:
    """Raise WheelhouseError for wrong settings of compiles, before all sources are fetched.

    Packs the compiler for other machines, if some are named.
    """
    shared_cache.named()
    if distributed.named() and engine == "host":
        get_or_make(distributed.archive(), fetcher)


def export_toolchain(target: Path, fetcher: Fetcher) -> None:
    """Write the archive of the compiler for other machines, and print a client's configuration.

    Raises WheelhouseError if the file exists already or cannot be written.
    """
    problem = ""
    if target.exists() or target.is_symlink():
        problem = f"{target} exists already."
    elif not target.parent.is_dir():
        problem = f"There is no folder {target.parent}."
    elif not str(target).isprintable():  # as the bytes of a name that is not in UTF-8
        problem = "sccache's configuration cannot have such a path."
    if problem:
        raise WheelhouseError(problem, "Name another file with --archive.", Kind.USAGE)
    _copy(get_or_make(distributed.archive(), fetcher) / distributed.ARCHIVE, target)
    console.result(
        f"# For ./inv: export {distributed.ADDRESS}=http://TOKEN@SCHEDULER:10600\n"
        "# For your own sccache: a file that only you can read, named in SCCACHE_CONF.\n"
        + distributed.configuration(fetcher.store, target, "http://SCHEDULER:10600", "TOKEN")
    )


def wanted(
    targets: Sequence[Target],
    xnnpack: bool,
    chosen: TfliteRelease,
    armnn: bool,
    apps: bool = False,
) -> list[Product]:
    """A wheel of a release for each target, and other wheels if they are asked for.

    They are the delegate's with ``armnn``, and those without compiled code with ``apps``.
    Raises WheelhouseError if none of the targets has the processor that such a wheel is tried on.
    """
    processors = {target.processor for target in targets}
    more: list[Product] = []
    if armnn:
        more.append(products.armnn())
        _require_processor(more, processors, "The Arm NN delegate is for", "--armnn")
    if apps:
        more += products.apps()
        _require_processor(more, processors, "The wheels of apps are tried on", "--apps")
    runtimes = (
        RuntimeWheel(target, chosen.version, xnnpack, chosen.checkout) for target in targets
    )
    return [*runtimes, *more]


def _require_processor(
    more: Sequence[Product], processors: Collection[str], what: str, option: str
) -> None:
    for each in more:
        if each.processor not in processors:
            raise WheelhouseError(
                f"{what} {each.processor} alone.",
                f"Leave out {option}, or add {each.processor} to --arch.",
                Kind.USAGE,
            )


def _build_products(
    wanted: Sequence[Product], fetcher: Fetcher, engine: str, chosen: TfliteRelease | None = None
) -> list[Path]:
    """The wheels, in the store; an engine's container makes those that are compiled."""
    contained = [one for one in wanted if one.compiled and engine == "docker"]
    made: dict[str, Path] = {}
    if contained:
        folder = chosen.checkout if chosen else None
        checkout = pins.checkout(chosen.version, folder) if chosen and folder else None
        paths = container.build(contained, fetcher, checkout)
        made = {one.label: path for one, path in zip(contained, paths, strict=True)}
    return [made.get(one.label) or products.build(one, fetcher) for one in wanted]


def reproduce(theirs: Path, fetcher: Fetcher, engine: str) -> None:
    """Build a published wheel again, without other machines, and compare the bytes.

    A wheel for older pips is made of the one that was built again. Raises WheelhouseError if they
    differ; diffoscope's report is then in the cache's logs.
    """
    if not theirs.is_file():
        raise WheelhouseError(f"There is no file {theirs}.", "Name a published wheel.", Kind.USAGE)
    for name in (shared_cache.ADDRESS, distributed.ADDRESS):
        if os.environ.pop(name, None):
            console.say(f"Others could change the result: {name} is not used")
    ours, *_ = _build_products([products.from_filename(theirs)], fetcher, engine)
    with tempfile.TemporaryDirectory() as scratch:
        if retagged.is_retagged(theirs):
            ours = retagged.retag(ours, Path(scratch))
        _compare(theirs, ours, fetcher.store)


def _compare(theirs: Path, ours: Path, store: Store) -> None:
    if found := diff.report(theirs, ours):
        console.result(found)
        log = store.log(f"difference-{theirs.name}")
        log.write_text(found)
        raise WheelhouseError(
            f"{theirs.name} is not what this checkout builds (report: {log}).",
            "Check out the tag of the wheel's release; if the bytes still differ, do not trust it.",
            Kind.VERIFICATION,
            "other-bytes",
        )
    console.result(f"{theirs.name} is what this checkout builds: SHA-256 {file_digest(ours)}")


def finished_wheels(named: Sequence[str]) -> list[Path]:
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
def verify(wheels: Sequence[Path], fetcher: Fetcher, engine: str) -> None:
    """Verify wheels and write each wheel's record beside it.

    Raises WheelhouseError for the first wheel that fails.
    """
    if engine == "docker":
        docker.connect()  # raises now if none answers
    for path in wheels:
        product = products.matching(path)
        if product.compiled:
            audit.processor(path, product.processor)
        else:
            audit.portable(path)
        step = verification(path, fetcher, engine)
        if not is_cached(step, fetcher.store):
            progress.announce(workflow.VERIFIED, products.label_of(path))
        made = session.verified(step, fetcher)
        progress.made(workflow.VERIFIED, products.label_of(path))
        _copy(made, record.path_for(path))
        _check_record(path)
        console.say(f"{path.name} is verified")


def verification(path: Path, fetcher: Fetcher, engine: str) -> Step:
    """The step that makes a wheel's record; wheels that it is tried beside are built if absent.

    Raises WheelhouseError if no product matches the wheel's name.
    """
    beside = []
    for needed in products.companions(products.matching(path)):
        there = (each for each in path.parent.glob("*.whl") if products.is_named_as(each, needed))
        beside.append(next(there, None) or _build_products([needed], fetcher, engine)[0])
    return trials.verification(path, engine, beside)


def fuzz(
    words: str,
    seed: int,
    count: int,
    release: TfliteRelease,
    wheel: Path | None,
    again: Path | None,
    *,
    sanitize: bool = False,
) -> None:
    """Try ``count`` trials of each kind with a release's wheel for this machine, natively.

    ``words`` names the kinds; all if it is empty. ``wheel`` takes the place of that wheel, and
    ``again``, a folder of an earlier run, that of the trials. With ``sanitize`` the same sources
    are compiled with sanitizers and tried. Raises WheelhouseError for an unknown kind, and if more
    end the process than may.
    """
    # Imported here because no other task needs TFLite's schema.
    from wheelhouse.verify import fuzz as fuzzing

    kinds = fuzzing.kinds(words)
    fetcher = Fetcher.from_options()
    if sanitize:
        if platform.machine() != "x86_64":
            raise WheelhouseError("--sanitize is for x86-64.", "Run it on a PC.", Kind.MACHINE)
        debian_packages.ensure("A build with sanitizers", SANITIZER_PACKAGES)
        tried = get_or_make(_sanitized(release.version, release.checkout), fetcher)
    else:
        chosen = targets("3.7", platform.machine())
        asked = wanted(chosen, True, release, armnn=False)
        tried = wheel or _build_products(asked, fetcher, "host", release)[0]
    drawn = fuzzing.again(again) if again else fuzzing.drawn(kinds, seed, count, fetcher)
    name = f"{release.version}-{seed}{'-sanitized' if sanitize else ''}"
    keep = ROOT / "artefacts" / "fuzz" / name
    counts, found = fuzzing.run(tried, drawn, keep)
    for line in (*fuzzing.summary(counts, found), *fuzzing.listing(found)):
        console.result(line)
    if found:
        console.say(f"The files of what is found are in {keep}.")
    fuzzing.judge(counts, found, keep)


def _sanitized(tflite: str, checkout: Path | None = None) -> Step:
    """The step that compiles a release's package with sanitizers, which are x86-64's."""
    (target,) = targets("3.7", "x86_64")
    return RuntimeWheel(target, tflite, True, checkout).sanitized


def _check_record(path: Path) -> None:
    try:
        record.vouch(path, Demand.TODAY, expected)
    except UnverifiedError as reason:
        raise WheelhouseError(
            f"{path.name} {reason}; it or its record changed during verification.",
            "Run `invoke verify` again. If that does not help, wheelhouse/verify/expected.py "
            "expects other checks than the verifier makes.",
        ) from reason


def verify_if_possible(wheels: Sequence[Path], fetcher: Fetcher, engine: str) -> None:
    """Verify as :func:`verify` does; only warn if this machine cannot run the systems."""
    packages = debian_packages.missing()
    trees = [rootfs.system_tree(each) for path in wheels for each in products.systems_of(path)]
    if engine == "docker":
        verify(wheels, fetcher, engine)
    elif packages and os.geteuid() != 0:
        console.warn(
            "The wheels are not verified, because Debian packages for emulation are missing. Run "
            f"`{debian_packages.hint(packages)}`, then `invoke verify`."
        )
    elif not fetcher.network and not all(is_cached(tree, fetcher.store) for tree in trees):
        console.warn(
            "The wheels are not verified, because the systems to try them on are not in the cache. "
            "Run `invoke verify` with a network."
        )
    else:
        verify(wheels, fetcher, "host")


@failures_of(Kind.VERIFICATION)
def upstream_tests(processors: str, chosen: TfliteRelease, fetcher: Fetcher) -> None:
    """Run TensorFlow's own tests with the universal wheel for each processor.

    Prints what passed on each system. Raises WheelhouseError for what ends otherwise than expected.
    """
    made = []
    for target in targets(matrix.targets()[0].python, processors):
        product = RuntimeWheel(target, chosen.version, xnnpack=True)
        (wheel,) = _build_products([product], fetcher, "host")
        made += session.tried(wheel.name, upstream.trials(product, wheel), fetcher)
    columns = ("system", "board", "NumPy", "tests passed", "models as expected")
    rows = [(each.system, each.board, each.numpy, *upstream.summary(each)) for each in made]
    console.table(f"TensorFlow {chosen.version}", columns, rows)
    if found := [*session.failures(made)]:
        raise WheelhouseError(
            "TensorFlow's own tests do not end as expected:\n  " + "\n  ".join(found),
            "Correct what is at fault, or list it with its reason in "
            f"{upstream.TABLE.relative_to(ROOT)}.",
        )


def prepare_images(fetcher: Fetcher, bootstrap: bool) -> None:
    """Make the images that the Docker engine lacks.

    With ``bootstrap`` they are made from the Debian mirror, without an image registry.
    """
    client = docker.connect()
    (images.bootstrap if bootstrap else images.prepare)(client, fetcher)
    console.say("The Docker engine has all images")


def prune_engine(store: Store) -> None:
    """Remove from the Docker engine what no pin of this checkout needs and no container uses."""
    client = docker.connect()
    kept = volumes.prune(client, _needed(store))
    made = images.prune(client)
    console.say(f"{kept} volumes and {made} images removed from the Docker engine")


def ask_for_advisories(store: Store, osv: str) -> None:
    """Look for known vulnerabilities of the locked requirements and of the wheels of a release.

    ``osv`` is the address of another OSV server, or empty. Raises WheelhouseError if one applies.
    """
    sboms = [product.step.parameters["sbom"] for product in workflow.published()]
    advisories.check(REQUIREMENTS, sboms, vex.statements(), store, osv)


def show_matrix() -> None:
    """Print a table of targets for each processor."""
    default, *others = releases.known_versions()
    more = "".join(f", or {version} with --tflite" for version in others)
    for processor in architectures.chosen("all"):
        rows = []
        for target in matrix.choose("all", (processor,)):
            told = (target.python, target.name, f"{target.architecture.libc} {target.floor}")
            for name in target.systems:
                system = systems.system(name, processor)
                rows.append((*told[:2], system.name, system.suite, told[2]))
                told = ("", "", "")
        console.table(
            f"TFLite {default} for {processor}{more}; --arch {processor}",
            ("--py", "for", "verified on", "Debian suite", "runs on"),
            rows,
        )


def fetch_sources(fetcher: Fetcher, export: Path | None, chosen: Sequence[TfliteRelease]) -> None:
    """Fetch, check and list all components of the chosen releases and the shared ones.

    If ``export`` is a folder, the components are copied there, with the locked Python requirements
    for this Python's version.
    """
    owned = {each.version: tuple(pins.release_components(each.version).values()) for each in chosen}
    owned["all"] = pins.shared_components()
    rows = [
        (tflite, c.name, c.pin.version, c.pin.license, c.pin.artefacts[0].origin)
        for tflite, components in owned.items()
        for c in components
    ]
    components = [component for parts in owned.values() for component in parts]
    for component in components:
        fetcher.file(component)
    columns = ("TFLite", "component", "version", "licence", "origin")
    console.table("All fetched and checked", columns, rows)
    if export:
        fetcher.export(export, tuple(components))
        pip.export_requirements(REQUIREMENTS, export / "python", fetcher.store)
        console.say(f"`invoke build --sources {shlex.quote(str(export))}` needs no network")


def _deliver(built: Path, folder: Path) -> Path:
    """Copy a wheel into ``folder`` unless it is there; remove the record of a replaced one."""
    final = _make_folder(folder) / built.name
    if not final.is_file() or final.read_bytes() != built.read_bytes():
        _copy(built, final)
        record.path_for(final).unlink(missing_ok=True)
    return final


def _make_folder(path: Path) -> Path:
    with suppress(OSError):
        path.mkdir(exist_ok=True)
    return path


def _copy(source: Path, final: Path) -> None:
    with disk_space(final.parent), tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        shutil.copyfile(source, Path(scratch, final.name)).rename(final)


def examine_machine(store: Store) -> None:
    """Print what this machine has for each purpose and what mends the rest.

    Raises WheelhouseError if it cannot build.
    """
    console.result(doctor.machine())
    lacking = []
    for each in doctor.examine(store):
        console.result(str(each))
        if each.remedy and each.purpose == doctor.BUILDING:
            lacking.append(each.subject)
    if lacking:
        raise WheelhouseError(
            f"This machine cannot build: {', '.join(lacking)}.",
            "Do what is written above, then run `./inv doctor` again.",
            Kind.MACHINE,
        )


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
    steps += [rootfs.system_tree(system) for system in systems.table().systems]
    steps += [qemu.instruction_counter(), distributed.archive(), *images.steps()]
    if CLANG.exists():
        steps += [_sanitized(tflite) for tflite in pins.pins().tflite]
    keys = [step.key for step in plan(*steps)]
    for component in pins.all_components():
        keys += [component.pin.tree, *(artefact.sha256 for artefact in component.pin.artefacts)]
    keys += results.needed()
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
    _prepare_compiles(fetcher, "host")
    known = plan(*(product.step for product in products.every()))
    made = []
    for step in workflow.find(words, known):
        folder = get_or_make(step, fetcher)
        made += [_deliver(path, WHEELS) for path in folder.glob("*.whl")] or [folder]
    return made
