from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.emulated.conftest import WHEELS, named_wheel
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import extension
from wheelhouse.package import audit
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources import releases
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import matrix

DEFAULT, NEWEST = (each.version for each in releases.all_releases())
BUILT = [
    *((WHEELS[target.tag], DEFAULT, target) for target in matrix.choose("all")),
    *((f"newest-{target.tag}", NEWEST, target) for target in matrix.choose("3.7,3.11")),
]


@pytest.fixture(params=BUILT, ids=[f"{tflite}-{target.python}" for _, tflite, target in BUILT])
def module(request: pytest.FixtureRequest, fetcher: Fetcher) -> Path:
    """The finished module of a release for a target."""
    name, tflite, target = request.param
    named_wheel(name, request)
    inner = RuntimeWheel(target, tflite, xnnpack=True).extension
    return get_or_make(inner.step, Fetcher(fetcher.store, offline=True)) / f"{extension.MODULE}.so"


@pytest.fixture
def elf(module: Path) -> Iterator[ELFFile]:
    with module.open("rb") as stream:
        yield ELFFile(stream)


def test_it_needs_nothing_but_the_c_library(elf: ELFFile) -> None:
    system = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-aarch64.so.1"}
    assert elf["e_machine"] == "EM_AARCH64"
    assert set(audit.needed(elf)) <= system


def test_it_shows_what_python_and_delegates_begin_with_and_nothing_else(elf: ELFFile) -> None:
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    defined = {
        symbol.name
        for symbol in table.iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
    }
    delegate = {f"tflite_plugin_{verb}_delegate" for verb in ("create", "destroy")}
    assert defined == {f"PyInit_{extension.MODULE}", *delegate}


def test_it_calls_the_c_librarys_functions(elf: ELFFile) -> None:
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    called = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}
    assert {"memcpy", "memset", "exp", "expf"} <= called


def test_it_does_not_tell_where_it_was_compiled(module: Path) -> None:
    content = module.read_bytes()
    assert str(Store.default().root).encode() not in content
    assert b".partial/" not in content
