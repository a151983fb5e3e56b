"""Which file a pin may move to, and what of sources.toml changes then."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from wheelhouse.common.toml import load
from wheelhouse.sources import debian_record, updates
from wheelhouse.sources.debian_index import PoolFile
from wheelhouse.sources.debian_record import DebianRecord, Signed
from wheelhouse.sources.pins import Artefact, Pins
from wheelhouse.sources.updates import PinnedFile

PYTHON = "pool/main/p/python3.11/libpython3.11-dev_{}_arm64.deb"
TENSORFLOW = "pool/main/t/tensorflow/tensorflow_{}.orig.tar.xz"


def listed(form: str, *versions: str) -> list[PoolFile]:
    return [PoolFile(form.format(version), "0" * 64, 7) for version in versions]


def pinned(path: str, carton: str = "") -> PinnedFile:
    return PinnedFile(Artefact(debian=path, sha256="1" * 64, size=7), carton)


@pytest.mark.parametrize(
    ("name", "package", "kind", "version", "upstream"),
    [
        ("one_1.0-6+deb12u8_arm64.deb", "one", "_arm64.deb", "1.0-6+deb12u8", "1.0"),
        ("one_1.0-6~bpo11+1_arm64.deb", "one", "_arm64.deb", "1.0-6~bpo11+1", "1.0"),
        ("one_1.0_all.deb", "one", "_all.deb", "1.0", "1.0"),
        ("one_1.0+dfsg.orig.tar.xz", "one", ".orig.tar", "1.0+dfsg", "1.0"),
        ("one_1.0+ds1.orig.tar.gz", "one", ".orig.tar", "1.0+ds1", "1.0"),
        ("one_6.4-final+dfsg.orig.tar.xz", "one", ".orig.tar", "6.4-final+dfsg", "6.4-final"),
        ("one_0.0~git1.4ea8.orig.tar.xz", "one", ".orig.tar", "0.0~git1.4ea8", "0.0~git1.4ea8"),
    ],
)
def test_a_file_of_the_pool_is_known_by_its_name(
    name: str, package: str, kind: str, version: str, upstream: str
) -> None:
    file = PoolFile(f"pool/main/o/one/{name}")
    assert (file.package, file.kind, str(file.version)) == (package, kind, version)
    assert file.upstream == upstream


@pytest.mark.parametrize(
    ("offered", "lost", "moved", "newer"),
    [
        ([], True, "", ""),
        (["3.11.2-6+deb12u8"], False, "", ""),
        (["3.11.2-6+deb12u10", "3.11.2-6+deb12u9"], False, "3.11.2-6+deb12u10", ""),
        (["3.11.2-6+deb12u8+b1"], False, "3.11.2-6+deb12u8+b1", ""),
        (["3.11.2-6+deb12u7"], False, "", ""),
        (["3.11.2-6+deb12u7"], True, "3.11.2-6+deb12u7", ""),
        (["3.11.14-1"], True, "", "3.11.14"),
        (["3.11.14-1", "3.11.2-7"], False, "3.11.2-7", "3.11.14"),
    ],
)
def test_a_pin_moves_to_the_newest_revision_of_its_version(
    offered: list[str], lost: bool, moved: str, newer: str
) -> None:
    ours = pinned(PYTHON.format("3.11.2-6+deb12u8"))
    files = [*listed(PYTHON, *offered), *listed(PYTHON.replace("arm64", "armhf"), "3.11.2-9")]
    file = updates.successor(ours, files, lost)
    assert (file.path if file else "") == (PYTHON.format(moved) if moved else "")
    assert updates.newest(ours, files) == newer


@pytest.mark.parametrize(("lost", "moved"), [(False, ""), (True, "151")])
def test_a_carton_moves_to_the_next_archive_once_all_of_it_is_gone(lost: bool, moved: str) -> None:
    ours = pinned(TENSORFLOW.format("150"), carton="chromium")
    file = updates.successor(ours, listed(TENSORFLOW, "149", "152", "151"), lost)
    assert (file.path if file else "") == (TENSORFLOW.format(moved) if moved else "")


def test_only_the_moved_pin_changes() -> None:
    text = updates.FILE.read_text(encoding="utf-8")
    old = next(
        one.artefact
        for one in updates.pinned(load(updates.FILE, Pins))
        if "eigen" in one.names and one.artefact.debian
    )
    new = Artefact(debian=old.debian.replace("3.4.0", "3.4.0+dfsg"), sha256="2" * 64, size=7)
    moved = updates.rewritten(text, old, new)
    before, after = text.splitlines(), moved.splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [
        (
            f'    {{ debian = "{old.debian}", sha256 = "{old.sha256}", size = {old.size} }},',
            f'    {{ debian = "{new.debian}", sha256 = "{new.sha256}", size = 7 }},',
        )
    ]


def test_a_file_of_several_components_is_one_pin_with_all_their_names() -> None:
    found = {one.label: one for one in updates.pinned(load(updates.FILE, Pins))}
    assert found["tensorflow, wrapper, tflite-c"].artefact.debian
    carton = next(one for one in found.values() if one.carton == "chromium")
    assert carton.label == "chromium"
    assert {"xnnpack", "fp16"} <= {use.name for use in carton.uses}


def test_every_file_of_debian_is_recorded_as_its_signed_lists_have_it() -> None:
    pins = [each.artefact for each in updates.pinned(load(updates.FILE, Pins))]
    ours = {each.debian: each for each in pins if each.debian}
    record = debian_record.read(updates.FILE.parent)
    assert ours.keys() == {*record.files, *record.unlisted}
    for path, signed in record.files.items():
        assert debian_record.matches(ours[path], signed.sha256, signed.size), path


def test_a_record_keeps_what_is_known_and_drops_what_is_pinned_no_more(tmp_path: Path) -> None:
    day = date(2026, 11, 1)
    kept, changed, gone, new = (TENSORFLOW.format(number) for number in range(4))
    known = Signed("1" * 64, 7, "trixie", day)
    old = DebianRecord({kept: known, changed: Signed("3" * 64, 7, "sid", day), gone: known})
    every = [pinned(path).artefact for path in (kept, changed, new)]
    listed = [
        PoolFile(path, "1" * 64, 7, suite, date(2026, 12, 1))
        for path in (kept, changed)
        for suite in ("bookworm", "sid")
    ]
    made = debian_record.renewed(old, every, {kept, changed, new}, listed)
    again = Signed("1" * 64, 7, "bookworm", date(2026, 12, 1))
    assert made == DebianRecord({kept: known, changed: again}, (new,))
    debian_record.write(made, tmp_path)
    assert debian_record.read(tmp_path) == made
    assert debian_record.renewed(made, every, set(), []) == made
