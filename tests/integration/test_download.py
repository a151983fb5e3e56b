from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import pytest

from tests.support.loopback import Scripted, closed
from tests.support.mirror import Mirror
from wheelhouse.sources import download
from wheelhouse.sources.download import Limits, Pace, UnreachableError

CONTENT = bytes(range(256)) * 4000
LIMITS = Limits(len(CONTENT))


@pytest.fixture
def url(mirror: Mirror) -> str:
    mirror.files["file"] = CONTENT
    return f"{mirror.url}/file"


def test_a_broken_download_goes_on_where_it_broke(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.cuts = [300_000, 400_000]
    assert b"".join(download.read(url, LIMITS)) == CONTENT
    assert mirror.requests == [("file", 0), ("file", 300_000), ("file", 700_000)]
    assert waits == [1, 1]


def test_without_a_terminal_a_download_is_one_line(
    mirror: Mirror, url: str, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.cuts = [300_000]
    assert b"".join(download.read(url, LIMITS)) == CONTENT
    assert capsys.readouterr().err == "Fetched file, 1.0 MB\n"


def test_a_broken_download_ends_well_with_a_server_that_knows_no_ranges(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.ranges = False
    mirror.cuts = [300_000, 500_001]
    assert b"".join(download.read(url, LIMITS)) == CONTENT


def test_a_server_that_always_breaks_off_at_the_same_byte_is_given_up(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.ranges = False
    mirror.cuts = [300_000] * 9
    got: list[bytes] = []
    with pytest.raises(UnreachableError, match="closed connection"):
        got.extend(download.read(url, LIMITS))
    assert b"".join(got) == CONTENT[:300_000]
    assert len(mirror.requests) == 4


def test_as_long_as_bytes_come_a_bad_line_is_not_given_up(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.cuts = [100_000] * 10
    assert b"".join(download.read(url, LIMITS)) == CONTENT
    assert set(waits) == {1}


def test_what_is_there_already_is_not_fetched_again(mirror: Mirror, url: str) -> None:
    assert b"".join(download.read(url, LIMITS, 1_000_000)) == CONTENT[1_000_000:]
    assert b"".join(download.read(url, LIMITS, len(CONTENT))) == b""


def test_an_overloaded_server_is_asked_again_later_and_later(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.statuses = [503, 500, 502]
    assert b"".join(download.read(url, LIMITS)) == CONTENT
    assert waits == [1, 2, 4]


def test_a_server_that_stays_overloaded_is_given_up_with_its_status(
    mirror: Mirror, url: str, waits: list[float]
) -> None:
    mirror.statuses = [503] * 9
    with pytest.raises(UnreachableError, match=r"^HTTP 503$"):
        list(download.read(url, LIMITS))
    assert len(mirror.requests) == 4


def test_a_closed_port_is_tried_four_times(waits: list[float]) -> None:
    with pytest.raises(UnreachableError, match="refused"):
        list(download.read(f"{closed()}/file", LIMITS))
    assert waits == [1, 2, 4]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_asked_for_once(
    mirror: Mirror, url: str, waits: list[float], status: int
) -> None:
    mirror.statuses = [status]
    with pytest.raises(UnreachableError, match=f"^HTTP {status}$"):
        list(download.read(url, LIMITS))
    assert len(mirror.requests) == 1
    assert waits == []


@pytest.mark.parametrize(
    "address", ["file:///debian/x", "cdrom:[Debian]/x", "http://a:port/x", "x"]
)
def test_an_address_that_is_not_of_the_web_is_given_up_at_once(
    waits: list[float], address: str
) -> None:
    with pytest.raises(UnreachableError):
        list(download.read(address, LIMITS))
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


# Limits


FAST = Limits(len(CONTENT), slowest=1_000, span=0.5)
"""Limits at which a server that trickles is given up within the time of a test."""


class Endless(Scripted):
    """A server that sends one block after another, ``pause`` seconds apart, and never ends.

    ``prefix`` is sent first: the head of an answer, or only its beginning.
    """

    def __init__(self, prefix: bytes, block: bytes, pause: float = 0) -> None:
        self.prefix, self.block, self.pause = prefix, block, pause
        self.sent = 0
        super().__init__()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        with suppress(ConnectionError):
            request.wfile.write(self.prefix)
            while True:
                request.wfile.write(self.block)
                self.sent += len(self.block)
                time.sleep(self.pause)


OK = b"HTTP/1.1 200 OK\r\n"
HEAD = OK + b"\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def endless() -> Iterator[Callable[..., Endless]]:
    made: list[Endless] = []

    def make(prefix: bytes, block: bytes, pause: float = 0) -> Endless:
        made.append(Endless(prefix, block, pause))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize(
    ("prefix", "block"), [(HEAD, bytes(65536)), (CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n")]
)
def test_a_server_that_never_ends_is_left_at_the_most_that_the_file_may_have(
    endless: Callable[..., Endless], prefix: bytes, block: bytes
) -> None:
    server = endless(prefix, block)
    got: list[bytes] = []
    with pytest.raises(UnreachableError, match="larger than the 1,000,000 bytes"):
        got.extend(download.read(f"{server.url}/file", Limits(1_000_000)))
    assert len(b"".join(got)) == 1_000_000
    assert server.sent < 20_000_000  # what sockets buffer


def test_a_file_that_is_announced_as_too_large_is_not_read(mirror: Mirror, url: str) -> None:
    got: list[bytes] = []
    with pytest.raises(UnreachableError, match="larger than the 1,023,999 bytes"):
        got.extend(download.read(url, Limits(len(CONTENT) - 1)))
    assert got == []
    assert b"".join(download.read(url, Limits(len(CONTENT)))) == CONTENT


@pytest.mark.parametrize(
    "prefix",
    [HEAD, OK + b"Content-Length: 1000000\r\n\r\n", CHUNKED, OK + b"X-Long: ", b"HTTP/1.1 200 "],
    ids=["body", "body of a size", "chunk", "header", "status"],
)
def test_a_server_that_trickles_is_given_up(endless: Callable[..., Endless], prefix: bytes) -> None:
    server = endless(prefix, b"1", 0.05)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"too slow: \d+ bytes in \d s, not 1,000 bytes a"):
        list(download.read(f"{server.url}/file", FAST))
    assert time.monotonic() - begun < 3


def test_a_server_that_sends_nothing_is_given_up(mirror: Mirror, url: str) -> None:
    mirror.cuts, mirror.stall = [1000], True
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"too slow|timed out"):
        list(download.read(url, FAST))
    assert time.monotonic() - begun < 3


def test_who_reads_slowly_is_no_slow_server(url: str) -> None:
    blocks = download.read(url, Limits(len(CONTENT), slowest=1_000, span=3))
    first = next(blocks)
    time.sleep(4)
    assert first + b"".join(blocks) == CONTENT


def test_with_the_usual_limits_a_byte_a_second_is_given_up_within_a_minute() -> None:
    pace = Pace(Limits(400_000_000), 0, 0)
    seconds = 0
    while not (problem := pace.problem(seconds)):
        seconds += 1
        pace.came += 1
    assert "too slow" in problem
    assert seconds < 30


def test_what_always_is_just_fast_enough_ends_after_all() -> None:
    limits = Limits(1_000_000)
    pace = Pace(limits, 0, 0)
    seconds = 0
    while not (problem := pace.problem(seconds)):
        seconds += 1
        pace.came += 5_000
    assert problem == "it did not end within 300 s"
    assert seconds == 301
