from __future__ import annotations

import pytest

from tests.support.loopback import closed
from tests.support.mirror import Mirror
from wheelhouse.sources import download
from wheelhouse.sources.download import UnreachableError

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def url(mirror: Mirror) -> str:
    mirror.files["file"] = CONTENT
    return f"{mirror.url}/file"


def test_a_broken_download_goes_on_where_it_broke(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.cuts = [300_000, 400_000]
    assert b"".join(download.read(url)) == CONTENT
    assert mirror.requests == [("file", 0), ("file", 300_000), ("file", 700_000)]
    assert waits == [1, 1]


def test_without_a_terminal_a_download_is_one_line(
    mirror: Mirror, url: str, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.cuts = [300_000]
    assert b"".join(download.read(url)) == CONTENT
    assert capsys.readouterr().err == "Fetched file, 1.0 MB\n"


def test_a_broken_download_ends_well_with_a_server_that_knows_no_ranges(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.ranges = False
    mirror.cuts = [300_000, 500_001]
    assert b"".join(download.read(url)) == CONTENT


def test_a_server_that_always_breaks_off_at_the_same_byte_is_given_up(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.ranges = False
    mirror.cuts = [300_000] * 9
    got: list[bytes] = []
    with pytest.raises(UnreachableError, match="closed connection"):
        got.extend(download.read(url))
    assert b"".join(got) == CONTENT[:300_000]
    assert len(mirror.requests) == 4


def test_as_long_as_bytes_come_a_bad_line_is_not_given_up(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.cuts = [100_000] * 10
    assert b"".join(download.read(url)) == CONTENT
    assert set(waits) == {1}


def test_what_is_there_already_is_not_fetched_again(mirror: Mirror, url: str) -> None:
    assert b"".join(download.read(url, 1_000_000)) == CONTENT[1_000_000:]
    assert b"".join(download.read(url, len(CONTENT))) == b""


def test_an_overloaded_server_is_asked_again_later_and_later(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.statuses = [503, 500, 502]
    assert b"".join(download.read(url)) == CONTENT
    assert waits == [1, 2, 4]


def test_a_server_that_stays_overloaded_is_given_up_with_its_status(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.statuses = [503] * 9
    with pytest.raises(UnreachableError, match=r"^HTTP 503$"):
        list(download.read(url))
    assert len(mirror.requests) == 4


def test_a_closed_port_is_tried_four_times(waits: list[float]) -> None:
    with pytest.raises(UnreachableError, match="refused"):
        list(download.read(f"{closed()}/file"))
    assert waits == [1, 2, 4]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_asked_for_once(
    mirror: Mirror, url: str, waits: list[float], status: int
) -> None:
    mirror.statuses = [status]
    with pytest.raises(UnreachableError, match=f"^HTTP {status}$"):
        list(download.read(url))
    assert len(mirror.requests) == 1
    assert waits == []


@pytest.mark.parametrize(
    "address", ["file:///debian/x", "cdrom:[Debian]/x", "http://a:port/x", "x"]
)
def test_an_address_that_is_not_of_the_web_is_given_up_at_once(
    waits: list[float], address: str
) -> None:
    with pytest.raises(UnreachableError):
        list(download.read(address))
    assert waits == []


# Whether there is something


def test_a_server_is_asked_what_it_has_until_it_can_tell(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    assert download.exists(url)
    assert not download.exists(f"{mirror.url}/other")
    assert waits == []
    mirror.statuses = [503, 503]
    assert download.exists(url)
    assert waits == [1, 2]


@pytest.mark.parametrize("status", [403, 500])
def test_a_server_that_refuses_to_tell_is_not_one_without_the_file(
    mirror: Mirror, url: str, waits: list[float], status: int
) -> None:
    mirror.statuses = [status] * 4
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        download.exists(url)


def test_an_address_that_cannot_be_is_not_asked_again(waits: list[float]) -> None:
    with pytest.raises(UnreachableError):
        download.exists("nowhere")
    assert waits == []
