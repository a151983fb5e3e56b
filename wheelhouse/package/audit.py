"""Where a wheel runs, as auditwheel, abi3audit, capstone and the ELF file itself tell."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from auditwheel.architecture import Architecture as Auditwheel
from auditwheel.libc import Libc
from auditwheel.policy import Policy, WheelPolicies
from auditwheel.wheel_abi import analyze_wheel_abi
from capstone import CS_ARCH_ARM64, CS_MODE_ARM, Cs
from elftools.elf.constants import SH_FLAGS
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from wheelhouse.common import process
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.store import Store
from wheelhouse.targets.architectures import Architecture, architecture

_ATOMIC = re.compile("(casp?|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min))(a|al|l)?(b|h)?")
"""The instructions that Armv8.1 added as its large system extensions (Arm DDI 0487, FEAT_LSE)."""


@failures_of(Kind.AUDIT)
def platform_tags(wheel: Path, processor: str, floor: str) -> tuple[str, ...]:
    """The platform tags that the wheel has earned, for example manylinux_2_17_aarch64.

    Raises WheelhouseError naming the object and its symbol or library that needs more than glibc
    ``floor`` and the libraries that every system with it has, or that is for another processor.
    """
    named = architecture(processor)
    libc, machine = Libc.GLIBC, Auditwheel(named.wheel)
    wanted = f"manylinux_{floor.replace('.', '_')}_{named.wheel}"
    policies = WheelPolicies(libc=libc, arch=machine)
    policy = next((policy for policy in policies if policy.name == wanted), None)
    if policy is None:
        raise WheelhouseError(
            f"There is no platform tag {wanted}.",
            "Name a floor in architectures.toml that `auditwheel` knows, for example 2.17.",
        )
    problems = list(_violations(wheel, policy, named, floor))
    if not problems:
        found = analyze_wheel_abi(
            libc, machine, wheel, frozenset(), disable_isa_ext_check=False, allow_graft=False
        ).overall_policy
        if not found < policy:
            return (policy.name, *policy.aliases)
        problems = [f"auditwheel finds it fit for {found.name} only"]
    raise WheelhouseError(
        f"{wheel.name} does not fit {wanted}:\n  " + "\n  ".join(problems),
        "Remove what needs the newer symbol or library, or raise the floor in architectures.toml.",
    )


@failures_of(Kind.AUDIT)
def stable_abi(wheel: Path) -> None:
    """Check that the wheel uses no more of CPython than its tags promise, as in cp37-abi3.

    Raises WheelhouseError naming the object and each symbol outside that CPython's stable ABI.
    """
    done = process.run([*process.PYTHON, "abi3audit", "--strict", "--report", wheel])
    reports = json.loads(done.stdout)["specs"] if done.stdout.startswith("{") else {}
    problems = [
        f"{entry['name']} needs {symbol}, which is in {since}"
        for report in reports.values()
        for entry in report["wheel"]
        for symbol, since in _outside(entry["result"])
    ]
    if done.status and not problems:
        log = Store.default().log(f"abi3audit-{wheel.name}")
        raise process.failure(
            f"The stable ABI of {wheel.name} cannot be checked", done, log, "Mend that."
        )
    if problems:
        raise WheelhouseError(
            f"{wheel.name} does not keep to the stable ABI:\n  " + "\n  ".join(problems),
            "Use what the oldest CPython's limited API has instead, or raise that in matrix.toml.",
        )


def _outside(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for symbol in sorted(set(result["non_abi3_symbols"])):
        yield symbol, "no stable ABI"
    for symbol, added in sorted(result["future_abi3_objects"].items()):
        yield symbol, f"the stable ABI of CPython {added} and later"


@failures_of(Kind.AUDIT)
def exports(wheel: Path, wanted: Sequence[str]) -> None:
    """Check that the wheel's objects offer these symbols to other code, and no more.

    Raises WheelhouseError naming an object and the symbols that it lacks or has beyond them.
    """
    for name, elf in _objects(wheel):
        symbols = elf.get_section_by_name(".dynsym")
        listed = symbols.iter_symbols() if isinstance(symbols, SymbolTableSection) else ()
        found = {symbol.name for symbol in listed if symbol["st_shndx"] != "SHN_UNDEF"}
        if wrong := sorted(found.symmetric_difference(wanted)):
            raise WheelhouseError(
                f"{name} does not export what it must alone: {', '.join(wrong[:10])} differ.",
                "Correct the linker's version script.",
            )


@failures_of(Kind.AUDIT)
def atomics(wheel: Path) -> None:
    """Check that the wheel's objects have no atomic instruction that came after Armv8.0.

    Kernels for newer processors are chosen at run time, but an atomic gets into common code.
    Raises WheelhouseError naming an object and the first such instructions.
    """
    decoder = Cs(CS_ARCH_ARM64, CS_MODE_ARM)
    decoder.skipdata = True
    for name, elf in _objects(wheel):
        code = [part for part in elf.iter_sections() if part["sh_flags"] & SH_FLAGS.SHF_EXECINSTR]
        found = [
            f"{address:#x}: {mnemonic} {operands}"
            for part in code
            for address, _, mnemonic, operands in decoder.disasm_lite(part.data(), part["sh_addr"])
            if _ATOMIC.fullmatch(mnemonic)
        ]
        if found:
            raise WheelhouseError(
                f"{name} has {len(found)} atomics that a Raspberry Pi 4 lacks:\n  "
                + "\n  ".join(found[:10]),
                "Compile what they are in for armv8-a, as in -march=armv8-a+fp16.",
            )


def _violations(wheel: Path, policy: Policy, named: Architecture, floor: str) -> Iterator[str]:
    for name, elf in _objects(wheel):
        if (elf["e_machine"], elf.elfclass) != (named.elf, named.bits):
            yield f"{name} is not for {named.name}"
        for library in needed(elf):
            if library not in policy.whitelist:
                yield f"{name} needs {library}, which is not on the list of {policy.name}"
        for symbol, version in versions(elf):
            kind, _, number = version.partition("_")
            if kind == "GLIBC" and _number(number) > _number(floor):
                yield f"{name} needs {symbol}@{version}, which is newer than glibc {floor}"


def _objects(wheel: Path) -> Iterator[tuple[str, ELFFile]]:
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as scratch:
        for name in archive.namelist():
            if name.endswith(".so"):
                with Path(archive.extract(name, scratch)).open("rb") as stream:
                    yield name, ELFFile(stream)


def needed(elf: ELFFile) -> list[str]:
    """The shared libraries that an object is linked to."""
    dynamic = elf.get_section_by_name(".dynamic")
    if not isinstance(dynamic, DynamicSection):
        return []
    return [str(tag.needed) for tag in dynamic.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]


def versions(elf: ELFFile) -> Iterator[tuple[str, str]]:
    """The versioned symbols that an object takes from shared libraries, with their versions."""
    needs = elf.get_section_by_name(".gnu.version_r")
    symbols = elf.get_section_by_name(".dynsym")
    indices = elf.get_section_by_name(".gnu.version")
    if not (
        isinstance(needs, GNUVerNeedSection)
        and isinstance(symbols, SymbolTableSection)
        and isinstance(indices, GNUVerSymSection)
    ):
        return
    names = {
        auxiliary["vna_other"]: auxiliary.name
        for _, auxiliaries in needs.iter_versions()
        for auxiliary in auxiliaries
    }
    for position, symbol in enumerate(symbols.iter_symbols()):
        index = indices.get_symbol(position)["ndx"]
        if isinstance(index, int) and (index & 0x7FFF) in names:
            yield symbol.name, names[index & 0x7FFF]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
