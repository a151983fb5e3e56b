"""Whatever decides a step's output is in its key, and nothing else is: tried on a copy of this."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import REPO

TELL = """
import json, sys
from pathlib import Path
from wheelhouse import pipeline, products
from wheelhouse.emulator import qemu
from wheelhouse.images import requirements
from wheelhouse.sources import Sources
from wheelhouse.step import plan
from wheelhouse.store import Store, digest

at = Sources(Store(Path("cache")), offline=True)
tail = "manylinux_2_17_aarch64.whl"
delegate = Path(f"tflite_armnn_delegate-23.8-py3-none-{tail}")
runtime = Path(f"tflite_runtime-2.14.1-cp37-abi3-{tail}")
for path in (delegate, runtime):
    path.touch()
steps = [product.step for product in products.every()]
for engine in ("host", "docker"):
    for path in (delegate, runtime):
        steps.append(pipeline.verification(path, at, engine))
steps += [qemu.instruction_counter(), requirements("x86_64")]
keys = {}
for step in plan(*steps):
    keys.setdefault(step.kind, []).append(step.key)
print(json.dumps({kind: digest(sorted(found)) for kind, found in keys.items()}))
"""

PACKED = {"wheels"}
LINKED = {"extensions", "delegates", *PACKED}
COMPILED = {"cores", "libraries", *LINKED}
CORES = {"cores", "extensions", *PACKED}
ARMNN = {"libraries", "delegates", *PACKED}
TRIED = {"verified"}

CHANGES = [
    # Settings, flags, includes and tools of compilers.
    ("wheelhouse/toolchain.py", '"-O3"', '"-O2"', COMPILED),
    ("wheelhouse/toolchain.py", '"-s", ', "", LINKED),
    (
        "wheelhouse/toolchain.py",
        "-mcpu=generic",
        "-mcpu=cortex_a72",
        {"toolchains", "tools", *COMPILED},
    ),
    (
        "wheelhouse/architectures.toml",
        'cmake = "aarch64"',
        'cmake = "arm64"',
        {"toolchains", "tools", *COMPILED},
    ),
    (
        "wheelhouse/core.py",
        '"CMAKE_BUILD_TYPE": "None",',
        '"CMAKE_BUILD_TYPE": "None", "MORE": 1,',
        CORES,
    ),
    ("wheelhouse/flatc.py", "-O1 -g0", "-O2 -g0", {"tools", *CORES}),
    ("wheelhouse/extension.py", '        trees["eigen"],\n', "", LINKED - {"delegates"}),
    (
        "wheelhouse/extension.py",
        '"-Wl,--version-script=exports.map"',
        '"-Wl,-z,now"',
        LINKED - {"delegates"},
    ),
    ("wheelhouse/armcompute.py", '"-DENABLE_NCHW_KERNELS",', "", ARMNN),
    (
        "wheelhouse/armcompute.py",
        'listed["scheduler"]["single"]',
        'listed["scheduler"]["omp"]',
        ARMNN,
    ),
    ("wheelhouse/armnn.py", '"armnn/include",', '"armnn/include", "armnn/more",', ARMNN),
    ("wheelhouse/library.py", "rcsD", "rcs", ARMNN),
    ("wheelhouse/delegate.py", '"-Wl,-z,defs",', "", {"delegates", *PACKED}),
    # Code of ours that is compiled or packed, and patches.
    ("native/CMakeLists.txt", "set(BUILD_TESTING OFF)", "", CORES),
    ("native/monitor.h", "#", "\n#", LINKED - {"delegates"}),
    ("native/binding.cc", "#", "\n#", LINKED - {"delegates"}),
    ("native/personality.cc", "#", "\n#", LINKED),
    ("native/tflite_runtime/__init__.py", "import", "\nimport", PACKED),
    ("native/tflite_armnn_delegate/__init__.py", "import", "\nimport", PACKED),
    # Pins and how archives become trees.
    ("wheelhouse/sources.toml", "cebdf5dfe8b35007", "0000000000000000", {"trees", *ARMNN}),
    ("wheelhouse/archives.py", 'filter="data"', 'filter="tar"', {"trees", "tools", *COMPILED}),
    # How wheels are packed and audited.
    ("wheelhouse/packing.py", "ZIP_DEFLATED, 9", "ZIP_DEFLATED, 6", PACKED),
    ("wheelhouse/audit.py", 'kind == "GLIBC"', 'kind == "GLIBCXX"', PACKED),
    ("wheelhouse/matrix.toml", '"3.14" = "2.3.2"', '"3.14" = "2.4.0"', PACKED),
    # Emulated systems, and what is tried there.
    ("wheelhouse/emulator/rootfs.py", "--variant=extract", "--variant=apt", {"rootfs", *TRIED}),
    ("wheelhouse/emulator/systems.toml", '"libgomp1", ', "", {"rootfs", *TRIED}),
    ("wheelhouse/emulator/systems.toml", 'bogomips = "38.40"', 'bogomips = "40.00"', TRIED),
    ("wheelhouse/emulator/qemu.py", '"--unshare-net", ', "", TRIED),
    ("wheelhouse/probe.py", "import", "\nimport", TRIED),
    ("wheelhouse/verify.py", "overlap > 0.5", "overlap > 0.6", TRIED),
    ("wheelhouse/verify_armnn.py", '"detector-int8": 9', '"detector-int8": 8', TRIED),
    ("wheelhouse/reference.py", '"int8": Tolerance(1)', '"int8": Tolerance(2)', TRIED),
    ("wheelhouse/models.toml", "face = [", "face = [1", TRIED),
    ("dockerfiles/pi.Dockerfile", "FROM", "\nFROM", TRIED),
    ("dockerfiles/builder.lock", "# ", "#  ", {"requirements"}),
    ("native/count.c", "#", "\n#", {"plugins"}),
    # What decides nothing.
    ("wheelhouse/core.py", '"""', '"""Anything. ', set()),
    ("wheelhouse/core.py", "import shutil\n", "import shutil  # for files\n", set()),
    ("wheelhouse/core.py", "(inputs: Inputs, folder: Path) -> None", "(inputs, folder)", set()),
    ("wheelhouse/compile.py", "failed: ", "did not work: ", set()),
    ("wheelhouse/console.py", "def ", "\n\ndef ", set()),
    ("wheelhouse/front.py", "import", "\nimport", set()),
    ("wheelhouse/images.py", "Making the image", "Building the image", set()),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("wheelhouse", "native", "patches", "dockerfiles"):
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPO / name, folder / name, ignore=left)
    return folder


def keys(folder: Path) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", TELL]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    return keys(copy)


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    text = path.read_text()
    assert old in text, f"{path.name} no longer has {old}"
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


def test_every_kind_of_step_is_changed_by_something(before: dict[str, str]) -> None:
    assert set().union(*(kinds for *_, kinds in CHANGES)) == before.keys()


@pytest.mark.parametrize(
    ("name", "old", "new", "kinds"), CHANGES, ids=[f"{row[0]}: {row[1]}" for row in CHANGES]
)
def test_a_change_makes_anew_what_it_decides_and_no_more(
    copy: Path, before: dict[str, str], name: str, old: str, new: str, kinds: set[str]
) -> None:
    with edited(copy / name, old, new):
        after = keys(copy)
    assert {kind for kind in before if after[kind] != before[kind]} == kinds


def test_a_patch_makes_its_component_anew(copy: Path, before: dict[str, str]) -> None:
    patch = next((copy / "patches").glob("xnnpack-*/*.patch"))
    with edited(patch, "---", "----"):
        after = keys(copy)
    assert {kind for kind in before if after[kind] != before[kind]} == {"trees", *CORES}


def test_code_may_move_to_another_module(copy: Path, before: dict[str, str]) -> None:
    """What a recipe names counts, wherever it lies."""
    core, text = copy / "wheelhouse" / "core.py", (copy / "wheelhouse" / "core.py").read_text()
    at = text.index("def prefix_maps(")
    more = f"from pathlib import Path\n\n\n{text[at:]}"
    (copy / "wheelhouse" / "maps.py").write_text(more)
    core.write_text(text[:at].replace("import compile,", "import compile, maps,"))
    try:
        for path in (core, copy / "wheelhouse" / "extension.py"):
            path.write_text(path.read_text().replace("core.prefix_maps", "maps.prefix_maps"))
        core.write_text(core.read_text().replace("*prefix_maps(", "*maps.prefix_maps("))
        extension = copy / "wheelhouse" / "extension.py"
        extension.write_text(
            extension.read_text().replace("import compile,", "import compile, maps,")
        )
        assert keys(copy) == before
    finally:
        core.write_text(text)
        shutil.copyfile(REPO / "wheelhouse" / "extension.py", copy / "wheelhouse" / "extension.py")
