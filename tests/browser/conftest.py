"""A headless Chromium with the explorer's page, shared by the tests of a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from serverfsm.diagram import draw
from serverfsm.errors import MissingPackageError
from tests.browser.pages import written_page

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Thousands of choices in a row are thousands of changes of the address.
    "--disable-ipc-flooding-protection",
)
WIDE, NARROW = (1280, 1000), (380, 800)


class Browser:
    """The page in a browser, with the screen and the reader's wishes that a test wants."""

    def __init__(self, driver: webdriver.Chrome, page: Path) -> None:
        self.driver = driver
        self.address = page.as_uri()

    def open(
        self,
        link: str = "",
        *,
        size: tuple[int, int] = WIDE,
        scheme: str = "light",
        motion: str = "no-preference",
    ) -> None:
        """Load the page anew, with this text after the #."""
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get("about:blank")
        self.driver.get(self.address + (f"#{link}" if link else ""))
        self.wait("return 'explorer' in globalThis")

    def wait(self, program: str, seconds: float = 20) -> None:
        """Wait until the program returns something true in the page."""
        WebDriverWait(self.driver, seconds, 0.05).until(lambda _: self.run(program))

    def run(self, program: str, *arguments: Any) -> Any:
        """What the program returns in the page."""
        return self.driver.execute_script(program, *arguments)

    def text(self, selector: str) -> str:
        """The text of the first such element, whether it is in sight or not."""
        found = self.run("return document.querySelector(arguments[0]).textContent", selector)
        assert isinstance(found, str)
        return found

    def complaints(self) -> list[str]:
        """What stands on the console."""
        entries: Any = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed")
    try:
        draw("lifecycle").to_text("svg")
    except MissingPackageError as error:
        pytest.skip(str(error))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The path is given so that Selenium looks for no driver on the network.
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver, written_page(tmp_path_factory))
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The page as it is first seen; after the test the console must be empty."""
    chromium.open()
    chromium.complaints()
    yield chromium
    assert chromium.complaints() == []
