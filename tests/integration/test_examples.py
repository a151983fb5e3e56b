"""The examples on real pictures, with ai-edge-litert: what each pipeline answers is judged."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageEnhance, ImageOps, ImageStat
from tflite_examples import (
    age_gender,
    anti_spoof,
    classify,
    cli,
    detect,
    expression,
    faces,
    hands,
    listen,
    pictures,
    pose,
    recognise,
    segment,
    sound,
)
from tflite_examples.model import MODELS, Options

from tests.support import REPO
from wheelhouse.common.step import get_or_make
from wheelhouse.common.store import Store
from wheelhouse.package import models_wheel, products
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import scenes
from wheelhouse.specimens.faces import BoundingBox

Picture = Image.Image

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "int8"])
WITH_PICTURES = [name for name in cli.PIPELINES if name != "listen"]

EYES, MOUTH = ((203, 101), (247, 103)), (225, 142)
SHOULDERS = ((310, 248), (104, 234))
"""Marked by eye in the portrait, x and y in pixels."""


@pytest.fixture(scope="module")
def fetcher() -> Fetcher:
    return Fetcher(Store.default())


@pytest.fixture(scope="module")
def target(fetcher: Fetcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models' wheels, installed."""
    folder = tmp_path_factory.mktemp("target")
    for product in models_wheel.wheels():
        with zipfile.ZipFile(products.wheel_in(get_or_make(product.step, fetcher))) as wheel:
            wheel.extractall(folder)
    return folder


@pytest.fixture(autouse=True)
def models(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process import the models' packages from the folder, not from the checkout."""
    for name in MODELS:
        spec = importlib.util.spec_from_file_location(name, target / name / "__init__.py")
        assert spec
        assert spec.loader
        module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(scope="module")
def archive(fetcher: Fetcher) -> Path:
    return fetcher.file(pins.shared(scenes.PICTURES))


@pytest.fixture(scope="module")
def shown(archive: Path) -> dict[str, Picture]:
    names = (scenes.PORTRAIT, "coffee", "chelsea", "motorcycle_left", "brick")
    return {name: scenes.picture(archive, name) for name in names}


@pytest.fixture(scope="module")
def portrait(shown: dict[str, Picture]) -> Picture:
    return shown[scenes.PORTRAIT]


@pytest.fixture(scope="module")
def people(archive: Path) -> list[Picture]:
    return scenes.strangers(archive)


def overlap(box: Any, truth: BoundingBox) -> float:
    return BoundingBox(*map(float, box)).overlap(truth)


# The right answers


def test_a_face_with_eyes_nose_and_mouth(portrait: Picture) -> None:
    (found,) = faces.Pipeline(Options()).run(portrait)
    assert found.face.score > 0.8
    assert overlap(found.face.box, scenes.FACE) > 0.7
    assert found.points.shape == (468, 2)
    for iris, truth in zip(found.irises, EYES, strict=True):
        assert np.hypot(*(iris[0] - truth)) < 3
        assert 1.5 < np.hypot(*(iris[1:] - iris[0]).T).mean() < 6
    assert np.hypot(*(found.points[1] - scenes.NOSE)) < 6
    assert np.hypot(*(found.points[13] - MOUTH)) < 6


@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_tilted_face_is_cut_out_upright(portrait: Picture, degrees: int) -> None:
    tilted = portrait.rotate(degrees, Image.Resampling.BICUBIC, center=(225, 130))
    (found,) = faces.Pipeline(Options()).run(tilted)
    angle = np.radians(degrees)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for iris, truth in zip(found.irises, EYES, strict=True):
        expected = turned @ (np.array(truth) - (225, 130)) + (225, 130)
        assert np.hypot(*(iris[0] - expected)) < 3


@PRECISIONS
def test_the_portrait_smiles(portrait: Picture, precision: str) -> None:
    (found,) = expression.Pipeline(Options(precision=precision)).run(portrait)
    assert found.label == "happy"
    assert found.score > 0.5


@PRECISIONS
def test_the_portrait_is_of_a_woman_of_41(portrait: Picture, precision: str) -> None:
    (found,) = age_gender.Pipeline(Options(precision=precision)).run(portrait)
    assert found.gender == "female"
    assert abs(found.age - scenes.AGE) <= 15


@PRECISIONS
@pytest.mark.parametrize(
    ("name", "label", "box"),
    [
        ("astronaut", "person", scenes.PERSON),
        ("coffee", "cup", scenes.CUP),
        ("motorcycle_left", "motorcycle", scenes.MOTORCYCLE),
    ],
)
def test_objects(
    shown: dict[str, Picture], precision: str, name: str, label: str, box: BoundingBox
) -> None:
    found = detect.Pipeline(Options(precision=precision)).run(shown[name])
    assert found[0].label == label
    assert overlap(found[0].box, box) >= 0.5


@pytest.mark.parametrize(
    ("name", "label", "box"),
    [("astronaut", "person", scenes.PERSON), ("coffee", "cup", scenes.CUP)],
)
def test_objects_by_the_other_model(
    shown: dict[str, Picture], name: str, label: str, box: BoundingBox
) -> None:
    found = detect.Pipeline(Options(model="centernet")).run(shown[name])
    assert found[0].label == label
    assert overlap(found[0].box, box) >= 0.5


def test_classes(shown: dict[str, Picture]) -> None:
    classes = classify.Pipeline(Options())
    assert classes.run(shown["coffee"])[0].label == "espresso"
    assert "cat" in classes.run(shown["chelsea"])[0].label


def test_the_mask_of_a_person(portrait: Picture) -> None:
    found = segment.Pipeline(Options()).run(portrait)
    assert found[0].label == "person"
    expected = scenes.outlined(portrait.size)
    mask = found[0].mask
    assert (mask & expected).sum() / (mask | expected).sum() >= 0.7


def test_a_pose(portrait: Picture) -> None:
    (found,) = pose.Pipeline(Options()).run(portrait)
    assert found.score > 0.5
    assert np.hypot(*(found.points[0] - scenes.NOSE)) < 12
    for shoulder, truth in zip(found.points[11:13], SHOULDERS, strict=True):
        assert np.hypot(*(shoulder - truth)) < 30
    assert (found.visible[:13] > 0.5).all()
    assert (found.visible[27:] < 0.5).all()


@pytest.mark.parametrize("name", scenes.FINGERS)
def test_a_hand_s_fingers_end_where_they_are_seen(fetcher: Fetcher, name: str) -> None:
    shown = scenes.hand(fetcher.file(pins.shared(scenes.HANDS)), name)
    (found,) = hands.Pipeline(Options()).run(shown)
    assert found.score > 0.9
    for finger, truth in scenes.FINGERS[name].items():
        assert np.hypot(*(found.points[finger] - truth)) < 25


def test_no_hands_where_none_are(shown: dict[str, Picture]) -> None:
    pipeline = hands.Pipeline(Options())
    assert [pipeline.run(shown[name]) for name in ("chelsea", "brick")] == [[], []]


@PRECISIONS
def test_the_portrait_is_real_and_a_picture_of_it_on_a_screen_less_so(
    portrait: Picture, precision: str
) -> None:
    pipeline = anti_spoof.Pipeline(Options(precision=precision))
    (real,) = pipeline.run(portrait)
    assert real.is_real
    (fake,) = pipeline.run(scenes.on_a_screen(portrait))
    assert fake.real * fake.live < real.real * real.live


@PRECISIONS
def test_one_persons_pictures_are_nearer_than_two_persons(
    portrait: Picture, people: list[Picture], precision: str, tmp_path: Path
) -> None:
    known = str(tmp_path / "faces.json")
    options = Options(precision=precision)
    recognise.Pipeline(options, enrol="Eileen", known=known).run(portrait)
    pipeline = recognise.Pipeline(options, known=known)
    darker = ImageEnhance.Brightness(ImageOps.mirror(portrait)).enhance(0.7)
    for same in (portrait.crop((100, 20, 420, 400)), darker):
        (found,) = pipeline.run(same)
        assert found.name == "Eileen"
    others = [each for picture in people for each in pipeline.run(picture)]
    assert len(others) >= 8
    assert {each.name for each in others} == {""}
    assert max(each.cosine for each in others) < 0.6


@pytest.mark.parametrize("name", ["alexa", "okay_nabu"])
def test_a_word_is_heard_and_neither_another_nor_noise_is(name: str) -> None:
    """The sounds were spoken by espeak-ng."""
    said = {path.stem: sound.load(str(path)) for path in sorted(scenes.SOUNDS.glob("*.wav"))}
    pipeline = listen.Pipeline(Options(model=name))
    (word,) = pipeline.run(said.pop(name))
    assert word.name == name
    assert 0.4 < word.seconds < 1.6
    random = np.random.default_rng(0)
    others = [*said.values(), random.normal(0, 1500, 5 * sound.RATE), np.zeros(sound.RATE)]
    assert len(others) == 3
    assert [pipeline.run(other) for other in others] == [[], [], []]


# What people hand it


@pytest.mark.parametrize("name", WITH_PICTURES)
def test_tiny_and_narrow_pictures_are_no_trouble(name: str) -> None:
    module = importlib.import_module(f"tflite_examples.{cli.PIPELINES[name][0]}")
    pipeline = module.Pipeline(Options())
    for size in ((1, 1), (3, 900), (900, 2)):
        picture = Image.new("RGB", size, (200, 150, 120))
        pipeline.draw(picture, pipeline.run(picture))


def run(target: Path, *words: object, status: int = 0, home: Path | None = None) -> tuple[str, str]:
    """Run the command line; what it prints, and its errors without the runtime's own lines."""
    environment = {**os.environ, "PYTHONPATH": f"{target}:{REPO / 'apps'}"}
    done = subprocess.run(
        [sys.executable, "-m", "tflite_examples", *map(str, words)],
        env={**environment, **({"HOME": str(home)} if home else {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    return done.stdout, "\n".join(errors)


@pytest.fixture
def jpeg(portrait: Picture, tmp_path: Path) -> Path:
    path = tmp_path / "portrait.jpg"
    portrait.save(path, quality=95)
    return path


def kinds(portrait: Picture, folder: Path) -> Iterator[Path]:
    """The portrait as cameras and programs write it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    portrait.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    yield folder / "turned.jpg"
    for mode in ("L", "LA", "P", "RGBA", "CMYK"):
        path = folder / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        portrait.convert(mode).save(path)
        yield path


def test_pictures_of_every_kind_have_the_face(
    portrait: Picture, target: Path, tmp_path: Path
) -> None:
    paths = list(kinds(portrait, tmp_path))
    out, _ = run(target, "faces", *paths)
    rows = out.splitlines()
    assert len(rows) == len(paths) == 6
    for row in rows:
        start, end = (part.split()[-1].split(",") for part in row.split(" to "))
        assert overlap([*map(int, start), *map(int, end)], scenes.FACE) > 0.7


def test_a_broken_picture_is_one_line(target: Path, jpeg: Path, tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(jpeg.read_bytes()[:9000])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for name in ("half.jpg", "text.jpg", "empty.png", "missing.jpg"):
        _, error = run(target, "faces", tmp_path / name, status=2)
        assert error.startswith("error: ")
        assert name in error
        assert "\n" not in error


def test_no_face_is_said_and_a_status(
    target: Path, shown: dict[str, Picture], tmp_path: Path
) -> None:
    path, out = tmp_path / "brick.png", tmp_path / "out.png"
    shown["brick"].save(path)
    for name in ("faces", "expression", "age-gender", "anti-spoof", "recognise"):
        text, error = run(target, name, path, "-o", out, status=1, home=tmp_path)
        assert text == f"{path}: no face found\n"
        assert not error
        assert out.exists()


def test_what_was_found_is_drawn(target: Path, jpeg: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    text, _ = run(target, "expression", jpeg, "-o", out, "--threads", 1, "--precision", "int8")
    assert text.startswith("happy ")
    before, after = (np.asarray(pictures.load(str(path)), int) for path in (jpeg, out))
    changed = np.abs(after - before).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 50
    assert rows.max() <= 190
    assert columns.min() >= 170
    assert changed.sum() > 300


def test_the_picture_in_the_docs_is_what_is_drawn(portrait: Picture) -> None:
    """Save what to put in its place; another Pillow's letters may lie a pixel beside these."""
    made = Image.new("RGB", (960, 320))
    for number, module in enumerate((detect, segment, faces)):
        pipeline, drawn = module.Pipeline(Options()), portrait.copy()
        pipeline.draw(drawn, pipeline.run(portrait))
        made.paste(drawn.resize((320, 320), Image.Resampling.LANCZOS), (320 * number, 0))
    path = REPO / "artefacts" / "examples.png"
    path.parent.mkdir(exist_ok=True)
    made.quantize(128).save(path, optimize=True)
    with Image.open(REPO / "docs" / "examples.png") as old:
        assert old.size == made.size, f"copy {path} to docs/examples.png"
        apart = ImageStat.Stat(ImageChops.difference(old.convert("L"), made.convert("L")))
    assert apart.mean[0] < 4, f"copy {path} to docs/examples.png"


def test_a_model_of_ones_own(target: Path, jpeg: Path, tmp_path: Path) -> None:
    """The files of packaged models, as somebody's own: nothing is known but what the words say."""
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(["cross", "sick", "afraid", "glad", "down", "amazed", "calm"]))
    path = target / MODELS[0] / "emotion-int8.tflite"
    out, _ = run(target, "expression", "--model", path, "--labels", labels, jpeg)
    assert out.startswith("glad ")
    path = target / MODELS[0] / "deeplab.tflite"
    words = ("--labels", labels, "--range", -1, 1)
    out, _ = run(target, "segment", "--model", path, *words, jpeg)
    assert out.startswith("class 15: ")


def test_enrolling_by_the_command_line(target: Path, jpeg: Path, tmp_path: Path) -> None:
    before, _ = run(target, "recognise", jpeg, home=tmp_path)
    assert before.startswith("unknown ")
    run(target, "recognise", "--enrol", "Eileen", jpeg, home=tmp_path)
    after, _ = run(target, "recognise", jpeg, home=tmp_path)
    assert after.startswith("Eileen 1.00")
    (kept,) = (path for path in tmp_path.rglob("*.json"))
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["faces", "--model", "nothing"], "there are alexa"),
        (["segment", "--precision", "int8"], "not in int8"),
        (["classify", "--model", "{jpeg}.tflite"], "Cannot load"),
        (["expression", "--model", "antispoof"], "--labels"),
        (["detect", "--model", "deeplab"], "--anchors"),
        (["detect", "--model", "efficientnet"], "no grids"),
        (["detect", "--anchors", "1,2,x,3"], "pairs of numbers"),
        (["classify", "--labels", "/nowhere"], "/nowhere"),
        (["faces", "-o", "/nowhere/out.jpg"], "/nowhere/out.jpg"),
        (["faces", "-o", "out.nothing"], "out.nothing"),
        (["faces", "-o", "out.jpg", "{jpeg}"], "one picture"),
        (["faces", "--camera", "0"], "either"),
        (["listen", "-o", "out.jpg"], "draws nothing"),
        (["listen"], "as a WAV file"),
        (["listen", "--model", "emotion"], "microWakeWord"),
        (["faces", "--delegate", "armnn"], "tflite-armnn-delegate"),
    ],
)
def test_wrong_use_is_one_line(target: Path, jpeg: Path, words: list[str], reason: str) -> None:
    chosen = [word.replace("{jpeg}", str(jpeg)) for word in words]
    if "{jpeg}.tflite" in words:
        Path(f"{jpeg}.tflite").write_bytes(b"no model")
    _, error = run(target, *chosen, jpeg, status=2)
    assert "\n" not in error
    assert reason in error
