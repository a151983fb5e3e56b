"""Root file systems of Debian's and Raspberry Pi OS's userland, without emulation and root.

1. mmdebstrap downloads the suite's packages, verifies the archive's signature and unpacks them;
   no maintainer script runs.
2. The links and accounts that those scripts would have made, and that programs need, are made here.
3. This machine's build of the suite's Python compiles the modules to bytecode. That takes 7 s;
   emulated it would take 22 s, and without bytecode pip starts 4 s later.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wheelhouse.common import console, process
from wheelhouse.common.errors import Kind
from wheelhouse.common.plain import LINKS
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.common.store import Store
from wheelhouse.machines import debian_packages, musl
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.mirrors import KEYRING, VARIABLE, debian_mirrors
from wheelhouse.targets import architectures
from wheelhouse.targets.systems import System

USER = "pi"
"""The account of the system's user, 1000."""

_UNNAMEABLE = frozenset('"\\\n')
"""The characters that apt's configuration does not allow in a folder's name."""

_MERGED_USR = (
    'cd "$1" && mkdir -p usr/bin usr/sbin usr/lib usr/lib64 && '
    "ln -s usr/bin usr/sbin usr/lib usr/lib64 ."
)


def system_tree(system: System) -> Step:
    """The step whose folder holds the system's ``usr``, ``etc`` and ``var``; do not write to it.

    It has the packages that the archive had when it was made, which takes 12 s and raises
    WheelhouseError if a package to install is missing or the archive cannot be read. A system with
    musl is made of pinned files: :mod:`wheelhouse.machines.musl`.
    """
    if not system.is_debian:
        tools = suite_tree(musl.TOOLS_SUITE, architectures.native().debian, musl.TOOLS)
        return musl.system_tree(system, tools)
    parameters = {
        "name": system.name,
        "suite": system.suite,
        "python": system.python,
        "packages": system.packages,
        "architecture": system.architecture.debian,
        "loader": system.architecture.loader,
        "multiarch": system.architecture.multiarch,
        "native": architectures.native().debian,
    }
    ours, default = system.architecture, architectures.default()
    label = system.suite if ours == default else f"{system.suite}-{ours.debian}"
    return Step("rootfs", label, _make_system, parameters=parameters)


def suite_tree(suite: str, architecture: str, packages: Sequence[str]) -> Step:
    """The step whose folder holds these packages of a Debian suite, as a container's base.

    ``architecture`` is Debian's name of it, for example arm64.
    """
    parameters = {"suite": suite, "architecture": architecture, "packages": packages}
    return Step("rootfs", f"{suite}-{architecture}", _make, parameters=parameters)


def _make(inputs: Inputs, folder: Path) -> None:
    suite, architecture = inputs.parameters["suite"], inputs.parameters["architecture"]
    debian_packages.ensure()
    console.say(f"Unpacking Debian {suite} for {architecture}")
    _unpack(suite, architecture, inputs.parameters["packages"], inputs.store, folder)
    _finish(folder)


def _make_system(inputs: Inputs, folder: Path) -> None:
    parameters, store = inputs.parameters, inputs.store
    suite, python, architecture = (
        parameters["suite"],
        parameters["python"],
        parameters["architecture"],
    )
    debian_packages.ensure()
    console.say(f"Unpacking {parameters['name']} (Debian {suite}, {architecture})")
    _unpack(suite, architecture, parameters["packages"], store, folder)
    _finish_system(folder, parameters["loader"], parameters["multiarch"])
    with tempfile.TemporaryDirectory() as scratch:
        twin = Path(scratch) / "twin"
        _unpack(suite, parameters["native"], [f"python{python}-minimal"], store, twin)
        _compile(python, twin, store, folder)


def tree(system: System, store: Store) -> Path:
    """The folder of :func:`system_tree`, made unless the store has it."""
    return get_or_make(system_tree(system), Fetcher(store))


def _unpack(
    suite: str, architecture: str, packages: Sequence[str], store: Store, folder: Path
) -> None:
    if set(str(folder.absolute())) & _UNNAMEABLE:
        with tempfile.TemporaryDirectory(dir=LINKS) as scratch:
            unpacked = Path(scratch, "tree")
            _unpack(suite, architecture, packages, store, unpacked)
            folder.mkdir(exist_ok=True)
            moved = process.run(["mv", "-t", folder, *unpacked.iterdir()])
            if moved.status:
                log = store.log(f"rootfs-{suite}-{architecture}")
                raise process.failure(f"{folder} could not be filled", moved, log, "Mend that.")
        return
    mirror = debian_mirrors()[0]
    done = process.run(
        [
            "mmdebstrap",
            "--mode=chrootless",
            "--skip=check/chrootless",  # meant for variants that run maintainer scripts
            "--variant=extract",
            f"--architectures={architecture}",
            f"--keyring={KEYRING}",
            '--aptopt=Acquire::Check-Valid-Until "false"',  # mirrors of sid may lag by weeks
            f"--setup-hook={_MERGED_USR}",
            f"--include={','.join(packages)}",
            suite,
            folder,
            mirror,
        ]
    )
    if done.status:
        raise process.failure(
            f"Debian {suite} for {architecture} could not be unpacked",
            done,
            store.log(f"rootfs-{suite}-{architecture}"),
            f"Check that {mirror} serves {suite}, or name another archive in {VARIABLE}.",
            kind=Kind.FETCH,
        )


def _finish_system(root: Path, loader: str, multiarch: str) -> None:
    """Do what maintainer scripts would have done for a system: loader, BLAS and LAPACK too."""
    if not loader.startswith("/lib64/"):
        (root / "lib64").unlink()
    libraries = root / "usr/lib" / multiarch
    for name in ("blas", "lapack"):
        link = libraries / f"lib{name}.so.3"
        if not link.exists():
            link.symlink_to(f"{name}/lib{name}.so.3")
    _finish(root)
    shutil.rmtree(root / "dev", ignore_errors=True)


def _finish(root: Path) -> None:
    """Do what maintainer scripts would have done: sh, accounts, certificates, names."""
    shell = root / "usr/bin/sh"
    if not shell.exists():
        shell.symlink_to("dash")
    for name, line in (
        ("passwd", f"{USER}:x:1000:1000:,,,:/home/{USER}:/bin/sh\n"),
        ("group", f"{USER}:x:1000:\n"),
    ):
        master = root / f"usr/share/base-passwd/{name}.master"
        (root / "etc" / name).write_text(master.read_text() + line)
    certificates = sorted(root.glob("usr/share/ca-certificates/mozilla/*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.write_text("".join(path.read_text() for path in certificates))
    (root / "etc/hostname").write_text("raspberrypi\n")
    (root / "etc/resolv.conf").write_text("")


def _compile(python: str, twin: Path, store: Store, root: Path) -> None:
    """Compile the modules in ``root`` to bytecode with ``twin``'s Python; warn if that fails."""
    done = process.run(
        [
            *("bwrap", "--ro-bind", twin / "usr", "/usr", "--bind", root, "/tree"),
            *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
            *("--dev", "/dev", "--clearenv", "--setenv", "PYTHONHOME", "/tree/usr"),
            *(f"/usr/bin/python{python}", "-m", "compileall", "-q", "-s", "/tree", "-p", "/"),
            *("/tree/usr/lib/python3", f"/tree/usr/lib/python{python}"),
        ]
    )
    if done.status:
        log = store.log(f"compile-{python}")
        error = process.failure("Some modules did not compile", done, log, "Their import is slow.")
        console.warn(f"Python {python}: {error.what}. {error.hint}")
