"""Debian's Chromium, installed when that is possible."""

from __future__ import annotations

import os
import shutil

from wheelhouse.common import process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.machines import debian_packages

PACKAGES = ("chromium", "fonts-dejavu-core")


def chromium() -> str:
    """The program: root installs it, anyone else is told the command.

    Raises WheelhouseError.
    """
    if not shutil.which("chromium"):
        if os.geteuid() != 0:
            raise WheelhouseError(
                "The tests of the front page need Chromium.", debian_packages.hint(PACKAGES)
            )
        for command in (("apt-get", "update"), debian_packages.install_command(PACKAGES)):
            done = process.run(command, env={"DEBIAN_FRONTEND": "noninteractive"})
            if done.status:
                raise WheelhouseError(
                    f"Chromium could not be installed: {done.stderr.strip()[-300:]}",
                    "Correct that and run the same command again.",
                )
    return shutil.which("chromium") or "chromium"
