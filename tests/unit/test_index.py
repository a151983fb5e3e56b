"""What the index's pages say, as a strict reader of both formats understands it."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin

import pytest
from packaging.version import Version
from pypi_simple import IndexPage, ProjectPage, ProjectStatus

from tests.support.wheels import accepted, wheel
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.publish import index
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.publish.wheel_file import WheelFile

BASE = "https://wheels.example/pi/"
PLAIN = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
FORMATS = ["html", "json"]
YANKED = '2.14.0 crashes with <NumPy> 2 & "more"'


class Parse(Protocol):
    def __call__(self, pages: dict[str, bytes], spelling: str = ...) -> ProjectPage: ...


def read(folder: Path, *versions: str, project: str = "tflite_runtime") -> list[WheelFile]:
    return [accepted(wheel(folder, project, version)) for version in versions]


@pytest.fixture(params=FORMATS)
def parse(request: pytest.FixtureRequest) -> Parse:
    """A project's page in one of the two formats, read by pypi-simple."""

    def page(pages: dict[str, bytes], spelling: str = "tflite-runtime") -> ProjectPage:
        base = f"{BASE}simple/{spelling}/"
        content = pages[f"simple/{spelling}/index.{request.param}"]
        if request.param == "html":
            return ProjectPage.from_html("tflite-runtime", content, base_url=base)
        return ProjectPage.from_json_data(json.loads(content), base_url=base)

    return page


def test_every_file_can_be_followed_checked_and_chosen(tmp_path: Path, parse: Parse) -> None:
    files = read(tmp_path, "2.14.1", "2.14.0")
    pages = index.generate(files, PLAIN)
    for file, shown in zip(reversed(files), parse(pages).packages, strict=True):
        assert shown.filename == file.name
        assert shown.url == f"{BASE}files/{file.name}"
        assert shown.digests == {"sha256": hashlib.sha256(file.path.read_bytes()).hexdigest()}
        assert shown.requires_python == ">=3.7"
        assert shown.version == str(file.version)
        assert not shown.is_yanked


@pytest.mark.parametrize("spelling", ["tflite-runtime", "tflite_runtime", "tflite.runtime"])
def test_every_spelling_of_the_name_leads_to_the_files(
    tmp_path: Path, parse: Parse, spelling: str
) -> None:
    page = parse(index.generate(read(tmp_path, "2.14.1"), PLAIN), spelling)
    assert [shown.url for shown in page.packages] == [
        f"{BASE}files/tflite_runtime-2.14.1-py3-none-any.whl"
    ]


def test_core_metadata_lies_where_the_standard_says(tmp_path: Path, parse: Parse) -> None:
    (file,) = read(tmp_path, "2.14.1")
    pages = index.generate([file], PLAIN)
    (shown,) = parse(pages).packages
    assert shown.has_metadata
    content = pages[shown.metadata_url.removeprefix(BASE)]
    assert shown.metadata_digests == {"sha256": hashlib.sha256(content).hexdigest()}
    assert content.startswith(b"Metadata-Version: 2.4\nName: tflite-runtime\n")


def test_no_page_has_the_spelling_that_some_pips_fail_on(tmp_path: Path) -> None:
    pages = index.generate(read(tmp_path, "2.14.1"), PLAIN)
    assert b"data-core-metadata" in pages["simple/tflite-runtime/index.html"]
    assert not [name for name, content in pages.items() if b"dist-info-metadata" in content]


def test_yanked_files_say_why(tmp_path: Path, parse: Parse) -> None:
    files = read(tmp_path, "2.14.0", "2.14.1", "2.14.2")
    project = ProjectSettings(yanked={"2.14.0": YANKED, files[2].name: "too new"})
    shown = parse(
        index.generate(files, IndexSettings(projects={"tflite-runtime": project}))
    ).packages
    assert [each.is_yanked for each in shown] == [True, False, True]
    assert [each.yanked_reason for each in shown] == [YANKED, None, "too new"]


def test_json_tells_versions_sizes_and_times(tmp_path: Path) -> None:
    files = read(tmp_path, "2.14.1", "2.22.0.dev2026051801", "2.14.1.post1", "2.9.0")
    there = timezone(timedelta(hours=2))
    project = ProjectSettings(uploaded={"2.14.1": datetime(2026, 11, 22, 1, 30, tzinfo=there)})
    pages = index.generate(files, IndexSettings(projects={"tflite-runtime": project}))
    page = ProjectPage.from_json_data(json.loads(pages["simple/tflite-runtime/index.json"]))
    assert page.repository_version == "1.4"
    assert page.versions == ["2.9.0", "2.14.1", "2.14.1.post1", "2.22.0.dev2026051801"]
    assert [each.size for each in page.packages] == [
        (tmp_path / each.filename).stat().st_size for each in page.packages
    ]
    verified = datetime(2026, 11, 20, 10, tzinfo=timezone.utc)
    said = datetime(2026, 11, 21, 23, 30, tzinfo=timezone.utc)
    assert [each.upload_time for each in page.packages] == [verified, said, verified, verified]


def test_a_project_tells_its_status(tmp_path: Path, parse: Parse) -> None:
    project = ProjectSettings(status="deprecated", reason="superseded by <LiteRT>")
    settings = IndexSettings(projects={"tflite-runtime": project})
    page = parse(index.generate(read(tmp_path, "2.14.1"), settings))
    assert (page.status, page.status_reason) == (ProjectStatus.DEPRECATED, project.reason)
    assert len(page.packages) == 1


def test_a_quarantined_project_offers_nothing(tmp_path: Path, parse: Parse) -> None:
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings(status="quarantined")})
    pages = index.generate(read(tmp_path, "2.14.1"), settings)
    page = parse(pages)
    assert (page.status, page.packages) == (ProjectStatus.QUARANTINED, [])
    assert not [name for name in pages if ".whl" in name]
    assert b".whl" not in pages["files/index.html"]


def test_provenance_is_linked_by_its_full_address(tmp_path: Path, parse: Parse) -> None:
    provenance = b"signed"
    file = replace(accepted(wheel(tmp_path)), provenance=provenance)
    pages = index.generate([file], PLAIN, Place(site=BASE.rstrip("/")))
    (shown,) = parse(pages).packages
    assert shown.provenance_url is not None
    assert pages[shown.provenance_url.removeprefix(BASE)] == provenance
    for site in ("", "http://wheels.example/"):
        with pytest.raises(WheelhouseError, match="needs a full https address"):
            index.generate([file], PLAIN, Place(site=site))


def test_the_list_of_projects_names_them_all(tmp_path: Path) -> None:
    files = [*read(tmp_path, "2.14.1"), *read(tmp_path, "23.8", project="tflite_armnn_delegate")]
    names = ["tflite-armnn-delegate", "tflite-runtime"]
    pages = index.generate(
        files, IndexSettings(projects={name: ProjectSettings() for name in names})
    )
    html = IndexPage.from_html(pages["simple/index.html"])
    data = IndexPage.from_json_data(json.loads(pages["simple/index.json"]))
    for page in (html, data):
        assert (page.projects, page.repository_version) == (names, "1.4")
    assert "simple/tflite_armnn.delegate/index.html" in pages


def test_a_project_without_a_file_is_not_listed(tmp_path: Path) -> None:
    settings = IndexSettings(
        projects={
            "tflite-runtime": ProjectSettings(),
            "tflite-armnn-delegate": ProjectSettings(),
            "withdrawn": ProjectSettings(status="quarantined", reason="stolen"),
        }
    )
    pages = index.generate(read(tmp_path, "2.14.1"), settings)
    data = IndexPage.from_json_data(json.loads(pages["simple/index.json"]))
    assert data.projects == ["tflite-runtime", "withdrawn"]
    assert not [name for name in pages if "armnn" in name]


def test_the_flat_page_has_every_file_but_yanked_ones(tmp_path: Path) -> None:
    files = [*read(tmp_path, "2.14.0", "2.14.1"), *read(tmp_path, "23.8", project="delegate")]
    yanks = ProjectSettings(yanked={"2.14.0": "old"})
    settings = IndexSettings(projects={"tflite-runtime": yanks, "delegate": ProjectSettings()})
    content = index.generate(files, settings)["files/index.html"]
    page = ProjectPage.from_html("any", content, base_url=f"{BASE}files/")
    assert {shown.url for shown in page.packages} == {f"{BASE}files/{f.name}" for f in files[1:]}
    assert all(shown.digests for shown in page.packages)


def test_wheels_may_lie_elsewhere(tmp_path: Path, parse: Parse) -> None:
    bare = wheel(tmp_path / "v1.0")
    described = wheel(tmp_path / "v1.1", version="2.14.2")
    files = [accepted(bare), accepted(described)]
    described.with_name(f"{described.name}.metadata").write_bytes(files[1].metadata_text)
    files[1] = accepted(described)
    there = "https://releases.example/download/{folder}"
    pages = index.generate(files, PLAIN, Place(files=there))
    first, second = parse(pages).packages
    assert first.url == f"https://releases.example/download/v1.0/{bare.name}"
    assert second.url == f"https://releases.example/download/v1.1/{described.name}"
    # What does not lie beside the wheel there must not be promised.
    assert not first.has_metadata
    assert second.has_metadata
    assert not [name for name in pages if name.endswith(".metadata")]


def test_the_order_of_the_files_changes_no_byte(tmp_path: Path) -> None:
    files = read(tmp_path, "2.14.1", "2.9.0", "2.22.0.dev2026051800", "2.14.0")
    first = index.generate(files, PLAIN)
    shuffled = [*files, files[0]]
    random.Random(1).shuffle(shuffled)  # noqa: S311
    assert index.generate(shuffled, PLAIN) == first


def test_a_development_release_is_no_one_s_default(tmp_path: Path, parse: Parse) -> None:
    page = parse(index.generate(read(tmp_path, "2.22.0.dev2026051800", "2.14.1"), PLAIN))
    versions = [Version(shown.version or "") for shown in page.packages]
    assert versions == sorted(versions)
    assert [version.is_prerelease for version in versions] == [False, True]


def test_every_link_of_the_site_leads_somewhere(tmp_path: Path) -> None:
    files = read(tmp_path, "2.14.1", "2.14.0+local.1")
    pages = index.generate(files, PLAIN)
    there = {*pages, *(f"files/{file.name}" for file in files)}
    for name in ("simple/tflite-runtime/index.html", "files/index.html"):
        page = ProjectPage.from_html("any", pages[name])
        links = [urljoin(name, shown.url).replace("%2B", "+") for shown in page.packages]
        assert len(links) == len(files)
        assert set(links) <= there


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [
        accepted(wheel(tmp_path / "old")),
        accepted(wheel(tmp_path / "new", python=">=3.8")),
    ]
    with pytest.raises(WheelhouseError, match="two different files named tflite_runtime"):
        index.generate(files, PLAIN)


def test_an_unknown_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError, match="belongs to numpy"):
        index.generate(read(tmp_path, "2.0", project="numpy"), PLAIN)


@pytest.mark.parametrize(
    "project",
    [
        ProjectSettings(yanked={"2.14": "why"}),
        ProjectSettings(uploaded={"2.14": datetime(2026, 1, 1, tzinfo=timezone.utc)}),
    ],
    ids=["yanked", "uploaded"],
)
def test_a_setting_of_no_file_is_refused(tmp_path: Path, project: ProjectSettings) -> None:
    settings = IndexSettings(projects={"tflite-runtime": project})
    with pytest.raises(WheelhouseError, match=r"has 2\.14 in projects\.tflite-runtime"):
        index.generate(read(tmp_path, "2.14.1"), settings)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[projects.tflite-runtime]\nstatus = 'gone'", "status"),
        ("[projects.tflite-runtime]\nyank = {}", "yank"),
        ("[projects.tflite-runtime.yanked]\n'1.0' = ''", "yanked"),
        ("[projects.tflite-runtime.uploaded]\n'1.0' = 2026-11-22T10:00:00", "uploaded"),
        ("[projects.tflite_runtime]", "tflite-runtime"),
        ("", "projects"),
        ("projects", "end of document"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "index.toml"
    path.write_text(text)
    with pytest.raises(WheelhouseError) as caught:
        IndexSettings.read(path)
    assert caught.value.what.startswith("index.toml is not valid")
    assert caught.value.kind is Kind.USAGE
    assert place in caught.value.what


def test_settings_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError, match=r"There is no index\.toml") as caught:
        IndexSettings.read(tmp_path / "index.toml")
    assert caught.value.kind is Kind.USAGE


@pytest.mark.parametrize("address", ["wheels.example", "ftp://a/", "https://me:secret@a/", "/x"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(address: str) -> None:
    for place in ({"site": address}, {"files": address}):
        with pytest.raises(WheelhouseError, match="is no address"):
            Place(**place)
