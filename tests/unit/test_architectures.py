"""What the tools call a processor, and that the tables which name one agree."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from auditwheel.architecture import Architecture as Auditwheel
from elftools.elf.enums import ENUM_E_MACHINE

from wheelhouse.common import toml
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.compile import toolchain
from wheelhouse.compile.core import Core
from wheelhouse.compile.toolchain import Toolchain
from wheelhouse.machines import debian_packages, qemu
from wheelhouse.package import products
from wheelhouse.package.runtime_wheel import RuntimeWheel
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.targets import architectures, matrix, systems
from wheelhouse.targets.architectures import Architecture, Architectures


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of architectures.toml that is used instead of it."""
    copy = tmp_path / "architectures.toml"
    copy.write_text(architectures.FILE.read_text())
    monkeypatch.setattr(architectures, "FILE", copy)
    architectures.architectures.cache_clear()
    yield copy
    architectures.architectures.cache_clear()


@pytest.mark.parametrize("known", architectures.architectures(), ids=lambda each: each.name)
def test_the_tools_know_these_names(known: Architecture) -> None:
    assert Auditwheel(known.wheel).value == known.wheel
    assert known.elf in ENUM_E_MACHINE


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(WheelhouseError, match="named 'x86-64'") as caught:
        architectures.architecture("x86-64")
    known = "aarch64, x86_64, armv7l, aarch64-musl"
    assert caught.value.hint == f"Did you mean 'x86_64'? Known are: {known}."
    assert caught.value.kind is Kind.USAGE


def test_this_machine_is_known_by_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert architectures.native().machine == platform.machine()
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(WheelhouseError, match="s390x") as caught:
        architectures.native()
    assert caught.value.kind is Kind.MACHINE


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('debian = "arm64"\n', "", "architectures[0]"),
        ("bits = 64", "bits = 31", "architectures[0].bits"),
        ('floor = "2.17"', 'floor = "glibc 2.17"', "architectures[0].floor"),
        ('package = "qemu-user"', 'pakage = "qemu-user"', "pakage"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(edited: Path, old: str, new: str, place: str) -> None:
    edited.write_text(edited.read_text().replace(old, new, 1))
    with pytest.raises(WheelhouseError) as caught:
        toml.load(edited, Architectures)
    assert caught.value.what.startswith("architectures.toml is not valid")
    assert place in caught.value.what


def test_a_product_its_systems_and_its_boards_have_one_processor() -> None:
    for product in products.every():
        boards = [systems.board(name, product.processor) for name in product.boards]
        on = [*products.systems_for(product), *boards]
        assert {each.processor for each in on} == {product.processor}
        assert product.systems
        assert boards


def test_architectures_are_told_apart_in_a_set() -> None:
    assert len({*architectures.architectures()}) == len(architectures.architectures())


def test_every_product_is_tried_on_an_emulated_processor() -> None:
    for product in products.every():
        assert architectures.architecture(product.processor).qemu
        assert any(systems.board(name).emulated for name in product.boards)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", ["aarch64"]),
        ("x86_64", ["x86_64"]),
        ("x86_64, aarch64,x86_64", ["x86_64", "aarch64"]),
        ("all", ["aarch64", "x86_64", "armv7l", "aarch64-musl"]),
    ],
)
def test_processors_are_chosen_by_name(words: str, names: list[str]) -> None:
    assert [*architectures.chosen(words)] == names


def fits(tags: str, product: RuntimeWheel) -> bool:
    return products.matches(Path(f"tflite_runtime-2.14.1-{tags}.whl"), product)


def test_a_wheel_fits_the_targets_of_its_own_processor() -> None:
    universal = RuntimeWheel(matrix.targets()[0], "2.14.1", True)
    assert fits("cp37-abi3-manylinux_2_17_aarch64", universal)
    assert not fits("cp37-abi3-manylinux_2_17_x86_64", universal)
    assert not fits("cp311-cp311-manylinux_2_17_aarch64", universal)
    assert not fits("cp37-abi3-musllinux_1_2_aarch64", universal)
    (alpine,) = matrix.choose("all", ("aarch64-musl",))
    for_musl = RuntimeWheel(alpine, "2.14.1", True)
    assert fits("cp37-abi3-musllinux_1_2_aarch64", for_musl)
    assert not fits("cp37-abi3-manylinux_2_17_aarch64", for_musl)
    assert not fits("cp37-abi3-linux_aarch64", for_musl)


def test_a_processor_with_another_libc_shares_patches_and_headers_and_has_its_own() -> None:
    def patches(processor: str) -> list[str]:
        parts = Core("2.14.1", processor, "1.2", True).components
        return [path.name for name in ("xnnpack", "tensorflow") for path in parts[name].patches]

    more = {*patches("aarch64-musl")} - {*patches("aarch64")}
    assert more == {"0047-give-threads-the-stack-of-glibc.patch"}
    assert {*patches("aarch64")} < {*patches("aarch64-musl")}
    first, *_, last = matrix.targets()
    assert last.architecture.libc == "musl"
    module, other = (RuntimeWheel(each, "2.14.1", True).extension for each in (last, first))
    assert module.components == other.components


def test_another_processor_is_a_row(edited: Path, tmp_path: Path) -> None:
    row = """
[[architectures]]
name = "armv6l"
devices = "Raspberry Pi 2"
linux = "32-bit Raspberry Pi OS"
machine = "armv7l"
zig = "arm-linux-gnueabihf"
floor = "2.28"
cpu = "generic+v7a+neon"
cmake = "armv7l"
elf = "EM_ARM"
bits = 32
wheel = "armv7l"
debian = "armhf"
multiarch = "arm-linux-gnueabihf"
loader = "/lib/ld-linux-armhf.so.3"
docker = "arm/v7"
qemu = { program = "qemu-arm", package = "qemu-user" }
"""
    edited.write_text(edited.read_text() + row)
    architectures.architectures.cache_clear()
    assert "qemu-arm" in debian_packages.emulation()
    assert architectures.chosen("all")[-1] == "armv6l"
    target = matrix.Target("3.9", "3.9", ("buster",), (), "armv6l", abi3=False)
    assert target.floor == "2.28"
    assert fits("cp39-cp39-manylinux_2_28_armv7l", RuntimeWheel(target, "2.14.1", True))
    step = toolchain.toolchain("armv6l", target.floor)
    tools_of = Toolchain(get_or_make(step, Fetcher(Store(tmp_path / "store"))))
    script = tools_of.cc.read_text()
    assert "-target arm-linux-gnueabihf.2.28 -mcpu=generic+v7a+neon" in script
    assert "set(CMAKE_SYSTEM_PROCESSOR armv7l)" in tools_of.cmake_file.read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('zig = "aarch64-linux-gnu"', 'zig = "aarch64_be-linux-gnu"'),
        ('cmake = "aarch64"', 'cmake = "arm64"'),
        ("bits = 64", 'bits = 64\ncpu = "cortex_a72"'),
    ],
)
def test_another_target_of_the_compiler_is_another_toolchain(
    edited: Path, old: str, new: str
) -> None:
    before = toolchain.toolchain("aarch64", "2.17").key
    edited.write_text(edited.read_text().replace(old, new, 1))
    architectures.architectures.cache_clear()
    assert toolchain.toolchain("aarch64", "2.17").key != before


def test_what_is_not_emulated_and_not_this_machines_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_packages, "ensure", lambda: None)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(WheelhouseError, match="x86_64, which is not emulated") as caught:
        qemu.run(["true"], tree=tmp_path, board=systems.board("PC"), work=tmp_path)
    assert caught.value.kind is Kind.USAGE
    assert "Use a machine whose processor is x86_64, not aarch64" in caught.value.hint
