"""What the tasks do: from targets to verified wheels in ``wheels/``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from wheelhouse import console, matrix, sources, upstream, verify, wheel
from wheelhouse.emulator import rootfs, systems, tools
from wheelhouse.errors import WheelhouseError
from wheelhouse.matrix import Target
from wheelhouse.sources import Sources
from wheelhouse.store import disk_space
from wheelhouse.upstream import Release
from wheelhouse.wheel import Wheel

HERE = Path(__file__).parent.parent
WHEELS = HERE / "wheels"
REQUIREMENTS = HERE / "requirements.lock"


def build(
    targets: Sequence[Target], xnnpack: bool, at: Sources, release: Release | None = None
) -> list[Path]:
    """Build a wheel for each target, of the default release, into ``wheels/``; the paths there."""
    chosen = release or Release(matrix.matrix().tflite)
    wheels = [Wheel(target, chosen.version, xnnpack, chosen.checkout) for target in targets]
    return [_deliver(wheel.build(each, at), WHEELS) for each in wheels]


def delivered(named: Sequence[str]) -> list[Path]:
    """The named wheel files, or all in ``wheels/``; raises WheelhouseError if there is none."""
    wheels = [Path(name) for name in named] or sorted(WHEELS.glob("*.whl"))
    for path in wheels:
        if not path.is_file():
            raise WheelhouseError(f"There is no wheel {path}.", "`invoke build` makes wheels.")
    if not wheels:
        raise WheelhouseError("There is no wheel in wheels/ yet.", "Run `invoke build` first.")
    return wheels


def check(wheels: Sequence[Path], at: Sources) -> None:
    """Verify wheels and lay each one's record beside it.

    Raises WheelhouseError for the first wheel that fails.
    """
    for path in wheels:
        shutil.copyfile(verify.verify(path, at), _record_of(path))
        console.say(f"{path.name} is verified")


def check_if_possible(wheels: Sequence[Path], at: Sources) -> None:
    """As :func:`check`, but only say so where an emulated system cannot be had."""
    packages = tools.missing()
    used = [systems.system(name) for path in wheels for name in verify.target_of(path).systems]
    if packages and os.geteuid() != 0:
        console.warn(
            "The wheels are not verified, for emulation needs Debian packages. Run "
            f"`{tools.hint(packages)}`, then `invoke verify`."
        )
    elif not at.network and not all(rootfs.made(system, at.store) for system in used):
        console.warn(
            "The wheels are not verified, for the emulated systems are not in the cache. Run "
            "`invoke verify` with a network."
        )
    else:
        check(wheels, at)


def show_matrix() -> None:
    """Print what can be built."""
    rows = []
    for target in matrix.targets():
        on = [systems.system(name) for name in target.systems]
        names = "\n".join(system.name for system in on)
        suites = "\n".join(system.suite for system in on)
        rows.append((target.python, target.name, names, suites, f"glibc {target.floor}"))
    default, *others = upstream.known()
    more = "".join(f", or {version} with --tflite" for version in others)
    console.table(
        f"TFLite {default} for {matrix.matrix().processor}{more}",
        ("--py", "for", "verified on", "Debian suite", "runs on"),
        rows,
    )


def supply(at: Sources, export: Path | None, chosen: Sequence[Release]) -> None:
    """Fetch and check every component of the chosen releases and what all of them share; list them.

    They are copied to ``export``, which also gets the locked Python requirements, for the same
    Python as this one.
    """
    owned = {each.version: tuple(sources.release(each.version).values()) for each in chosen}
    owned["all"] = sources.everything_shared()
    rows = [
        (tflite, c.name, c.pin.version, c.pin.license, c.pin.artefacts[0].origin)
        for tflite, components in owned.items()
        for c in components
    ]
    components = [component for parts in owned.values() for component in parts]
    for component in components:
        at.file(component)
    columns = ("TFLite", "component", "version", "licence", "origin")
    console.table("All here and checked", columns, rows)
    if export:
        at.export(export, tuple(components))
        sources.export_requirements(REQUIREMENTS, export / "python")
        console.say(f"`invoke build --sources {export}` needs no network")


def _record_of(wheel: Path) -> Path:
    return wheel.with_name(f"{wheel.name}.verified.json")


def _deliver(made: Path, folder: Path) -> Path:
    """Copy a wheel beside its place and rename it into it, unless it is there already."""
    folder.mkdir(exist_ok=True)
    final = folder / made.name
    if final.is_file() and final.read_bytes() == made.read_bytes():
        return final
    partial = final.with_name(f".{final.name}.partial")
    with disk_space(folder):
        shutil.copyfile(made, partial)
    _record_of(final).unlink(missing_ok=True)
    return partial.rename(final)
