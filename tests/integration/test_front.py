"""The front page in a real browser: by mouse, by keyboard, without JavaScript, for any eye."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Open, watched
from tests.support.hosting import Host, hosted
from tests.support.wheels import make_site, trial, wheel
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings

ADDRESS = "https://wheels.example/pi/"
PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
REASON = 'crashes <img src=x onerror="document.title=1"> & burns'


System = tuple[str, tuple[str, ...], tuple[str, ...]]
WIDE: System = (
    "Raspberry Pi OS",
    ("Raspberry Pi 4", "Raspberry Pi 5"),
    ("1.24.2 (own)", "2.4.6 (newest)"),
)
NARROW: System = (
    "32-bit Raspberry Pi OS",
    ("Raspberry Pi 2", "32-bit Raspberry Pi 4", "32-bit Raspberry Pi 5"),
    ("1.24.2 (own)",),
)


def make(folder: Path, place: Place, narrow: bool = False, musl: bool = False) -> Path:
    """A site of two releases, the older one yanked, tried on four systems, 32-bit ones too."""
    if musl:
        trials = [trial("Alpine-like", "Alpine on Raspberry Pi 5")]
        wheel(folder / "in", tag="cp37-abi3-musllinux_1_2_aarch64", recorded={"trials": trials})
    platforms = {PLATFORM: WIDE}
    if narrow:
        platforms[PLATFORM.replace("aarch64", "armv7l")] = NARROW
    for platform, (system, boards, numpys) in platforms.items():
        trials = [
            trial(f"{system} {number}", board, numpy)
            for number in (11, 12, 13, 14)
            for board in boards
            for numpy in numpys
        ]
        for version in ("2.14.0", "2.14.1"):
            tag = f"cp37-abi3-{platform}"
            wheel(folder / "in", version=version, tag=tag, recorded={"trials": trials})
    projects = {"tflite-runtime": ProjectSettings(yanked={"2.14.0": REASON})}
    make_site([folder / "in"], IndexSettings(projects=projects), place, folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(make(tmp_path_factory.mktemp("known"), Place(site=ADDRESS))) as server:
        yield server


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The same with wheels for 32-bit systems and for Alpine Linux, too."""
    site = make(tmp_path_factory.mktemp("both"), Place(site=ADDRESS), narrow=True, musl=True)
    with hosted(site) as server:
        yield server


@pytest.fixture(params=["host", "both"])
def any_host(request: pytest.FixtureRequest, host: Host, both: Host) -> Host:
    return {"host": host, "both": both}[request.param]


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The same, made without saying where it will be served."""
    with hosted(make(tmp_path_factory.mktemp("unknown"), Place())) as server:
        yield server


def shown(page: Page) -> list[str]:
    """The commands that can be seen, but for the one that tells the release."""
    return page.locator(".answer .command:visible").all_inner_texts()


def pick(page: Page, codename: str) -> None:
    page.get_by_role("radio", name=codename).check()


def in_environment(address: str) -> list[str]:
    return [
        "sudo apt install python3-venv python3-numpy",
        "python3 -m venv --system-site-packages ~/tflite",
        f"~/tflite/bin/pip install --index-url {address}simple/ tflite-runtime",
        '~/tflite/bin/python -c "import tflite_runtime as t; print(t.__version__)"',
    ]


def outside(address: str) -> list[str]:
    return [
        "sudo apt install python3-pip python3-numpy",
        f"python3 -m pip install --index-url {address}simple/ tflite-runtime",
        'python3 -c "import tflite_runtime as t; print(t.__version__)"',
    ]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_picking_a_release_shows_its_commands_alone(host: Host, opened: Open, script: bool) -> None:
    page = opened(host, java_script_enabled=script)
    assert shown(page) == in_environment(ADDRESS)
    pick(page, "Bullseye")
    assert shown(page) == outside(ADDRESS)
    assert page.get_by_text("externally-managed-environment").filter(visible=True).count() == 0
    assert page.get_by_text("Nothing was tried").filter(visible=True).count() == 0
    pick(page, "Buster")
    assert shown(page) == outside(ADDRESS)
    assert page.get_by_text("Nothing was tried").filter(visible=True).count() == 1
    pick(page, "Bookworm")
    assert shown(page) == in_environment(ADDRESS)
    assert page.get_by_text("externally-managed-environment").filter(visible=True).count() == 1


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_who_has_32_bits_sees_what_is_for_them_alone(
    both: Host, opened: Open, script: bool
) -> None:
    page = opened(both, java_script_enabled=script)
    title = page.locator(".answer h3:visible")
    expect(title).to_have_text("On 64-bit Raspberry Pi OS 13, run")
    pick(page, "32 bits")
    expect(title).to_have_text("On 32-bit Raspberry Pi OS 13, run")
    assert shown(page) == in_environment(ADDRESS)
    assert page.get_by_text("Zero 2 W").filter(visible=True).count() == 1
    pick(page, "Bullseye")
    expect(title).to_have_text("On 32-bit Raspberry Pi OS 11, run")
    assert shown(page) == outside(ADDRESS)
    pick(page, "Buster")
    expect(title).to_have_text("There is nothing for 32-bit Raspberry Pi OS 10")
    assert shown(page) == []
    pick(page, "64 bits")
    expect(title).to_have_text("On 64-bit Raspberry Pi OS 10, run")
    assert page.get_by_text("Zero 2 W").filter(visible=True).count() == 0


def test_32_bits_are_picked_by_keyboard_and_have_an_address(both: Host, opened: Open) -> None:
    page = opened(both, "#bookworm-32", permissions=["clipboard-read", "clipboard-write"])
    title = page.locator(".answer h3:visible")
    expect(title).to_have_text("On 32-bit Raspberry Pi OS 12, run")
    release = page.get_by_role("group", name="Which Raspberry Pi OS is on your Pi?")
    assert release.get_by_role("radio").count() == 5
    bits = page.get_by_role("group", name="Is it the 64-bit or the 32-bit system?")
    release.get_by_role("radio", name="12 Bookworm").focus()
    page.keyboard.press("Tab")
    expect(bits.get_by_role("radio", name="32 bits armhf")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(bits.get_by_role("radio", name="64 bits arm64")).to_be_checked()
    outline = "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    assert page.evaluate(outline) == "solid"
    assert page.url.endswith("#bookworm-64")
    page.keyboard.press("ArrowDown")
    assert page.url.endswith("#bookworm-32")
    for _ in range(2):
        page.keyboard.press("Tab")
    name = "the commands for 32-bit Raspberry Pi OS 12"
    expect(page.get_by_role("button", name=f"Copy: {name}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Copied: {name}")


def test_the_keyboard_alone_picks_and_copies(host: Host, opened: Open) -> None:
    page = opened(host, permissions=["clipboard-read", "clipboard-write"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the install command"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="13 Trixie")).to_be_focused()
    question = page.get_by_role("group", name="Which Raspberry Pi OS is on your Pi?")
    assert question.get_by_role("radio").count() == 5
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="11 Bullseye")).to_be_checked()
    outline = "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    assert page.evaluate(outline) == "solid"
    assert shown(page) == outside(ADDRESS)
    for _ in range(2):
        page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Copy: the commands for Raspberry Pi OS 11")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Copied: the commands for Raspberry Pi OS 11")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == outside(ADDRESS)[:2]


def test_a_release_has_an_address_of_its_own(host: Host, opened: Open) -> None:
    page = opened(host, "#bullseye")
    assert shown(page) == outside(ADDRESS)
    pick(page, "Bookworm")
    assert page.url.endswith("#bookworm")


def test_a_page_that_does_not_know_its_address_looks(unknown: Host, opened: Open) -> None:
    page = opened(unknown)
    assert shown(page) == in_environment(f"{unknown.url}/")
    assert page.get_by_text("Put the address of this page").count() == 0


def test_without_a_script_it_says_what_to_put_in(unknown: Host, opened: Open) -> None:
    page = opened(unknown, java_script_enabled=False)
    assert shown(page) == in_environment("https://THIS-PAGE/")
    expect(page.get_by_text("Put the address of this page")).to_be_visible()


def test_nothing_is_asked_of_anybody_else(host: Host, browser: Browser) -> None:
    asked, complaints = watched(browser, f"{host.url}/")
    assert asked == [f"{host.url}/"]
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_accessibility_audit_finds_nothing(
    any_host: Host, both: Host, opened: Open, scheme: str, viewport: dict[str, int], repo: Path
) -> None:
    page = opened(any_host, color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    name = "phone" if viewport is PHONE else "desktop"
    folder = repo / "artefacts"
    folder.mkdir(exist_ok=True)
    bits = "-bits" if any_host is both else ""
    page.screenshot(path=folder / f"front{bits}-{name}-{scheme}.png", full_page=True)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for release in ("Trixie", "Bullseye"):
        pick(page, release)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        if any_host is both:
            pick(page, "32 bits")


def test_the_picture_in_the_docs_is_of_this_page(opened: Open, repo: Path, tmp_path: Path) -> None:
    """Save what to put in the picture's place; letters may lie a pixel beside the picture's."""
    place = Place(site=IndexSettings.read(repo / "index.toml").address)
    made = repo / "artefacts/front-page.png"
    made.parent.mkdir(exist_ok=True)
    with hosted(make(tmp_path, place, narrow=True)) as host:
        page = opened(host, color_scheme="light", viewport={"width": 1100, "height": 1200})
        page.locator("#install .card").screenshot(path=made)
    with Image.open(repo / "docs/front-page.png") as old, Image.open(made) as new:
        assert old.size == new.size, f"copy {made} to docs/front-page.png"
        apart = ImageStat.Stat(ImageChops.difference(old.convert("L"), new.convert("L")))
    assert apart.mean[0] < 2, f"copy {made} to docs/front-page.png"


@pytest.mark.parametrize("width", [320, 360, 768, 880])
def test_nothing_hangs_over_the_edge(any_host: Host, opened: Open, width: int) -> None:
    page = opened(any_host, "#bookworm-32", viewport={"width": width, "height": 700})
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    over = """[...document.querySelectorAll('body *')].filter(each =>
        each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML)"""
    assert page.evaluate(over) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_dark_is_dark(host: Host, opened: Open) -> None:
    def light(scheme: str) -> int:
        page = opened(host, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgb()").split(","))

    assert light("dark") < 150 < 600 < light("light")


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_screen_reader_finds_tables_and_their_cells(
    host: Host, opened: Open, viewport: dict[str, int]
) -> None:
    page = opened(host, viewport=viewport)
    table = page.get_by_role("table", name="From the records of tflite-runtime 2.14.1")
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="OS 12"))
    cells = [" ".join(text.split()) for text in row.get_by_role("cell").all_inner_texts()]
    assert cells == [
        "3.11",
        "cp37-abi3",
        "Raspberry Pi 4 Raspberry Pi 5",
        "1.24.2 (own) 2.4.6 (newest)",
        "✓ 4",
        "20 November 2026",
    ]


def test_every_link_leads_somewhere(host: Host, opened: Open) -> None:
    page = opened(host)
    links = page.evaluate("[...document.querySelectorAll('a')].map(each => each.href)")
    assert links
    for link in {link.partition("#")[0] for link in links}:
        with urllib.request.urlopen(link) as answer:  # noqa: S310
            assert answer.status == 200
    for link in {link for link in links if "#" in link}:
        assert page.locator(f"#{link.partition('#')[2]}").count() == 1


def test_the_checksums_are_those_of_the_files(host: Host, opened: Open) -> None:
    page = opened(host)
    files = page.get_by_role("table", name="tflite-runtime 2.14.1", exact=True)
    rows = files.get_by_role("row").filter(has=page.get_by_role("cell")).all()
    assert len(rows) == 2
    for row in rows:
        (path,) = row.get_by_role("rowheader").get_by_role("link").all_inner_texts()
        with urllib.request.urlopen(f"{host.url}/files/{path}") as answer:  # noqa: S310
            done = subprocess.run(
                ["sha256sum"], input=answer.read(), capture_output=True, check=True
            )
        stated = row.get_by_role("cell").last.inner_text().split()[-1]
        assert stated == done.stdout.split()[0].decode()


def test_a_yank_s_reason_is_text_and_nothing_else(host: Host, opened: Open) -> None:
    page = opened(host)
    page.get_by_text("tflite-runtime 2.14.0 (yanked)").click()
    expect(page.get_by_text(f"Yanked: {REASON}").first).to_be_visible()
    assert page.locator("img").count() == 0


def test_the_line_that_tells_the_release_tells_it(host: Host, opened: Open) -> None:
    page = opened(host)
    page.get_by_text("I do not know").click()
    (line,) = page.locator(".ask .command:visible").all_inner_texts()
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    rows = Path("/etc/os-release").read_text().splitlines()
    release = dict(row.split("=", 1) for row in rows if "=" in row)
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    )
    name = release["PRETTY_NAME"].strip('"')
    assert done.stdout == f"{name}, {machine.stdout}"
