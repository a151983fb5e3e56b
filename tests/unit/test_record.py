"""What a record says is read back whole, and every user of it gets the same answer."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheels import record as write
from tests.support.wheels import trial, wheel, whole
from wheelhouse import record
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.package import models_wheel, products
from wheelhouse.publish import upload, wheel_file
from wheelhouse.record import Check, Companion, Demand, Expected, Record, Trial, UnverifiedError
from wheelhouse.targets import matrix, systems
from wheelhouse.verify.expected import expected

PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
PC = "manylinux_2_17_x86_64.manylinux2014_x86_64"
UNIVERSAL = f"cp37-abi3-{PLATFORM}"
DELEGATE = {"project": "tflite_armnn_delegate", "version": "23.8"}
TODAY = [systems.system(name).name for name in matrix.targets()[0].systems]


def tried(path: Path, *names: str, **more: Any) -> Path:
    trials = [trial(name) for name in names]
    return write(path, {"trials": trials, **more})


def full() -> Record:
    return Record(
        wheel="a.whl",
        sha256="0" * 64,
        date=datetime(2026, 11, 25, 12, tzinfo=timezone.utc),
        engine="docker",
        verifier="2" * 64,
        reference="ai-edge-litert 2.3.0",
        runtime=Companion("b.whl", "1" * 64),
        trials=(Trial("a system", "a board", "1.24.2 (own)", (Check("import", True, "None"),)),),
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    record.write(full(), tmp_path / "record.json")
    assert record.read((tmp_path / "record.json").read_bytes()) == full()


def test_a_record_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    found = record.vouch(path, Demand.ITS_RELEASE, expected).record
    assert (found.wheel, found.engine, found.runtime) == (path.name, None, None)


def test_a_record_whose_wheel_was_deleted_vouches_for_nothing(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    path.unlink()
    with pytest.raises(UnverifiedError, match="is not there"):
        record.vouch(path, Demand.ITS_RELEASE, expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"color": "red"}, "unknown field `color`"),
        ({"trials": [{"system": "", "board": "", "numpy": ""}]}, "missing required field `checks`"),
        ({"date": "2026-11-20T10:00:00"}, "timezone"),
        ({"engine": 3}, "$.engine"),
        ({"engine": "none"}, "$.engine"),
    ],
)
def test_an_error_names_the_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = wheel(tmp_path, recorded=changes)
    with pytest.raises(UnverifiedError) as caught:
        record.vouch(path, Demand.ITS_RELEASE, expected)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe", b""])
def test_what_is_no_record_is_unreadable(tmp_path: Path, text: bytes) -> None:
    path = wheel(tmp_path)
    record.path_for(path).write_bytes(text)
    with pytest.raises(UnverifiedError, match="unreadable"):
        record.vouch(path, Demand.ITS_RELEASE, expected)


def test_every_trial_needs_a_check(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=UNIVERSAL)
    content = json.loads(tried(path, *TODAY).read_text())
    content["trials"][2]["checks"] = []
    record.path_for(path).write_text(json.dumps(content))
    with pytest.raises(UnverifiedError, match="no check at all"):
        record.vouch(path, Demand.ITS_RELEASE, expected)


@pytest.mark.parametrize("more", [{"tag": UNIVERSAL}, {**DELEGATE, "tag": f"py3-none-{PLATFORM}"}])
def test_index_and_upload_refuse_what_was_tried_on_one_system(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    path = wheel(tmp_path, **more)
    verifier = expected(path, "host").verifier
    tried(path, "Raspberry Pi OS 12", engine="host", verifier=verifier)
    reason = f"{path.name} was not tried on Raspberry Pi OS 11, Raspberry Pi OS 13"
    with pytest.raises(WheelhouseError, match=reason):
        wheel_file.read(path, Demand.TODAY, expected)
    with pytest.raises(WheelhouseError, match=reason):
        upload.publish([path], "http://127.0.0.1:9/", "", expected)
    assert record.vouch(path, Demand.ITS_RELEASE, expected).today is False
    whole(path)
    assert wheel_file.read(path, Demand.TODAY, expected).today is True


def test_a_wheel_for_no_target_of_today_may_be_of_an_earlier_release(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp310-cp310-{PLATFORM}")
    tried(path, "Raspberry Pi OS 12")
    assert wheel_file.read(path, Demand.ITS_RELEASE, expected).today is False
    with pytest.raises(WheelhouseError, match="no CPython of the matrix"):
        wheel_file.read(path, Demand.TODAY, expected)


def test_the_systems_of_a_file_are_those_of_its_target() -> None:
    universal = Path(f"tflite_runtime-2.14.1-{UNIVERSAL}.whl")
    names = [system.name for system in products.systems_of(universal)]
    assert names == TODAY
    own = Path(f"tflite_runtime-2.14.1-cp311-cp311-{PLATFORM}.whl")
    assert [system.suite for system in products.systems_of(own)] == ["bookworm"]


# Records that were edited by hand


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    beside = whole(path)
    content = json.loads(beside.read_text())
    edit(content)
    beside.write_text(json.dumps(content))


def first(content: dict[str, Any]) -> dict[str, Any]:
    trial: dict[str, Any] = content["trials"][0]
    return trial


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda told: first(told).update(checks=first(told)["checks"][:1]), "without the check"),
        (lambda told: first(told)["checks"].pop(30), "without the check"),
        (lambda told: first(told)["checks"][3].update(name="it is good"), "without the check"),
        (
            lambda told: first(told)["checks"].append({**first(told)["checks"][0], "name": "good"}),
            "a check that this checkout does not make: good",
        ),
        (lambda told: first(told)["checks"].append(first(told)["checks"][0]), "checks twice"),
        (lambda told: first(told)["checks"].reverse(), "another order"),
        (lambda told: told["trials"].pop(), "was not tried on Raspberry Pi OS 12 as"),
        (lambda told: told["trials"].append(first(told)), "two trials of one kind"),
        (lambda told: told.update(trials=told["trials"][:1] * 4), "was not tried on"),
        (lambda told: first(told).update(board="Raspberry Pi 9"), "was not tried on"),
        (lambda told: first(told).update(system="Raspberry Pi OS 99"), "was not tried on"),
        (lambda told: first(told).update(numpy="1.0 (newer)"), "was not tried on"),
        (lambda told: told["trials"].append(trial("A system")), "that this checkout does not make"),
        (lambda told: first(told)["checks"][0].update(passed=False), "did not pass a check"),
        (lambda told: told.pop("verifier"), "another version of the verifier"),
        (lambda told: told.update(verifier="0" * 64), "another version of the verifier"),
        (lambda told: told.update(trials=[trial()]), "was not tried on"),
        (lambda told: told.update(wheel="other.whl"), "is not the file"),
        (lambda told: told.update(sha256="0" * 64), "is not the file"),
        (lambda told: told.update(sha256=told["sha256"].upper()), "is not the file"),
    ],
)
def test_an_edited_record_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = wheel(tmp_path, tag=f"cp311-cp311-{PLATFORM}")
    edited(path, lambda _: None)
    assert record.vouch(path, Demand.TODAY, expected).today
    edited(path, edit)
    with pytest.raises(UnverifiedError) as caught:
        record.vouch(path, Demand.TODAY, expected)
    assert said in str(caught.value)


def test_it_says_plainly_what_to_do_with_a_record_of_another_verifier(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp311-cp311-{PLATFORM}")
    edited(path, lambda told: (told.pop("verifier"), first(told)["checks"].pop()))
    with pytest.raises(WheelhouseError, match="by another version of the verifier") as caught:
        wheel_file.read(path, Demand.TODAY, expected)
    assert caught.value.hint.startswith("Run `invoke verify` on it.")
    assert "--earlier" in caught.value.hint


@pytest.mark.parametrize("table", [None, "[]", '{"some": {}}', "{"])
def test_models_that_a_wheel_does_not_tell_are_no_reason_to_crash(
    tmp_path: Path, table: str | None
) -> None:
    name = "tflite_examples_models"
    version = str(next(iter(models_wheel.wheels())).metadata.version)
    path = wheel(tmp_path, name, version, replaced={f"{name}/models.json": table})
    tried(path, "Raspberry Pi OS 12")
    with pytest.raises(UnverifiedError, match=r"no readable models\.json"):
        record.vouch(path, Demand.TODAY, expected)


def test_an_altered_wheel_with_an_edited_record_is_refused_in_every_mode(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp311-cp311-{PLATFORM}")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["tflite_runtime/__init__.py"] += b"import evil\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    whole(path)
    said = r"is altered: tflite_runtime/__init__.py is not what RECORD says"
    for demand in Demand:
        with pytest.raises(WheelhouseError, match=said):
            wheel_file.read(path, demand, expected)
    with pytest.raises(WheelhouseError, match=said):
        upload.publish([path], "http://127.0.0.1:9/", "", expected)


def test_another_engine_tries_the_boards_that_it_has(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp37-abi3-{PC}")
    host, docker = (expected(path, engine).checks for engine in ("host", "docker"))
    assert docker.keys() < host.keys()
    whole(path, "docker")
    assert record.vouch(path, Demand.TODAY, expected).today


def test_all_builds_of_a_release_are_tried_alike() -> None:
    def of(version: str) -> Expected:
        return expected(Path(f"tflite_runtime-{version}-{UNIVERSAL}.whl"), "host")

    assert of("2.14.1.post3") == of("2.14.1")
    assert of("2.22.0.dev2026051807") == of("2.22.0.dev2026051800")
    distinct = [of(each) for each in ("2.14.1", "2.14.1+noxnnpack", "2.22.0.dev2026051800")]
    assert all(one.checks != other.checks for one, other in combinations(distinct, 2))


# The form in which an index serves it


def test_a_record_is_taken_in_the_form_in_which_an_index_serves_it(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp311-cp311-{PLATFORM}")
    text = whole(path).read_bytes()
    served = Path(f"{record.path_for(path)}{record.PACKED}")
    served.write_bytes(record.packed(text))
    record.path_for(path).unlink()
    assert record.vouch(path, Demand.TODAY, expected).text == text
    assert record.packed(text) == served.read_bytes()
    for broken in (b"", b"{}", served.read_bytes()[:-9], served.read_bytes()[:99] + b"?" * 99):
        served.write_bytes(broken)
        with pytest.raises(UnverifiedError, match="unreadable record"):
            record.vouch(path, Demand.TODAY, expected)


def test_a_packed_record_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    record.path_for(path).unlink()
    served = Path(f"{record.path_for(path)}{record.PACKED}")
    served.write_bytes(record.packed(b" " * (65 << 20)))
    assert served.stat().st_size < 1_000_000
    with pytest.raises(UnverifiedError, match="too large"):
        record.vouch(path, Demand.ITS_RELEASE, expected)
    with record.path_for(path).open("wb") as plain:
        plain.truncate(65 << 20)
    with pytest.raises(UnverifiedError, match="too large"):
        record.vouch(path, Demand.ITS_RELEASE, expected)
