"""Unit tests know nothing of the user's settings and of what the user's cache holds."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def nobodys_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in os.environ:
        if name.startswith(("DOCKER_", "GITHUB_", "PIP_", "TWINE_", "WHEELHOUSE_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
