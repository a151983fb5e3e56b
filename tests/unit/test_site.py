"""The site's folder: made whole or not at all."""

from __future__ import annotations

import filecmp
import gzip
import os
import signal
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.wheels import make_site, record, trial, wheel
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.publish import site
from wheelhouse.publish.index import IndexSettings, Place, ProjectSettings

SETTINGS = IndexSettings(projects={"tflite-runtime": ProjectSettings()})


def make(folder: Path, to: Path, **place: str) -> None:
    make_site([folder], SETTINGS, Place(**place), to)


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_wheels_of_all_releases_are_carried(tmp_path: Path) -> None:
    old, new = wheel(tmp_path / "in/v1"), wheel(tmp_path / "in/v2", version="2.14.2")
    make(tmp_path / "in", tmp_path / "site")
    for path in (old, new):
        assert filecmp.cmp(path, tmp_path / "site/files" / path.name, shallow=False)


def test_wheels_that_lie_elsewhere_are_not_carried(tmp_path: Path) -> None:
    wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site", files="https://releases.example/")
    assert (tmp_path / "site/simple/tflite-runtime/index.html").exists()
    assert not list((tmp_path / "site").rglob("*.whl"))


def test_the_same_again_is_the_same(tmp_path: Path) -> None:
    wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "one")
    os.utime(wheel(tmp_path / "in"), (0, 0))
    make(tmp_path / "in", tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_new_site_takes_the_old_one_s_place_without_a_rest(tmp_path: Path) -> None:
    first = wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site")
    first.unlink()
    second = wheel(tmp_path / "in", version="2.14.2")
    make(tmp_path / "in", tmp_path / "site")
    assert [name for name in content(tmp_path / "site") if name.endswith(".whl")] == [
        f"files/{second.name}"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "site"]


def test_the_documentation_stays_and_is_linked_where_there_is_any(tmp_path: Path) -> None:
    wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site")
    link = b'href="docs/index.html"'
    assert link not in content(tmp_path / "site")["index.html"]
    site.write({"index.html": b"old", "a/b.html": b"old"}, {}, tmp_path / "site/docs")
    site.write({"index.html": b"new"}, {}, tmp_path / "site/docs")
    make(tmp_path / "in", tmp_path / "site")
    made = content(tmp_path / "site")
    assert link in made["index.html"]
    assert {name: text for name, text in made.items() if name.startswith("docs/")} == {
        "docs/index.html": b"new"
    }


def test_several_that_write_at_once_leave_the_whole_site_of_one(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    site.write({"kept/index.html": b"kept"}, {}, folder)

    def write(number: int) -> None:
        text = str(number).encode()
        site.write({"index.html": text, "a/b.html": text}, {}, folder, keep="kept")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, number) for number in range(80)]:
            done.result()
    made = content(folder)
    assert made.pop("kept/index.html") == b"kept"
    assert made.keys() == {"index.html", "a/b.html"}
    assert len(set(made.values())) == 1
    assert [*tmp_path.iterdir()] == [folder]


def test_a_refused_wheel_leaves_the_old_site(tmp_path: Path) -> None:
    path = wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site")
    before = content(tmp_path / "site")
    record(path).unlink()
    with pytest.raises(WheelhouseError, match="never verified"):
        make(tmp_path / "in", tmp_path / "site")
    assert content(tmp_path / "site") == before


def killed(path: Path, **_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_it_tells_that_the_machine_killed_what_checks_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "in")
    monkeypatch.setattr("wheelhouse.publish.wheel_file.read", killed)
    with pytest.raises(WheelhouseError, match="was killed") as error:
        make(tmp_path / "in", tmp_path / "site")
    assert "memory" in error.value.hint
    assert not (tmp_path / "site").exists()


def test_a_failure_while_writing_leaves_the_old_site(tmp_path: Path) -> None:
    wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site")
    before = content(tmp_path / "site")
    with pytest.raises(FileNotFoundError):
        site.write({"index.html": b"new"}, {"a.whl": tmp_path / "a.whl"}, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "site"]


def test_a_failure_while_swapping_leaves_the_old_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def no_new_one(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(f"no {target} today")
        return rename(path, target)

    wheel(tmp_path / "in")
    make(tmp_path / "in", tmp_path / "site")
    before = content(tmp_path / "site")
    monkeypatch.setattr(Path, "rename", no_new_one)
    with pytest.raises(OSError, match="today"):
        site.write({"index.html": b"new"}, {}, tmp_path / "site")
    assert content(tmp_path / "site") == before


@pytest.mark.parametrize(
    ("versions", "told"),
    [(["2.14.1"], "1 wheel is in"), (["2.14.1", "2.14.2"], "2 wheels are in")],
)
def test_it_tells_how_many_wheels_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], versions: list[str], told: str
) -> None:
    for version in versions:
        wheel(tmp_path / "in", version=version)
    make(tmp_path / "in", tmp_path / "site")
    assert told in capsys.readouterr().err


def test_without_a_wheel_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseError, match="There is no wheel"):
        make(tmp_path, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_local_version_is_left_out_for_pip_would_prefer_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = wheel(tmp_path / "in")
    local = wheel(tmp_path / "in", version="2.14.1+noxnnpack")
    make(tmp_path / "in", tmp_path / "site")
    pages = content(tmp_path / "site")
    assert [name for name in pages if name.endswith(".whl")] == [f"files/{offered.name}"]
    assert not [name for name, page in pages.items() if b"noxnnpack" in page]
    assert f"{local.name} is left out" in capsys.readouterr().err


def test_a_site_serves_records_in_a_short_form(tmp_path: Path) -> None:
    path = wheel(tmp_path / "in")
    text = path.with_name(f"{path.name}.verified.json").read_bytes()
    make(tmp_path / "in", tmp_path / "site")
    served = tmp_path / "site/files" / f"{path.name}.verified.json.gz"
    assert gzip.decompress(served.read_bytes()) == text
    assert f'href="files/{served.name}"' in (tmp_path / "site/index.html").read_text()


def test_many_wheels_fill_no_memory(tmp_path: Path) -> None:
    """Half a megabyte of record each would be 100 MB for 200 wheels."""
    seen = "What was seen. " * 35_000
    check = {"name": "import", "passed": True, "seen": seen}
    told = {"trials": [{**trial(), "checks": [check]}]}
    for number in range(200):
        wheel(tmp_path / "in", version=f"2.14.{number}", recorded=told)
    tracemalloc.start()
    make(tmp_path / "in", tmp_path / "site")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000
