from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.targets import systems


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of systems.toml that is used instead of it."""
    copy = tmp_path / "systems.toml"
    copy.write_text(systems.FILE.read_text())
    monkeypatch.setattr(systems, "FILE", copy)
    systems.table.cache_clear()
    yield copy
    systems.table.cache_clear()


def test_releases_have_the_python_of_their_debian_suite() -> None:
    pythons = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
    assert {suite: systems.system(suite).python for suite in pythons} == pythons


def test_a_system_is_found_by_name_and_by_suite() -> None:
    assert systems.system("Raspberry Pi OS 12") is systems.system("bookworm")
    assert systems.system("Debian 12 for PCs") is systems.system("bookworm", "x86_64")


def test_what_another_processor_has_is_refused() -> None:
    for find, name in ((systems.system, "Debian 12 for PCs"), (systems.board, "PC")):
        with pytest.raises(WheelhouseError, match=f"{name} has the processor x86_64, not aarch64"):
            find(name, "aarch64")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(WheelhouseError, match="'Raspberry Pi 55'") as caught:
        systems.board("Raspberry Pi 55")
    assert "Did you mean 'Raspberry Pi 5'?" in caught.value.hint
    with pytest.raises(WheelhouseError) as caught:
        systems.system("bookwork")
    assert "Raspberry Pi OS 12" in caught.value.hint


def test_cpuinfo_is_what_a_raspberry_pi_4_prints() -> None:
    core = (
        "processor\t: {}\n"
        "BogoMIPS\t: 108.00\n"
        "Features\t: fp asimd evtstrm crc32 cpuid\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        "CPU variant\t: 0x0\n"
        "CPU part\t: 0xd08\n"
        "CPU revision\t: 3\n\n"
    )
    text = "".join(core.format(number) for number in range(4))
    text += "Model\t\t: Raspberry Pi 4 Model B Rev 1.1\n"
    assert systems.board("Raspberry Pi 4").cpuinfo_text() == text


def test_cpuinfo_of_an_emulated_pc_has_what_its_kernel_prints() -> None:
    lines = systems.board("PC without SSE4").cpuinfo_text().splitlines()
    assert lines.count("vendor_id\t: AuthenticAMD") == 4
    assert lines[5:7] == ["stepping\t: 1", "apicid\t\t: 0"]
    assert "model\t\t: 6" in lines
    assert [line for line in lines if line.startswith("apicid")][-1] == "apicid\t\t: 3"
    assert lines[-1] == ""


def test_an_old_pc_lacks_what_it_is_named_after() -> None:
    sse = {"PC without AVX": {"sse4_1", "sse4_2"}, "PC without SSE4": set[str]()}
    for name, left in sse.items():
        features = systems.board(name).features
        assert {each for each in features if each.startswith(("sse4", "avx"))} == left


def test_this_machines_own_processor_is_not_emulated(edited: Path) -> None:
    assert not systems.board("PC").emulated
    text = edited.read_text()
    edited.write_text(text.replace('name = "PC"\n', 'name = "PC"\nqemu-cpu = "Haswell"\n'))
    systems.table.cache_clear()
    with pytest.raises(WheelhouseError, match="cores and cpuinfo must be set"):
        systems.board("PC")


def test_a_new_release_is_one_table(edited: Path) -> None:
    table = '[[systems]]\nname = "Mine"\nsuite = "duke"\npython = "3.15"\npackages = []\n'
    table += 'processor = "aarch64"\n'
    edited.write_text(edited.read_text() + table)
    assert systems.system("duke").python == "3.15"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('suite = "trixie"', "", "suite"),
        ("cores = 4", 'cores = "four"', r"boards\[0\].cores"),
        ('python = "3.9"', 'pyton = "3.9"', "pyton"),
        ('processor = "aarch64"', 'processor = "aarch46"', "Did you mean 'aarch64'"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(edited: Path, old: str, new: str, key: str) -> None:
    edited.write_text(edited.read_text().replace(old, new, 1))
    with pytest.raises(WheelhouseError, match=rf"systems\.toml.*{key}"):
        systems.table()
