from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.machines import debian_packages


def test_the_hint_is_the_one_command_to_run() -> None:
    assert debian_packages.hint(["qemu-user", "bubblewrap"]) == (
        "sudo apt-get install --yes --no-install-recommends qemu-user bubblewrap"
    )


def test_an_ordinary_user_without_the_tools_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bwrap").symlink_to(shutil.which("true") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian_packages, "KEYRING", tmp_path / "keyring.gpg")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(WheelhouseError) as caught:
        debian_packages.ensure()
    assert caught.value.hint == debian_packages.hint(
        ["qemu-user", "mmdebstrap", "debian-archive-keyring"]
    )
