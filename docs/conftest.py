"""A server of the built site, and headless Chromium.

Both need Debian's `chromium` and `chromium-driver`.
"""

import functools
import http.server
import pathlib
import shutil
import threading
import tomllib
import urllib.parse
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from selenium import webdriver

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE = ROOT / "site"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
PREFIX = urllib.parse.urlsplit(URLS["Documentation"]).path
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site below its published path, without lines on the screen."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(PREFIX.rstrip("/")))

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    if not (SITE / "index.html").exists():
        pytest.fail("Build the site first: `python docs/build.py`.")
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
    profile = tmp_path_factory.mktemp("profile")
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(60)
    driver.get("about:blank")
    for log in ("browser", "performance"):  # of the browser's own first page
        driver.get_log(log)
    yield driver
    driver.quit()


@pytest.fixture
def set_width(browser: webdriver.Chrome) -> Iterator[Callable[[int], None]]:
    """A function that gives the page the width of a phone or of a desktop."""

    def set_width(width: int) -> None:
        metrics = {"height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, **metrics}
        )

    yield set_width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
