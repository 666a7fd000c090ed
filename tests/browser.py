"""A headless Chromium for tests of pages: what they print and ask for, what axe finds, where Tab goes.

    def test_page(chromium, page_file):  # the fixture is in conftest.py
        with browser.visit(chromium, page_file, width=390) as visit:
            assert visit.console == [] and visit.foreign_requests == []
            assert browser.serious_findings(visit.page) == []

Tests that use it are integration tests. It drives the Chromium or Chrome of the machine, and installs one
where there is none.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Whoever installs packages locks it first (as tests/slurm/install.sh does): apt-get itself does not wait.
PACKAGE_LISTS = Path("/var/lib/apt/lists")
DESKTOP, PHONE = 1280, 390
HEIGHTS = {DESKTOP: 900, PHONE: 844}
# Every look-up of a name fails, whatever a page asks for; the sandbox is refused to root.
ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
SERIOUS = ("serious", "critical")


@dataclass
class Visit:
    """An open page, its errors and warnings on the console, and all addresses that it asked for."""

    page: Page
    address: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def foreign_requests(self) -> list[str]:
        """What was asked for besides the page itself and data inside it."""
        own = (self.address, "data:", "blob:")
        return [address for address in self.requests if not address.startswith(own)]


def find_program() -> str | None:
    """The machine's Chromium or Chrome; `CHROMIUM` may name another. None where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


def _install_program() -> None:
    """Installs the system's Chromium, or else Playwright's own, which that finds itself."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *command], check=False, capture_output=True)
    if find_program() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def _program() -> str | None:
    """The machine's browser, installed where it is missing; one process at a time looks and installs."""
    if not PACKAGE_LISTS.is_dir():
        return find_program() or _install_program() or find_program()
    lock = os.open(PACKAGE_LISTS, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find_program() or _install_program() or find_program()
    finally:
        os.close(lock)


@contextmanager
def running() -> Iterator[Browser]:
    """A started headless browser."""
    program = _program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, path, *, width=DESKTOP, scheme="light", scripts=True) -> Iterator[Visit]:
    """Opens a file of this machine at a width in pixels, in the `light` or the `dark` scheme."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS.get(width, 900)},
        color_scheme=scheme,
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        found = Visit(page, Path(path).resolve().as_uri())
        page.on("console", lambda message: _note(found.console, message))
        page.on("pageerror", lambda error: found.console.append(f"error: {error}"))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(found.address, wait_until="load")
        yield found
    finally:
        context.close()


def _note(lines: list[str], message) -> None:
    if message.type in ("error", "warning"):
        lines.append(f"{message.type}: {message.text}")


def serious_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical, contrast among it: `rule: help (the first element)`."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {found['help']} ({len(found['nodes'])}: {found['nodes'][0]['html'][:200]})"
        for found in violations
        if found["impact"] in SERIOUS
    ]


def sideways_overflow(page: Page) -> int:
    """How many pixels the page is wider than its window: 0 where nobody must scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def tab_stops(page: Page, most: int = 400) -> list[str]:
    """What Tab reaches from the top, as `tag#id.class text`, until it comes round or after `most` steps."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
                const e = document.activeElement;
                if (!e || e === document.body) return null;
                const text = (e.getAttribute("aria-label") || e.textContent || "").trim().slice(0, 60);
                return `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""} ${text}`;
            }"""
        )
        if stop is None:
            break
        stops.append(stop)
    return stops


def focus_is_visible(page: Page) -> bool:
    """Whether the element with the focus is drawn with an outline."""
    return page.evaluate(
        """() => {
            const style = getComputedStyle(document.activeElement);
            return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
        }"""
    )
