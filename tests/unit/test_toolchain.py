from __future__ import annotations

from pathlib import Path

import pytest

from wheelhouse.compile import ninja


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
    assert ninja.launcher() == (chosen and str(tmp_path / chosen))
