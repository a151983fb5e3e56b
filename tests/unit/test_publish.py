from __future__ import annotations

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.publish.upload import Endpoint, conflicting

TAIL = "aarch64.whl"


@pytest.mark.parametrize(
    ("upload", "index"),
    [
        ("https://upload.example.org/legacy/", "https://example.org/simple/"),
        ("https://test.example.org/legacy/", "https://test.example.org/simple/"),
        ("https://example.org/", "https://example.org/simple/"),
        (
            "https://example.org:8443/api/pypi/ours",
            "https://example.org:8443/api/pypi/ours/simple/",
        ),
        ("https://upload.example.org/api", "https://upload.example.org/api/simple/"),
    ],
)
def test_the_index_that_belongs_to_an_upload_address(upload: str, index: str) -> None:
    assert Endpoint.named(upload) == Endpoint(upload, index)


def test_a_named_index() -> None:
    assert Endpoint.named("https://a.example/b/", "https://c.example/+simple").index == (
        "https://c.example/+simple/"
    )


@pytest.mark.parametrize("option", ["--to", "--index"])
@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@example.org/legacy/",
        "https://s3cret@example.org/",
        "https://example.org/?token=s3cret",
        "https://example.org/#s3cret",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(option: str, url: str) -> None:
    words = (url,) if option == "--to" else ("https://example.org/", url)
    with pytest.raises(WheelhouseError) as caught:
        Endpoint.named(*words)
    assert option in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "example.org", "file:///srv/wheels", "https://", "http://[::1"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(WheelhouseError, match="no web address"):
        Endpoint.named(url)


def test_a_password_in_the_clear_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    Endpoint.named("http://127.0.0.1:8080/")
    Endpoint.named("https://example.org/")
    assert capsys.readouterr().err == ""
    Endpoint.named("http://example.org/")
    assert "not https" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (f"a-1.0-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_{TAIL}", True),
        (f"a-1.0-cp311-cp311-manylinux2014_{TAIL}", True),
        (f"a-1.0.0-1-cp311-cp311-manylinux2014_{TAIL}", True),
        (f"a-1.0-cp37-abi3-manylinux2014_{TAIL}", False),
        (f"a-1.0-cp311-cp311-manylinux_2_34_{TAIL}", False),
        (f"a-1.1-cp311-cp311-manylinux2014_{TAIL}", False),
        (f"a-1.0+x-cp311-cp311-manylinux2014_{TAIL}", False),
        (f"a-1.0.post1-cp311-cp311-manylinux2014_{TAIL}", False),
        ("a-1.0.tar.gz", False),
        ("nonsense.whl", False),
    ],
)
def test_files_that_claim_one_place(other: str, same: bool) -> None:
    ours = f"a-1.0-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_{TAIL}"
    assert conflicting(ours, other) is same
