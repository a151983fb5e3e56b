"""Debian's Chromium, installed if the user is root."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from wheelhouse.common import process
from wheelhouse.common.errors import WheelhouseError
from wheelhouse.machines import debian_packages

Open = Callable[..., Page]
"""Open a page of a host."""

PACKAGES = ("chromium", "fonts-dejavu-core")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium, without a window; raises WheelhouseError as :func:`chromium` does."""
    program = chromium()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


def watched(browser: Browser, url: str) -> tuple[list[str], list[str]]:
    """Open a page: the addresses that it asks for, and what its console tells."""
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(url, wait_until="networkidle")
    context.close()
    return [each for each in asked if not each.startswith("data:")], complaints


def chromium() -> str:
    """The path of Chromium, which is installed if the user is root.

    Raises WheelhouseError with the command if another user lacks it or the installation fails.
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
