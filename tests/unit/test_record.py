"""What a record says is read back whole, and every user of it gets the same answer."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheels import record as write
from tests.support.wheels import trial, wheel
from wheelhouse import record
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.package import products
from wheelhouse.publish import upload, wheel_file
from wheelhouse.record import Check, Companion, Demand, Record, Trial, UnverifiedError
from wheelhouse.targets import matrix, systems

PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
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
        reference="ai-edge-litert 2.3.0",
        runtime=Companion("b.whl", "1" * 64),
        trials=(Trial("a system", "a board", "1.24.2 (own)", (Check("import", True, "None"),)),),
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    record.write(full(), tmp_path / "record.json")
    assert record.read((tmp_path / "record.json").read_bytes()) == full()


def test_a_record_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    found = record.vouch(path, Demand.ITS_RELEASE).record
    assert (found.wheel, found.engine, found.runtime) == (path.name, None, None)


def test_a_record_whose_wheel_was_deleted_vouches_for_nothing(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    path.unlink()
    with pytest.raises(UnverifiedError, match="is not there"):
        record.vouch(path, Demand.ITS_RELEASE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"color": "red"}, "unknown field `color`"),
        ({"trials": [{"system": "", "board": "", "numpy": ""}]}, "missing required field `checks`"),
        ({"date": "2026-11-20T10:00:00"}, "timezone"),
        ({"engine": 3}, "$.engine"),
    ],
)
def test_an_error_names_the_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = wheel(tmp_path, recorded=changes)
    with pytest.raises(UnverifiedError) as caught:
        record.vouch(path, Demand.ITS_RELEASE)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe", b""])
def test_what_is_no_record_is_unreadable(tmp_path: Path, text: bytes) -> None:
    path = wheel(tmp_path)
    record.path_for(path).write_bytes(text)
    with pytest.raises(UnverifiedError, match="unreadable"):
        record.vouch(path, Demand.ITS_RELEASE)


def test_every_trial_needs_a_check(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=UNIVERSAL)
    content = json.loads(tried(path, *TODAY).read_text())
    content["trials"][2]["checks"] = []
    record.path_for(path).write_text(json.dumps(content))
    with pytest.raises(UnverifiedError, match="no check at all"):
        record.vouch(path, Demand.ITS_RELEASE)


@pytest.mark.parametrize("more", [{"tag": UNIVERSAL}, {**DELEGATE, "tag": f"py3-none-{PLATFORM}"}])
def test_index_and_upload_refuse_what_was_tried_on_one_system(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    path = wheel(tmp_path, **more)
    tried(path, "Raspberry Pi OS 12")
    reason = f"{path.name} was not tried on Raspberry Pi OS 11, Raspberry Pi OS 13"
    with pytest.raises(WheelhouseError, match=reason):
        wheel_file.read(path, Demand.TODAY)
    with pytest.raises(WheelhouseError, match=reason):
        upload.publish([path], "http://127.0.0.1:9/")
    assert record.vouch(path, Demand.ITS_RELEASE).today is False
    tried(path, *TODAY)
    assert wheel_file.read(path, Demand.TODAY).today is True


def test_a_wheel_for_no_target_of_today_may_be_of_an_earlier_release(tmp_path: Path) -> None:
    path = wheel(tmp_path, tag=f"cp310-cp310-{PLATFORM}")
    tried(path, "Raspberry Pi OS 12")
    assert wheel_file.read(path, Demand.ITS_RELEASE).today is False
    with pytest.raises(WheelhouseError, match="no CPython of the matrix"):
        wheel_file.read(path, Demand.TODAY)


def test_the_systems_of_a_file_are_those_of_its_target() -> None:
    universal = Path(f"tflite_runtime-2.14.1-{UNIVERSAL}.whl")
    names = [system.name for system in products.systems_of(universal)]
    assert names == TODAY
    own = Path(f"tflite_runtime-2.14.1-cp311-cp311-{PLATFORM}.whl")
    assert [system.suite for system in products.systems_of(own)] == ["bookworm"]
