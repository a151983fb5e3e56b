"""Run pip as CPython 3.7 of Raspberry Pi OS 10 does: with its version, markers and tags."""

import collections
import platform
import runpy
import sys
import sysconfig

Version = collections.namedtuple("Version", "major minor micro releaselevel serial")

sysconfig.get_config_vars()["SOABI"] = "cpython-37m-aarch64-linux-gnu"
platform.python_version = lambda: "3.7.3"
platform.python_version_tuple = lambda: ("3", "7", "3")
sys.version_info = Version(3, 7, 3, "final", 0)  # type: ignore[assignment]
runpy.run_module("guest.hosting_pip", run_name="__main__")
