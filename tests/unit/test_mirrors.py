from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.sources import mirrors


def test_the_users_own_mirrors_stand_alone_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "WHEELHOUSE_DEBIAN_MIRROR", " http://b/debian/  http://a/debian http://b/debian"
    )
    assert mirrors.debian_mirrors() == ("http://b/debian", "http://a/debian")


def test_of_apts_archives_debians_main_one_is_taken_once() -> None:
    """Security keeps its files below pool/updates, so no pinned path lies there."""
    targets = (
        "http://mirror/debian/\tbookworm\tDebian\tDebian\n"
        "https://docker/debian/\tbookworm\tDocker CE\tDocker\n"
        "http://mirror/debian-security/\tbookworm-security\tDebian-Security\tDebian\n"
        "http://raspberry/debian/\tbookworm\tRaspberry Pi\tRaspberry Pi\n"
        "http://mirror/debian\tbookworm\tDebian\tDebian\n"
        "http://other/debian/\tbookworm\tDebian\tDebian\n"
    )
    assert mirrors.parse(targets) == ("http://mirror/debian", "http://other/debian")


@pytest.mark.parametrize(
    "targets", ["", "\n", "http://mirror/debian/\tbookworm\t$(LABEL)\t$(ORIGIN)\n"]
)
def test_apt_without_lists_knows_no_archive(targets: str) -> None:
    assert mirrors.parse(targets) == ()


def test_before_the_first_update_the_addresses_will_do() -> None:
    targets = (
        "http://mirror/debian-security/\tbookworm-security\t$(LABEL)\t$(ORIGIN)\n"
        "http://mirror/debian/\tbookworm\t$(LABEL)\t$(ORIGIN)\n"
        "http://mirror/debian/\tbookworm-updates\t$(LABEL)\t$(ORIGIN)\n"
    )
    assert mirrors.parse_unlabelled(targets) == ("http://mirror/debian",)


@pytest.mark.parametrize("script", ["", "exit 100"])
def test_a_machine_without_lists_or_without_apt_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    monkeypatch.delenv("WHEELHOUSE_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        (tmp_path / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "apt-get").chmod(0o755)
    with pytest.raises(WheelhouseError) as failure:
        mirrors.debian_mirrors()
    assert "apt-get update" in failure.value.hint
    assert "WHEELHOUSE_DEBIAN_MIRROR" in failure.value.hint


def test_the_registry_is_the_one_that_the_user_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELHOUSE_NPM_REGISTRY", "http://mirror/npm/")
    assert mirrors.npm_registry() == "http://mirror/npm"


@pytest.mark.parametrize(("script", "known"), [("echo http://n/npm/", True), ("exit 1", False)])
def test_else_the_registry_is_that_of_npm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, known: bool
) -> None:
    monkeypatch.delenv("WHEELHOUSE_NPM_REGISTRY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "npm").chmod(0o755)
    if known:
        assert mirrors.npm_registry() == "http://n/npm"
        return
    with pytest.raises(WheelhouseError) as failure:
        mirrors.npm_registry()
    assert "WHEELHOUSE_NPM_REGISTRY" in failure.value.hint


def test_a_machine_without_npm_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WHEELHOUSE_NPM_REGISTRY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WheelhouseError, match="npm"):
        mirrors.npm_registry()
