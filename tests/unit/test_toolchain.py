import pytest

from wheelhouse import toolchain


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [((), None), (("sccache",), "sccache"), (("sccache", "ccache"), "ccache")],
)
def test_a_compiler_cache_is_used_when_one_is_installed(monkeypatch, tmp_path, installed, chosen):
    for name in installed:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.launcher() == (chosen and str(tmp_path / chosen))


def test_a_compiler_cache_does_not_change_what_a_core_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    without = toolchain.identity("aarch64", "2.17")
    (tmp_path / "ccache").write_text("#!/bin/sh\n")
    (tmp_path / "ccache").chmod(0o755)
    assert toolchain.launcher()
    assert toolchain.identity("aarch64", "2.17") == without
