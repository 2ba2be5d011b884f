"""The built site in headless Chromium.

    python docs/build.py
    python -m pytest docs/test_site.py

needs Debian's `chromium` and `chromium-driver`. Pages come from a local
server, at the path that they have when published.
"""

import functools
import http.server
import json
import pathlib
import shutil
import threading
import tomllib
import urllib.parse
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

ROOT = pathlib.Path(__file__).parent.parent
SITE = ROOT / "site"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
PREFIX = urllib.parse.urlsplit(URLS["Documentation"]).path
# A page of each kind.
PAGES = (
    "",
    "choosing/",
    "guides/getting_started/",
    "methods/",
    "methods/ilm_vp/",
    "benchmarks/",
    "api/inputs/",
)
WIDTHS = (1280, 390)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site below its path, without lines on the screen."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(PREFIX.rstrip("/")))

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Handler, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for option in OPTIONS:
        options.add_argument(option)
    profile = tmp_path_factory.mktemp("profile")
    options.add_argument(f"--user-data-dir={profile}")
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.get("about:blank")
    for log in ("browser", "performance"):  # of the browser's own first page
        driver.get_log(log)
    yield driver
    driver.quit()


def faults_of(browser: webdriver.Chrome, address: str) -> list[str]:
    """What went wrong since the last call: requests, and errors of scripts."""
    asked, faults = {}, []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        values = message["params"]
        match message["method"]:
            case "Network.requestWillBeSent":
                url = asked[values["requestId"]] = values["request"]["url"]
                if not url.startswith((address, "data:")):
                    faults.append(f"asked for {url}")
            case "Network.responseReceived":
                if values["response"]["status"] >= 400:
                    faults.append(f"no {values['response']['url']}")
            case "Network.loadingFailed":
                url = asked.get(values["requestId"])
                faults.append(f"{values['errorText']}: {url}")
    for entry in browser.get_log("browser"):
        if entry["level"] in ("SEVERE", "WARNING"):
            faults.append(entry["message"])
    return faults


def set_width(browser: webdriver.Chrome, width: int) -> None:
    metrics = {"height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, **metrics}
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_without_errors_and_fits(browser, address, page, width):
    set_width(browser, width)
    browser.get(address + page)
    assert faults_of(browser, address) == []
    assert browser.find_element("css selector", "h1").text
    size = browser.execute_script("return document.documentElement.scrollWidth")
    assert size <= width


def test_pages_are_found_by_their_words(browser, address):
    set_width(browser, 1280)
    browser.get(address)
    waiting = WebDriverWait(browser, 60)
    browser.find_element("css selector", ".md-search__button").click()
    # The dialog has a shadow root, whose host has the focus.
    script = "return document.activeElement.shadowRoot?.textContent ?? ''"
    waiting.until(lambda _: browser.execute_script(script))
    browser.switch_to.active_element.send_keys("BlackVIP")
    waiting.until(lambda _: "BlackVIP" in browser.execute_script(script))
    assert faults_of(browser, address) == []
