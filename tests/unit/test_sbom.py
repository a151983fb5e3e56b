"""The list of components in each wheel, against the pins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import ziglang

from tests.support import REPO
from wheelhouse import workflow
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.step import Step
from wheelhouse.common.store import file_digest
from wheelhouse.common.toml import load
from wheelhouse.package import products, sbom
from wheelhouse.package.products import Product
from wheelhouse.sources import origins, pins
from wheelhouse.sources.pins import Component

PRODUCTS = {product.label: product for product in workflow.published()}

every_wheel = pytest.mark.parametrize("label", PRODUCTS)


def text_of(product: Product) -> str:
    text = product.step.parameters["sbom"]
    assert isinstance(text, str)
    return text


def needed(step: Step) -> Iterator[Component]:
    """Each pinned component that a step needs, as often as it is needed."""
    for need in step.needs.values():
        if isinstance(need, Step):
            yield from needed(need)
        elif isinstance(need, Component):
            yield need


def listed(product: Product, *names: str) -> dict[str, dict[str, Any]]:
    parts = json.loads(text_of(product)).get("components", [])
    return {part["bom-ref"]: part for part in parts if part["name"] not in names}


@every_wheel
def test_it_has_every_pin_that_the_step_needs_and_no_other(label: str) -> None:
    product = PRODUCTS[label]
    wanted: dict[str, dict[str, object]] = {}
    for part in needed(product.step):
        entry = wanted.setdefault(
            part.label, {"name": part.name, "version": part.pin.version, "patches": set()}
        )
        entry["license"] = part.pin.license
        entry["archives"] = {a.sha256 for a in part.pin.artefacts if a.sha256}
        entry["tree"] = part.pin.tree
        entry["patches"] |= {  # type: ignore[operator]
            f"{path.relative_to(REPO)}#sha256={file_digest(path)}" for path in part.patches
        }
    found = {}
    for ref, row in listed(product, *origins.origins().runtimes).items():
        properties = {each["name"]: each["value"] for each in row["properties"]}
        references = row["externalReferences"]
        found[ref] = {
            "name": row["name"],
            "version": row["version"],
            "license": row["licenses"][0]["expression"],
            "archives": {h["content"] for each in references for h in each.get("hashes", ())},
            "tree": properties.get(sbom.TREE, ""),
            "patches": {each["diff"]["url"] for each in row.get("pedigree", {}).get("patches", ())},
        }
    assert found == wanted


@every_wheel
def test_each_component_has_supplier_purl_and_digest(label: str) -> None:
    for part in listed(PRODUCTS[label]).values():
        assert part["supplier"]["name"]
        assert part["purl"].startswith("pkg:")
        properties = {row["name"] for row in part.get("properties", ())}
        assert part.get("hashes") or sbom.TREE in properties


def test_patches_are_in_the_pedigree() -> None:
    parts = listed(products.universal())
    urls = [each["diff"]["url"] for each in parts["xnnpack-2024-11-08"]["pedigree"]["patches"]]
    folders = {url.split("/")[1] for url in urls}
    assert folders == {"xnnpack-2024-11-08", "xnnpack-2024-11-08-aarch64"}


def test_what_is_compiled_against_is_no_part() -> None:
    scopes = {
        part["name"]: part["scope"]
        for part in listed(products.universal(), "libcxx").values()
        if "scope" in part
    }
    excluded = {name for name, scope in scopes.items() if scope == "excluded"}
    assert excluded == {"numpy-3.11-aarch64", "python-3.13-aarch64"}


def test_the_compiler_is_a_tool_and_its_libraries_are_components() -> None:
    document = json.loads(text_of(products.universal()))
    (tool,) = document["metadata"]["tools"]["components"]
    assert (tool["name"], tool["version"]) == ("zig", version("ziglang"))
    assert {"compiler-rt", "libcxx", "libcxxabi", "libunwind"} <= {
        part["name"] for part in document["components"]
    }
    assert "tools" not in json.loads(text_of(PRODUCTS["tflite_bench-1.0"]))["metadata"]


def test_the_compiler_is_the_locked_one() -> None:
    known = origins.origins()
    assert known.compiler.version == version("ziglang")
    locked = (REPO / "requirements.lock").read_text().split(f"ziglang=={version('ziglang')} ")[1]
    hashes = re.match(r"(?:\\\n +--hash=sha256:\w+ ?)+", locked)
    assert hashes
    assert known.compiler.sha256 in hashes[0]
    header = Path(ziglang.__file__).parent / "lib/libcxx/include/__config"
    found = re.search(
        r"define _LIBCPP_VERSION (\d+)(\d\d)(\d\d)$", header.read_text(), re.MULTILINE
    )
    assert found
    llvm = ".".join(str(int(number)) for number in found.groups())
    versions = {name: part.version for name, part in known.runtimes.items()}
    ours = dict.fromkeys(("libcxx", "libcxxabi", "libunwind"), llvm)
    assert versions == {"compiler-rt": version("ziglang"), **ours}


def test_its_bytes_do_not_depend_on_the_process() -> None:
    told = (
        "from wheelhouse.package import products as p; print(p.universal().step.parameters['sbom'])"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", told],
            cwd=REPO,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(REPO)},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert texts == {f"{text_of(products.universal())}\n".encode()}
    assert "timestamp" not in text_of(products.universal())


def test_the_serial_number_follows_from_the_content() -> None:
    serials = {label: json.loads(text_of(each))["serialNumber"] for label, each in PRODUCTS.items()}
    texts = {text_of(each) for each in PRODUCTS.values()}
    assert len(set(serials.values())) == len(texts) > 10


def test_what_comes_from_a_checkout_claims_no_archive(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("A change.")
    parts = {each.name: each for each in pins.release_components("2.14.1", tmp_path).values()}
    own = sbom.component(parts["tensorflow"])
    assert (own.purl, own.cpe, len(own.hashes), len(own.external_references)) == (None, None, 0, 0)
    assert [p.value for p in own.properties if p.name == sbom.TREE] == [
        parts["tensorflow"].pin.tree
    ]


def test_no_table_of_origins_is_left_over() -> None:
    used = {}
    for product in products.every():
        for part in needed(product.step):
            used[part.name, part.pin.version] = origins.origin(part.name, part.pin.version)
    table = origins.origins().components
    assert [name for name, row in table.items() if row not in used.values()] == []
    for name, row in table.items():
        pinned = {pinned for (part, pinned), known in used.items() if known == row}
        assert set(row.refs) <= pinned, name


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('supplier = "Arm"', 'supplier = ""', "components[...].supplier"),
        ("pkg:github/abseil/abseil-cpp@{version}", "abseil", "components[...].purl"),
        ("pkg:pypi/numpy@{version}", "pkg:{version}", "components[...]"),
        ("cpe:2.3:a:numpy:numpy:{version}", "cpe:2.3:a:numpy", "components[...].cpe"),
        ("pkg:github/google/ruy@{ref}", "pkg:github/google/ruy@{version}", "must have"),
        ('use = "pictures"', 'use = "anything"', "components[...].use"),
        ("9707982706", "", "compiler.sha256"),
        ("[compiler]\n", '[compiler]\nmade = "there"\n', "compiler"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused(old: str, new: str, place: str, tmp_path: Path) -> None:
    text = origins.FILE.read_text()
    assert old in text
    path = tmp_path / "origins.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WheelhouseError, match=re.escape(place)):
        load(path, origins.Origins)


@pytest.mark.parametrize(
    ("name", "pinned", "missing"),
    [("unknown", "1", "table"), ("armnnx", "1", "table"), ("xnnpack", "2025-01-01", "refs")],
)
def test_a_component_without_an_origin_is_refused(name: str, pinned: str, missing: str) -> None:
    with pytest.raises(WheelhouseError, match=f"no {missing} for {name} {pinned}"):
        origins.origin(name, pinned)
