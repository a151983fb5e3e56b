"""What the address of a shared cache means, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.compile import shared_cache
from wheelhouse.compile.shared_cache import SharedCache


def named(monkeypatch: pytest.MonkeyPatch, address: str, mode: str = "") -> SharedCache | None:
    monkeypatch.setenv("WHEELHOUSE_SHARED_CACHE", address)
    monkeypatch.setenv("WHEELHOUSE_SHARED_CACHE_MODE", mode)
    monkeypatch.delenv("AWS_REGION", raising=False)
    return shared_cache.named()


@pytest.mark.parametrize(
    ("address", "where", "settings"),
    [
        (
            "redis://it",
            "redis://it:6379",
            {"REDIS_ENDPOINT": "redis://it:6379", "REDIS_DB": "0"},
        ),
        (
            "rediss://me:p%40ss@it:1/2",
            "rediss://it:1/2",
            {
                "REDIS_ENDPOINT": "rediss://it:1",
                "REDIS_DB": "2",
                "REDIS_USERNAME": "me",
                "REDIS_PASSWORD": "p@ss",
            },
        ),
        (
            "redis://:p@[::1]",
            "redis://[::1]:6379",
            {"REDIS_ENDPOINT": "redis://[::1]:6379", "REDIS_DB": "0", "REDIS_PASSWORD": "p"},
        ),
        (
            "webdav://it:8080/a/b",
            "webdav://it:8080/a/b",
            {"WEBDAV_ENDPOINT": "http://it:8080", "WEBDAV_KEY_PREFIX": "/a/b"},
        ),
        (
            "webdavs://me:p@it",
            "webdavs://it",
            {
                "WEBDAV_ENDPOINT": "https://it",
                "WEBDAV_KEY_PREFIX": "/",
                "WEBDAV_USERNAME": "me",
                "WEBDAV_PASSWORD": "p",
            },
        ),
        (
            "s3://it/a/b?region=eu-1",
            "s3://it/a/b",
            {
                "BUCKET": "it",
                "REGION": "eu-1",
                "S3_KEY_PREFIX": "a/b",
                "S3_USE_SSL": "true",
            },
        ),
        (
            "s3://it?endpoint=http://there:9000",
            "s3://it",
            {
                "BUCKET": "it",
                "REGION": "us-east-1",
                "S3_USE_SSL": "false",
                "ENDPOINT": "http://there:9000",
            },
        ),
    ],
)
def test_an_address_becomes_settings_of_sccache(
    monkeypatch: pytest.MonkeyPatch, address: str, where: str, settings: dict[str, str]
) -> None:
    found = named(monkeypatch, address)
    assert found
    assert found.where == where
    (mode,) = (key for key in found.settings if key.endswith("_RW_MODE"))
    settings = {**{f"SCCACHE_{key}": value for key, value in settings.items()}, mode: "READ_WRITE"}
    assert found.settings == settings


@pytest.mark.parametrize(
    "address",
    [
        *("it", "http://it", "redis://", "redis://it/zero", "redis://it:port", "redis://it:99999"),
        *("webdav:///a", "webdav://[it", "s3://", "s3://it?color=red", "s3://it:1", "s3://me:p@it"),
    ],
)
def test_a_wrong_address_is_wrong_use_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with pytest.raises(WheelhouseError, match="is no address of a shared cache") as caught:
        named(monkeypatch, address)
    assert caught.value.kind is Kind.USAGE
    assert "webdavs://HOST/PATH" in caught.value.hint


def test_reading_is_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode, expected in {"": "WRITE", "write": "WRITE", "read": "ONLY"}.items():
        found = named(monkeypatch, "redis://it", mode)
        assert found
        assert found.settings["SCCACHE_REDIS_RW_MODE"] == f"READ_{expected}"
    with pytest.raises(WheelhouseError, match="'raed', which is no mode") as caught:
        named(monkeypatch, "redis://it", "raed")
    assert caught.value.kind is Kind.USAGE


def test_there_is_none_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(monkeypatch, "") is None
