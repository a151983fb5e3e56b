"""What a board measured, from tflite-bench's own file to the pages, in a browser for any eye.

tflite-bench measures on this machine; only here its record then gets a board's name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.support import REPO, copy_of_project
from tests.support.boards import record, result, written
from tests.support.browser import Open, watched
from tests.support.hosting import Host, hosted
from tests.support.running import Cli
from tests.support.wheels import wheel
from wheelhouse import figures
from wheelhouse.bench import submissions
from wheelhouse.common.errors import Kind
from wheelhouse.publish import boards_page, charts
from wheelhouse.specimens import models

BOARD = "Raspberry Pi 5 Model B Rev 1.0"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
MODELS = ("perceptron", "mobilenet-0.25-96-int8", "mobilenet-0.25-96-float32")
PAGES = ("boards", "docs/explanation/figures")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tflite-bench recorded of this machine."""
    folder = tmp_path_factory.mktemp("bench")
    for model in models.generated():
        (folder / f"{model.name}.tflite").write_bytes(model.content)
    short = ("--seconds", "0.05", "--runs", "5", "--warm-up", "0.1", "--threads", "1,2")
    subprocess.run(
        [
            *(sys.executable, "-m", "tflite_bench", *(f"{name}.tflite" for name in MODELS)),
            *(*short, "--delegate", "xnnpack,none", "--json", "out.json"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO / "apps")},
        check=True,
    )
    content: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return content


def as_board(measured: dict[str, Any], **machine: Any) -> str:
    """The record as a board might have written it; some results are disturbed."""
    named = {"board": BOARD, "architecture": "aarch64", "emulated": False, **machine}
    results = [{**each, "notes": ["slowed by throttled"]} for each in measured["results"]]
    results[1:] = ({**each, "notes": []} for each in measured["results"][1:])
    return json.dumps({**measured, "machine": {**measured["machine"], **named}, "results": results})


@pytest.fixture(scope="module")
def checkout(cli: Cli, measured: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one board's result, whose site has an index and the documentation."""
    folder = copy_of_project(tmp_path_factory.mktemp("checkout") / "project")
    shutil.rmtree(folder / "figures/boards", ignore_errors=True)
    (folder / "out.json").write_text(as_board(measured))
    wheel(folder / "in")
    for words in ("bench --add out.json", "docs", "index --wheels in --earlier"):
        done = cli(*words.split(), cwd=folder)
        assert done.status == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def host(checkout: Path) -> Iterator[Host]:
    with hosted(checkout / "site") as server:
        yield server


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The page where no board has reported."""
    folder = tmp_path_factory.mktemp("empty")
    content = boards_page.page([], [*figures.read().values()])
    (folder / boards_page.FILE).write_bytes(content)
    (folder / "index.html").write_text("<!DOCTYPE html><title>Wheels</title>")
    with hosted(folder) as server:
        yield server


def test_what_a_pc_measured_is_refused_with_what_to_do(
    checkout: Path, cli: Cli, measured: dict[str, Any]
) -> None:
    (checkout / "pc.json").write_text(json.dumps(measured))
    done = cli("bench", "--add", "pc.json", cwd=checkout)
    assert done.status == Kind.USAGE
    problem, remedy = done.stderr.splitlines()
    assert problem.startswith("error: pc.json is refused: it was measured on a PC")
    assert remedy.startswith("next: On the board, run `python3 -m tflite_bench")


def test_adding_and_measuring_at_once_is_wrong_use(checkout: Path, cli: Cli) -> None:
    done = cli("bench", "--add", "out.json", "--only", "native", cwd=checkout)
    assert done.status == Kind.USAGE
    assert "Leave out one of them" in done.stderr


def test_the_same_again_changes_no_byte(checkout: Path, cli: Cli) -> None:
    paths = [*(checkout / "figures/boards").iterdir(), checkout / "site/boards.html"]
    before = [path.read_bytes() for path in paths]
    for words in ("bench --add out.json --add out.json", "index --wheels in --earlier"):
        done = cli(*words.split(), cwd=checkout, PYTHONHASHSEED="7")
        assert done.status == 0, done.stderr
    assert [path.read_bytes() for path in paths] == before
    assert len(paths) == 2


def test_the_front_page_leads_to_the_times(host: Host, opened: Open) -> None:
    page = opened(host)
    page.get_by_role("navigation").get_by_role("link", name="Times on boards").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Times on boards")
    page.get_by_role("link", name="how to get it, and where to send the file").click()
    expect(page.get_by_role("heading", name="Send the result")).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_table_has_what_was_measured_with_board_and_date(
    host: Host, opened: Open, measured: dict[str, Any], viewport: dict[str, int]
) -> None:
    page = opened(host, "boards.html", viewport=viewport)
    expect(page.get_by_role("heading", level=2).first).to_contain_text(BOARD)
    day = datetime.fromisoformat(measured["started"])
    table = page.get_by_role("table", name=f"{BOARD}, {day.day} {day:%B %Y}")
    shown = {
        (
            row.get_by_role("rowheader").inner_text().split("\n")[0],
            row.get_by_role("cell").first.inner_text(),
        )
        for row in table.get_by_role("row").filter(has=page.get_by_role("cell")).all()
    }
    assert shown == {
        (
            f"{each['runtime']}, {each['delegate']}, {each['threads']} thread"
            + "s" * (each["threads"] > 1),
            f"{charts.number(each['measured']['times']['median_ms'])} ms",
        )
        for each in measured["results"]
    }
    assert table.get_by_text("slowed by throttled").count() == 1


@pytest.mark.parametrize("name", PAGES)
def test_the_chart_tells_the_same_in_words(
    host: Host, opened: Open, measured: dict[str, Any], name: str
) -> None:
    page = opened(host, f"{name}.html")
    chart = page.get_by_role("img", name=f"Milliseconds per inference on {BOARD}")
    told = chart.get_attribute("aria-label") or ""
    for model in MODELS:
        least = min(
            each["measured"]["times"]["median_ms"]
            for each in measured["results"]
            if each["model"] == f"{model}.tflite"
        )
        assert re.search(rf"{model}\.tflite: [^;]*, {charts.number(least)} ms", told)
    assert chart.locator("text", has_text="milliseconds per inference").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_accessibility_audit_finds_nothing(
    host: Host, empty: Host, opened: Open, scheme: str, viewport: dict[str, int]
) -> None:
    size = "phone" if viewport is PHONE else "desktop"
    kept = REPO / "artefacts"
    kept.mkdir(exist_ok=True)
    shown = {"boards": (host, PAGES[0]), "figures": (host, PAGES[1]), "none": (empty, PAGES[0])}
    for title, (server, name) in shown.items():
        page = opened(
            server, f"{name}.html", color_scheme=scheme, viewport=viewport, reduced_motion="reduce"
        )
        page.screenshot(path=kept / f"boards-{title}-{size}-{scheme}.png", full_page=True)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{title}: {results.generate_report()}"


@pytest.mark.parametrize("name", PAGES)
def test_a_chart_s_letters_can_be_read_on_a_phone(host: Host, opened: Open, name: str) -> None:
    page = opened(host, f"{name}.html", viewport=PHONE)
    chart = page.get_by_role("img", name="Milliseconds per inference")
    heights = chart.locator("text").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) > 11
    edges = chart.locator("text").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().right)"
    )
    assert max(edges) <= PHONE["width"]


@pytest.mark.parametrize("name", PAGES)
def test_a_chart_has_the_page_s_colours(host: Host, opened: Open, name: str) -> None:
    def lightness(scheme: str) -> int:
        page = opened(host, f"{name}.html", color_scheme=scheme)
        chart = page.get_by_role("img", name="Milliseconds per inference")
        colour = chart.locator("text").first.evaluate("each => getComputedStyle(each).fill")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert lightness("light") < 200 < 550 < lightness("dark")


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_hangs_over_the_edge(host: Host, empty: Host, opened: Open, width: int) -> None:
    for server in (host, empty):
        page = opened(server, "boards.html", viewport={"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_nothing_is_asked_of_anybody_else(host: Host, browser: Browser) -> None:
    asked, complaints = watched(browser, f"{host.url}/boards.html")
    assert asked == [f"{host.url}/boards.html"]
    assert complaints == []


def test_where_no_board_has_reported_the_page_says_so(empty: Host, opened: Open) -> None:
    page = opened(empty, "boards.html")
    expect(page.get_by_role("heading", name="No board has reported yet")).to_be_visible()
    expect(page.get_by_text("they are not time")).to_be_visible()
    expect(page.get_by_role("img", name="Instructions per inference")).to_be_visible()
    assert page.get_by_role("img", name="Milliseconds").count() == 0


def test_drawing_prints_nothing_where_no_cache_can_be_written(tmp_path: Path) -> None:
    submissions.add([written(tmp_path, record(result()))], tmp_path / "boards")
    code = (
        "import sys; from pathlib import Path; from wheelhouse import boards\n"
        "from wheelhouse.publish import charts\n"
        "charts.times(boards.sessions(Path(sys.argv[1]))[0], 'one')"
    )
    nowhere = dict.fromkeys(("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc/nowhere")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "boards"],
        cwd=REPO,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
