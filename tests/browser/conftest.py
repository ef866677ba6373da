"""A real browser: Debian's Chromium, driven by Playwright."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

HOW = "needs a browser: apt-get install chromium, pip install playwright axe-playwright-python"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEEDED = ("playwright", "axe_playwright_python")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None or not all(importlib.util.find_spec(name) for name in NEEDED):
        pytest.skip(HOW)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Tab:
    """One page in the browser: it keeps what went wrong."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}") or dialog.dismiss())

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self.address):
            self.faults.append(f"elsewhere: {request.url}")

    def go(self, path: str) -> Any:
        self.page.goto(f"{self.address}{path}")
        return self.page

    def accessibility_faults(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    def too_wide(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.fixture
def new_tab(browser: Any) -> Iterator[Any]:
    contexts = []

    def make(address: str, *, width: int = 1600, scheme: str = "light", **options: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        return Tab(context.new_page(), address)

    yield make
    for context in contexts:
        context.close()
