from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.archives import tar_gz, tar_xz
from tests.support.loopback import closed
from tests.support.mirror import Mirror
from tests.support.running import Cli, Task, Until, first_line
from tests.support.wheels import wheel
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.process import StoppedError, run_watched
from wheelhouse.common.store import Store, file_digest, tree_digest
from wheelhouse.sources import archives, pins, pip
from wheelhouse.sources.download import Limits, UnreachableError
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import Artefact, Component, Pin

Carton = tuple[Component, bytes]
Cartons = tuple[tuple[Component, Component, Component], bytes]
Index = Callable[[str], Path]
Patch = Callable[..., None]


POOL = "pool/main/t/thing/thing_1.0+dfsg.orig.tar.xz"
FILES = {"thing-1.0/LICENSE": b"free", "thing-1.0/src/a.c": b"int a;\nint b;\nint c;\n"}
MEBIBYTE = 1 << 20


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def noise(size: int) -> bytes:
    return random.Random(7).randbytes(size)  # noqa: S311


ARCHIVE = tar_xz(FILES)
LARGE = tar_xz({**FILES, "thing-1.0/noise": noise(3 * MEBIBYTE)})


def debian(content: bytes, path: str = POOL, **more: Any) -> Artefact:
    return Artefact(sha256=sha256(content), size=len(content) or 1, debian=path, **more)


def thing(*artefacts: Artefact, **pin: Any) -> Component:
    return Component("thing", Pin(version="1.0", license="MIT", artefacts=artefacts, **pin))


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


UNPACKED = {"LICENSE": b"free", "src/a.c": b"int a;\nint b;\nint c;\n"}


@pytest.fixture
def fetcher(store: Store) -> Fetcher:
    return Fetcher(store)


def fetch(component: Component) -> str:
    """The code of a task that prints the component's folder."""
    return f"""
from wheelhouse.sources.fetch import Fetcher
from wheelhouse.sources.pins import Artefact, Component, Pin
print(Fetcher.from_options().tree({component!r}))
"""


# Mirrors


def test_a_component_is_fetched_once_checked_and_unpacked(mirror: Mirror, fetcher: Fetcher) -> None:
    mirror.files[POOL] = ARCHIVE
    tree = fetcher.tree(thing(debian(ARCHIVE)))
    assert contents(tree) == UNPACKED
    assert fetcher.tree(thing(debian(ARCHIVE))) == tree
    assert mirror.requests == [(POOL, 0)]


def test_only_what_is_kept_is_unpacked(mirror: Mirror, fetcher: Fetcher) -> None:
    mirror.files[POOL] = ARCHIVE
    assert contents(fetcher.tree(thing(debian(ARCHIVE), keep=("src",)))) == {
        "src/a.c": UNPACKED["src/a.c"]
    }


def test_the_next_mirror_and_then_the_next_artefact_is_tried(
    mirror: Mirror, fetcher: Fetcher, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b")
    mirror.files["upstream.tar.xz"] = ARCHIVE
    upstream = Artefact(
        sha256=sha256(ARCHIVE), size=len(ARCHIVE), url=f"{mirror.url}/upstream.tar.xz"
    )
    component = thing(debian(b"other"), upstream)
    assert contents(fetcher.tree(component)) == UNPACKED
    assert mirror.requests == [(f"a/{POOL}", 0), (f"b/{POOL}", 0), ("upstream.tar.xz", 0)]


def test_when_no_mirror_answers_the_error_names_each_and_says_what_to_do(
    fetcher: Fetcher, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = closed()
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{nobody}/a {nobody}/b")
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(debian(ARCHIVE)))
    first, *rest = failure.value.what.splitlines()
    assert first == "thing-1.0 could not be fetched:"
    assert [line.split("thing_")[0].strip() for line in rest] == [
        f"{nobody}/{name}/pool/main/t/thing/" for name in "ab"
    ]
    assert all("refused" in line for line in rest)
    assert "WHEELHOUSE_DEBIAN_MIRROR" in failure.value.hint


# Downloads that break


def test_what_came_from_one_mirror_is_gone_on_with_at_the_next(
    mirror: Mirror, fetcher: Fetcher, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b")
    mirror.files |= {f"a/{POOL}": LARGE, f"b/{POOL}": LARGE}
    mirror.cuts = [MEBIBYTE, 0, 0, 0, 0]
    assert fetcher.file(thing(debian(LARGE))).read_bytes() == LARGE
    assert mirror.requests[-1] == (f"b/{POOL}", MEBIBYTE)


def test_a_killed_download_is_gone_on_with_by_the_next_run(
    mirror: Mirror, task: Task, until: Until, tmp_path: Path
) -> None:
    mirror.files[POOL] = LARGE
    mirror.cuts, mirror.stall = [2 * MEBIBYTE], True
    cache = str(tmp_path / "cache")
    killed = task(fetch(thing(debian(LARGE))), WHEELHOUSE_CACHE=cache)
    until(lambda: any(p.stat().st_size >= MEBIBYTE for p in Path(cache).rglob("*.part")))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    mirror.stall = False
    mirror.go_on.set()
    again = task(fetch(thing(debian(LARGE))), WHEELHOUSE_CACHE=cache)
    out, _ = again.communicate(timeout=20)
    assert again.returncode == 0
    assert contents(Path(out.strip())).keys() == {*UNPACKED, "noise"}
    assert MEBIBYTE <= mirror.requests[1][1] <= 2 * MEBIBYTE
    assert not list(Path(cache).rglob("*.part"))


@pytest.mark.parametrize("junk", [b"junk", LARGE[:1000] + b"junk", LARGE + b"junk", b""])
def test_a_damaged_part_does_no_harm(mirror: Mirror, fetcher: Fetcher, junk: bytes) -> None:
    mirror.files[POOL] = LARGE
    part = fetcher.store.root / "files" / sha256(LARGE)[:16] / f"{Path(POOL).name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(junk)
    assert fetcher.file(thing(debian(LARGE))).read_bytes() == LARGE
    assert not part.exists()


def test_other_content_than_the_pinned_is_refused_with_both_hashes(
    mirror: Mirror, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b")
    mirror.files |= {f"a/{POOL}": b"changed", f"b/{POOL}": b"changed too"}
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(debian(ARCHIVE)))
    for content in (b"changed", b"changed too"):
        assert (
            f"SHA-256 is {sha256(content)}, not the pinned {sha256(ARCHIVE)}" in failure.value.what
        )
    assert not [path for path in fetcher.store.root.rglob("thing*") if path.suffix != ".lock"]
    mirror.files[f"b/{POOL}"] = ARCHIVE
    assert contents(fetcher.tree(thing(debian(ARCHIVE)))) == UNPACKED


def test_a_mirror_that_sends_too_much_is_left_at_the_pinned_size_for_the_next(
    mirror: Mirror, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b")
    mirror.files |= {f"a/{POOL}": ARCHIVE + b"more", f"b/{POOL}": ARCHIVE}
    assert contents(fetcher.tree(thing(debian(ARCHIVE)))) == UNPACKED
    assert [path for path, _ in mirror.requests] == [f"a/{POOL}", f"b/{POOL}"]


def test_when_all_mirrors_send_too_much_the_error_names_each_and_the_size(
    mirror: Mirror, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b")
    mirror.files |= {f"{name}/{POOL}": ARCHIVE + b"more" for name in "ab"}
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(debian(ARCHIVE)))
    for line, name in zip(failure.value.what.splitlines()[1:], "ab", strict=True):
        assert f"{mirror.url}/{name}/" in line
        assert f"larger than the {len(ARCHIVE):,} bytes that it may have" in line
    assert "WHEELHOUSE_DEBIAN_MIRROR" in failure.value.hint


# A cache that is damaged, full, or used twice at once


def test_a_damaged_archive_is_fetched_again_and_said(
    mirror: Mirror, fetcher: Fetcher, capfd: pytest.CaptureFixture[str]
) -> None:
    mirror.files[POOL] = ARCHIVE
    component = thing(debian(ARCHIVE))
    fetcher.file(component).write_bytes(b"damaged")
    assert fetcher.file(component).read_bytes() == ARCHIVE
    assert f"{Path(POOL).name} in the cache is damaged" in capfd.readouterr().err


def test_a_damaged_archive_without_a_network_is_an_error(mirror: Mirror, fetcher: Fetcher) -> None:
    mirror.files[POOL] = ARCHIVE
    component = thing(debian(ARCHIVE))
    fetcher.file(component).write_bytes(b"damaged")
    with pytest.raises(WheelhouseError, match=r"thing-1\.0 is not in the cache, and the network"):
        Fetcher(fetcher.store, offline=True).file(component)
    assert len(mirror.requests) == 1


def test_a_damaged_tree_is_unpacked_again(mirror: Mirror, fetcher: Fetcher) -> None:
    mirror.files[POOL] = ARCHIVE
    component = thing(debian(ARCHIVE))
    (fetcher.tree(component) / "src" / "a.c").write_text("int damaged;")
    assert contents(Fetcher(fetcher.store, offline=True).tree(component)) == UNPACKED


@pytest.mark.parametrize("step", ["fetching", "unpacking"])
def test_on_a_full_disk_the_same_command_goes_on_once_there_is_space(
    mirror: Mirror, task: Task, small_disk: list[str], tmp_path: Path, step: str
) -> None:
    archive = LARGE if step == "fetching" else tar_xz({"a/zeros": bytes(3 * MEBIBYTE)})
    mirror.files[POOL] = archive
    process = task(
        fetch(thing(debian(archive))), through=small_disk, WHEELHOUSE_CACHE=str(tmp_path)
    )
    out, err = process.communicate(timeout=60)
    full, enlarged = err.split("---\n")
    assert f"error: The disk that holds {tmp_path} is full." in full
    assert "next: Free some space" in full
    assert "WHEELHOUSE_CACHE" in full
    assert "error" not in enlarged
    assert out.splitlines()[0] == f"status {Kind.DISK}"
    assert out.splitlines()[-1] == "status 0"
    starts = [start for _, start in mirror.requests]
    assert starts == [0] if step == "unpacking" else 0 < starts[1] <= MEBIBYTE


def test_two_builds_at_once_fetch_once(
    mirror: Mirror, task: Task, until: Until, tmp_path: Path
) -> None:
    mirror.files[POOL] = LARGE
    mirror.cuts, mirror.stall = [MEBIBYTE], True
    component, cache = thing(debian(LARGE)), str(tmp_path / "cache")
    first = task(fetch(component), WHEELHOUSE_CACHE=cache)
    until(lambda: mirror.requests)
    second = task(fetch(component), WHEELHOUSE_CACHE=cache)
    said = first_line(second)
    mirror.go_on.set()
    outputs = [process.communicate(timeout=20)[0] for process in (first, second)]
    assert said == "thing-1.0 is being made by another build; waiting for it\n"
    assert outputs[0] == outputs[1]
    assert [first.returncode, second.returncode] == [0, 0]
    assert len(mirror.requests) == 1


def test_two_components_of_one_archive_at_once_fetch_it_once(
    mirror: Mirror, task: Task, until: Until, tmp_path: Path
) -> None:
    mirror.files[POOL] = LARGE
    mirror.cuts, mirror.stall = [MEBIBYTE], True
    component, cache = thing(debian(LARGE)), str(tmp_path / "cache")
    first = task(fetch(component), WHEELHOUSE_CACHE=cache)
    until(lambda: mirror.requests)
    second = task(fetch(Component("other", component.pin)), WHEELHOUSE_CACHE=cache)
    said = first_line(second)
    mirror.go_on.set()
    for process in (first, second):
        process.communicate(timeout=20)
    assert said == "other-1.0 is being fetched by another build; waiting for it\n"
    assert [first.returncode, second.returncode] == [0, 0]
    assert len(mirror.requests) == 1


# A folder instead of the network


def test_an_exported_folder_stands_in_for_the_network(
    mirror: Mirror, fetcher: Fetcher, tmp_path: Path
) -> None:
    mirror.files[POOL] = ARCHIVE
    component = thing(debian(b"other", path="pool/other.tar.xz"), debian(ARCHIVE))
    folder = tmp_path / "exported"
    fetcher.export(folder, (component,))
    shutil.rmtree(fetcher.store.root)
    mirror.requests.clear()
    assert contents(Fetcher(fetcher.store, folder=folder).tree(component)) == UNPACKED
    assert mirror.requests == []


def test_a_damaged_file_in_the_folder_is_named(
    mirror: Mirror, fetcher: Fetcher, tmp_path: Path
) -> None:
    (tmp_path / Path(POOL).name).write_bytes(b"damaged")
    with pytest.raises(WheelhouseError) as failure:
        Fetcher(fetcher.store, folder=tmp_path).file(thing(debian(ARCHIVE)))
    assert str(tmp_path / Path(POOL).name) in failure.value.what
    assert "invoke sources --export" in failure.value.hint


def test_a_component_that_the_folder_lacks_is_named(
    mirror: Mirror, fetcher: Fetcher, tmp_path: Path
) -> None:
    with pytest.raises(WheelhouseError) as failure:
        Fetcher(fetcher.store, folder=tmp_path).file(thing(debian(ARCHIVE)))
    assert failure.value.what.startswith(f"thing-1.0 is not in {tmp_path}")
    assert mirror.requests == []


@pytest.mark.parametrize(
    ("options", "kind", "what", "hint"),
    [
        (
            ["--sources", "nowhere"],
            Kind.USAGE,
            "The folder nowhere does not exist.",
            "--export",
        ),
        (
            ["--offline"],
            Kind.FETCH,
            "is not in the cache, and the network is not to be used.",
            "--sources DIR",
        ),
    ],
)
def test_the_command_says_what_is_missing(
    cli: Cli, tmp_path: Path, options: list[str], kind: Kind, what: str, hint: str
) -> None:
    done = cli("build", "--py=3.11", *options, WHEELHOUSE_CACHE=str(tmp_path / "cache"))
    error, then, *_ = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert error.endswith(what)
    assert then.startswith("next: ")
    assert hint in then
    assert done.status == kind


# One folder of a large archive


@pytest.fixture
def carton(tmp_path: Path) -> Carton:
    """A component that is the folder ``big/deep/thing`` of a larger archive, and the archive."""
    inside = {f"top/big/deep/{name}": content for name, content in FILES.items()}
    others = {"top/big/other": noise(MEBIBYTE), "top/big/deep/thing-1.0/unwanted": b""}
    archive = tar_xz({"top/big/first": b"", **inside, **others})
    model = tmp_path / "model"
    for name, content in UNPACKED.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    artefact = debian(archive, folder="big/deep/thing-1.0")
    return thing(artefact, keep=("LICENSE", "src"), tree=tree_digest(model)), archive


def test_a_folder_is_taken_out_of_a_larger_archive_that_is_not_kept(
    mirror: Mirror, fetcher: Fetcher, carton: Carton
) -> None:
    component, mirror.files[POOL] = carton
    assert contents(fetcher.tree(component)) == UNPACKED
    (kept,) = [path for path in (fetcher.store.root / "files").rglob("*") if path.is_file()]
    assert kept.stat().st_size < MEBIBYTE / 10
    kept.write_bytes(b"damaged")
    assert fetcher.file(component).read_bytes()[:7] != b"damaged"


def test_a_broken_stream_of_a_larger_archive_goes_on(
    mirror: Mirror, fetcher: Fetcher, waits: list[float], carton: Carton
) -> None:
    component, mirror.files[POOL] = carton
    mirror.cuts = [100_000, 500_000]
    assert contents(fetcher.tree(component)) == UNPACKED
    assert [start for _, start in mirror.requests] == [0, 100_000, 600_000]


def test_a_larger_archive_of_other_content_is_refused(
    mirror: Mirror, fetcher: Fetcher, carton: Carton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DEBIAN_MIRROR", f"{mirror.url}/a {mirror.url}/b {mirror.url}/c")
    component, archive = carton
    other = tar_xz({"top/big/deep/thing-1.0/LICENSE": b"changed"})
    cut = archive[: len(archive) // 2]
    mirror.files |= {f"a/{POOL}": other, f"b/{POOL}": cut, f"c/{POOL}": b"<html>"}
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(component)
    first, *rest = failure.value.what.splitlines()
    assert first == "thing-1.0 could not be fetched:"
    assert [line.strip()[: len(mirror.url) + 2] for line in rest] == [
        f"{mirror.url}/{name}" for name in "abc"
    ]
    assert f"SHA-256 is {sha256(other)}, not the pinned {sha256(archive)}" in rest[0]
    assert not contents(fetcher.store.root / "files")


def test_a_folder_of_other_content_is_refused_with_both_hashes(
    mirror: Mirror, fetcher: Fetcher, carton: Carton
) -> None:
    component, mirror.files[POOL] = carton
    pin = component.pin
    wrong = thing(*pin.artefacts, keep=("LICENSE",), tree=pin.tree)
    with pytest.raises(
        WheelhouseError, match=rf"SHA-256 is [0-9a-f]{{64}}, not the pinned {pin.tree}"
    ):
        fetcher.tree(wrong)


@pytest.fixture
def cartons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cartons:
    """Three components of one archive, two of them in one folder of it, and the archive."""
    inside = {
        "one/LICENSE": b"free",
        "one/src/deep/a.c": b"int a;",
        "one/src/a.txt": b"not kept",
        "one/python/a.py": b"a = 1",
        "two/b.c": b"int b;",
        "other/noise": noise(MEBIBYTE),
    }
    archive = tar_xz({f"top/{name}": content for name, content in inside.items()})
    for name, content in inside.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(content)

    def component(name: str, folder: str, *keep: str) -> Component:
        digest = tree_digest(tmp_path / "model" / folder, lambda path: archives.is_kept(path, keep))
        pin = Pin("1.0", "MIT", (debian(archive, folder=folder),), keep=keep, tree=digest)
        return Component(name, pin)

    parts = (
        component("one", "one", "LICENSE", "src/*.c"),
        component("python", "one", "python"),
        component("two", "two"),
    )
    monkeypatch.setattr(pins, "all_components", lambda: parts)
    return parts, archive


def test_one_stream_brings_all_that_is_in_a_larger_archive(
    mirror: Mirror, fetcher: Fetcher, cartons: Cartons
) -> None:
    (one, python, two), mirror.files[POOL] = cartons
    assert contents(fetcher.tree(two)) == {"b.c": b"int b;"}
    offline = Fetcher(fetcher.store, offline=True)
    assert contents(offline.tree(one)) == {"LICENSE": b"free", "src/deep/a.c": b"int a;"}
    assert contents(offline.tree(python)) == {"python/a.py": b"a = 1"}
    assert mirror.requests == [(POOL, 0)]


def test_what_else_is_in_a_larger_archive_and_differs_does_no_harm(
    mirror: Mirror, fetcher: Fetcher, cartons: Cartons, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, python, two), mirror.files[POOL] = cartons
    other = Component("other", replace(one.pin, tree="0" * 64))
    monkeypatch.setattr(pins, "all_components", lambda: (other, python))
    assert contents(fetcher.tree(two)) == {"b.c": b"int b;"}
    with pytest.raises(WheelhouseError, match=r"other-1\.0 is not in the cache"):
        Fetcher(fetcher.store, offline=True).tree(other)
    with pytest.raises(WheelhouseError, match=f"SHA-256 is {one.pin.tree}, not the pinned 000"):
        fetcher.tree(other)


def test_two_builds_at_once_that_want_different_parts_stream_once(
    mirror: Mirror, task: Task, until: Until, tmp_path: Path, carton: Carton
) -> None:
    component, archive = carton
    mirror.files[POOL] = archive
    mirror.cuts, mirror.stall = [len(archive) // 2], True
    cache = str(tmp_path / "cache")
    other = Component("other", component.pin)
    both = f"s.all_components = lambda: ({component!r}, {other!r})\n"
    imports = (
        "import wheelhouse.sources.pins as s\nfrom wheelhouse.sources.fetch import Fetcher\n"
        "from wheelhouse.sources.pins import Artefact, Component, Pin\n"
    )
    first = task(imports + both + fetch(component), WHEELHOUSE_CACHE=cache)
    until(lambda: mirror.requests)
    second = task(imports + both + fetch(other), WHEELHOUSE_CACHE=cache)
    assert "other-1.0 is being fetched by another build" in first_line(second)
    mirror.go_on.set()
    for process in (first, second):
        process.communicate(timeout=20)
    assert [first.returncode, second.returncode] == [0, 0]
    assert len(mirror.requests) == 1


def test_any_archive_with_the_right_content_will_do(
    mirror: Mirror, fetcher: Fetcher, waits: list[float], carton: Carton
) -> None:
    """Debian's is gone; upstream's has another layout and a hash that nobody pinned."""
    component, _ = carton
    upstream = Artefact(at_most=MEBIBYTE << 4, url=f"{mirror.url}/thing-abc.tar.xz")
    mirror.files["thing-abc.tar.xz"] = tar_xz({**FILES, "thing-1.0/docs/a.md": b"unwanted"})
    artefacts = (*component.pin.artefacts, upstream)
    elsewhere = Component("thing", replace(component.pin, artefacts=artefacts))
    assert contents(fetcher.tree(elsewhere)) == UNPACKED
    assert elsewhere.tree.key == component.tree.key
    assert [path for path, _ in mirror.requests] == [POOL, "thing-abc.tar.xz"]


def test_an_archive_that_nobody_pinned_is_held_to_the_content(
    mirror: Mirror, fetcher: Fetcher, carton: Carton
) -> None:
    component, _ = carton
    mirror.files["thing.tar.xz"] = tar_xz({**FILES, "thing-1.0/src/a.c": b"int changed;"})
    upstream = (Artefact(at_most=MEBIBYTE << 4, url=f"{mirror.url}/thing.tar.xz"),)
    with pytest.raises(WheelhouseError, match=f"not the pinned {component.pin.tree}"):
        fetcher.tree(Component("thing", replace(component.pin, artefacts=upstream)))


# A checkout that the user has


def test_a_checkout_stands_in_for_an_archive(
    mirror: Mirror, fetcher: Fetcher, carton: Carton, tmp_path: Path, patch: Patch
) -> None:
    component, _ = carton
    patch("int b;")
    for name, content in {**UNPACKED, ".git/config": b"", "docs/a.md": b"unwanted"}.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    mine = Component("thing", component.pin, tmp_path / "mine")
    tree = fetcher.tree(mine)
    assert contents(tree).keys() == UNPACKED.keys()
    assert "int patched;" in (tree / "src" / "a.c").read_text()
    assert (tmp_path / "mine" / "src" / "a.c").read_bytes() == UNPACKED["src/a.c"]
    assert mirror.requests == []


# The Python package index


@pytest.fixture
def index(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Index:
    """Let pip know no index but the mirror; put a wheel of these tags there."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", f"{mirror.url}/simple")

    def put(tags: str) -> Path:
        header = {"tiny/include/tiny.h": "#define TINY", "tiny/__init__.py": None}
        path = wheel(tmp_path / "index", "tiny", "1.0", tags, replaced=header)
        mirror.files[f"files/{path.name}"] = path.read_bytes()
        mirror.files["simple/tiny/"] = f'<a href="/files/{path.name}">{path.name}</a>'.encode()
        return path

    return put


@pytest.mark.parametrize(
    "tags",
    [
        "py3-none-any",
        "py3-none-manylinux_2_35_x86_64",
        "cp39-cp39-manylinux_2_17_aarch64.manylinux2014_aarch64",
    ],
)
def test_a_wheel_comes_from_the_index_that_pip_knows(
    index: Index, fetcher: Fetcher, tags: str
) -> None:
    path = index(tags)
    artefact = Artefact(sha256=file_digest(path), size=path.stat().st_size, pypi=path.name)
    assert contents(fetcher.tree(thing(artefact, keep=("tiny",)))) == {
        "tiny/include/tiny.h": b"#define TINY"
    }


def test_a_wheel_of_other_content_is_refused_with_both_hashes(
    index: Index, fetcher: Fetcher
) -> None:
    path = index("py3-none-any")
    artefact = Artefact(sha256=sha256(b"other"), size=path.stat().st_size, pypi=path.name)
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(artefact))
    assert file_digest(path) in failure.value.what
    assert sha256(b"other") in failure.value.what


def test_pip_stops_at_the_pinned_size(index: Index, fetcher: Fetcher) -> None:
    path = index("py3-none-any")
    size = path.stat().st_size - 1
    artefact = Artefact(sha256=file_digest(path), size=size, pypi=path.name)
    with pytest.raises(WheelhouseError, match=f"larger than the {size:,} bytes"):
        fetcher.tree(thing(artefact))


def test_pip_is_stopped_where_the_index_sends_nothing_more(
    index: Index, mirror: Mirror, fetcher: Fetcher, tmp_path: Path
) -> None:
    path = index("py3-none-any")
    content = path.read_bytes() + noise(MEBIBYTE)
    mirror.files[f"files/{path.name}"] = content
    page = len(mirror.files["simple/tiny/"])
    mirror.cuts, mirror.stall = [page, 600_000], True
    limits = Limits(len(content), slowest=100_000, span=2)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"too slow: [\d,]+ bytes in \d+ s|nothing of it"):
        pip.fetch(path.name, sha256(content), limits, tmp_path / path.name, fetcher.store)
    assert time.monotonic() - begun < 20


def test_the_programs_of_a_stopped_one_are_stopped(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command: list[str | Path] = ["sh", "-c", 'sleep 60 & touch "$1"; wait', "sh", ready]
    begun = time.monotonic()
    with pytest.raises(StoppedError, match="enough"):
        run_watched(command, env={}, problem=lambda: "enough" if ready.exists() else "")
    assert time.monotonic() - begun < 20, "it waited for what holds its output open"


@pytest.mark.usefixtures("index")
def test_a_wheel_that_the_index_does_not_have_is_named(fetcher: Fetcher) -> None:
    artefact = Artefact(sha256=sha256(b""), size=1, pypi="tiny-1.0-py3-none-any.whl")
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(artefact))
    assert "tiny-1.0-py3-none-any.whl: " in failure.value.what
    assert "No matching distribution" in failure.value.what
    assert "\n" not in failure.value.what.partition("tiny-1.0-py3")[2]


def test_a_source_archive_comes_from_the_index_too(
    index: Index, mirror: Mirror, fetcher: Fetcher
) -> None:
    index("py3-none-any")
    meta = b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    project = b'[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n'
    back = (
        b"import os\n"
        b"def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        b"    os.mkdir(os.path.join(folder, 'tiny-1.0.dist-info'))\n"
        b"    with open(os.path.join(folder, 'tiny-1.0.dist-info', 'METADATA'), 'w') as f:\n"
        b"        f.write('Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')\n"
        b"    return 'tiny-1.0.dist-info'\n"
        b"def build_wheel(*words): raise SystemExit(1)\n"
    )
    files = {"PKG-INFO": meta, "pyproject.toml": project, "back.py": back, "tiny/model": b"data"}
    archive = tar_gz({f"tiny-1.0/{name}": content for name, content in files.items()})
    mirror.files["files/tiny-1.0.tar.gz"] = archive
    mirror.files["simple/tiny/"] = b'<a href="/files/tiny-1.0.tar.gz">tiny-1.0.tar.gz</a>'
    artefact = Artefact(sha256=sha256(archive), size=len(archive), pypi="tiny-1.0.tar.gz")
    tree = fetcher.tree(thing(artefact, keep=("tiny",)))
    assert contents(tree) == {"tiny/model": b"data"}


# npm's registry


def test_a_package_comes_from_the_registry_that_the_user_names(
    mirror: Mirror, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_NPM_REGISTRY", f"{mirror.url}/npm/")
    path = "@some/thing/-/thing-1.0.tgz"
    archive = tar_gz({f"package/{name}": content for name, content in UNPACKED.items()})
    mirror.files[f"npm/{path}"] = archive
    tree = fetcher.tree(thing(Artefact(sha256=sha256(archive), size=len(archive), npm=path)))
    assert contents(tree) == UNPACKED


def test_a_machine_without_a_registry_is_told_what_to_do(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WHEELHOUSE_NPM_REGISTRY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(Artefact(sha256="0" * 64, size=1, npm="thing/-/thing-1.0.tgz")))
    assert "thing/-/thing-1.0.tgz: No npm" in failure.value.what
    assert "WHEELHOUSE_NPM_REGISTRY" in failure.value.hint


# Patches


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Patch:
    """Write a patch that replaces a line of src/a.c."""
    monkeypatch.setattr(pins, "PATCHES", tmp_path / "patches")

    def write(
        old: str, new: str = "int patched;", label: str = "thing-1.0", number: int = 1
    ) -> None:
        folder = tmp_path / "patches" / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:04}-change-it.patch").write_text(
            "Why it is changed.\n\n--- a/src/a.c\n+++ b/src/a.c\n"
            f"@@ -1,3 +1,3 @@\n int a;\n-{old}\n+{new}\n int c;\n"
        )

    return write


def test_a_patch_is_applied_and_a_changed_patch_gives_another_tree(
    mirror: Mirror, fetcher: Fetcher, patch: Patch
) -> None:
    mirror.files[POOL] = ARCHIVE
    plain = fetcher.tree(thing(debian(ARCHIVE)))
    patch("int b;")
    first = fetcher.tree(thing(debian(ARCHIVE)))
    patch("int b;", "int other;")
    second = fetcher.tree(thing(debian(ARCHIVE)))
    assert [
        (tree / "src" / "a.c").read_text().split("\n")[1] for tree in (plain, first, second)
    ] == [
        "int b;",
        "int patched;",
        "int other;",
    ]
    assert len(mirror.requests) == 1


def test_a_patch_of_a_processor_follows_the_others_for_that_processor_alone(
    mirror: Mirror, fetcher: Fetcher, patch: Patch
) -> None:
    mirror.files[POOL] = ARCHIVE
    patch("int b;")
    patch("int patched;", "int here;", "thing-1.0-x86_64", 2)
    for processor, line in (("", "patched"), ("aarch64", "patched"), ("x86_64", "here")):
        tree = fetcher.tree(dataclasses.replace(thing(debian(ARCHIVE)), processor=processor))
        assert (tree / "src" / "a.c").read_text().split("\n")[1] == f"int {line};"
    trees = [path.name for path in (fetcher.store.root / "trees").iterdir() if path.is_dir()]
    assert sorted(name.rpartition("-")[0] for name in trees) == ["thing-1.0", "thing-1.0-x86_64"]


def test_a_patch_that_does_not_apply_is_named(
    mirror: Mirror, fetcher: Fetcher, patch: Patch
) -> None:
    mirror.files[POOL] = ARCHIVE
    patch("int nothing;")
    here = Path.cwd()
    with pytest.raises(WheelhouseError) as failure:
        fetcher.tree(thing(debian(ARCHIVE)))
    assert failure.value.what == "The patch thing-1.0/0001-change-it.patch does not apply."
    assert "sources.toml" in failure.value.hint
    assert not list((fetcher.store.root / "trees").iterdir())
    assert Path.cwd() == here


def test_a_patch_that_is_no_patch_is_named(
    mirror: Mirror, fetcher: Fetcher, patch: Patch, tmp_path: Path
) -> None:
    mirror.files[POOL] = ARCHIVE
    patch("int b;")
    (tmp_path / "patches" / "thing-1.0" / "0002-empty.patch").write_text("Why, but not what.\n")
    with pytest.raises(WheelhouseError, match=r"0002-empty\.patch does not apply"):
        fetcher.tree(thing(debian(ARCHIVE)))


def test_an_archive_that_would_write_outside_leaves_nothing(
    mirror: Mirror, fetcher: Fetcher
) -> None:
    archive = tar_xz({"a/LICENSE": b"free", "a/../../outside": b"bad"})
    mirror.files[POOL] = archive
    with pytest.raises(WheelhouseError, match="outside"):
        fetcher.tree(thing(debian(archive)))
    assert not list((fetcher.store.root / "trees").iterdir())
    assert not list(fetcher.store.root.rglob("outside"))
