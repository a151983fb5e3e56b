from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.wheels import wheel
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.package import audit

Link = Callable[..., Path]
Pack = Callable[..., Path]


THREADS = """\
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
static void *run(void *nothing) { return nothing; }
int PyInit_thing(void) {
  pthread_t thread;
  return pthread_create(&thread, 0, run, 0) || !dlsym(0, "free") || getpid();
}
"""
CALL = "int made_up(void); int PyInit_thing(void) { return made_up(); }\n"
NEWER = """\
void *PyLong_FromLong(long), *PyUnicode_AsUTF8AndSize(void *, void *);
void *PyObject_Vectorcall(void), *PyUnstable_Code_New(void);
void *PyInit_thing(void) {
  return PyUnicode_AsUTF8AndSize(PyLong_FromLong(1), 0) ? PyObject_Vectorcall()
                                                        : PyUnstable_Code_New();
}
"""
UNIVERSAL = "cp37-abi3-linux_aarch64"
LINUX = "cp311-cp311-linux_aarch64"


@pytest.fixture
def zig(tmp_path: Path, zig_cache: dict[str, str]) -> Link:
    def link(name: str, text: str, target: str, *words: str | Path) -> Path:
        (tmp_path / f"{name}.c").write_text(text)
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O1", "-s", "-shared"]
        subprocess.run(
            [*command, f"{name}.c", "-o", f"{name}.so", *words],
            cwd=tmp_path,
            env={**os.environ, **zig_cache},
            check=True,
        )
        return tmp_path / f"{name}.so"

    return link


@pytest.fixture
def packed(tmp_path: Path) -> Pack:
    def pack(*objects: Path, tag: str = LINUX) -> Path:
        shared = {f"tiny/{path.name}": path.read_bytes() for path in objects}
        return wheel(tmp_path, "tiny", "1.0", tag, replaced=shared)

    return pack


def complaint(path: Path, floor: str = "2.17") -> str:
    with pytest.raises(WheelhouseError) as failure:
        audit.platform_tags(path, "aarch64", floor)
    assert failure.value.hint
    assert failure.value.kind is Kind.AUDIT
    return failure.value.what


def auditwheel(path: Path) -> str:
    command = [sys.executable, "-m", "auditwheel", "show", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_wheel_that_keeps_the_floor_earns_its_tags_and_auditwheel_agrees(
    zig: Link, packed: Pack
) -> None:
    path = packed(zig("thing", THREADS, "aarch64-linux-gnu.2.17"))
    tags = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    assert audit.platform_tags(path, "aarch64", "2.17") == tags
    assert 'platform tag: "manylinux_2_17_aarch64"' in " ".join(auditwheel(path).split())


def test_a_wheel_may_need_the_loader_which_finds_variables_of_threads(
    zig: Link, packed: Pack
) -> None:
    text = "__thread int counter; int PyInit_thing(void) { return ++counter; }\n"
    path = packed(zig("thing", text, "x86_64-linux-gnu.2.17"), tag="cp311-cp311-linux_x86_64")
    with path.with_name("thing.so").open("rb") as stream:
        assert "ld-linux-x86-64.so.2" in audit.needed(ELFFile(stream))
    tags = ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert audit.platform_tags(path, "x86_64", "2.17") == tags
    assert 'platform tag: "manylinux_2_5_x86_64"' in " ".join(auditwheel(path).split())


def test_a_newer_symbol_is_named_with_its_object_and_version(zig: Link, packed: Pack) -> None:
    good = zig("good", THREADS, "aarch64-linux-gnu.2.17")
    path = packed(good, zig("thing", THREADS, "aarch64-linux-gnu.2.34"))
    first, *rest = complaint(path).splitlines()
    assert first == f"tiny-1.0-{LINUX}.whl does not fit manylinux_2_17_aarch64:"
    assert {line.strip() for line in rest} == {
        f"tiny/thing.so needs {symbol}@GLIBC_2.34, which is newer than glibc 2.17"
        for symbol in ("pthread_create", "dlsym")
    }
    assert audit.platform_tags(path, "aarch64", "2.34") == ("manylinux_2_34_aarch64",)
    assert '"manylinux_2_34_aarch64"' in auditwheel(path)


def test_a_library_that_not_every_system_has_is_named(zig: Link, packed: Pack) -> None:
    target = "aarch64-linux-gnu.2.17"
    library = zig("libmadeup", "int made_up(void) { return 0; }\n", target)
    path = packed(zig("thing", CALL, target, "-L", library.parent, "-lmadeup"))
    assert complaint(path).splitlines()[1:] == [
        "  tiny/thing.so needs libmadeup.so, which is not on the list of manylinux_2_17_aarch64"
    ]


def test_a_function_that_no_library_has_is_named(zig: Link, packed: Pack) -> None:
    path = packed(zig("thing", CALL, "aarch64-linux-gnu.2.17"))
    assert complaint(path).splitlines()[1:] == [
        "  tiny/thing.so needs made_up, which no library has"
    ]


def test_an_object_for_another_processor_is_named(zig: Link, packed: Pack) -> None:
    good = zig("good", THREADS, "aarch64-linux-gnu.2.17")
    path = packed(good, zig("thing", THREADS, "x86_64-linux-gnu.2.17"))
    assert complaint(path).splitlines()[1:] == ["  tiny/thing.so is not for aarch64"]


def test_a_wheel_under_another_processors_name_is_refused(
    zig: Link, packed: Pack, tmp_path: Path
) -> None:
    path = packed(zig("thing", THREADS, "aarch64-linux-gnu.2.17"))
    audit.processor(path, "aarch64")
    with pytest.raises(WheelhouseError, match=r"as for x86_64, but tiny/thing\.so in it is not"):
        audit.processor(path, "x86_64")
    path.write_bytes(b"no archive")
    with pytest.raises(WheelhouseError, match="no zip archive"):
        audit.processor(path, "aarch64")


def test_a_floor_that_no_platform_tag_exists_for_is_named(zig: Link, packed: Pack) -> None:
    path = packed(zig("thing", THREADS, "aarch64-linux-gnu.2.17"))
    assert complaint(path, "2.18") == "There is no platform tag manylinux_2_18_aarch64."


def test_what_the_oldest_cpythons_stable_abi_lacks_is_named(zig: Link, packed: Pack) -> None:
    thing = zig("thing", NEWER, "aarch64-linux-gnu.2.17", "-Wl,-z,undefs")
    since = "which is in the stable ABI of CPython"
    with pytest.raises(WheelhouseError) as failure:
        audit.stable_abi(packed(thing, tag=UNIVERSAL))
    assert failure.value.kind is Kind.AUDIT
    assert failure.value.what.splitlines() == [
        f"tiny-1.0-{UNIVERSAL}.whl does not keep to the stable ABI:",
        "  thing.so needs PyUnstable_Code_New, which is in no stable ABI",
        f"  thing.so needs PyObject_Vectorcall, {since} 3.12 and later",
        f"  thing.so needs PyUnicode_AsUTF8AndSize, {since} 3.10 and later",
    ]


def test_what_every_cpythons_stable_abi_has_may_be_used(zig: Link, packed: Pack) -> None:
    text = "void *PyLong_FromLong(long); void *PyInit_thing(void) { return PyLong_FromLong(1); }\n"
    thing = zig("thing", text, "aarch64-linux-gnu.2.17", "-Wl,-z,undefs")
    audit.stable_abi(packed(thing, tag=UNIVERSAL))


COUNT = "long count; long PyInit_thing(void) { return __atomic_fetch_add(&count, 1, 5); }\n"


@pytest.mark.parametrize(
    ("processor", "triple", "oldest", "newer", "lacked_by", "atomic"),
    [
        ("aarch64", "aarch64-linux-gnu", "generic", "cortex_a76", "a Raspberry Pi 4", "ldadd"),
        ("armv7l", "arm-linux-gnueabihf", "cortex_a7", "cortex_a72", "a Raspberry Pi 2", "lda"),
    ],
)
def test_an_atomic_that_the_oldest_processor_lacks_is_named(
    processor: str,
    triple: str,
    oldest: str,
    newer: str,
    lacked_by: str,
    atomic: str,
    zig: Link,
    packed: Pack,
) -> None:
    made = zig("thing", COUNT, f"{triple}.2.17", f"-mcpu={newer}")
    with pytest.raises(WheelhouseError) as failure:
        audit.atomics(packed(made), processor)
    assert failure.value.kind is Kind.AUDIT
    first, second, *_ = failure.value.what.splitlines()
    assert re.fullmatch(rf"tiny/thing\.so has \d atomics that {lacked_by} lacks:", first)
    assert f": {atomic}" in second
    audit.atomics(packed(zig("thing", COUNT, f"{triple}.2.17", f"-mcpu={oldest}")), processor)


@pytest.mark.parametrize("wrong", [("PyInit_thing",), ("PyInit_thing", "count", "more")])
def test_an_export_too_many_or_too_few_is_named(
    wrong: tuple[str, ...], zig: Link, packed: Pack
) -> None:
    path = packed(zig("thing", COUNT, "aarch64-linux-gnu.2.17"))
    audit.exports(path, ("PyInit_thing", "count"))
    with pytest.raises(
        WheelhouseError, match=r"exports other symbols .*: (count|more) differ"
    ) as failure:
        audit.exports(path, wrong)
    assert failure.value.kind is Kind.AUDIT


STACK = """\
void fill(char *);
int PyInit_thing(void) { char local[16]; fill(local); return local[3]; }
"""


def test_what_an_object_lacks_against_misuse_is_named(zig: Link, packed: Pack) -> None:
    protected = ("-fstack-protector-strong",)
    audit.hardening(packed(zig("thing", STACK, "aarch64-linux-gnu.2.17", *protected)))
    weak = {
        "read-only relocations (-z relro)": (*protected, "-Wl,-z,norelro"),
        "relocation at the start (-z now)": (*protected, "-Wl,-z,lazy"),
        "checks of the stack (-fstack-protector-strong)": (),
    }
    for lacking, words in weak.items():
        path = packed(zig("thing", STACK, "aarch64-linux-gnu.2.17", *words))
        with pytest.raises(WheelhouseError) as failure:
            audit.hardening(path)
        assert failure.value.what == f"tiny/thing.so lacks {lacking}."
        assert failure.value.kind is Kind.AUDIT


MUSL, SONAME = "aarch64-linux-musl", "libc.musl-aarch64.so.1"


@pytest.fixture
def musl(zig: Link) -> Path:
    """A library of musl that has not all of zig's functions, under Alpine's name."""
    text = "int getpid() { return 0; } int pthread_create() { return 0; } void *dlsym() {}"
    return zig("libmusl", text, MUSL, f"-Wl,-soname,{SONAME}", "-w")


def test_a_wheel_for_musl_needs_musls_libc_under_alpines_name_alone(
    zig: Link, packed: Pack, musl: Path
) -> None:
    def tags() -> tuple[str, ...]:
        return audit.platform_tags(path, "aarch64-musl", "1.2", musl)

    path = packed(zig("thing", THREADS, MUSL, musl))
    assert tags() == ("musllinux_1_2_aarch64",)
    audit.hardening(packed(zig("thing", STACK, MUSL, "-fstack-protector-strong", "-Wl,-z,undefs")))

    path = packed(zig("thing", THREADS, MUSL))
    with pytest.raises(WheelhouseError, match=r"needs libc\.so, which is not on the list"):
        tags()
    path = packed(zig("thing", "int fork(); int PyInit_thing() { return fork(); }", MUSL, musl))
    with pytest.raises(WheelhouseError, match=r"libc\.so|needs fork, which no library has"):
        tags()
    path = packed(zig("thing", CALL, MUSL, musl, "-Wl,-z,undefs"))
    with pytest.raises(WheelhouseError, match="needs made_up, which no library has"):
        tags()
    path = packed(zig("thing", THREADS, "aarch64-linux-gnu.2.17"))
    with pytest.raises(WheelhouseError, match=r"getpid@GLIBC_2\.17, which is not musl's"):
        tags()
