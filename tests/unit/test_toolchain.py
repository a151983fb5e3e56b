from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse import toolchain


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [((), None), (("sccache",), "sccache"), (("sccache", "ccache"), "ccache")],
)
def test_a_compiler_cache_is_used_when_one_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: tuple[str, ...], chosen: str | None
) -> None:
    for name in installed:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.launcher() == (chosen and str(tmp_path / chosen))


def test_a_compiler_cache_does_not_change_what_a_core_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without = toolchain.identity("aarch64", "2.17")
    (tmp_path / "ccache").write_text("#!/bin/sh\n")
    (tmp_path / "ccache").chmod(0o755)
    assert toolchain.launcher()
    assert toolchain.identity("aarch64", "2.17") == without
