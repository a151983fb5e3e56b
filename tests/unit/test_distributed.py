"""What the address of a scheduler means, which compilers other machines get, and how many jobs."""

from __future__ import annotations

import pytest

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.jobs import jobs
from wheelhouse.common.step import plan
from wheelhouse.compile import distributed
from wheelhouse.package import products

GIGABYTE = 1_000_000_000


@pytest.mark.parametrize(
    ("address", "where", "token"),
    [
        ("http://a-b_c=@it:10600", "http://it:10600", "a-b_c="),
        ("http://a-b_c=@it:10600/", "http://it:10600", "a-b_c="),
        ("https://p%40ss@it", "https://it", "p@ss"),
        ("http://t0ken@[::1]:1", "http://[::1]:1", "t0ken"),
    ],
)
def test_an_address_has_the_token(
    monkeypatch: pytest.MonkeyPatch, address: str, where: str, token: str
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DISTRIBUTED", address)
    found = distributed.named()
    assert found
    assert (found.where, found.token) == (where, token)
    assert token not in repr(found)


@pytest.mark.parametrize(
    "address",
    [
        *("it", "http://it:10600", "http://@it", "redis://s3cr3t@it", "http://s3cr3t@"),
        *("http://me:s3cr3t@it", "http://s3cr3t@it/path", "http://s3cr3t@it?a=b"),
        *("http://s3cr3t@it:port", "http://s3cr3t@it:99999", "http://s3cr3t%0A@it", "http://ö@it"),
    ],
)
def test_a_wrong_address_is_wrong_use_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("WHEELHOUSE_DISTRIBUTED", address)
    with pytest.raises(WheelhouseError, match="is no address of a scheduler") as caught:
        distributed.named()
    assert caught.value.kind is Kind.USAGE
    assert "http://TOKEN@HOST:PORT" in caught.value.hint
    assert "s3cr3t" not in str(caught.value)


def test_there_is_none_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELHOUSE_DISTRIBUTED", "")
    assert distributed.named() is None


def test_other_machines_get_each_toolchain_that_a_wheel_needs() -> None:
    steps = plan(*(product.step for product in products.every()))
    needed = {step.key for step in steps if step.kind == "toolchains"}
    assert needed
    assert needed <= {step.key for step in distributed.toolchains().values()}


def test_other_machines_take_jobs_as_long_as_this_one_can_preprocess_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WHEELHOUSE_JOBS", raising=False)
    assert jobs(2, 8 * GIGABYTE, 4) == 6
    assert jobs(8, 2 * GIGABYTE, 4) == 6
    assert jobs(2, 8 * GIGABYTE, 1000) == 10
    monkeypatch.setenv("WHEELHOUSE_JOBS", "3")
    assert jobs(2, 8 * GIGABYTE, 1000) == 3
