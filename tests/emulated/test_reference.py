"""What the reference makes of real models, whose archives come from the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wheelhouse.specimens import faces, models
from wheelhouse.verify import reference


def test_the_face_is_found_where_it_is(archives: dict[str, Path]) -> None:
    table = models.catalogue()
    picture, entry = models.portrait(archives), table.models["face_detection_short_range"]
    content = models.read_model("face_detection_short_range", archives)
    boxes, scores = reference.outputs(content, {"0": models.as_input(picture, entry)})
    face = faces.best(boxes, scores, picture.size)
    assert face.score > 0.8
    assert face.box.overlap(faces.BoundingBox(*table.portrait.face)) > 0.5
    without = picture.crop((300, 0, 512, 212))
    boxes, scores = reference.outputs(content, {"0": models.as_input(without, entry)})
    assert faces.best(boxes, scores, without.size).score < 0.5


def test_real_models_see_the_portrait(archives: dict[str, Path]) -> None:
    for model in models.real_models(archives):
        outputs = reference.outputs(model.content, model.inputs)
        blank = {name: np.zeros_like(values) for name, values in model.inputs.items()}
        same = reference.compare("float32", reference.outputs(model.content, blank), outputs)
        assert not same.near, model.name
