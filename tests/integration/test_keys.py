"""Whatever decides a step's output is in its key, and nothing else is: tried on a copy of this."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.support import REPO

Keys = Callable[[], dict[str, str]]

TELL = """
import json, sys
from pathlib import Path
from wheelhouse import pipeline
from wheelhouse.common.step import plan
from wheelhouse.common.store import Store, digest
from wheelhouse.machines import qemu
from wheelhouse.machines.images import requirements
from wheelhouse.package import products
from wheelhouse.sources.fetch import Fetcher

fetcher = Fetcher(Store(Path("cache")), offline=True)
tail = "manylinux_2_17_aarch64.whl"
delegate = Path(f"tflite_armnn_delegate-23.8-py3-none-{tail}")
runtime = Path(f"tflite_runtime-2.14.1-cp37-abi3-{tail}")
tried = [delegate, runtime]
for app in products.apps():
    tried.append(Path(f"{app.metadata.package}-{app.metadata.version}-py3-none-any.whl"))
for path in tried:
    path.touch()
steps = [product.step for product in products.every()]
for engine in ("host", "docker"):
    for path in tried:
        steps.append(pipeline.verification(path, fetcher, engine))
steps += [qemu.instruction_counter(), requirements("x86_64")]
keys = {}
for step in plan(*steps):
    keys.setdefault(step.kind, []).append(step.key)
print(json.dumps({kind: digest(sorted(found)) for kind, found in keys.items()}))
"""

FORKING = """
import ast, functools, gc, linecache, os, sys
gc.disable()
ast.parse = functools.cache(ast.parse)
exec(sys.argv[1], {"print": lambda text: None})
for _ in sys.stdin:
    if not os.fork():
        for name in [*sys.modules]:
            if name.partition(".")[0] == "wheelhouse":
                del sys.modules[name]
        linecache.clearcache()
        exec(sys.argv[1], {})
        sys.stdout.flush()
        os._exit(0)
    _, status = os.wait()
    if status:
        sys.exit("it cannot be told")
"""
"""Keeps what no change touches: other projects' modules, and the syntax trees of texts.

A fork for each answer imports this project's.
"""

PACKED = {"wheels"}
LINKED = {"extensions", "delegates", *PACKED}
COMPILED = {"cores", "libraries", *LINKED}
CORES = {"cores", "extensions", *PACKED}
ARMNN = {"libraries", "delegates", *PACKED}
MODELS = {"models", *PACKED}
TRIED = {"trials", "verified"}
INSTALLED = {"installed", *TRIED}

CHANGES = [
    # Settings, flags, includes and tools of compilers.
    ("wheelhouse/compile/toolchain.py", '"-O3"', '"-O2"', COMPILED),
    ("wheelhouse/compile/toolchain.py", '"-s",', "", {"cxx", *LINKED}),
    (
        "wheelhouse/compile/toolchain.py",
        "chosen=$chosen$new",
        "chosen=$new",
        {"toolchains", "cxx", "tools", *COMPILED},
    ),
    (
        "wheelhouse/targets/architectures.toml",
        '"+fp16" = "+fullfp16"',
        '"+fp16" = ""',
        {"toolchains", "cxx", *COMPILED, *INSTALLED},
    ),
    (
        "wheelhouse/targets/architectures.toml",
        'cmake = "aarch64"',
        'cmake = "arm64"',
        {"toolchains", "cxx", *COMPILED, *INSTALLED},
    ),
    (
        "wheelhouse/compile/core.py",
        '"CMAKE_BUILD_TYPE": "None",',
        '"CMAKE_BUILD_TYPE": "None", "MORE": 1,',
        CORES,
    ),
    ("wheelhouse/compile/cxx.py", '"none.cc", "-o"', '"-g", "none.cc", "-o"', {"cxx"}),
    ("wheelhouse/compile/flatc.py", "-O1 -g0", "-O2 -g0", {"tools", *CORES}),
    ("wheelhouse/compile/extension.py", '        "eigen",\n', "", LINKED - {"delegates"}),
    (
        "wheelhouse/compile/extension.py",
        '"-Wl,--version-script=exports.map"',
        '"-Wl,-z,now"',
        LINKED - {"delegates"},
    ),
    ("wheelhouse/compile/arm_compute.py", '"-DENABLE_NCHW_KERNELS",', "", ARMNN),
    (
        "wheelhouse/compile/arm_compute.py",
        'listed["scheduler"]["single"]',
        'listed["scheduler"]["omp"]',
        ARMNN,
    ),
    ("wheelhouse/compile/armnn.py", '"armnn/include",', '"armnn/include", "armnn/more",', ARMNN),
    ("wheelhouse/compile/library.py", "rcsD", "rcs", ARMNN),
    ("wheelhouse/package/delegate_wheel.py", '"-Wl,-z,defs",', "", {"delegates", *PACKED}),
    # Code of ours that is compiled or packed, and patches.
    ("native/CMakeLists.txt", "set(BUILD_TESTING OFF)", "", CORES),
    ("native/monitor.h", "#", "\n#", LINKED - {"delegates"}),
    ("native/binding.cc", "#", "\n#", LINKED - {"delegates"}),
    ("native/xnnpack.cc", "#", "\n#", LINKED - {"delegates"}),
    ("native/xnnpack.h", "#", "\n#", LINKED - {"delegates"}),
    ("native/weight_cache.cc", "#", "\n#", LINKED - {"delegates"}),
    ("native/weight_cache.h", "#", "\n#", LINKED - {"delegates"}),
    ("native/personality.cc", "#", "\n#", LINKED),
    ("native/builtins.cc", "#", "\n#", LINKED),
    ("native/quad.cc", "#", "\n#", {"delegates", *PACKED}),
    ("native/tflite_runtime/__init__.py", "import", "\nimport", PACKED),
    ("native/tflite_armnn_delegate/__init__.py", "import", "\nimport", PACKED),
    ("apps/tflite_bench/cli.py", "import", "\nimport", PACKED),
    ("apps/tflite_examples/cli.py", "import", "\nimport", PACKED),
    ("apps/tflite_examples_models/__init__.py", "import", "\nimport", PACKED),
    ("LICENSE", "Apache", "apache", PACKED),
    # Models that are converted.
    ("wheelhouse/specimens/pipelines.toml", "size = [128, 128, 3]", "size = [64, 64, 3]", MODELS),
    ("wheelhouse/specimens/conversion/quantise.py", "_FEW = 4096", "_FEW = 4095", MODELS),
    # Pins and how archives become trees.
    ("wheelhouse/sources/sources.toml", "cebdf5dfe8b35007", "0000000000000000", {"trees", *ARMNN}),
    (
        "wheelhouse/sources/archives.py",
        'filter="data"',
        'filter="tar"',
        {"trees", "tools", "models", "toolchains", "cxx", *COMPILED},  # musl's library is a tree
    ),
    ("wheelhouse/sources/sources.toml", "1e795a8be3ddbac4", "0" * 16, INSTALLED),  # a NumPy
    # How wheels are packed and audited.
    ("wheelhouse/package/wheel.py", "ZIP_DEFLATED, 9", "ZIP_DEFLATED, 6", PACKED),
    ("wheelhouse/sources/origins.toml", 'supplier = "Arm"', 'supplier = "ARM"', PACKED),
    ("wheelhouse/package/audit.py", 'kind == "GLIBC"', 'kind == "GLIBCXX"', PACKED),
    ("wheelhouse/targets/matrix.toml", '"3.14" = "2.3.2"', '"3.14" = "2.4.0"', PACKED),
    # Emulated systems, and what is tried there.
    ("wheelhouse/machines/rootfs.py", "--variant=extract", "--variant=apt", {"rootfs", *INSTALLED}),
    ("wheelhouse/targets/systems.toml", '"libgomp1", ', "", {"rootfs", *INSTALLED}),
    ("wheelhouse/targets/systems.toml", 'BogoMIPS = "38.40"', 'BogoMIPS = "40.00"', INSTALLED),
    ("wheelhouse/machines/qemu.py", '"--unshare-net", ', "", INSTALLED),
    ("wheelhouse/guest/probe.py", "import", "\nimport", TRIED),
    ("wheelhouse/guest/probe_bench.py", "import", "\nimport", TRIED),
    ("wheelhouse/guest/probe_examples.py", "import", "\nimport", TRIED),
    ("wheelhouse/guest/probe_models.py", "import", "\nimport", TRIED),
    ("wheelhouse/verify/bench_trials.py", "RUNS = 3", "RUNS = 4", TRIED),
    ("wheelhouse/verify/examples_trials.py", "YEARS = 15", "YEARS = 16", TRIED),
    ("wheelhouse/specimens/scenes.py", "AGE = 41", "AGE = 40", TRIED),
    ("wheelhouse/verify/models_trials.py", "Tolerance(1e-6, 1e-2)", "Tolerance(1e-6, 1e-1)", TRIED),
    ("wheelhouse/verify/runtime_trials.py", "overlap > 0.5", "overlap > 0.6", TRIED),
    ("wheelhouse/verify/delegate_trials.py", '"detector-int8": 9', '"detector-int8": 8', TRIED),
    ("wheelhouse/verify/reference.py", '"int8": Tolerance(1)', '"int8": Tolerance(2)', TRIED),
    ("wheelhouse/specimens/models.toml", "face = [", "face = [1", TRIED),
    ("dockerfiles/pi.Dockerfile", "FROM", "\nFROM", INSTALLED),
    ("dockerfiles/builder.lock", "abi3audit==0.0.26", "abi3audit==0.0.27", {"requirements"}),
    ("native/count.c", "#", "\n#", {"plugins"}),
    # What decides nothing.
    ("wheelhouse/compile/core.py", '"""', '"""Anything. ', set()),
    ("wheelhouse/compile/core.py", "import shutil\n", "import shutil  # for files\n", set()),
    (
        "wheelhouse/compile/core.py",
        "(inputs: Inputs, folder: Path) -> None",
        "(inputs, folder)",
        set(),
    ),
    ("wheelhouse/compile/ninja.py", "failed: ", "did not work: ", set()),
    ("wheelhouse/common/console.py", "\n\n\n", "\n\n\nANYTHING = 1\n\n\n", set()),
    ("wheelhouse/publish/front_page.py", "import", "\nimport", set()),
    ("wheelhouse/machines/images.py", "Making the image", "Building the image", set()),
]


SECONDS = count(1_000_000_000)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("wheelhouse", "native", "patches", "dockerfiles", "apps"):
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPO / name, folder / name, ignore=left)
    shutil.copy(REPO / "LICENSE", folder)
    return folder


@pytest.fixture(scope="module")
def teller(copy: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that tells the keys of the copy as often as it is asked."""
    env = {**os.environ, "PYTHONPATH": str(copy)}
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, TELL],
        cwd=copy,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def keys(teller: subprocess.Popen[str]) -> Keys:
    def ask() -> dict[str, str]:
        assert teller.stdin
        assert teller.stdout
        teller.stdin.write("\n")
        teller.stdin.flush()
        told: dict[str, str] = json.loads(teller.stdout.readline() or '"It ended."')
        assert isinstance(told, dict), told
        return told

    return ask


@pytest.fixture(scope="module")
def before(keys: Keys) -> dict[str, str]:
    return keys()


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    text = path.read_text()
    assert old in text, f"{path.name} no longer has {old}"
    write(path, text.replace(old, new, 1))
    try:
        yield
    finally:
        write(path, text)


def write(path: Path, text: str) -> None:
    """Write a file at a second of its own: the bytecode of another text does not count then."""
    path.write_text(text)
    second = next(SECONDS)
    os.utime(path, (second, second))


def test_every_kind_of_step_is_changed_by_something(before: dict[str, str]) -> None:
    assert set().union(*(kinds for *_, kinds in CHANGES)) == before.keys()


@pytest.mark.parametrize(
    ("name", "old", "new", "kinds"), CHANGES, ids=[f"{row[0]}: {row[1]}" for row in CHANGES]
)
def test_a_change_makes_anew_what_it_decides_and_no_more(
    copy: Path, keys: Keys, before: dict[str, str], name: str, old: str, new: str, kinds: set[str]
) -> None:
    with edited(copy / name, old, new):
        after = keys()
    assert {kind for kind in before if after[kind] != before[kind]} == kinds


def test_a_patch_makes_its_component_anew(copy: Path, keys: Keys, before: dict[str, str]) -> None:
    patch = next((copy / "patches").glob("xnnpack-*/*.patch"))
    with edited(patch, "---", "----"):
        after = keys()
    assert {kind for kind in before if after[kind] != before[kind]} == {"trees", *CORES}


def test_code_may_be_moved_and_renamed(copy: Path, keys: Keys, before: dict[str, str]) -> None:
    room = copy / "wheelhouse" / "compile"
    armnn = room / "armnn.py"
    text = armnn.read_text()
    head, name, body = text.partition("def source_files(")
    constant = re.search(r"^_LEFT_OUT = .+?^\)\n", text, re.MULTILINE | re.DOTALL)
    assert constant
    moved = constant[0].replace("_LEFT_OUT", "_ABSENT")
    hidden = body.replace("_LEFT_OUT", "_ABSENT")
    (room / "files.py").write_text(f"from pathlib import Path\n\n{moved}\n\ndef hidden({hidden}")
    called = head.replace("source_files(", "files.hidden(")
    called = called.replace(
        "from wheelhouse.common", "from wheelhouse.compile import files\nfrom wheelhouse.common", 1
    )
    armnn.write_text(called)
    try:
        assert name
        assert keys() == before
    finally:
        armnn.write_text(text)
