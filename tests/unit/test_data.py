from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.toml import load
from wheelhouse.sources import pins
from wheelhouse.sources.pins import Pins
from wheelhouse.targets import architectures, matrix
from wheelhouse.targets.matrix import Matrix

Shape = type[Matrix] | type[Pins]
Load = Callable[[Shape, str | bytes], object]


GOOD = {
    Matrix: """\
tflite = "2.14.1"
numpy = { "3.11" = "1.23.2" }
builds = { tflite-runtime = { "2.14.1" = 1 } }

[[targets]]
processor = "aarch64"
python = "3.11"
systems = ["bookworm"]
boards = ["Raspberry Pi 5"]

[armnn]
processor = "aarch64"
systems = ["bookworm"]
boards = ["Raspberry Pi 5"]
""",
    Pins: f"""\
[tflite]

[shared.thing]
version = "1.0"
license = "MIT"
artefacts = [{{ debian = "pool/thing.tar.xz", sha256 = "{"0" * 64}", size = 7 }}]
""",
}


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def read(shape: Shape, text: str | bytes) -> object:
        path = tmp_path / "some.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, shape)

    return read


@pytest.mark.parametrize("shape", GOOD)
def test_the_examples_here_are_valid(loaded: Load, shape: Shape) -> None:
    assert isinstance(loaded(shape, GOOD[shape]), shape)


@pytest.mark.parametrize(
    ("shape", "old", "new", "place"),
    [
        (Matrix, 'tflite = "2.14.1"\n', "", "tflite"),
        (Matrix, 'tflite = "2.14.1"', "tflite = 2.14", "$.tflite"),
        (Matrix, 'tflite = "2.14.1"', 'lite = "2.14.1"\ntflite = "2.14.1"', "lite"),
        (Matrix, '"2.14.1" = 1', '"2.14.1" = 100', "$.builds"),
        (Matrix, '"aarch64"', '"aarch46"', "Did you mean 'aarch64'? Known are: aarch64, "),
        (Matrix, '"aarch64"', '"aarch46"', "$.targets[0]"),
        (Matrix, '"1.23.2"', "1.23", "$.numpy"),
        (Matrix, 'boards = ["Raspberry Pi 5"]\n', "", "$.targets[0]"),
        (Matrix, 'systems = ["bookworm"]', "systems = [bookworm]", "line 8"),
        (Matrix, "[[targets]]", "[targets]", "$.targets"),
        (Matrix, 'python = "3.11"', 'python = "3.11"\nabi3 = 1', "$.targets[0].abi3"),
        (Matrix, 'python = "3.11"', 'python = "3.11"\nheaders = "3.13"', "headers: "),
        (Matrix, 'python = "3.11"', 'python = "3.11"\nheaders = "3.13"', "$.targets[0]"),
        (Pins, "license", "licence", "$.shared"),
        (Pins, f', sha256 = "{"0" * 64}"', "", "sha256"),
        (Pins, ", size = 7", "", "exactly one of size and at-most"),
        (Pins, "size = 7", "size = 7, at-most = 8", "exactly one of size and at-most"),
        (Pins, "0" * 64, "0" * 63, "artefacts[0].sha256"),
        (Pins, 'license = "MIT"', 'license = "MIT"\ncarton = "box"', "sha256"),
        (
            Pins,
            'license = "MIT"',
            f'license = "MIT"\ntree = "{"0" * 64}"\ncarton = "box"',
            "thing: there is no carton box",
        ),
        (Pins, 'debian = "pool/thing.tar.xz", ', "", "artefacts[0]"),
        (Pins, "debian =", 'pypi = "a.whl", debian =', "exactly one of debian, pypi, npm and url"),
        (Pins, '[{ debian = "pool/thing.tar.xz"', '[{ debian = "x", strip = "1"', "strip"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(
    loaded: Load, shape: Shape, old: str, new: str, place: str
) -> None:
    assert old in GOOD[shape]
    with pytest.raises(WheelhouseError) as failure:
        loaded(shape, GOOD[shape].replace(old, new))
    assert failure.value.what.startswith("some.toml is not valid: ")
    assert place in failure.value.what
    assert "some.toml" in failure.value.hint


def test_the_files_of_this_checkout_are_valid() -> None:
    assert matrix.targets()
    assert all(component.pin.artefacts for component in pins.all_components())


def test_every_patch_belongs_to_a_component_of_the_catalogue() -> None:
    labels = {component.label for component in pins.all_components()}
    labels |= {f"{label}-{each.name}" for label in labels for each in architectures.architectures()}
    assert {folder.name for folder in pins.PATCHES.iterdir()} <= labels
