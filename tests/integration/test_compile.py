from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.compiler import compiler, environment
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.compile import ninja

Build = Callable[[str, str | None], Path]


RULES = """\
rule cc
  command = {cc} -c $in -o $out
rule link
  command = {cc} -shared -s -Wl,-z,defs $in -o $out
build good.o: cc good.c
build {name}.o: cc {name}.c || good.o
build {name}.so: link good.o {name}.o
"""


@pytest.fixture
def project(store: Store, tmp_path: Path, zig_cache: dict[str, str]) -> Build:
    """Compile ``good.c``, then one more file, and link them, with the project's own compiler."""
    cc = compiler(store).cc
    (tmp_path / "good.c").write_text("int good(void) { return 1; }\n")

    def build(name: str, text: str | None) -> Path:
        if text is not None:
            (tmp_path / f"{name}.c").write_text(text)
        (tmp_path / "build.ninja").write_text(RULES.format(cc=cc, name=name))
        ninja.build(
            tmp_path,
            "Compiling thing",
            store.log("thing"),
            {**environment(), **zig_cache},
        )
        return tmp_path

    return build


def test_the_first_compiler_error_is_quoted_with_the_logs_place(
    project: Build, store: Store
) -> None:
    bad = "#warning not this\nint bad(void) { return missing; }\nint worse = also_missing;\n"
    with pytest.raises(WheelhouseError) as failure:
        project("bad", bad)
    assert failure.value.what == (
        "Compiling thing failed: bad.c:2:24: error: use of undeclared identifier 'missing'"
    )
    log = store.root / "logs" / "thing.log"
    assert str(log) in failure.value.hint
    assert "also_missing" in log.read_text()


def test_the_next_run_goes_on_after_an_error_that_was_mended(project: Build) -> None:
    with pytest.raises(WheelhouseError):
        project("thing", "no C at all")
    assert (project("thing", "int mended;\n") / "thing.so").is_file()


def test_a_linker_error_is_quoted(project: Build) -> None:
    with pytest.raises(WheelhouseError, match="undefined symbol: absent"):
        project("thing", "int absent(void); int thing(void) { return absent(); }\n")


def test_a_source_that_is_missing_is_quoted(project: Build) -> None:
    with pytest.raises(WheelhouseError, match=r"failed: ninja: error: .*thing\.c"):
        project("thing", None)


def test_no_copy_of_an_object_is_kept(project: Build) -> None:
    folder = project("thing", "int thing;\n")
    assert {path.name for path in folder.rglob("*.o")} == {"good.o", "thing.o"}
    assert [path.name for path in folder.glob("zig*")] == ["zig-lib"]  # a link
