"""Known vulnerabilities of what is locked and of what wheels contain, from a small OSV server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.support.loopback import Server, closed
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store
from wheelhouse.package import products
from wheelhouse.publish import advisories, vex

LOCK = f"idna==3.7 --hash=sha256:{'0' * 64}\n"


class Database(Server):
    """An OSV server with the entries that are put into ``entries``; it notes what it is asked."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(server.answer(query)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        super().__init__(Handler)

    def add(self, project: str, version: str, name: str, *aliases: str, fixed: str = "9") -> None:
        """Add a vulnerability of one version of a project."""
        package = {"name": project, "ecosystem": "PyPI"}
        events = [{"introduced": "0"}, {"fixed": fixed}]
        ranges = [{"type": "ECOSYSTEM", "events": events}]
        affected = [{"package": package, "ranges": ranges, "versions": [version]}]
        self.entries.append(
            {"id": name, "aliases": aliases, "summary": "Bad.", "affected": affected}
        )

    def answer(self, query: dict[str, Any]) -> dict[str, Any]:
        assert query["package"]["ecosystem"] == "PyPI"
        project, version = query["package"]["name"], query["version"]
        self.asked.append((project, version))
        found = [
            entry
            for entry in self.entries
            for affected in entry["affected"]
            if affected["package"]["name"] == project and version in affected["versions"]
        ]
        return {"vulns": found} if found else {}


@pytest.fixture
def database() -> Iterator[Database]:
    server = Database()
    yield server
    server.close()


def check(folder: Path, address: str, lock: str = LOCK) -> None:
    path = folder / "requirements.lock"
    path.write_text(lock)
    sboms = [
        each.step.parameters["sbom"]
        for each in products.every()
        if each.label.startswith(("tflite_runtime-2", "tflite_examples_models-"))
    ]
    advisories.check(path, sboms, vex.statements(), Store(folder / "store"), address)


def test_nothing_is_known(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(tmp_path, f"{database.url}/v1/query")
    said = capsys.readouterr()
    assert "No known vulnerability applies" in said.out
    assert "xnnpack-2024-11-08" in said.out + said.err
    assert {
        ("idna", "3.7"),
        ("tensorflow", "2.14.1"),
        ("tensorflow", "2.22.0.dev20260518"),
        ("flatbuffers", "23.5.26"),
        ("numpy", "2.4.6"),
        ("mediapipe", "0.10.21"),
    } <= set(database.asked)


@pytest.mark.parametrize(
    ("project", "version"),
    [("idna", "3.7"), ("tensorflow", "2.22.0.dev20260518"), ("pybind11", "2.13.6")],
)
def test_one_is_told(
    project: str,
    version: str,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database.add(project, version, "PYSEC-2026-1", "CVE-2026-1234", fixed="88.1")
    database.add(project, "0.1", "PYSEC-2026-2")
    with pytest.raises(WheelhouseError, match=r": PYSEC-2026-1\.") as caught:
        check(tmp_path, f"{database.url}/v1/query")
    assert caught.value.kind is Kind.AUDIT
    said = capsys.readouterr().out
    assert project in said
    assert "88.1" in said


def test_what_does_not_apply_to_wheels_is_left_out(database: Database, tmp_path: Path) -> None:
    database.add("tensorflow", "2.14.1", "PYSEC-2023-1", "CVE-2023-27579")
    check(tmp_path, f"{database.url}/v1/query")


@pytest.mark.parametrize(
    ("project", "version", "lock"),
    [
        ("tensorflow", "2.22.0.dev20260518", LOCK),  # the statement is about another version
        ("numpy", "2.4.6", LOCK),  # and about another project
        ("tensorflow", "2.14.1", f"tensorflow==2.14.1 --hash=sha256:{'0' * 64}\n"),  # not a wheel's
    ],
)
def test_a_statement_is_about_its_component_alone(
    project: str, version: str, lock: str, database: Database, tmp_path: Path
) -> None:
    database.add(project, version, "PYSEC-2023-1", "CVE-2023-27579")
    with pytest.raises(WheelhouseError, match="PYSEC-2023-1"):
        check(tmp_path, f"{database.url}/v1/query", lock)


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError, match="OSV database could not be asked") as caught:
        check(tmp_path, f"{closed()}/v1/query")
    assert caught.value.kind is Kind.FETCH
