"""Audit a wheel: its libc, libraries, processor, stable ABI, exports, atomics and hardening.

Uses auditwheel, abi3audit, capstone and pyelftools.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence, Set
from pathlib import Path, PurePosixPath
from typing import Any

import capstone
from auditwheel.architecture import Architecture as Auditwheel
from auditwheel.libc import Libc
from auditwheel.policy import Policy, WheelPolicies
from auditwheel.wheel_abi import analyze_wheel_abi
from capstone import Cs
from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_DT_FLAGS
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import Symbol, SymbolTableSection

from wheelhouse.common import process
from wheelhouse.common.errors import Kind, WheelhouseError, failures_of
from wheelhouse.common.store import Store
from wheelhouse.targets.architectures import Architecture, architecture


@failures_of(Kind.AUDIT)
def platform_tags(
    wheel: Path, processor: str, floor: str, musl: Path | None = None
) -> tuple[str, ...]:
    """The platform tags that the wheel complies with, for example manylinux_2_17_aarch64.

    ``processor`` is the name of a row of architectures.toml, ``floor`` a version of its libc, as in
    2.17; for a processor with musl, ``musl`` is that version's library, whose functions are not
    numbered. Raises WheelhouseError naming each object that is for another processor, needs a
    symbol newer than ``floor``, or a library that the tag's policy (PEP 600, 656) does not allow.
    """
    target = architecture(processor)
    libc, machine = Libc(target.libc), Auditwheel(target.wheel)
    version = floor.replace(".", "_")
    wanted = f"{libc.tag_prefix}_{version}_{target.wheel}"
    only = f"{libc.tag_prefix}_{version}" if libc is Libc.MUSL else None
    policies = WheelPolicies(libc=libc, arch=machine, musl_policy=only)
    policy = next((policy for policy in policies if policy.name == wanted), None)
    if policy is None:
        raise WheelhouseError(
            f"There is no platform tag {wanted}.",
            "Name a floor in architectures.toml that `auditwheel` knows, for example 2.17.",
        )
    has = _exported(musl) if musl else set()
    problems = list(_violations(wheel, policy, target, floor, has))
    if not problems:
        actual = analyze_wheel_abi(
            libc, machine, wheel, frozenset(), disable_isa_ext_check=False, allow_graft=False
        ).overall_policy
        if not actual < policy:
            return (policy.name, *policy.aliases)
        problems = [f"auditwheel reports {actual.name}"]
    raise WheelhouseError(
        f"{wheel.name} does not fit {wanted}:\n  " + "\n  ".join(problems),
        "Remove what needs the newer symbol or library, or raise the floor in architectures.toml.",
    )


@failures_of(Kind.AUDIT)
def stable_abi(wheel: Path) -> None:
    """Check that the wheel uses the stable ABI only, of the CPython in its tags, as in cp37-abi3.

    Raises WheelhouseError naming the object and each symbol outside that CPython's stable ABI, or
    if abi3audit fails.
    """
    done = process.run([*process.PYTHON, "abi3audit", "--strict", "--report", wheel])
    reports = json.loads(done.stdout)["specs"] if done.stdout.startswith("{") else {}
    problems = [
        f"{entry['name']} needs {symbol}, which is in {since}"
        for report in reports.values()
        for entry in report["wheel"]
        for symbol, since in _not_in_stable_abi(entry["result"])
    ]
    if done.status and not problems:
        log = Store.default().log(f"abi3audit-{wheel.name}")
        raise process.failure(
            f"The stable ABI of {wheel.name} cannot be checked",
            done,
            log,
            "Correct the cause and try again.",
        )
    if problems:
        raise WheelhouseError(
            f"{wheel.name} does not keep to the stable ABI:\n  " + "\n  ".join(problems),
            "Use the limited API of the oldest CPython, or raise that CPython in matrix.toml.",
        )


def _not_in_stable_abi(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each such symbol of abi3audit's result, and which ABI it is in."""
    for symbol in sorted(set(result["non_abi3_symbols"])):
        yield symbol, "no stable ABI"
    for symbol, added in sorted(result["future_abi3_objects"].items()):
        yield symbol, f"the stable ABI of CPython {added} and later"


@failures_of(Kind.AUDIT)
def exports(wheel: Path, wanted: Sequence[str]) -> None:
    """Check that the wheel's objects export exactly the symbols ``wanted``.

    Raises WheelhouseError naming an object and the symbols that are missing or superfluous.
    """
    for name, elf in _objects(wheel):
        exported = {each.name for each in _symbols(elf) if each["st_shndx"] != "SHN_UNDEF"}
        if wrong := sorted(exported.symmetric_difference(wanted)):
            raise WheelhouseError(
                f"{name} exports other symbols than it must: {', '.join(wrong[:10])} differ.",
                "Correct the linker's version script.",
            )


@failures_of(Kind.AUDIT)
def atomics(wheel: Path, processor: str) -> None:
    """Check that the wheel's objects have no atomic instruction that its oldest processor lacks.

    ``processor`` is the name of a row of architectures.toml, whose ``atomics`` these are. Other
    instructions of newer processors are in kernels that are chosen at run time; compilers put
    atomics into common code. Raises WheelhouseError naming an object and the first ten of them.
    """
    newer = architecture(processor).atomics
    if not newer:
        return
    decoder = Cs(getattr(capstone, newer.decoder), getattr(capstone, newer.mode))
    decoder.skipdata = True
    pattern = re.compile(newer.pattern)
    for name, elf in _objects(wheel):
        code = [part for part in elf.iter_sections() if part["sh_flags"] & SH_FLAGS.SHF_EXECINSTR]
        atomic = [
            f"{address:#x}: {mnemonic} {operands}"
            for part in code
            for address, _, mnemonic, operands in decoder.disasm_lite(part.data(), part["sh_addr"])
            if pattern.fullmatch(mnemonic)
        ]
        if atomic:
            raise WheelhouseError(
                f"{name} has {len(atomic)} atomics that {newer.lacked_by} lacks:\n  "
                + "\n  ".join(atomic[:10]),
                newer.remedy,
            )


@failures_of(Kind.AUDIT)
def hardening(wheel: Path) -> None:
    """Check that the wheel's objects have what Debian's compiler gives programs against misuse.

    Relocations are done at the start and then read-only, the stack holds no code and its overflow
    is noticed. Raises WheelhouseError naming an object and what it lacks.
    """
    for name, elf in _objects(wheel):
        if lacking := list(_lacking(elf)):
            raise WheelhouseError(
                f"{name} lacks {', '.join(lacking)}.",
                "Correct the flags in wheelhouse/compile/toolchain.py.",
            )


@failures_of(Kind.AUDIT)
def processor(wheel: Path, name: str) -> None:
    """Check that the wheel's objects are for the processor that its file name tells.

    ``name`` is that of a row of architectures.toml. Raises WheelhouseError naming an object that is
    for another one, or if the file is no wheel.
    """
    if not zipfile.is_zipfile(wheel):
        raise WheelhouseError(f"{wheel.name} is no wheel: no zip archive.", "Build it again.")
    target = architecture(name)
    for member, elf in _objects(wheel):
        if not _is_for(target, elf):
            raise WheelhouseError(
                f"{wheel.name} is named as for {target.name}, but {member} in it is not.",
                "Give each wheel the name that `invoke build` gave it.",
            )


@failures_of(Kind.AUDIT)
def portable(wheel: Path) -> None:
    """Check that a wheel that is named as for every processor holds no compiled objects.

    Raises WheelhouseError naming one, or if the file is no wheel.
    """
    if not zipfile.is_zipfile(wheel):
        raise WheelhouseError(f"{wheel.name} is no wheel: no zip archive.", "Build it again.")
    for member, _ in _objects(wheel):
        raise WheelhouseError(
            f"{wheel.name} is named as for every processor, but {member} in it is for one.",
            "Give each wheel the name that `invoke build` gave it.",
        )


def _is_for(target: Architecture, elf: ELFFile) -> bool:
    return (elf["e_machine"], elf.elfclass) == (target.elf, target.bits)


def _lacking(elf: ELFFile) -> Iterator[str]:
    segments = {segment["p_type"]: segment["p_flags"] for segment in elf.iter_segments()}
    dynamic = elf.get_section_by_name(".dynamic")
    tags = list(dynamic.iter_tags()) if isinstance(dynamic, DynamicSection) else []
    flags = sum(tag["d_val"] for tag in tags if tag["d_tag"] == "DT_FLAGS")
    if "PT_GNU_RELRO" not in segments:
        yield "read-only relocations (-z relro)"
    if not flags & ENUM_DT_FLAGS["DF_BIND_NOW"]:
        yield "relocation at the start (-z now)"
    if segments.get("PT_GNU_STACK", P_FLAGS.PF_X) & P_FLAGS.PF_X:
        yield "a stack without code (-z noexecstack)"
    if any(tag["d_tag"] == "DT_TEXTREL" for tag in tags):
        yield "code without relocations (-fPIC)"
    if "__stack_chk_fail" not in _needed_symbols(elf):
        yield "checks of the stack (-fstack-protector-strong)"


def _violations(
    wheel: Path, policy: Policy, target: Architecture, floor: str, has: Set[str]
) -> Iterator[str]:
    """What keeps a wheel from a policy; ``has`` are the unversioned symbols that libc has."""
    # No policy lists the loader, which is there before any library; auditwheel passes over it.
    loader = PurePosixPath(target.loader).name
    for name, elf in _objects(wheel):
        if not _is_for(target, elf):
            yield f"{name} is not for {target.name}"
        unlisted = [each for each in needed(elf) if each not in (*policy.whitelist, loader)]
        for library in unlisted:
            yield f"{name} needs {library}, which is not on the list of {policy.name}"
        for symbol, version in versions(elf):
            kind, _, number = version.partition("_")
            if kind == "GLIBC" and (target.libc != "glibc" or _number(number) > _number(floor)):
                is_wrong = f"newer than glibc {floor}" if target.libc == "glibc" else "not musl's"
                yield f"{name} needs {symbol}@{version}, which is {is_wrong}"
        # An unlisted library may have any function.
        for symbol in [] if unlisted else sorted(_unversioned(elf) - has):
            yield f"{name} needs {symbol}, which no library has"


def _objects(wheel: Path) -> Iterator[tuple[str, ELFFile]]:
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as scratch:
        for name in archive.namelist():
            if name.endswith(".so"):
                with Path(archive.extract(name, scratch)).open("rb") as stream:
                    yield name, ELFFile(stream)


def needed(elf: ELFFile) -> list[str]:
    """The sonames of the shared libraries that an object needs."""
    dynamic = elf.get_section_by_name(".dynamic")
    if not isinstance(dynamic, DynamicSection):
        return []
    return [str(tag.needed) for tag in dynamic.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]


def versions(elf: ELFFile) -> Iterator[tuple[str, str]]:
    """The names and versions of the versioned symbols that an object imports."""
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


def _unversioned(elf: ELFFile) -> set[str]:
    """The names of the symbols that an object needs of no library's version, nor of CPython."""
    wanted = {name for name in _needed_symbols(elf) if not name.startswith(("Py", "_Py"))}
    return wanted - {name for name, _ in versions(elf)}


def _needed_symbols(elf: ELFFile) -> set[str]:
    """The names of the symbols that an object cannot do without and has not itself."""
    return {
        symbol.name
        for symbol in _symbols(elf)
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
    } - {""}


def _exported(library: Path) -> set[str]:
    with library.open("rb") as stream:
        return {each.name for each in _symbols(ELFFile(stream)) if each["st_shndx"] != "SHN_UNDEF"}


def _symbols(elf: ELFFile) -> Iterator[Symbol]:
    symbols = elf.get_section_by_name(".dynsym")
    if isinstance(symbols, SymbolTableSection):
        yield from symbols.iter_symbols()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
