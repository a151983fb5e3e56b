"""`invoke update-pins` against a signed Debian archive and a package index, both on loopback."""

from __future__ import annotations

import hashlib
import lzma
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from debian.deb822 import Sources

from tests.support.archives import tar_xz
from tests.support.debian_archive import Archive, Key
from tests.support.mirror import Mirror
from tests.support.running import Cli
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.store import Store, tree_digest
from wheelhouse.sources import debian_index, debian_record, download, updates
from wheelhouse.sources.debian_record import DebianRecord, Signed
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.mirrors import KEYRING, debian_mirrors

Update = Callable[..., None]
Offer = Callable[..., None]

HEADERS = "pool/main/p/py/libpy-dev_3.11.2-6+deb12u{}_arm64.deb"
CARTON = "pool/main/b/browser/browser_{}.orig.tar.xz"
REAL = "trixie-updates"
WHEEL = "loopback_thing-{}-cp311-cp311-manylinux_2_17_aarch64.whl"
PART = {"src/part/a.c": b"int a;\n", "src/part/b.txt": b"not kept"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    made = Key(tmp_path_factory.mktemp("gpg"))
    yield made
    made.close()


@pytest.fixture
def archive(mirror: Mirror, key: Key) -> Archive:
    """An archive whose suite has new revisions of what ``toml`` pins."""
    made = Archive(mirror, key)
    made.add(HEADERS.format(8), b"old headers")
    made.add(HEADERS.format(9), b"new headers")
    made.add(HEADERS.format(9).replace("3.11.2", "3.12.1"), b"another version", "sid")
    made.add(CARTON.format("151.0"), tar_xz({f"browser/{k}": v for k, v in PART.items()}))
    del mirror.files[HEADERS.format(8)]
    made.publish()
    return made


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A file of pins: headers of an older revision, and a part of an archive that is gone."""
    part = tmp_path / "part"
    part.mkdir()
    (part / "a.c").write_bytes(PART["src/part/a.c"])
    path = tmp_path / "sources.toml"
    path.write_text(f"""\
# A comment at the top.
[cartons]
browser = [
    {{ debian = "{CARTON.format("150.0")}", sha256 = "{"0" * 64}", size = 1 }},   # often
]

[tflite."1".part]
version = "2025-01-01"
license = "MIT"
keep = ["*.c"]
tree = "{tree_digest(part)}"
carton = "browser"
folder = "src/part"

[shared."py-3.11"]     # a comment beside
version = "3.11.2"
license = "PSF-2.0"
artefacts = [
    {{ debian = "{HEADERS.format(8)}", sha256 = "{sha256(b"old headers")}", size = 11 }},
    {{ url = "https://example.invalid/h.tar.gz", sha256 = "{sha256(b"old headers")}", size = 7 }},
]
""")
    return path


@pytest.fixture
def update(store: Store, key: Key, toml: Path) -> Update:
    def run(*names: str, write: bool = False) -> None:
        updates.update(Fetcher(store), names, write, toml, key.ring)

    return run


def test_what_left_the_mirror_is_listed_with_what_is_there_now(
    archive: Archive, update: Update, toml: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = toml.read_text()
    update()
    out, err = capfd.readouterr()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert [row for row in rows if row] == [
        ["browser", "150.0", "no", "151.0", "151.0"],
        ["py-3.11", "3.11.2-6+deb12u8", "no", "3.11.2-6+deb12u9", "3.12.1"],
    ]
    assert "0 of 2 pins are the newest that there is" in err
    assert "`invoke update-pins --write` moves" in err
    assert "has no bullseye, trixie" in err
    assert toml.read_text() == before


def test_pins_move_to_new_revisions_and_nothing_else_of_the_file_changes(
    archive: Archive, mirror: Mirror, update: Update, toml: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = toml.read_text()
    update(write=True)
    carton = mirror.files[CARTON.format("151.0")]
    moved = {
        f'"{CARTON.format("150.0")}", sha256 = "{"0" * 64}", size = 1 ': (
            f'"{CARTON.format("151.0")}", sha256 = "{sha256(carton)}", size = {len(carton)} '
        ),
        f'"{HEADERS.format(8)}", sha256 = "{sha256(b"old headers")}", size = 11 ': (
            f'"{HEADERS.format(9)}", sha256 = "{sha256(b"new headers")}", size = 11 '
        ),
    }
    for old, new in moved.items():
        before = before.replace(old, new)
    assert toml.read_text() == before
    out = capfd.readouterr().out
    assert "py-3.11: libpy-dev_3.11.2-6+deb12u8_arm64.deb became" in out
    assert "browser: browser_150.0.orig.tar.xz became browser_151.0.orig.tar.xz" in out
    update(write=True)
    assert toml.read_text() == before


def test_each_processors_package_moves_to_its_own_next_revision(
    archive: Archive, update: Update, toml: Path
) -> None:
    old, new = (HEADERS.format(revision).replace("arm64", "amd64") for revision in (8, 9))
    archive.add(new, b"another processor's")
    archive.publish()
    toml.write_text(
        f"{toml.read_text()}\n[shared.py-pc]\nversion = '3.11.2'\nlicense = 'PSF-2.0'\n"
        f'artefacts = [{{ debian = "{old}", sha256 = "{"1" * 64}", size = 1 }}]\n'
    )
    update("py-3.11", "py-pc", write=True)
    for path, content in ((HEADERS.format(9), b"new headers"), (new, b"another processor's")):
        assert f'"{path}", sha256 = "{sha256(content)}"' in toml.read_text()


def test_only_the_named_pin_moves(archive: Archive, update: Update, toml: Path) -> None:
    update("py-3.11", write=True)
    assert HEADERS.format(9) in toml.read_text()
    assert CARTON.format("150.0") in toml.read_text()


def test_of_two_archives_that_are_gone_one_moves_to_the_next(
    archive: Archive, update: Update, toml: Path
) -> None:
    pinned = f'debian = "{CARTON.format("150.0")}", sha256 = "{"0" * 64}", size = 1'
    entry = f"    {{ {pinned} }},   # often\n"
    older = entry.replace("150.0", "149.0")
    toml.write_text(toml.read_text().replace(entry, entry + older))
    update("browser", write=True)
    text = toml.read_text()
    assert text.count(CARTON.format("151.0")) == 1
    assert older in text


def test_an_archive_with_other_content_is_told_apart_and_the_rest_moves(
    archive: Archive, update: Update, toml: Path, store: Store
) -> None:
    toml.write_text(toml.read_text().replace('keep = ["*.c"]', 'keep = ["*.txt"]'))
    with pytest.raises(WheelhouseError) as failure:
        update(write=True)
    assert failure.value.kind is Kind.FETCH
    assert failure.value.what.splitlines() == [
        "These pins were not moved, because the files have other content:",
        "  browser_151.0.orig.tar.xz: part",
    ]
    assert CARTON.format("150.0") in toml.read_text()
    assert HEADERS.format(9) in toml.read_text()
    assert not [path for path in store.root.rglob("*") if "browser" in path.name]


def test_a_file_that_is_not_what_the_list_says_is_refused(
    archive: Archive, mirror: Mirror, update: Update, toml: Path
) -> None:
    mirror.files[HEADERS.format(9)] = b"swapped"
    before = toml.read_text()
    with pytest.raises(WheelhouseError, match="not the pinned") as failure:
        update("py-3.11", write=True)
    assert failure.value.kind is Kind.FETCH
    assert toml.read_text() == before


def test_lists_that_the_archive_did_not_sign_are_refused(
    archive: Archive, mirror: Mirror, update: Update, toml: Path
) -> None:
    name = "dists/bookworm/InRelease"
    mirror.files[name] = mirror.files[name].replace(b"Codename: bookworm", b"Codename: bullseye")
    before = toml.read_text()
    with pytest.raises(WheelhouseError) as failure:
        update(write=True)
    assert failure.value.kind is Kind.FETCH
    assert "could not be read" in failure.value.what
    assert toml.read_text() == before


def test_what_the_signed_lists_say_is_recorded_once_for_each_pin(
    archive: Archive, update: Update, toml: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    update()
    assert "1 of 2 files of Debian are as its signed lists say" in capfd.readouterr().err
    assert not toml.with_name("debian.toml").exists()
    update("py-3.11", write=True)
    day = date(2022, 1, 1)
    headers = {HEADERS.format(9): Signed(sha256(b"new headers"), 11, "bookworm", day)}
    assert debian_record.read(toml.parent) == DebianRecord(headers)
    toml.write_text(toml.read_text().replace("150.0", "149.0"))
    update("browser", write=True)
    recorded = debian_record.read(toml.parent)
    assert recorded.files.keys() == {HEADERS.format(9), CARTON.format("151.0")}
    assert recorded.unlisted == ()


@pytest.mark.parametrize("change", ["sha256", "size"])
def test_a_pin_that_differs_from_the_signed_list_is_refused(
    archive: Archive, update: Update, toml: Path, change: str
) -> None:
    right = f'"{sha256(b"old headers")}", size = 11'
    wrong = {"sha256": f'"{"1" * 64}", size = 11', "size": right.replace("11", "12")}[change]
    toml.write_text(toml.read_text().replace(right, wrong))
    before = toml.read_text()
    with pytest.raises(WheelhouseError) as failure:
        update(write=True)
    assert failure.value.kind is Kind.FETCH
    assert f"  {HEADERS.format(8)}: bookworm lists" in failure.value.what
    assert "Build nothing of them" in failure.value.hint
    assert toml.read_text() == before
    assert not toml.with_name("debian.toml").exists()


@pytest.fixture(scope="module")
def real() -> dict[str, bytes]:
    """The signed lists of a small suite, as Debian's mirror has them now."""
    mirror, found = debian_mirrors()[0], {}
    for name in ("InRelease", "main/source/Sources.xz"):
        path = f"dists/{REAL}/{name}"
        found[path] = b"".join(download.read(f"{mirror}/{path}", download.Limits(10_000_000)))
    return found


def test_debians_own_lists_have_its_signature(
    real: dict[str, bytes], mirror: Mirror, tmp_path: Path
) -> None:
    mirror.files.update(real)
    lists = debian_index.fetch(mirror.url, [REAL], [], KEYRING, tmp_path, tmp_path / "log")
    text = lzma.decompress(real[f"dists/{REAL}/main/source/Sources.xz"]).decode()
    first = Sources(text.partition("\n\n")[0])
    (archive, *_) = (each for each in first["Checksums-Sha256"] if ".orig." in each["name"])
    found = {each.path: each for each in debian_index.read(lists, {first["Package"]})}
    file = found[f"{first['Directory']}/{archive['name']}"]
    assert (file.sha256, file.size, file.suite) == (archive["sha256"], int(archive["size"]), REAL)
    assert file.signed


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("InRelease", "GPG error|not signed|BADSIG"),
        ("main/source/Sources.xz", "Hash Sum|unexpected"),
    ],
)
def test_debians_own_lists_are_refused_once_they_are_altered(
    real: dict[str, bytes], mirror: Mirror, tmp_path: Path, name: str, reason: str
) -> None:
    path = f"dists/{REAL}/{name}"
    content = real[path]
    altered = (
        content.replace(b"\nOrigin: Debian", b"\nOrigin: Debiaa", 1)
        if name == "InRelease"
        else lzma.compress(lzma.decompress(content).replace(b"Package: ", b"Package: x", 1))
    )
    assert altered != content
    mirror.files.update({**real, path: altered})
    with pytest.raises(WheelhouseError, match="could not be read") as failure:
        debian_index.fetch(mirror.url, [REAL], [], KEYRING, tmp_path, tmp_path / "log")
    assert failure.value.kind is Kind.FETCH
    assert re.search(reason, (tmp_path / "log").read_text())


def test_debians_own_lists_are_refused_with_another_key(
    real: dict[str, bytes], mirror: Mirror, tmp_path: Path, key: Key
) -> None:
    mirror.files.update(real)
    with pytest.raises(WheelhouseError, match="could not be read"):
        debian_index.fetch(mirror.url, [REAL], [], key.ring, tmp_path, tmp_path / "log")


def test_a_pin_that_is_not_on_one_line_is_not_written_wrongly(
    archive: Archive, update: Update, toml: Path
) -> None:
    pinned = f'    {{ debian = "{HEADERS.format(8)}", sha256'
    text = toml.read_text().replace(pinned, f"    {{ debian = '{HEADERS.format(8)}', sha256")
    toml.write_text(text)
    with pytest.raises(WheelhouseError) as failure:
        update("py-3.11", write=True)
    assert sha256(b"new headers") in failure.value.hint
    assert toml.read_text() == text


# Python's package index


@pytest.fixture
def wheels(mirror: Mirror, toml: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Pin version 1.0 of a wheel; ``offer`` puts wheels into the index."""
    wheel = f'{{ pypi = "{WHEEL.format("1.0")}", sha256 = "{"0" * 64}", size = 1 }}'
    toml.write_text(
        f'[tflite]\n[shared.thing]\nversion = "1.0"\nlicense = "MIT"\nartefacts = [{wheel}]\n'
    )
    monkeypatch.setenv("PIP_INDEX_URL", f"{mirror.url}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    def offer(*names: str) -> None:
        links = "".join(f'<a href="../../{name}">{name}</a>' for name in names)
        page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        mirror.files["simple/loopback-thing/"] = page

    return offer


@pytest.mark.parametrize(
    ("offered", "row"),
    [
        (["1.0"], None),
        (["1.0", "1.1"], ["thing", "1.0", "yes", "", "1.1"]),
        (["1.1"], ["thing", "1.0", "no", "", "1.1"]),
        (["0.9"], ["thing", "1.0", "no", "", ""]),
        ([], ["thing", "1.0", "no", "", ""]),
    ],
)
def test_a_wheel_is_looked_for_in_pip_s_index(
    wheels: Offer,
    update: Update,
    toml: Path,
    capfd: pytest.CaptureFixture[str],
    offered: list[str],
    row: list[str] | None,
) -> None:
    other = WHEEL.format("3.0").replace("cp311", "cp312")
    wheels(*(WHEEL.format(version) for version in offered), other)
    before = toml.read_text()
    update(write=True)
    lines = capfd.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert rows == ([row] if row else [])
    assert toml.read_text() == before


def test_an_index_that_fails_is_no_index_without_the_wheel(
    wheels: Offer, mirror: Mirror, update: Update
) -> None:
    mirror.statuses = [500] * 9
    with pytest.raises(WheelhouseError) as failure:
        update()
    assert failure.value.kind is Kind.FETCH
    assert "package index does not answer" in failure.value.what
    assert f"{mirror.url}/simple" in failure.value.what


# The command


def test_a_mirror_that_does_not_answer_ends_the_command(
    cli: Cli, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.close()
    done = cli("update-pins", "--pin", "python-3.11-aarch64", WHEELHOUSE_CACHE=str(tmp_path))
    error, reason, then = done.stderr.splitlines()
    assert error == "error: The Debian mirror does not answer:"
    assert mirror.url in reason
    assert "WHEELHOUSE_DEBIAN_MIRROR" in then
    assert done.status == Kind.FETCH


def test_an_unknown_pin_is_answered_with_the_nearest(cli: Cli) -> None:
    done = cli("update-pins", "--pin", "pyton-3.11-aarch64")
    assert "did you mean python-3.11-aarch64?" in done.stderr
    assert done.status == Kind.USAGE
