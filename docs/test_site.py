"""The built site in headless Chromium.

    python docs/build.py
    python -m pytest docs/test_site.py

Pages come from a local server, at the path that they have when published.
"""

import json

import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_without_errors_and_fits(
    browser, set_width, address, page, width
):
    set_width(width)
    browser.get(address + page)
    assert faults_of(browser, address) == []
    assert browser.find_element("css selector", "h1").text
    size = browser.execute_script("return document.documentElement.scrollWidth")
    assert size <= width


def test_pages_are_found_by_their_words(browser, set_width, address):
    set_width(1280)
    browser.get(address)
    waiting = WebDriverWait(browser, 60)
    browser.find_element("css selector", ".md-search__button").click()
    # The dialog has a shadow root, whose host has the focus.
    script = "return document.activeElement.shadowRoot?.textContent ?? ''"
    waiting.until(lambda _: browser.execute_script(script))
    browser.switch_to.active_element.send_keys("BlackVIP")
    waiting.until(lambda _: "BlackVIP" in browser.execute_script(script))
    assert faults_of(browser, address) == []
