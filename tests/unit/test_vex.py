"""The statements about known vulnerabilities, as the index publishes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.toml import load
from wheelhouse.package import products
from wheelhouse.publish import vex
from wheelhouse.sources import pins


def test_the_document_is_valid_and_always_the_same() -> None:
    text = vex.page().decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == vex.page().decode()
    assert "timestamp" not in text


def test_it_refers_to_the_components_of_sboms() -> None:
    document = json.loads(vex.page())
    ours = {part["bom-ref"]: part for part in document["components"]}
    listed = {
        part["bom-ref"]: part
        for product in products.every()
        for part in json.loads(product.step.parameters["sbom"]).get("components", ())
    }
    for row in document["vulnerabilities"]:
        for target in row["affects"]:
            assert ours[target["ref"]]["purl"] == listed[target["ref"]]["purl"]


def test_each_statement_says_why() -> None:
    document = json.loads(vex.page())
    said = {row["id"]: row["analysis"] for row in document["vulnerabilities"]}
    assert said.keys() == vex.statements().keys()
    assert said["CVE-2025-0838"]["justification"] == "code_not_reachable"
    assert said["CVE-2023-27579"].keys() == {"state", "detail"}


@pytest.mark.parametrize(("name", "version"), [("abseil", "20240722.1"), ("xz", "5.6.0")])
def test_a_statement_about_what_is_not_pinned_is_refused(name: str, version: str) -> None:
    one = vex.Statement("https://a", {name: (version,)}, "resolved", "It is.")
    with pytest.raises(WheelhouseError, match=f"CVE-2000-0001 is about {name} {version}"):
        vex.document({"CVE-2000-0001": one}, pins.all_components())


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("[CVE-2025-0838]", "[CVE-25-838]", "key"),
        ('state = "resolved"', 'state = "fine"', "state"),
        ('state = "resolved"', 'state = "not_affected"', "justification"),
        ('justification = "code_not_reachable"\n', "", "justification"),
        ("{ abseil = [", "{ abseil = [], xnnpack = [", "affects"),
        ('url = "https://nvd', 'url = "nvd', "url"),
    ],
)
def test_a_wrong_table_is_refused(old: str, new: str, place: str, tmp_path: Path) -> None:
    text = vex.FILE.read_text()
    assert old in text
    path = tmp_path / "vex.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WheelhouseError, match=re.escape(place)):
        load(path, dict[vex.Id, vex.Statement])
