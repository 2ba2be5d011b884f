"""Draws digits on the demo's page in headless Chromium.

python docs/build.py
python -m pytest docs/test_demo.py
"""

import json
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

DOCS = pathlib.Path(__file__).resolve().parent
SITE = DOCS.parent / "site"
sys.path.insert(0, str(DOCS / "demo"))

LARGEST_TOTAL = 20e6
# What the click loads.
LOADED = (".onnx", ".bin", ".mjs", "details.json")
Point = tuple[float, float]
PAGE = DOCS / "pages" / "demo.md"


def arc(
    center: tuple[float, float],
    radii: tuple[float, float],
    first: float,
    last: float,
) -> list[Point]:
    """Points of an ellipse; angles in degrees, clockwise from the right."""
    angles = np.deg2rad(np.linspace(first, last, 17))
    x = center[0] + radii[0] * np.cos(angles)
    y = center[1] + radii[1] * np.sin(angles)
    return list(zip(x.tolist(), y.tolist()))


# Strokes on a pad of 280 x 280.
STROKES = {
    0: [arc((140, 140), (55, 85), -90, 270)],
    1: [[(140, 50), (140, 95), (138, 140), (137, 230)]],
    2: [[*arc((140, 95), (50, 45), -170, 50), (85, 225), (200, 225)]],
    3: [
        [
            *arc((135, 95), (45, 42), -150, 90),
            *arc((135, 183), (52, 46), -90, 150),
        ]
    ],
    4: [
        [(105, 60), (90, 110), (82, 150), (140, 150), (190, 145)],
        [(180, 60), (178, 150), (172, 230)],
    ],
    5: [
        [(100, 60), (95, 130), *arc((130, 175), (55, 50), -110, 140)],
        [(100, 60), (190, 58)],
    ],
    6: [[(165, 50), (120, 110), *arc((135, 180), (45, 45), -160, 200)]],
    7: [[(85, 65), (195, 65), (160, 140), (130, 230)]],
    8: [
        [
            *arc((140, 95), (38, 40), 90, -270),
            *arc((140, 180), (48, 45), -90, 270),
        ]
    ],
    9: [
        [
            *arc((135, 100), (42, 42), 0, -350),
            (178, 100),
            (170, 160),
            (155, 230),
        ]
    ],
}

READ = """
const [pixels, done] = arguments;
import(new URL("reader.js", document.baseURI))
  .then(({ load }) => load())
  .then((reader) => reader.read(Uint8Array.from(pixels)))
  .then(({ plain, canvas, logits, scores }) =>
    [plain.canvas, plain.logits, canvas, logits, scores])
  .then((found) => done(found.map((values) => Array.from(values))));
"""


@pytest.fixture(scope="module")
def page(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The page before anything is loaded."""
    browser.get(f"{address}demo/")
    return browser


@pytest.fixture(scope="module")
def demo(page: webdriver.Chrome) -> webdriver.Chrome:
    """The page after a click on its button."""
    part(page, "start").click()
    WebDriverWait(page, 120).until(lambda _: state(page) == "ready")
    return page


def part(driver: webdriver.Chrome, name: str) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, f'[data-part="{name}"]')


def state(driver: webdriver.Chrome) -> str | None:
    element = driver.find_element(By.CSS_SELECTOR, ".digit-demo")
    return element.get_attribute("data-state")


def requests(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    return driver.execute_script(
        "return performance.getEntries().filter((entry) => "
        '"transferSize" in entry).map((entry) => entry.toJSON())'
    )


def draw(driver: webdriver.Chrome, strokes: list[list[Point]]) -> None:
    part(driver, "clear").click()
    pad = part(driver, "pad")
    scale = pad.rect["width"] / 280
    actions = ActionChains(driver, duration=4)
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            # Offsets count from the middle.
            offsets = round((x - 140) * scale), round((y - 140) * scale)
            actions.move_to_element_with_offset(pad, *offsets)
            if index == 0:
                actions.click_and_hold()
        actions.release()
    actions.perform()


def draw_with_a_finger(
    driver: webdriver.Chrome, strokes: list[list[Point]]
) -> None:
    script = """
        arguments[0].scrollIntoView({ block: "center" });
        const box = arguments[0].getBoundingClientRect();
        return [box.left, box.top, box.width / 280];
    """
    left, top, scale = driver.execute_script(script, part(driver, "pad"))

    def touch(kind: str, *points: Point) -> None:
        places = [
            {"x": left + scale * x, "y": top + scale * y} for x, y in points
        ]
        driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": places}
        )

    for first, *others in strokes:
        touch("touchStart", first)
        for point in others:
            touch("touchMove", point)
        touch("touchEnd")


def wait_for_digit(driver: webdriver.Chrome, digit: int) -> None:
    status = part(driver, "status")
    expected = f"It reads {digit} "
    try:
        WebDriverWait(driver, 10).until(
            lambda _: status.text.startswith(expected)
        )
    except TimeoutException:
        pytest.fail(f"Drew a {digit}. {status.text}")


def test_nothing_is_loaded_before_the_click(page):
    names = [request["name"] for request in requests(page)]
    assert names
    assert not [name for name in names if name.endswith(LOADED)]


def test_loads_from_its_own_host_within_the_limit(demo, address):
    found = requests(demo)
    assert all(request["name"].startswith(address) for request in found)
    assert sum(request["transferSize"] for request in found) <= LARGEST_TOTAL
    of_demo = sum(
        request["transferSize"]
        for request in found
        if request["name"].endswith(LOADED)
    )
    assert f"({of_demo / 1e6:.0f} MB)" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("digit", STROKES)
def test_reads_a_drawn_digit(demo, digit):
    draw(demo, STROKES[digit])
    wait_for_digit(demo, digit)


def test_computes_what_python_computes(demo):
    import export
    import keras
    import train

    import keras_reprogram

    images, _ = export.samples()
    model = keras_reprogram.ReprogrammedModel.load_program(
        train.PROGRAM, source=train.load_classifier()
    )
    placed = train.reprogrammed(model.source, pattern=None).input_reprogrammer
    for image in images[:3]:
        found = demo.execute_async_script(READ, image.ravel().tolist())
        plain, canvas = (
            placed(image[None]),
            model.input_reprogrammer(image[None]),
        )
        logits = model.source(canvas)
        expected = (
            plain,
            model.source(plain),
            canvas,
            logits,
            model.label_mapper(logits),
        )
        for values, wanted in zip(found, expected):
            wanted = keras.ops.convert_to_numpy(wanted).ravel()
            # The weights in the browser are float16.
            tolerance = 0.005 * np.abs(wanted).max()
            np.testing.assert_allclose(values, wanted, atol=tolerance)


def test_page_states_the_measured_accuracy():
    results = json.loads((DOCS / "demo" / "digits.json").read_text())
    page = PAGE.read_text(encoding="utf-8")
    assert f"{results['test_accuracy']:.1%} of 1,000" in page
    assert f"about {results['program_bytes'] / 1e3:.0f} kB" in page


def test_samples_are_read_with_the_keyboard(demo):
    labels = json.loads((SITE / "demo" / "details.json").read_text())["labels"]
    for label in labels[:3]:
        part(demo, "sample").send_keys("\n")
        wait_for_digit(demo, label)


def test_fits_a_phone_and_is_drawn_on_with_a_finger(demo, set_width):
    set_width(390)
    touch = {"enabled": True, "maxTouchPoints": 1}
    demo.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", touch)
    width = demo.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    part(demo, "clear").click()
    draw_with_a_finger(demo, STROKES[3])
    wait_for_digit(demo, 3)
    # Neither did the page move under the finger.
    pad = part(demo, "pad")
    style = "return getComputedStyle(arguments[0]).touchAction"
    assert demo.execute_script(style, pad) == "none"
    demo.execute_cdp_cmd(
        "Emulation.setTouchEmulationEnabled", {"enabled": False}
    )


def test_console_has_no_errors(demo):
    found = [
        entry
        for entry in demo.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]
    assert not found
