from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.archives import COMPRESSIONS, Entry, entry, tarred
from wheelhouse.common import store
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.sources import archives

Unpack = Callable[..., dict[str, str]]


def deb(data: bytes, name: str = "data.tar.xz") -> bytes:
    members = [("debian-binary", b"2.0\n"), ("control.tar.xz", tarred()), (name, data)]
    packed = b"!<arch>\n"
    for member, content in members:
        packed += f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        packed += content + b"\n" * (len(content) % 2)
    return packed


def whl(files: Mapping[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Unpack:
    """Unpack bytes into ``tmp_path/in/folder``; returns the files there."""

    def unpack(
        name: str, content: bytes, strip: int = 0, keep: Sequence[str] = ()
    ) -> dict[str, str]:
        archive, folder = tmp_path / name, tmp_path / "in" / "folder"
        archive.write_bytes(content)
        folder.mkdir(parents=True)
        archives.unpack(archive, folder, strip=strip, keep=keep)
        return {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in folder.rglob("*")
            if path.is_file()
        }

    return unpack


def outside(tmp_path: Path) -> set[str]:
    return {path.name for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "in")}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_kept_of_a_tar_archive_lies_without_its_leading_folder(
    unpacked: Unpack, compression: str
) -> None:
    entries = entry("a-1/src/x"), entry("a-1/srcs/y"), entry("a-1/LICENSE")
    files = tarred(*entries, compression=compression)
    assert unpacked("a.tar", files, strip=1, keep=["src", "LICENSE"]) == {
        "src/x": "text",
        "LICENSE": "text",
    }


def test_a_hard_link_leads_to_the_same_file_without_its_leading_folder(unpacked: Unpack) -> None:
    files = tarred(entry("a-1/x"), entry("a-1/y", tarfile.LNKTYPE, "a-1/x"))
    assert unpacked("a.tar", files, strip=1) == {"x": "text", "y": "text"}


def test_a_hard_link_to_what_is_not_kept_is_an_error_rather_than_a_missing_file(
    unpacked: Unpack,
) -> None:
    files = tarred(entry("x"), entry("y", tarfile.LNKTYPE, "x"))
    with pytest.raises(WheelhouseError, match=r"a\.tar was not unpacked"):
        unpacked("a.tar", files, keep=["y"])


def test_the_files_of_a_debian_package(unpacked: Unpack) -> None:
    data = tarred(entry("./usr/include/x.h"), entry("./usr/share/doc/y"))
    assert unpacked("a.deb", deb(data), keep=["usr/include"]) == {"usr/include/x.h": "text"}


def test_the_files_of_a_wheel(unpacked: Unpack) -> None:
    content = whl({"p/a.py": "text", "p-1.dist-info/METADATA": "no"})
    assert unpacked("p-1-py3-none-any.whl", content, keep=["p"]) == {"p/a.py": "text"}


def test_an_archive_has_the_digest_of_the_folder_that_it_was_packed_of(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("text")
    (folder / "program").write_text("text")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("sub/file")
    archives.pack(folder, (), tmp_path / "a.tar")
    assert archives.tree_digest(tmp_path / "a.tar") == store.tree_digest(folder)


ESCAPES = {
    "dots": [entry("../outside")],
    "dots below": [entry("a/../../outside")],
    "dots below what is kept": [entry("keep/../../outside")],
    "absolute": [entry("/outside")],
    "symbolic link": [entry("link", tarfile.SYMTYPE, "../.."), entry("link/outside")],
    "absolute symbolic link": [entry("link", tarfile.SYMTYPE, "/"), entry("link/outside")],
    "hard link": [entry("link", tarfile.LNKTYPE, "../../secret"), entry("link")],
    "absolute hard link": [entry("link", tarfile.LNKTYPE, "/secret"), entry("link")],
    "device": [entry("dev", tarfile.CHRTYPE)],
}


def resolved(entries: list[Entry], tmp_path: Path, folder: str) -> Iterator[Entry]:
    def place(path: str) -> str:
        return str(tmp_path / path[1:]) if path.startswith("/") else folder + path

    for member, content in entries:
        link = member.linkname if member.issym() and member.linkname[0] != "/" else None
        where = link or (member.linkname and place(member.linkname))
        yield member.replace(name=place(member.name), linkname=where, deep=False), content


@pytest.mark.parametrize(
    ("name", "folder"), [("a.tar.xz", ""), ("b.tar.gz", "b-1/"), ("c.deb", "")]
)
@pytest.mark.parametrize("escape", ESCAPES)
def test_a_tar_archive_that_would_write_outside_is_refused_by_name(
    tmp_path: Path, unpacked: Unpack, escape: str, name: str, folder: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    tar = tarred(*resolved(ESCAPES[escape], tmp_path, folder))
    content = deb(tar) if name == "c.deb" else tar
    with pytest.raises(WheelhouseError) as failure:
        unpacked(name, content, strip=1 if folder else 0)
    assert failure.value.what.startswith(f"{name} was not unpacked: ")
    assert "sources.toml" in failure.value.hint
    assert outside(tmp_path) == {name, "secret"}
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("path", ["../outside", "p/../../outside", "/outside", "//outside"])
def test_a_wheel_that_would_write_outside_is_refused_by_name(
    tmp_path: Path, unpacked: Unpack, path: str
) -> None:
    with pytest.raises(WheelhouseError) as failure:
        unpacked("bad-1-py3-none-any.whl", whl({path: "text"}))
    assert failure.value.what.startswith("bad-1-py3-none-any.whl was not unpacked: ")
    assert path in failure.value.what
    assert outside(tmp_path) == {"bad-1-py3-none-any.whl"}


GOOD = tarred(entry("x", content=bytes(range(256)) * 99))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.tar.xz", GOOD[: len(GOOD) // 2]),
        ("cut.tar.gz", tarred(entry("x", content=GOOD * 9), compression="gz")[:500]),
        ("changed.tar.bz2", tarred(entry("x"), compression="bz2")[:-40] + bytes(40)),
        ("page.tar.xz", b"<html>Sign in to this network</html>"),
        ("empty.tar.xz", b""),
        ("page.whl", b"<html>Sign in to this network</html>"),
        ("cut.whl", whl({"a": "text" * 999})[:1000]),
        ("page.deb", b"<html>Sign in to this network</html>"),
        ("cut.deb", deb(GOOD)[:-200]),
        ("dataless.deb", deb(GOOD, name="other.tar.xz")),
    ],
)
def test_a_broken_archive_is_refused_by_name(unpacked: Unpack, name: str, content: bytes) -> None:
    with pytest.raises(WheelhouseError) as failure:
        unpacked(name, content)
    assert failure.value.what.startswith(f"{name} was not unpacked: ")
    assert "\n" not in failure.value.what
