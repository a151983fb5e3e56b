"""What the front page says of wheels and their records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from packaging.version import Version

from tests.support import REPO
from tests.support.wheels import accepted, trial, wheel, whole
from wheelhouse.figures import Figure
from wheelhouse.publish import front_page, index, site
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings
from wheelhouse.publish.wheel_file import WheelFile
from wheelhouse.targets import systems

PLATFORM = "manylinux_2_17_aarch64.manylinux2014_aarch64"
SETTINGS = IndexSettings(projects={"tflite-runtime": ProjectSettings()})


def file(folder: Path, tag: str, *systems: str, version: str = "2.14.1") -> WheelFile:
    trials = [trial(f"Raspberry Pi OS {system}") for system in systems]
    path = wheel(folder, version=version, tag=f"{tag}-{PLATFORM}", recorded={"trials": trials})
    return accepted(path)


@pytest.fixture
def files(tmp_path: Path) -> list[WheelFile]:
    every = ("11", "12", "13", "14", "14 with CPython 3.15")
    return [
        file(tmp_path, "cp37-abi3", *every),
        file(tmp_path, "cp311-cp311", "12"),
        file(tmp_path, "cp313-cp313", "13"),
    ]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("bullseye", "cp37-abi3"),
        ("bookworm", "cp311"),
        ("trixie", "cp313"),
        ("Raspberry Pi OS 14 with CPython 3.15", "cp37-abi3"),
    ],
)
def test_the_wheel_of_a_system_is_the_one_that_pip_takes(
    files: list[WheelFile], name: str, tag: str
) -> None:
    chosen = front_page.chosen_by_pip(files, systems.system(name))
    assert chosen is not None
    assert front_page.python_and_abi(chosen) == tag


def test_a_python_that_no_wheel_is_for_has_none(files: list[WheelFile]) -> None:
    assert front_page.chosen_by_pip(files[1:], systems.system("bullseye")) is None


def test_what_is_for_other_processors_is_told_in_one_line(
    files: list[WheelFile], tmp_path: Path
) -> None:
    pc = [
        accepted(wheel(tmp_path / "pc", tag=tag))
        for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp37-abi3-manylinux_2_17_x86_64")
    ]
    ((architecture, found),) = front_page.elsewhere([*files, *pc])
    assert (architecture.name, found) == ("x86_64", pc[::-1])
    projects = index.group_by_project([*files, *pc], SETTINGS)
    page = front_page.page(projects, Place(), []).decode()
    head = page.partition('<section id="files"')[0]
    assert head.count("x86_64") == head.count(pc[1].name) == 1
    assert "On PCs with x86-64 Linux the same <code>pip install</code> works" in head
    alone = front_page.page(index.group_by_project(files, SETTINGS), Place(), []).decode()
    assert "x86_64" not in alone


@pytest.fixture
def alpine(tmp_path: Path) -> WheelFile:
    recorded = {"trials": [trial("Alpine-like", "Alpine on Raspberry Pi 5")]}
    tag = "cp37-abi3-musllinux_1_2_aarch64"
    return accepted(wheel(tmp_path / "alpine", tag=tag, recorded=recorded))


def test_alpine_linux_has_commands_of_its_own(files: list[WheelFile], alpine: WheelFile) -> None:
    ((architecture, found),) = front_page.elsewhere([*files, alpine])
    assert (architecture.name, found) == ("aarch64-musl", [alpine])
    assert front_page.chosen_by_pip([*files, alpine], systems.system("Alpine-like")) == alpine
    assert front_page.chosen_by_pip([*files, alpine], systems.system("bullseye")) == files[0]
    page = soup([*files, alpine])
    install = page.select_one("#install .card")
    assert install
    assert "On a Raspberry Pi with 64-bit Alpine Linux, run" in install.get_text()
    assert alpine.name in install.get_text()
    lines = [each.get_text() for each in install.select(".card > .commands .command")]
    documented = (REPO / "docs/howto/alpine.md").read_text().split("```")[1].splitlines()
    assert documented == ["sh", *(line.replace("THIS-PAGE", "INDEX") for line in lines)]
    assert lines[0] == "apk add python3"
    shown = [each.get_text() for each in soup(files).select(".answer")]
    assert [each.get_text() for each in page.select(".answer")] == shown
    facts = [each.get_text() for each in page.select(".facts div")]
    assert facts == [each.get_text() for each in soup(files).select(".facts div")]


def test_a_page_for_alpine_linux_alone_is_about_that(alpine: WheelFile) -> None:
    page = soup([alpine])
    title, lead = page.select_one("h1"), page.select_one(".lead")
    assert title
    assert lead
    assert title.get_text() == "TensorFlow Lite for Raspberry Pi with Alpine Linux"
    assert "Python wheels for 64-bit Alpine Linux, built" in lead.get_text()
    assert page.select_one("#tested") is None


def test_every_release_is_offered_once_and_the_next_one_last(files: list[WheelFile]) -> None:
    offered = front_page.choices(files)
    assert [choice.number for choice in offered] == ["13", "12", "11", "14"]
    codenames = ["Trixie", "Bookworm", "Bullseye", "the next"]
    assert [choice.codename for choice in offered] == codenames
    assert [choice.managed for choice in offered] == [True, True, False, True]


@pytest.fixture
def both(files: list[WheelFile], tmp_path: Path) -> list[WheelFile]:
    """The same, and what 32-bit systems have, with the file for pips before 19.3."""
    tried = [
        trial(f"32-bit Raspberry Pi OS {number}", board, numpy="1.24.2 (own)", checks=2)
        for number in (11, 12, 13, 14)
        for board in ("Raspberry Pi 2", "32-bit Raspberry Pi 5")
    ]
    platform = PLATFORM.replace("aarch64", "armv7l")
    made = wheel(tmp_path, tag=f"cp37-abi3-{platform}", recorded={"trials": tried})
    found = [*files, accepted(made)]
    with ThreadPoolExecutor() as threads:
        return [*found, *site.for_older_pips(found, tmp_path, threads)]


def soup(read: list[WheelFile], *others: str) -> BeautifulSoup:
    names = ("tflite-runtime", *others)
    settings = IndexSettings(projects={name: ProjectSettings() for name in names})
    page = front_page.page(index.group_by_project(read, settings), Place(), [])
    return BeautifulSoup(page, "html.parser")


def test_a_release_is_offered_for_each_size_of_pointers(both: list[WheelFile]) -> None:
    offered = [(choice.number, choice.bits) for choice in front_page.choices(both)]
    assert offered == [
        *(("13", 64), ("12", 64), ("11", 64), ("13", 32), ("12", 32), ("11", 32)),
        *(("10", 64), ("14", 64), ("14", 32)),
    ]
    page = soup(both)
    picked = [each["value"] for each in page.select("input[name=os]")]
    assert picked == ["trixie", "bookworm", "bullseye", "buster", "sid"]
    assert [each["value"] for each in page.select("input[name=bits]")] == ["64", "32"]
    panels = [tuple(each["class"]) for each in page.select(".answer")]
    suites = (("answer", f"for-{suite}", f"on-{bits}") for suite in picked for bits in (64, 32))
    assert sorted(panels) == sorted(suites)


def test_one_size_of_pointers_is_not_asked_for(both: list[WheelFile]) -> None:
    for bits, word, other in ((64, "arm64", "armhf"), (32, "armhf", "arm64")):
        platform = {64: "aarch64", 32: "armv7l"}[bits]
        read = [file for file in both if file.name.removesuffix(".whl").endswith(platform)]
        page = soup(read)
        assert not page.select("input[name=bits]")
        assert f"Python wheels for {bits}-bit Raspberry Pi OS, built" in page.get_text()
        asked = page.select_one(".ask")
        assert asked
        assert f"It must say {word}: these wheels are for the {bits}-bit" in asked.get_text()
        assert other not in asked.get_text()
        heading = page.select_one(".for-bookworm h3")
        assert heading
        assert heading.get_text() == "On Raspberry Pi OS 12, run"


def test_a_32_bit_system_is_told_what_differs(both: list[WheelFile]) -> None:
    page = soup(both)
    wide, narrow = (page.select_one(f".for-trixie.on-{bits}") for bits in (64, 32))
    assert wide
    assert narrow
    lines = [[each.get_text() for each in panel.select(".command")] for panel in (wide, narrow)]
    assert lines[0] == lines[1]
    assert "install --upgrade numpy" in wide.get_text()
    assert "install --upgrade numpy" not in narrow.get_text()
    assert "Zero 2 W" not in wide.get_text()
    assert "For Raspberry Pi 1, Zero and Zero W pip finds no file" in narrow.get_text()
    nothing = page.select_one(".for-buster.on-32")
    assert nothing
    assert "There is nothing for 32-bit Raspberry Pi OS 10" in nothing.get_text()
    assert not nothing.select(".command")


def test_the_facts_and_the_table_cover_both_sizes(both: list[WheelFile]) -> None:
    page = soup(both)
    text = page.get_text()
    assert "Python wheels for 64-bit and 32-bit Raspberry Pi OS, built" in text
    facts = [each.get_text() for each in page.select(".facts dd")]
    assert facts[0] == str(7 + 16)
    rows = [each.get_text() for each in page.select("#tested tbody th")]
    tried = ["14 with CPython 3.15", *("14", "13", "12", "11")]
    assert rows == [
        *(f"Raspberry Pi OS {number}" for number in tried),
        *(f"32-bit Raspberry Pi OS {number}" for number in tried[1:]),
    ]
    assert front_page.stand_ins(both) == ["32-bit Raspberry Pi 5"]
    assert "As 32-bit Raspberry Pi 5 the emulator has more instructions" in text
    assert "the emulator has more" not in soup(both[:3]).get_text()


def test_apps_are_promised_where_they_were_tried(both: list[WheelFile], tmp_path: Path) -> None:
    app = wheel(tmp_path / "app", project="tflite_bench")
    page = soup([*both, accepted(app)], "tflite-bench")
    shown = {bits: page.select_one(f".for-trixie.on-{bits}") for bits in (64, 32)}
    assert {bits: "tflite_bench" in str(panel) for bits, panel in shown.items()} == {
        64: True,
        32: False,
    }
    assert "tflite-bench: the same commands with this name; tried on the 64-bit" in page.get_text()
    on_both = [trial("Raspberry Pi OS 12"), trial("32-bit Raspberry Pi OS 12")]
    again = wheel(tmp_path / "app", project="tflite_bench", recorded={"trials": on_both})
    text = soup([*both, accepted(again)], "tflite-bench").get_text()
    assert "tflite-bench: the same commands with this name\n" in text


def test_wheels_for_pcs_alone_promise_no_raspberry_pi(tmp_path: Path) -> None:
    pc = wheel(
        tmp_path,
        tag=f"cp37-abi3-{PLATFORM.replace('aarch64', 'x86_64')}",
        recorded={"trials": [trial("Debian 12 for PCs", "PC")]},
    )
    page = soup([accepted(pc)])
    assert page.select_one("#tested") is None
    title, lead = page.select_one("h1"), page.select_one(".lead")
    assert title
    assert lead
    assert title.get_text() == "TensorFlow Lite for PCs"
    assert "Raspberry Pi" not in lead.get_text()
    assert "pip install --index-url https://THIS-PAGE/simple/ tflite-runtime" in page.get_text()


def test_only_what_was_tried_is_offered(files: list[WheelFile]) -> None:
    assert [choice.key for choice in front_page.choices(files[1:2])] == ["bookworm"]


def test_the_table_adds_up_the_records(tmp_path: Path) -> None:
    own = trial(numpy="1.24.2 (own)", checks=3)
    newest = trial(numpy="2.4.6 (newest)", checks=4)
    old = {"trials": [own, newest], "date": "2026-10-01T10:00:00+00:00"}
    wheel(tmp_path, tag=f"cp311-cp311-{PLATFORM}", recorded=old)
    wheel(tmp_path, tag=f"cp37-abi3-{PLATFORM}", recorded={"trials": [newest]})
    read = [accepted(path) for path in sorted(tmp_path.glob("*.whl"))]
    (row,) = front_page.trials_by_system(read)
    assert (row.system, row.python, row.checks) == ("Raspberry Pi OS 12", "3.11", 11)
    assert row.tags == ("cp311", "cp37-abi3")
    assert row.numpys == ("1.24.2 (own)", "2.4.6 (newest)")
    assert row.date.isoformat() == "2026-11-20T10:00:00+00:00"


def test_licences_and_their_owners_are_listed(files: list[WheelFile]) -> None:
    assert front_page.licences(files) == ["Apache-2.0 WITH LLVM-exception", "MIT"]
    assert front_page.licensed_components(files) == ["sample"]


@pytest.mark.parametrize(
    ("versions", "yanked", "shown", "coming"),
    [
        (("2.14.1", "2.22.0.dev1"), (), "2.14.1", True),
        (("2.14.1", "2.14.2"), ("2.14.2",), "2.14.1", False),
        (("2.14.1", "2.14.1.post1"), (), "2.14.1.post1", False),
        (("2.14.1", "2.22.0.dev1"), ("2.22.0.dev1",), "2.14.1", False),
        (("2.22.0.dev1",), (), "2.22.0.dev1", False),
    ],
)
def test_the_page_is_about_what_pip_installs(
    tmp_path: Path, versions: tuple[str, ...], yanked: tuple[str, ...], shown: str, coming: bool
) -> None:
    read = [file(tmp_path, "cp37-abi3", "12", version=version) for version in versions]
    project = ProjectSettings(yanked=dict.fromkeys(yanked, "bad"))
    projects = index.group_by_project(read, IndexSettings(projects={"tflite-runtime": project}))
    page = front_page.page(projects, Place(), []).decode()
    assert f'<p class="pill">tflite-runtime {Version(shown)}</p>' in page
    assert ("want version 2.22.0.dev1, which is in development" in page) == coming


def test_figures_are_shown_with_their_goals(tmp_path: Path) -> None:
    figure = Figure("Largest wheel", 1.63, "MB", date(2026, 11, 22), "bytes of the file", 2.0)
    read = [file(tmp_path, "cp37-abi3", "12")]
    projects = index.group_by_project(read, SETTINGS)
    page = front_page.page(projects, Place(), [figure]).decode()
    row = page[page.index("Largest wheel") :].partition("</tr>")[0]
    assert ">1.63 MB<" in row
    assert ">≤ 2.0 MB<" in row


def test_the_page_is_about_the_first_project_and_names_the_other(tmp_path: Path) -> None:
    delegate = wheel(tmp_path, project="tflite_armnn_delegate", version="23.8")
    read = [accepted(delegate), file(tmp_path, "cp37-abi3", "12")]
    settings = IndexSettings.read(REPO / "index.toml")
    shown = front_page.page(index.group_by_project(read, settings), Place(), []).decode()
    assert '<p class="pill">tflite-runtime 2.14.1</p>' in shown
    assert "<li><code>tflite-armnn-delegate</code>" in shown


def test_a_page_without_a_release_is_still_a_page() -> None:
    projects = index.group_by_project(
        [], IndexSettings(projects={"tflite-runtime": ProjectSettings()})
    )
    assert b"No release is offered here" in front_page.page(projects, Place(), [])


def page(read: list[WheelFile], place: Place) -> str:
    projects = index.group_by_project(read, SETTINGS)
    return front_page.page(projects, place, []).decode()


@pytest.mark.parametrize(
    ("tags", "facts"),
    [
        (("cp37-abi3", "cp311-cp311"), ("Python 3.7", "and every later one", "glibc 2.17")),
        (("cp313-cp313", "cp39-cp39"), ("Python 3.9, 3.13", "a wheel for each", "glibc 2.17")),
    ],
)
def test_the_facts_are_those_of_the_wheels(
    tmp_path: Path, tags: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    text = page([file(tmp_path, tag, "12") for tag in tags], Place())
    assert all(f">{fact}<" in text for fact in facts)


def test_attestations_are_linked_where_there_are_any(tmp_path: Path) -> None:
    place = Place(site="https://wheels.example/")
    read = file(tmp_path, "cp37-abi3", "12")
    assert "No build attestation is published" in page([read], place)
    text = page([replace(read, provenance=b"signed")], place)
    assert "No build attestation" not in text
    assert f'href="https://wheels.example/files/{read.name}.provenance"' in text


def test_files_of_another_verifier_are_marked(tmp_path: Path) -> None:
    new = file(tmp_path, "cp311-cp311", "12")
    whole(new.path)
    new = accepted(new.path)
    old = file(tmp_path, "cp37-abi3", "12")
    mark = "<small>by another verifier</small>"
    assert mark not in page([new], Place())
    text = page([new, old], Place())
    assert text.count(mark) == 1
    assert "Files verified <strong>by another verifier</strong>" in text


def test_each_release_that_was_tried_has_lines_for_an_example_and_the_benchmark_if_they_are_there(
    files: list[WheelFile], tmp_path: Path
) -> None:
    names = ("tflite-examples", "tflite-bench")
    apps = [
        accepted(wheel(tmp_path / name, project=name.replace("-", "_"), tag="py3-none-any"))
        for name in names
    ]
    settings = IndexSettings(
        projects={name: ProjectSettings() for name in ("tflite-runtime", *names)}
    )

    def lines(found: list[WheelFile], suite: str) -> str:
        page = front_page.page(
            index.group_by_project(found, settings), Place(site="https://a.b/"), []
        )
        panel = BeautifulSoup(page, "html.parser").select_one(f".for-{suite}")
        assert panel
        return "\n".join(line.get_text() for line in panel.select(".command"))

    both = [*files, *apps]
    assert "~/tflite/bin/pip install --index-url https://a.b/simple/ tflite-examples" in lines(
        both, "trixie"
    )
    assert "python3 -m tflite_examples faces picture.jpg" in lines(both, "bullseye")
    assert lines(both, "bookworm").endswith("~/tflite/bin/python -m tflite_bench model.tflite")
    assert "tflite_bench" not in lines([*files, apps[0]], "trixie")
    assert "tflite_examples" not in lines([*files, apps[1]], "trixie")
