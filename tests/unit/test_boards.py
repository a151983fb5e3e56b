"""Results of boards: which are refused, how they are merged, and what is shown of them."""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.boards import BOARD, RUNTIME, record, result, written
from wheelhouse import boards, figures
from wheelhouse.bench import submissions
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.publish import boards_page, charts

SVG = "{http://www.w3.org/2000/svg}"
FILE = "raspberry-pi-5-model-b-rev-1-0-2026-11-20.json"


def add(folder: Path, *records: dict[str, Any]) -> Path:
    """The folder of results after these records were added one after the other."""
    for each in records:
        submissions.add([written(folder, each)], folder / "boards")
    return folder / "boards"


def medians(folder: Path) -> list[float]:
    (session,) = boards.sessions(folder)
    return [row.result.measured.times.median_ms for row in session.rows]


def test_a_result_is_in_a_file_named_by_board_and_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add(tmp_path, record(result(), result("b.tflite", notes=["not steady"])))
    assert [path.name for path in folder.iterdir()] == [FILE]
    (session,) = boards.sessions(folder)
    assert (session.board, str(session.day)) == (BOARD, "2026-11-20")
    assert "4 × Cortex-A76 at 2400 MHz, 8.3 GB; Debian GNU/Linux 12" in session.conditions
    said = capsys.readouterr().err
    assert f"{folder / FILE} has the measurements of {BOARD}" in said
    assert said.endswith("results: 2, marked as doubtful: 1\n")


def test_of_equal_measurements_the_latest_stays_whichever_is_added_last(tmp_path: Path) -> None:
    early = record(result(median=4), result(median=5, threads=4), result("b.tflite", 6))
    late = record(result(median=3), started="2026-11-20T12:00:00+00:00")
    for name, order in {"a": (early, late), "b": (late, early, late)}.items():
        (tmp_path / name).mkdir()
        assert medians(add(tmp_path / name, *order)) == [6, 3, 5]
    first, second = ((tmp_path / name / "boards" / FILE).read_bytes() for name in "ab")
    assert first == second


def test_of_results_that_are_added_at_once_none_is_lost(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, record(result(f"{number}.tflite")), f"{number}.json")
        for number in range(16)
    ]
    folder = tmp_path / "boards"
    for path in paths[:2]:  # msgspec may crash if threads convert to a type that is new to it
        submissions.add([path], folder)
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(submissions.add, [path], folder) for path in paths[2:]]:
            future.result()
    (session,) = boards.sessions(folder)
    assert len(session.rows) == 16


def test_another_delegate_and_another_file_of_one_name_are_other_measurements(
    tmp_path: Path,
) -> None:
    other = record(result(median=9), started="2026-11-20T12:00:00+00:00")
    other["models"][0]["sha256"] = "f" * 64
    folder = add(tmp_path, record(result(), result(median=7, delegate="none")), other)
    (session,) = boards.sessions(folder)
    assert [(row.model, row.result.delegate) for row in session.rows] == [
        (f"face.tflite ({hashlib.sha256(b'face.tflite').hexdigest()[:8]})", "xnnpack"),
        (f"face.tflite ({hashlib.sha256(b'face.tflite').hexdigest()[:8]})", "none"),
        ("face.tflite (ffffffff)", "xnnpack"),
    ]


def test_another_day_board_or_state_is_told_apart_and_the_latest_is_first(tmp_path: Path) -> None:
    folder = add(
        tmp_path,
        record(result()),
        record(result(), started="2026-11-21T00:30:00+02:00"),  # still the 20th in UTC
        record(result("b.tflite"), started="2026-11-20T23:00:00+00:00", governor="ondemand"),
        record(result(), started="2026-11-22T10:00:00+00:00"),
        record(result(), board="Raspberry Pi 4 Model B Rev 1.4"),
    )
    assert len([*folder.iterdir()]) == 3
    told = [
        (str(each.day), each.board.split()[2], each.conditions.split("governor ")[1].split(";")[0])
        for each in boards.sessions(folder)
    ]
    assert told[0] == ("2026-11-22", "5", "performance")
    assert {*told[1:]} == {
        ("2026-11-20", "4", "performance"),
        ("2026-11-20", "5", "performance"),
        ("2026-11-20", "5", "ondemand"),
    }
    assert len(told) == 4


def changed(**parts: Any) -> dict[str, Any]:
    return {**record(result()), **parts}


def no_median() -> dict[str, Any]:
    made = result()
    del made["measured"]["times"]["median_ms"]
    return record(made)


def wrong_order() -> dict[str, Any]:
    made = result()
    made["measured"]["times"]["p5_ms"] = 99
    return record(made)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"results": []}, "is no result of tflite-bench"),
        ([1, 2], "is no result of tflite-bench"),
        (changed(program=["other", "1.0"]), "is no result of tflite-bench"),
        (changed(schema=2), "has version 2 of tflite-bench's record; 1 is known"),
        (no_median(), "`median_ms` - at `$.results[0].measured.times`"),
        (wrong_order(), "the median does not lie between the percentiles"),
        (changed(models=[]), "nothing tells what face.tflite or"),
        (record(), "nothing was measured"),
        (record(result(), emulated=True), "its processor is emulated"),
        (record(result(), board="linux,dummy-virt"), "its processor is emulated"),
        (record(result(), board="QEMU Virtual Machine"), "its processor is emulated"),
        (record(result(), architecture="x86_64"), "measured on a PC"),
        (record(result(), board=""), "does not name the board"),
        (record(result(), board="unknown"), "does not name the board"),
        (record(result(), board="b" * 300), "`str` of length <= 200 - at `$.machine.board`"),
        (record(result(), started="1970-01-01T00:01:00+00:00"), "clock was wrong: 1970-01-01"),
        (record(result(), started="2199-01-01T00:01:00+00:00"), "clock was wrong: 2199-01-01"),
    ],
)
def test_what_is_no_result_of_a_board_is_refused(tmp_path: Path, content: Any, told: str) -> None:
    good = written(tmp_path, record(result()), "good.json")
    bad = written(tmp_path, content, "bad.json")
    with pytest.raises(WheelhouseError) as failure:
        submissions.add([good, bad], tmp_path / "boards")
    assert failure.value.kind is Kind.USAGE
    assert failure.value.what.startswith("bad.json ")
    assert told in failure.value.what
    assert "\n" not in failure.value.what
    assert "tflite" in failure.value.hint
    assert not (tmp_path / "boards").exists()


def test_what_is_no_json_is_refused_and_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_bytes(b"\x00{")
    with pytest.raises(WheelhouseError, match=r"out\.json is no result of tflite-bench"):
        submissions.read(tmp_path / "out.json")
    folder = add(tmp_path, record(result()))
    (folder / FILE).write_text("[{")
    with pytest.raises(WheelhouseError, match=f"{FILE} is not valid"):
        boards.sessions(folder)


def test_doubtful_results_are_kept_and_marked(tmp_path: Path) -> None:
    idle = {**result("b.tflite"), "delegates": 0}
    notes = ["slowed by throttled", "not steady"]
    folder = add(tmp_path, record(result(notes=notes), idle, result("c.tflite", delegate="none")))
    (session,) = boards.sessions(folder)
    assert [row.result.marks for row in session.rows] == [
        ("the delegate takes no operator",),
        (),
        ("slowed by throttled", "not steady"),
    ]
    told = boards_page.markdown([session])
    assert r"| face\.tflite | tflite\-runtime 2\.14\.1\, xnnpack\, 1 thread \(slowed by thr" in told
    text = page(folder)
    for remark in ("the delegate takes no operator", "slowed by throttled", "not steady"):
        assert text.count(f">{remark}<") == 1


def test_the_kept_results_are_of_boards(tmp_path: Path) -> None:
    for path in boards.FOLDER.glob("*.json"):
        for report in json.loads(path.read_text()):
            assert submissions.file_of(submissions.read(written(tmp_path, report))) == path.name


def drawn(tmp_path: Path, *results: dict[str, Any]) -> str:
    (session,) = boards.sessions(add(tmp_path, record(*results)))
    return charts.times(session, "one")


def numbers(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def test_a_chart_has_every_model_contestant_and_median(tmp_path: Path) -> None:
    slow = result("b <i> & $x$.tflite", 1234.5, threads=4)
    root = ElementTree.fromstring(drawn(tmp_path, result(median=0.5), slow))  # noqa: S314
    told = numbers(root)
    for text in ("face.tflite", "b <i> & $x$.tflite", "0.5", "1234", "milliseconds per inference"):
        assert text in told
    assert f"{RUNTIME}, xnnpack, 1 thread" in told
    assert f"{RUNTIME}, xnnpack, 4 threads" in told
    label = root.get("aria-label") or ""
    assert root.get("role") == "img"
    assert BOARD in label
    assert "2026-11-20" in label
    assert f"face.tflite: {RUNTIME}, xnnpack, 1 thread, 0.5 ms" in label


@pytest.mark.parametrize("medians", [[1.0], [2.0, 2.1], [0.011, 10.0, 99_999.0]])
def test_marks_lie_on_the_chart_between_the_ends_of_its_axis(
    tmp_path: Path, medians: list[float]
) -> None:
    rows = [result(f"{number}.tflite", each) for number, each in enumerate(medians)]
    (session,) = boards.sessions(add(tmp_path, record(*rows)))
    scale = charts.Scale(session.rows)
    places = [scale.x(each) for each in sorted([*medians, *(0.9 * m for m in medians)])]
    assert places == sorted(places)
    assert 0 < places[0] <= places[-1] < charts.WIDTH
    assert 2 <= len(scale.ticks) < 9
    root = ElementTree.fromstring(charts.times(session, "one"))  # noqa: S314
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for each in root.iter(f"{SVG}text"):
        assert 0 <= float(each.get("x") or 0) <= width
        assert 0 <= float(each.get("y") or 0) <= height


def test_a_long_name_is_broken_into_lines(tmp_path: Path) -> None:
    told = numbers(ElementTree.fromstring(drawn(tmp_path, result("m" * 100 + ".tflite"))))  # noqa: S314
    assert [len(each) for each in told if each.startswith("mm")] == [42, 42, 23]


def test_a_doubtful_mark_is_hollow(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    plain = drawn(tmp_path, result())
    doubtful = drawn(tmp_path / "b", result(notes=["not steady"]))
    fills = [re.findall(r"fill: (#\w+)", each) for each in (plain, doubtful)]
    assert len(fills[0]) > len(fills[1])


def test_a_chart_is_part_of_any_page(tmp_path: Path) -> None:
    text = drawn(tmp_path, result(), result("b.tflite", notes=["not steady"]))
    assert text == charts.times(boards.sessions(tmp_path / "boards")[0], "one")
    assert "\n\n" not in text
    assert set(re.findall(r'\bid="(?!one-)[^"]*', text)) == set()
    for place in re.findall(r'(?:url\(|href=")#([^")]+)', text):
        assert f'id="{place}"' in text
    assert not re.search(r"metadata|<style|DOCTYPE|<\?xml|font-family|DejaVu", text)
    assert "stroke: currentColor" in text
    links = re.findall(r"https?://[^\"]+", text)
    assert {*links} == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_a_user_s_settings_of_matplotlib_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    plain = drawn(tmp_path, result())
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9.0)
    assert charts.times(boards.sessions(tmp_path / "boards")[0], "one") == plain


def test_a_bar_is_as_long_as_its_figure() -> None:
    shown = boards_page.counted([*figures.read().values()])
    root = ElementTree.fromstring(charts.ratios(shown, "x"))  # noqa: S314
    widths = []
    for each in root.iter(f"{SVG}path"):
        if "fill: #" in (each.get("style") or ""):
            places = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", each.get("d") or "")]
            widths.append(max(places) - min(places))
    assert len(widths) == len(shown) > 5
    for figure, width in zip(shown, widths, strict=True):
        assert width / widths[0] == pytest.approx(figure.value / shown[0].value, rel=1e-4)
        assert f"{figure.name}: {figure.measured}" in (root.get("aria-label") or "")
        assert f"{figure.value} ×" in numbers(root)


def page(folder: Path, docs: bool = False) -> str:
    measured = [*figures.read().values()]
    return boards_page.page(boards.sessions(folder), measured, docs).decode()


def test_where_no_board_has_reported_the_page_has_instructions_that_are_not_time(
    tmp_path: Path,
) -> None:
    text = page(tmp_path)
    assert "No board has reported yet" in text
    assert "they are not time" in text
    for each in boards_page.counted([*figures.read().values()]):
        assert f">{each.measured}<" in text
        assert f"{each.date.day} {each.date:%B %Y}" in text
    assert "milliseconds per inference" not in text
    assert "docs/howto" not in text
    assert 'href="docs/howto/benchmark.html"' in page(tmp_path, docs=True)
    assert boards_page.markdown([]) == "No board has reported yet."


def test_where_one_has_the_page_has_its_times_alone(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> | `x` *y* [z](a)"
    folder = add(tmp_path, record(result(evil, 4.0, notes=["not steady"])))
    text = page(folder)
    assert f"{BOARD}, <time datetime=" in text
    for each in ("4 ms", "3.6 to 4.8 ms", "250", "51 MB", "45 to 51 °C"):
        assert f">{each}<" in text
    assert "not steady" in text
    assert "<script" not in text
    assert "instructions" not in text
    told = boards_page.markdown(boards.sessions(folder))
    assert r"| \<script\>alert\(1\)\<\/script\> \| \`x\` \*y\* \[z\]\(a\) |" in told
