"""`./inv fuzz --sanitize`: a wrong access that does not end a process is found, and named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.runtimes import INTERPRETER
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile.toolchain import COMPILE_FLAGS, SANITIZER_PACKAGES, Toolchain, sanitizing
from wheelhouse.machines import debian_packages
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.verify import fuzz

LIBRARY = """
#include <cstdlib>
#include <new>
#include <vector>
int table[4];
extern "C" __attribute__((visibility("default"))) int go(char kind, int size) {
  std::vector<int> memory(4);
  int* values = memory.data();
  switch (kind) {
    case 'R': return values[size];
    case 'T': return table[size];
    case 'D': return 4 / (size - 4);
    case 'V': return memory[size];
    case 'E': try { throw 5; } catch (int caught) { return caught; }
    case 'M': { void* volatile much = malloc(1ull << 40); return much != nullptr; }
    case 'N': { void* volatile much = operator new(1ull << 40); return much != nullptr; }
  }
  return values[0];
}
"""

RUNTIME = (
    INTERPRETER
    + """\
    def NumTensors(self, _):
        return 0
    def invoke(self):
        import pathlib
        library = ctypes.CDLL(str(pathlib.Path(__file__).with_name("library.so")))
        kind = self.content[:1]
        result = library.go(ctypes.c_char(kind), 4)
        if result != {b"E": 5}.get(kind, 0):
            ctypes.string_at(0)
"""
)


@pytest.fixture
def sanitized(tmp_path: Path) -> Path:
    """A runtime in the form of a build with sanitizers; it does wrong what a model says."""
    debian_packages.ensure("A test of sanitizers", SANITIZER_PACKAGES)
    fetcher = Fetcher(Store(tmp_path / "cache"))
    tools = Toolchain(get_or_make(sanitizing("x86_64"), fetcher))
    package = tmp_path / "site" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(RUNTIME)
    (package / "library.cc").write_text(LIBRARY)
    command = [str(tools.cxx), *COMPILE_FLAGS, "-shared", "-s", "library.cc", "-o", "library.so"]
    subprocess.run(command, cwd=package, check=True)
    return package.parent


@pytest.mark.parametrize(
    ("word", "signal", "line"),
    [
        ("Read", "heap-buffer-overflow", 10),
        ("Table", "index-out-of-bounds-for-type-int", 11),
        ("Divide", "division-by-zero", 12),
        ("Vector", "ABRT", 13),
        ("New", "memory", 16),
    ],
)
def test_a_wrong_access_is_named(
    sanitized: Path, tmp_path: Path, word: str, signal: str, line: int
) -> None:
    mutant = fuzz.Mutant("origin", "bytes", word.encode(), 1)
    _, (finding,) = fuzz.run(sanitized, [mutant], tmp_path / "kept")
    assert (finding.stage, finding.signal) == ("invoke", signal)
    assert finding.place.startswith("go ")
    assert finding.place.endswith(f"library.cc:{line}")
    (kept,) = (tmp_path / "kept").glob("*.txt")
    assert "library.cc" in kept.read_text()
    assert finding.dies == (signal != "memory")


@pytest.mark.parametrize("word", ["Exception", "Much", "all is well"])
def test_what_is_no_wrong_access_is_not_found(sanitized: Path, tmp_path: Path, word: str) -> None:
    mutant = fuzz.Mutant("origin", "bytes", word.encode(), 1)
    assert fuzz.run(sanitized, [mutant], tmp_path) == ({"mutants": 1}, [])
