"""What XNNPACK writes when it loads a model, with this project's patches, is what it has to be.

``packing.c`` is linked with XNNPACK's functions that pack weights, and with the generic ones, which
``-U__ARM_NEON`` leaves; ``packing_floats.c`` with those for products and convolutions in FP32;
``indirection.c`` with those that write the pointers of convolutions; ``dwconv.c`` with the kernels
of depthwise ones.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from tests.support.compiler import compiler, environment
from wheelhouse.common import process
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.machines import qemu, rootfs
from wheelhouse.sources import pins, releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import systems

RELEASES = {"universal": releases.all_releases()[0], "newest": releases.all_releases()[-1]}
"""The release of each wheel whose XNNPACK is tried; the wheel itself is not."""
LAYOUTS = {
    ("Raspberry Pi 3", "int8"): ("16", "1", "1"),
    ("Raspberry Pi 4", "int8"): ("8", "8", "1"),
    ("Raspberry Pi 5", "int8"): ("16", "4", "1"),
    ("Raspberry Pi 5", "uint8"): ("16", "1", "1"),
}
"""The nr, kr and sr of the kernels that XNNPACK chooses; for UINT8 all boards have the same."""
BOARDS = ("Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5")
WEIGHTS = 1024 * 1024
PACKING = ("src/reference/packing*.c*",)
X8 = "src/x32-packw/gen/*-x8-gemm-goi-neon-ld4lane-u4-prfm.c"
DEPTHWISE = (
    "src/f32-dwconv/gen/*-9p8c-minmax-neonfma.c",
    "src/f32-dwconv/gen/*-25p8c-minmax-neonfma-acc2.c",
    "src/f16-dwconv/gen/*-9p16c-minmax-neonfp16arith.c",
    "src/f16-dwconv/gen/*-25p8c-minmax-neonfp16arith-acc2.c",
    "src/qs8-qc8w-dwconv/gen/*-*5p16c-minmax-fp32-neonv8-mla8-ld64.c",
    "src/qs8-qc8w-dwconv/gen/*-9p16c-minmax-fp32-neonv8-mla8-ld64.c",
)
PROGRAMS = {
    "neon": ("packing.c", PACKING, ()),
    "generic": ("packing.c", PACKING, ("-U__ARM_NEON",)),
    "floats": ("packing_floats.c", (*PACKING, X8), ()),
    "indirection": ("indirection.c", ("src/indirection.c",), ()),
    "dwconv": ("dwconv.c", DEPTHWISE, ("-march=armv8.2-a+fp16", "-DXNN_ENABLE_ARM_FP16_VECTOR")),
}
"""For each program its own source, XNNPACK's sources, and options."""
_FLAGS = (
    *("-O2", "-DNDEBUG", "-DXNN_LOG_LEVEL=0", "-fno-sanitize=undefined", "-Wno-everything"),
    *("-fno-exceptions", "-ffunction-sections"),
)


@pytest.fixture(scope="module", params=list(RELEASES))
def programs(
    request: pytest.FixtureRequest, fetcher: Fetcher, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the compiled programs."""
    parts = pins.release_components(RELEASES[request.param].version)
    xnnpack, *others = (
        get_or_make(replace(parts[name], processor="aarch64").tree, fetcher)
        for name in ("xnnpack", "pthreadpool", "fxdiv")
    )
    includes = (xnnpack, xnnpack / "src", *(tree / "include" for tree in (xnnpack, *others)))
    options = (*_FLAGS, *(f"-I{folder}" for folder in includes))
    folder, tools = tmp_path_factory.mktemp("packing"), compiler(fetcher.store)
    for program, (own, theirs, more) in PROGRAMS.items():
        objects: list[Path] = []
        for source in (
            Path(__file__).with_name(own),
            *chain.from_iterable(map(xnnpack.glob, theirs)),
        ):
            objects.append(folder / f"{program}-{len(objects)}.o")
            driver = tools.cxx if source.suffix == ".cc" else tools.cc
            _run(fetcher.store, driver, *options, *more, "-c", source, "-o", objects[-1])
        _run(fetcher.store, tools.cc, "-Wl,--gc-sections", *objects, "-o", folder / program)
    return folder


def _run(store: Store, *command: str | Path) -> None:
    done = process.run(command, env=environment())
    assert done.status == 0, done.stderr


def _emulated(programs: Path, board: str, *command: str, count: bool = False) -> qemu.Emulated:
    store, chosen = Store.default(), systems.board(board)
    tree = rootfs.tree(systems.system("bookworm", chosen.processor), store)
    counter = qemu.plugin(store) if count else None
    done = qemu.run(command, tree=tree, board=chosen, work=programs, counter=counter)
    assert done.status == 0, done.stdout + done.stderr
    return done


def _counted(programs: Path, board: str, *command: str) -> int:
    return _emulated(programs, board, *command, count=True).instructions[-1].total


@pytest.mark.parametrize("board", BOARDS)
def test_packed_weights_are_the_generic_ones_to_the_byte(programs: Path, board: str) -> None:
    expected, found = (
        _emulated(programs, board, f"./{program}").stdout.splitlines()
        for program in ("generic", "neon")
    )
    assert len(set(expected)) == len(expected) > 10_000
    assert [line for line, other in zip(found, expected, strict=True) if line != other] == []


@pytest.mark.parametrize(("board", "weights"), LAYOUTS)
def test_a_weight_is_packed_in_about_one_instruction(
    programs: Path, board: str, weights: str
) -> None:
    generic, neon = (
        _counted(programs, board, f"./{program}", *LAYOUTS[board, weights], weights)
        for program in ("generic", "neon")
    )
    assert 0 < neon < 1.2 * WEIGHTS
    assert generic > 5 * neon


def test_fp32_weights_are_packed_where_they_should_be(programs: Path) -> None:
    done = _emulated(programs, "Raspberry Pi 4", "./floats")
    assert int(done.stdout) > 1_000_000


def test_convolutions_read_the_pixels_that_they_should(programs: Path) -> None:
    done = _emulated(programs, "Raspberry Pi 4", "./indirection")
    assert int(done.stdout) > 500_000


def test_two_pixels_at_once_are_what_each_is_alone(programs: Path) -> None:
    done = _emulated(programs, "Raspberry Pi 5", "./dwconv")
    assert int(done.stdout) > 800_000
