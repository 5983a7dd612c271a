"""A headless Chromium for pages that jaxdl writes or serves, and what every such page is held to."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# What lies outside the page's width: nobody should have to scroll a page sideways.
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Yields a headless browser of Playwright's; the test is skipped where the machine has none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    # As root Chromium has no sandbox of its own; it opens only what the tests wrote.
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Any, address: str | Path, *, width: int = 1280, dark: bool = False) -> Iterator[Any]:
    """Yields a page of Playwright's; afterwards its console must be empty and nothing asked for elsewhere.

    Args:
        browser: of `chromium`.
        address: a URL of the loopback interface, or a file.
        width: of the window in pixels.
        dark: whether the user prefers dark pages.
    """
    wanted = address.resolve().as_uri() if isinstance(address, Path) else address
    said: list[str] = []
    asked: list[str] = []
    with browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", accept_downloads=True
    ) as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(wanted)
        yield page
    local = ("file:", "data:", "blob:", "http://127.0.0.1", "http://localhost", "ws://127.0.0.1")
    assert said == [], said
    assert [url for url in asked if not url.startswith(local)] == []


def barriers(page: Any) -> list[str]:
    """Returns what keeps people from using a page: axe-core's findings (contrast, names, headings and so on)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def too_wide(page: Any) -> int:
    """Returns by how many pixels a page is wider than its window."""
    found: int = page.evaluate(_TOO_WIDE)
    return found
