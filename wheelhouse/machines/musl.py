"""Root file systems like Alpine Linux's: musl, CPython, pip and NumPy, all from pinned files.

Alpine's own packages are not in any archive that this project uses. So CPython is compiled with zig
for musl, by Debian's tools in a sandbox; musl's loader is Debian's, and pip and NumPy are the
Python index's own wheels.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from wheelhouse.common import console, process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.jobs import jobs
from wheelhouse.common.plain import plain_path
from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step
from wheelhouse.compile import ninja
from wheelhouse.compile.toolchain import ZIG
from wheelhouse.sources import archives, pins
from wheelhouse.targets.systems import System

TOOLS_SUITE = "trixie"
"""The Debian suite whose CPython has the version that is compiled."""

TOOLS = (
    *(
        "python3.13",
        "make",
        "sed",
        "grep",
        "mawk",
        "coreutils",
        "findutils",
        "diffutils",
        "binutils",
    ),
    *("ca-certificates", "dash", "base-passwd"),
)
"""The Debian packages that configure and compile CPython, besides the compiler."""

_MUSL = "musl-1.2.5"
"""The loader: wheels are linked with an older one, but NumPy's have relocations since 1.2.4."""

_PIP = "pip-26.3"
_SITECUSTOMIZE = ROOT / "wheelhouse" / "guest" / "children.py"

_COMPILER = """\
#!/bin/sh
exec "$WHEELHOUSE_ZIG" cc -target {zig} -dynamic -fno-sanitize=undefined -Wno-everything "$@"
"""

_SCRIPT = """\
cd "$(dirname "$0")"
export CC="$PWD/cc" AR="$PWD/ar" RANLIB="$PWD/ranlib" PKG_CONFIG=false
mkdir zlib libffi python bin
ln -s /usr/bin/mawk bin/awk  # as Debian's package would do when it is configured
export PATH="$PWD/bin:$PATH"
(
  cd zlib
  CHOST={zig} CFLAGS='-O2 -fPIC' ../zlib-sources/configure --static
  make -j{jobs} libz.a
)
(
  cd libffi
  CFLAGS='-O2 -fPIC' ../libffi-sources/configure --build=x86_64-linux-gnu --host={zig} \\
    --disable-shared --disable-docs --prefix="$PWD/../installed" \\
    lt_cv_prog_compiler_static_works=no
  make -j{jobs} install
)
mkdir -p installed/include installed/lib
cp zlib-sources/zlib.h zlib/zconf.h installed/include/
cp zlib/libz.a installed/lib/
cd python
export CPP="$CC -E -D__DEFINED_va_list" # by which the names of modules are chosen: musl's stdarg.h
# A thread's stack is that of Alpine's CPython, which has it from the same flag.
CFLAGS='-O2 -DTHREAD_STACK_SIZE=0x100000' CPPFLAGS="-I$PWD/../installed/include" \\
LDFLAGS="-s -L$PWD/../installed/lib" LIBFFI_CFLAGS= LIBFFI_LIBS=-lffi ZLIB_CFLAGS= ZLIB_LIBS=-lz \\
../python-sources/configure --build=x86_64-linux-gnu --host={zig} --prefix=/usr \\
  --with-build-python=/usr/bin/python{python} --without-ensurepip --without-static-libpython \\
  --disable-test-modules --disable-ipv6 ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no
make -j{jobs} OPT=
make install DESTDIR="$PWD/../tree"
"""


def system_tree(system: System, tools: Step) -> Step:
    """The step whose folder holds the system's root file system; do not write to it.

    ``tools`` is the tree of :data:`TOOLS`.
    """
    named = system.architecture
    return Step(
        kind="rootfs",
        label=f"{system.suite}-{named.debian}",
        recipe=_assemble,
        needs={
            "interpreter": interpreter(system, tools),
            "tools": tools,
            "musl": pins.shared(f"{_MUSL}-{named.name}").tree,
            "pip": pins.shared(_PIP),
            "numpy": pins.shared(f"numpy-{system.python}-{named.name}"),
        },
        parameters={"python": system.python, "loader": named.loader},
    )


def interpreter(system: System, tools: Step) -> Step:
    """The step whose folder holds ``usr`` with the system's CPython, compiled for musl."""
    python, named = system.python, system.architecture
    return Step(
        kind="interpreters",
        label=f"python-{python}-{named.name}",
        recipe=_compile,
        needs={
            "python": pins.shared(f"cpython-{python}").tree,
            "zlib": pins.shared("zlib").tree,
            "libffi": pins.shared("libffi").tree,
            "tools": tools,
        },
        parameters={"python": python, "zig": named.zig},
    )


def _compile(inputs: Inputs, folder: Path) -> None:
    told, needs, store = inputs.parameters, inputs.needs, inputs.store
    title = f"CPython {told['python']} for musl"
    console.say(f"Compiling {title}")
    count = jobs(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)
    with tempfile.TemporaryDirectory() as name:
        work = plain_path(Path(name))
        for each in ("python", "zlib", "libffi"):
            shutil.copytree(needs[each], work / f"{each}-sources", symlinks=True)
        _write(work / "cc", _COMPILER.format(**told))
        for each in ("ar", "ranlib"):
            _write(work / each, f'#!/bin/sh\nexec "$WHEELHOUSE_ZIG" {each} "$@"\n')
        _write(work / "build.sh", _SCRIPT.format(jobs=count, **told))
        env = ninja.environment(store)
        seen = (work, Path(env["ZIG_GLOBAL_CACHE_DIR"]))
        command = [*_sandbox(needs["tools"], seen), "sh", "-e", str(work / "build.sh")]
        log, lines = store.log(f"python-{told['python']}-{told['zig']}"), list[str]()
        status = process.stream(command, cwd=work, log=log, env=env, line=lines.append)
        if status:
            raise WheelhouseError(
                f"{title} did not compile: {process.failure_reason(status, lines)}",
                f"The whole log is {log}; correct the cause and run the same command again.",
            )
        shutil.copytree(work / "tree" / "usr", folder / "usr", symlinks=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _sandbox(tools: Path, folders: Sequence[Path]) -> list[str]:
    """The command that runs another in ``tools``, with zig and with ``folders`` to write to."""
    zig = plain_path(ZIG).parent
    return [
        *(
            "bwrap",
            "--ro-bind",
            str(tools / "usr"),
            "/usr",
            "--ro-bind",
            str(tools / "etc"),
            "/etc",
        ),
        *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
        *("--symlink", "usr/lib64", "/lib64", "--dev", "/dev", "--proc", "/proc"),
        *("--tmpfs", "/tmp", "--unshare-net", "--ro-bind", str(zig), str(zig)),  # noqa: S108
        *(word for each in folders for word in ("--bind", str(each), str(each))),
        *("--setenv", "PATH", "/usr/bin", "--setenv", "TMPDIR", "/tmp"),  # noqa: S108
    ]


def _assemble(inputs: Inputs, folder: Path) -> None:
    needs, python = inputs.needs, inputs.parameters["python"]
    console.say(f"Making a system with musl and CPython {python}")
    shutil.copytree(needs["interpreter"] / "usr", folder / "usr", symlinks=True)
    for name in ("bin", "lib"):
        (folder / name).symlink_to(f"usr/{name}")
    loader = Path(inputs.parameters["loader"]).name
    (libc,) = needs["musl"].glob("usr/lib/*/libc.so")
    shutil.copyfile(libc, folder / "lib" / loader)
    (folder / "lib" / loader).chmod(0o755)
    (folder / "lib" / loader.replace("ld-", "libc.")).symlink_to(loader)
    modules = folder / "usr" / "lib" / f"python{python}"
    for name in ("pip", "numpy"):
        archives.unpack(needs[name], modules / "site-packages", strip=0, keep=())
    shutil.copyfile(_SITECUSTOMIZE, modules / "sitecustomize.py")
    etc = folder / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\npi:x:1000:\n")
    (etc / "hostname").write_text("raspberrypi\n")
    (etc / "resolv.conf").write_text("")
    sandbox = _sandbox(needs["tools"], [plain_path(folder)])
    compileall = (f"python{python}", "-m", "compileall", "-q", "-s", plain_path(folder), "-p", "/")
    done = process.run([*sandbox, *compileall, plain_path(modules)])
    if done.status:
        log = inputs.store.log(f"compile-{python}")
        error = process.failure("Some modules did not compile", done, log, "Their import is slow.")
        console.warn(f"Python {python}: {error.what}. {error.hint}")
