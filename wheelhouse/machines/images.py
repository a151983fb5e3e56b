"""The images of the Docker engine: the builder, and one for each system to verify wheels on.

An image's tag is the digest of all that it is made from, so one that exists is never made again.
Its base is Debian's own image, by digest, or one made here from Debian's archive.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from docker import DockerClient

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.common.store import Store, digest, disk_space, file_digest
from wheelhouse.common.toml import Table, load
from wheelhouse.compile import ninja, toolchain
from wheelhouse.machines import binfmt, docker, rootfs
from wheelhouse.sources import pip
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures, systems
from wheelhouse.targets.architectures import Architecture
from wheelhouse.targets.systems import System

FILE = ROOT / "wheelhouse" / "machines" / "images.toml"
FOLDER = ROOT / "dockerfiles"
REQUIREMENTS = FOLDER / "builder.lock"
BUILDER, PI, TREE, PROBE = (
    FOLDER / f"{name}.Dockerfile" for name in ("builder", "pi", "tree", "probe")
)
_PROBE = "probe"
_TRUE = ROOT / "native" / "true.zig"
_ABLE: set[tuple[str, str]] = set()
"""The engines that can run programs of an architecture."""


class BuilderImage(Table, frozen=True):
    """The builder image, in which wheels are compiled."""

    suite: str
    """Its Debian suite, as in ``bookworm``."""
    python: str
    """That suite's CPython, as in ``3.11``."""
    packages: tuple[str, ...]
    """The Debian packages of its base where ``./inv images --bootstrap`` makes that."""


class ImageTable(Table, frozen=True):
    """The whole of images.toml."""

    bases: Mapping[str, str]
    """Debian's images by suite, each pinned by its digest."""
    builder: BuilderImage
    """The builder image."""


@cache
def catalogue() -> ImageTable:
    """The content of images.toml; raises WheelhouseError naming the key that is wrong."""
    return load(FILE, ImageTable)


def builder(client: DockerClient, fetcher: Fetcher) -> str:
    """The name of the builder image, made unless the engine has it.

    Raises WheelhouseError if the image has to be made, but its base cannot be pulled or the network
    must not be used.
    """
    native = _architecture(client)
    arguments = _builder_arguments(client, native)
    name = _builder_name(arguments)
    if not docker.image_is_here(client, name):
        if not fetcher.network:
            raise WheelhouseError(
                "The Docker engine has no builder image, and the network must not be used.",
                "Run `invoke images` once with a network.",
            )
        requirements = _requirements(native, fetcher.store)
        context = {"Dockerfile": BUILDER, "requirements": requirements}
        _make(client, name, context, native, arguments, fetcher.store)
    return name


def _builder_arguments(client: DockerClient, native: Architecture) -> dict[str, str]:
    base = _base_name(native)
    if not docker.image_is_here(client, base):
        base = catalogue().bases[catalogue().builder.suite]
    return {"BASE": base}


def _builder_name(arguments: Mapping[str, str]) -> str:
    return _name("builder", arguments, file_digest(BUILDER), file_digest(REQUIREMENTS))


def pi(client: DockerClient, system: System, store: Store) -> str:
    """The name of the image of a Raspberry Pi OS release, made unless the engine has it.

    Raises WheelhouseError if its base cannot be pulled, or the engine cannot run its programs.
    """
    require(client, system.architecture, store)
    name = pi_name(system)
    if not docker.image_is_here(client, name):
        arguments = {
            "BASE": catalogue().bases[system.suite],
            "PACKAGES": " ".join((f"python{system.python}", *system.packages)),
        }
        _make(client, name, {"Dockerfile": PI}, system.architecture, arguments, store)
    return name


def require(client: DockerClient, architecture: Architecture, store: Store) -> None:
    """Raise WheelhouseError if the engine cannot, and cannot be made to, run such programs."""
    key = (client.api.base_url, architecture.name)
    if key in _ABLE:
        return
    program = get_or_make(true(architecture), Fetcher(store)) / "true"
    name = _name(f"{_PROBE}-{architecture.docker}", file_digest(program), file_digest(PROBE))
    if not docker.image_is_here(client, name):
        _make(client, name, {"Dockerfile": PROBE, "true": program}, architecture, {}, store)
    binfmt.ensure(client, name, architecture)
    _ABLE.add(key)


def true(architecture: Architecture) -> Step:
    """The step whose folder holds ``true``, a program of an architecture without libraries."""
    target = {"target": architecture.zig}
    return Step("probes", f"true-{architecture.name}", _compile, {"source": _TRUE}, target)


def _compile(inputs: Inputs, folder: Path) -> None:
    options = ("-target", inputs.parameters["target"], "-O", "ReleaseSmall", "-fstrip")
    command = (plain_path(toolchain.ZIG), "build-exe", *options, plain_path(inputs.needs["source"]))
    program = plain_path(folder) / "true"
    done = process.run([*command, f"-femit-bin={program}"], env=ninja.environment(inputs.store))
    if done.status:
        log = inputs.store.log("probe")
        raise process.failure(f"{_TRUE.name} did not compile", done, log, "Correct that file.")


def prepare(client: DockerClient, fetcher: Fetcher) -> None:
    """Make every image that the engine does not have."""
    builder(client, fetcher)
    for system in systems.debian():
        pi(client, system, fetcher.store)


def bootstrap(client: DockerClient, fetcher: Fetcher) -> None:
    """Make every image that the engine does not have, from Debian's signed archive alone.

    Uses no registry and no emulation.
    """
    image = catalogue().builder
    native = _architecture(client)
    if not docker.image_is_here(client, _base_name(native)):
        tree = get_or_make(rootfs.suite_tree(image.suite, native.debian, image.packages), fetcher)
        _make_from_tree(client, _base_name(native), tree, native, "0:0", fetcher.store)
    builder(client, fetcher)
    for architecture in dict.fromkeys(each.architecture for each in systems.debian()):
        require(client, architecture, fetcher.store)
    for system in systems.debian():
        if not docker.image_is_here(client, pi_name(system)):
            tree = rootfs.tree(system, fetcher.store)
            name = pi_name(system)
            _make_from_tree(client, name, tree, system.architecture, docker.USER, fetcher.store)


def prune(client: DockerClient) -> int:
    """Remove all images but today's that no container uses; how many there were.

    Raises WheelhouseError if the engine fails.
    """
    native = _architecture(client)
    needed = {_builder_name(_builder_arguments(client, native)), _base_name(native)}
    needed |= {pi_name(system) for system in systems.debian()}
    old = [name for name in docker.image_names(client) - needed if f"/{_PROBE}-" not in name]
    return sum(docker.remove_image(client, name) for name in old)


def _architecture(client: DockerClient) -> Architecture:
    """The architecture of the engine's machine."""
    with docker.explained():
        name = str(client.version()["Arch"])
    known = (row for row in architectures.architectures() if row.docker == name)
    if not (native := next(known, None)):
        raise WheelhouseError(
            f"The Docker engine's machine is {name}, for which architectures.toml has no row.",
            "Use an engine on another machine.",
            Kind.ENGINE,
        )
    return native


def _base_name(architecture: Architecture) -> str:
    """The name of the builder's base that :func:`bootstrap` makes."""
    image = catalogue().builder
    return _name(f"base-{architecture.docker}", image.suite, image.packages, file_digest(TREE))


def pi_name(system: System) -> str:
    """The name of a system's image, which the engine may not have."""
    base = catalogue().bases[system.suite]
    return _name(f"pi-{system.suite}-{system.python}", system, base, file_digest(PI))


def _name(kind: str, *parts: object) -> str:
    plain = [repr(part) for part in parts]
    return f"{docker.LABEL}/{kind}:{digest(plain)[:16]}"


def _requirements(architecture: Architecture, store: Store) -> Path:
    """The folder with the wheels of builder.lock for the builder image."""
    return get_or_make(requirements(architecture.wheel), Fetcher(store))


def steps() -> list[Step]:
    """What images are made of here, for engines on any machine that is known."""
    base = catalogue().builder
    return [
        step
        for each in architectures.architectures()
        for step in (
            requirements(each.wheel),
            rootfs.suite_tree(base.suite, each.debian, base.packages),
            true(each),
        )
    ]


def requirements(machine: str) -> Step:
    """The step whose folder holds the wheels of builder.lock.

    ``machine`` is the end of their platform tags, for example x86_64.
    """
    parameters = {"python": catalogue().builder.python, "machine": machine}
    return Step("requirements", f"builder-{machine}", _fetch, parameters=parameters)


def _fetch(inputs: Inputs, folder: Path) -> None:
    console.say("Fetching the builder's toolchain from the Python package index")
    pip.export_requirements(REQUIREMENTS, folder, inputs.store, **inputs.parameters)
    (folder / REQUIREMENTS.name).write_bytes(REQUIREMENTS.read_bytes())


def _make_from_tree(
    client: DockerClient, name: str, tree: Path, architecture: Architecture, user: str, store: Store
) -> None:
    with tempfile.TemporaryDirectory() as scratch, disk_space(Path(scratch)):
        archive = Path(scratch, "tree.tar")
        with tarfile.open(archive, "w") as tar:
            for path in sorted(tree.iterdir()):
                tar.add(path, path.name, filter=_root_owned)
            home = tarfile.TarInfo("home/pi")
            home.type, home.mode, home.uid, home.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
            tar.addfile(home)
        context = {"Dockerfile": TREE, "tree.tar": archive}
        _make(client, name, context, architecture, {"USER": user}, store)


def _make(
    client: DockerClient,
    name: str,
    context: Mapping[str, Path],
    architecture: Architecture,
    arguments: Mapping[str, str],
    store: Store,
) -> None:
    kind, _, key = name.rpartition(":")
    console.say(f"Making the image {kind}")
    labels = {"org.opencontainers.image.title": kind, "org.opencontainers.image.revision": key}
    log = store.log(kind.replace("/", "-"))
    with log.open("w", buffering=1) as stream:
        try:
            docker.make_image(
                client,
                name,
                context,
                architecture=architecture.docker,
                arguments=arguments,
                labels=labels,
                line=lambda text: print(text, file=stream),
            )
        except WheelhouseError as error:
            raise _unreachable(arguments.get("BASE", ""), error, log) from error


def _unreachable(base: str, error: WheelhouseError, log: Path) -> WheelhouseError:
    if "@sha256:" in base and _is_registry_failure(error.what):
        return WheelhouseError(
            f"The image {base} could not be pulled: {error.what}",
            "Run `invoke images --bootstrap`, which makes all images from the Debian mirror, then "
            "the same command again.",
            Kind.FETCH,
            "image-registry",
        )
    return WheelhouseError(error.what, f"{error.hint} The whole log is {log}.", error.kind)


def _is_registry_failure(reason: str) -> bool:
    """Whether the engine's reason names a registry, which failed or could not be reached."""
    words: Sequence[str] = ("manifest", "pull", "registry", "dial tcp", "lookup", 'Get "http')
    return any(word in reason for word in words)


def _root_owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
