"""Which wheels an index takes, and which it refuses by name."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheels import accepted, record, trial, wheel
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.package import zipped
from wheelhouse.publish import provenance, wheel_file
from wheelhouse.publish.publisher import Publisher
from wheelhouse.record import Demand
from wheelhouse.verify.expected import expected

INFO = "tflite_runtime-2.14.1.dist-info"


def refused(path: Path) -> str:
    with pytest.raises(WheelhouseError) as caught:
        accepted(path)
    assert caught.value.what.startswith(path.name)
    return caught.value.what


def test_a_verified_wheel_is_read(tmp_path: Path) -> None:
    path = wheel(tmp_path, requires=("numpy>=1.19.5",), tag="cp37-abi3-linux_aarch64.linux_armv7l")
    file = accepted(path)
    assert (file.project, str(file.version)) == ("tflite-runtime", "2.14.1")
    assert file.size == path.stat().st_size
    assert file.metadata_text == zipfile.ZipFile(path).read(f"{INFO}/METADATA")
    assert [str(each) for each in file.metadata.requires_dist or []] == ["numpy>=1.19.5"]
    assert file.trials[0].board == "Raspberry Pi 5"


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({f"{INFO}/METADATA": None}, "has no"),
        ({f"{INFO}/WHEEL": None}, "has no"),
        ({f"{INFO}/RECORD": None}, "has no RECORD"),
        ({f"{INFO}/METADATA": "Metadata-Version: 2.4\nName: numpy\nVersion: 2.14.1\n"}, "numpy"),
        ({f"{INFO}/METADATA": "Metadata-Version: 2.4\nName: tflite-runtime\nVersion: 3\n"}, " 3 "),
        ({f"{INFO}/METADATA": "Name: tflite-runtime\n"}, "invalid METADATA"),
        ({f"{INFO}/WHEEL": "Wheel-Version: 1.0\nTag: cp311-cp311-any\n"}, "cp311-cp311-any"),
        ({f"{INFO}/WHEEL": "Wheel-Version: 1.0\n"}, "none"),
        ({f"{INFO}/WHEEL": "Tag: py3-none-any\nBuild: 2\n"}, "build number"),
        ({"numpy-2.0.dist-info/METADATA": ""}, "2 .dist-info folders"),
        ({"../evil.py": ""}, "leave its folder"),
        ({"a/../../evil.py": ""}, "leave its folder"),
        ({"/etc/evil": ""}, "leave its folder"),
        ({"a\\..\\evil.py": ""}, "leave its folder"),
        ({"C:evil.py": ""}, "leave its folder"),
        ({"TFLITE_RUNTIME/__init__.py": ""}, "two files of one name"),
        ({"tflite_runtime//__init__.py": ""}, "another spelling of its path"),
        ({"tflite_runtime/./__init__.py": ""}, "another spelling of its path"),
    ],
)
def test_a_mislabelled_or_unsafe_wheel_is_refused(
    tmp_path: Path, replaced: dict[str, str | None], reason: str
) -> None:
    assert reason in refused(wheel(tmp_path, replaced=replaced))


def test_a_folder_inside_of_another_version_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    other = path.rename(tmp_path / path.name.replace("2.14.1", "2.15.0"))
    record(other)
    assert "mislabelled" in refused(other)


def test_a_symbolic_link_inside_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("tflite_runtime/data")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    record(path)
    assert "symbolic link" in refused(path)


def deflated(path: Path) -> bytes:
    """Compress a wheel's files, and tell the first one's compressed content."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        with zipped.compressed(archive, archive.infolist()[0]) as stream:
            content = stream.read()
    record(path)
    return content


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = wheel(tmp_path, replaced={"tflite_runtime/large.bin": bytes(300_000)})
    deflated(path)
    assert accepted(path).size < 100_000


@pytest.mark.parametrize("offset", [0, 5, -1])
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, offset: int) -> None:
    path = wheel(tmp_path)
    before = deflated(path)
    after = bytearray(before)
    after[offset] ^= 0xFF
    path.write_bytes(path.read_bytes().replace(before, after))
    record(path)
    assert "is not a readable zip" in refused(path)


@pytest.mark.parametrize(("field", "to"), [(16, 4), (24, 4)])
def test_a_wrong_size_or_checksum_in_the_zip_is_refused(
    tmp_path: Path, field: int, to: int
) -> None:
    path = wheel(tmp_path)
    deflated(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + field] ^= to
    path.write_bytes(content)
    record(path)
    assert "is not a readable zip" in refused(path)


def test_a_file_twice_in_a_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("tflite_runtime/__init__.py", "import evil\n")
    record(path)
    assert "two files of one name" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_some_installers_cannot_read_is_refused(tmp_path: Path, method: int) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tflite_runtime/more.py", "", method)
    record(path)
    assert "not compressed as in wheels" in refused(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    record(path)
    assert "is encrypted" in refused(path)


def test_a_name_in_no_encoding_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, replaced={"tflite_runtime/ä.py": ""})
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xff"))
    record(path)
    assert "is not a readable zip" in refused(path)


@pytest.mark.parametrize("length", [3, 400, -30])
def test_a_wheel_that_was_cut_is_refused(tmp_path: Path, length: int) -> None:
    path = wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    record(path)
    assert "is not a readable zip" in refused(path)


def test_a_symbolic_link_to_a_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path / "elsewhere")
    link = tmp_path / path.name
    link.symlink_to(path)
    record(link)
    assert "no regular file" in refused(link)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = wheel(tmp_path)
    path.write_bytes(content)
    record(path)
    assert "is not a readable zip" in refused(path)


def test_a_broken_member_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    text = b"Metadata-Version: 2.4"
    path.write_bytes(path.read_bytes().replace(text, text.swapcase()))
    record(path)
    assert "is not a readable zip" in refused(path)


@pytest.mark.parametrize(
    "name",
    [
        "tflite_runtime-2.14.1.whl",
        "tflite_runtime-next-py3-none-any.whl",
        "tflite_runtime-2.14.1-py3-none-any<b>.whl",
        "tflite_runtime-2.14.1-py3-none-an y.whl",
        "tflite_runtime-2.14.1-py3-none-äny.whl",
    ],
)
def test_what_is_not_named_like_a_wheel_is_refused(tmp_path: Path, name: str) -> None:
    refused(wheel(tmp_path).rename(tmp_path / name))


def test_an_unverified_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    record(path).unlink()
    assert "never verified" in refused(path)


FAILED = {"name": "the bad file is refused", "passed": False, "seen": "loaded"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "not the file that its record is about"),
        ({"wheel": "other.whl"}, "not the file that its record is about"),
        ({"trials": []}, "no check at all"),
        ({"trials": [trial(checks=0)]}, "no check at all"),
        ({"trials": [{**trial(), "checks": [FAILED]}]}, "the bad file is refused"),
        ({"trials": "none"}, "unreadable record"),
        ({"date": "2026-11-20T10:00:00"}, "timezone"),
    ],
)
def test_a_record_that_proves_nothing_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    assert reason in refused(wheel(tmp_path, recorded=changes))


def test_a_wheel_that_changed_after_its_verification_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"more"
    assert "not the file that its record is about" in refused(path)


def test_metadata_beside_that_is_not_the_wheels_own_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    beside = path.with_name(f"{path.name}.metadata")
    beside.write_bytes(zipfile.ZipFile(path).read(f"{INFO}/METADATA"))
    assert accepted(path).published_metadata
    beside.write_text("Name: other\n")
    assert "METADATA that differs" in refused(path)


def test_a_provenance_is_verified_for_the_wheels_own_bytes_and_the_publisher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(provenance, "verify", lambda *words: asked.append(words))
    path = wheel(tmp_path)
    path.with_name(f"{path.name}.provenance").write_bytes(b"signed")
    publisher = Publisher("owner/name")
    file = wheel_file.read(path, Demand.ITS_RELEASE, expected, publisher)
    assert file.provenance == b"signed"
    assert asked == [(b"signed", path.name, file.sha256, publisher)]


def test_a_provenance_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    path.with_name(f"{path.name}.provenance").write_text("{}")
    publisher = Publisher("owner/name")
    with pytest.raises(WheelhouseError) as caught:
        wheel_file.read(path, Demand.ITS_RELEASE, expected, publisher)
    assert caught.value.what.startswith(f"{path.name} has a provenance of another form")
    assert "with --repo" in caught.value.hint


@pytest.mark.parametrize(
    ("there", "publisher", "reason"),
    [
        (False, Publisher("owner/name"), "has no provenance"),
        (True, None, "has a provenance, but no --repo says"),
    ],
)
def test_all_wheels_of_a_publisher_have_a_provenance_and_no_others(
    tmp_path: Path, there: bool, publisher: Publisher | None, reason: str
) -> None:
    path = wheel(tmp_path)
    if there:
        path.with_name(f"{path.name}.provenance").write_text("{}")
    with pytest.raises(WheelhouseError) as caught:
        wheel_file.read(path, Demand.ITS_RELEASE, expected, publisher)
    assert caught.value.what.startswith(f"{path.name} {reason}")
    assert caught.value.topic == "refused-provenance"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda rows: [row for row in rows if "__init__" not in row], "RECORD does not list"),
        (lambda rows: [*rows, "more.py,sha256=AAAA,1"], "it lacks, though RECORD lists it"),
        (lambda rows: [*rows, rows[0]], "lists a file twice"),
        (lambda rows: [rows[0].replace("sha256=", "md5="), *rows[1:]], "is not what RECORD says"),
        (lambda rows: [rows[0].rpartition(",")[0] + ",", *rows[1:]], "is not what RECORD says"),
        (lambda rows: [rows[0].split(",")[0] + ",,", *rows[1:]], "is not what RECORD says"),
        (lambda rows: [rows[0] + ",more", *rows[1:]], "unreadable RECORD"),
        (lambda rows: [*rows[:-1], f"{INFO}/RECORD,sha256=AAAA,1"], "is not what RECORD says"),
        (lambda rows: [*rows, "../../evil.py,,"], "it lacks, though RECORD lists it"),
        (lambda rows: ["/" + rows[0], *rows[1:]], "it lacks, though RECORD lists it"),
        (lambda rows: [rows[0].replace("sha256=", "sha512="), *rows[1:]], "not what RECORD says"),
        (lambda rows: [], "RECORD does not list"),
    ],
)
def test_a_wheel_is_what_its_record_of_files_says(
    tmp_path: Path, edit: Callable[[list[str]], list[str]], said: str
) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        rows = archive.read(f"{INFO}/RECORD").decode().splitlines()
    changed = wheel(tmp_path, replaced={f"{INFO}/RECORD": "\n".join([*edit(rows), ""])})
    assert said in refused(changed)
