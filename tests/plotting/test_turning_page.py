"""Figures that turn, in a browser: by keyboard, mouse and touch, in both themes, and in print."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers import ROOT

from dynamix import plotting

ASSETS = ROOT / "book" / "_assets"
HTML = ROOT / "_build" / "html"
CHAPTERS = ("01_reconstruction", "05_zero_shot")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
# three dimensions without a graphics card
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE = 60_000  # milliseconds; a busy machine is slow, and that is no failure
FIGURE, STAGE = ".dynamix-turnable", ".dynamix-turnable-stage"
CAMERA = "stage => stage.layout.scene.camera"
TURN, BACK = "Turn this figure", "Back to the picture"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as running:
        yield running


def launch(driver: Any, *flags: str) -> Any:
    """Headless Chromium of the system."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here; looked for {', '.join(BROWSERS)}")
    return driver.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="module")
def browser(driver) -> Iterator[Any]:
    """A browser that draws in three dimensions."""
    running = launch(driver, *SOFTWARE)
    yield running
    running.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """A page with one figure, put together from what the library writes and the book's files."""
    t = np.linspace(0, 40, 1000)
    helix = np.stack([np.cos(t), np.sin(t), t], axis=1)
    figure = plotting.turnable(
        {"truth": helix, "forecast": -helix}, alt="Two helices.", title="A & B"
    )
    page = tmp_path_factory.mktemp("turn") / "page.html"
    assets = ASSETS.as_uri()
    page.write_text(
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>turn</title>'
        f'<link rel="stylesheet" href="{assets}/turn/turn.css">'
        f'<script defer src="{assets}/turn/turn.js"></script><main>{figure.html}</main>',
        encoding="utf-8",
    )
    return page.as_uri()


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """Open a page; afterwards: nothing was asked of the outside, nothing went wrong unseen."""
    contexts, asked, wrong = [], list[str](), list[str]()

    def open_page(address: str, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(address, timeout=PATIENCE)
        page.asked = asked
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wrong == []


def turned(figure: Any) -> Any:
    """Press the button; returns the drawing."""
    figure.get_by_role("button", name=TURN).click()
    stage = figure.locator(STAGE)
    stage.locator("canvas").first.wait_for()
    return stage


def azimuth(camera: dict[str, Any]) -> float:
    """Where the eye stands around the vertical, in degrees."""
    return math.degrees(math.atan2(camera["eye"]["y"], camera["eye"]["x"]))


def distance(camera: dict[str, Any]) -> float:
    """From the eye to what it looks at."""
    return math.dist(*([camera[name][axis] for axis in "xyz"] for name in ("eye", "center")))


def ink(page: Any, stage: Any) -> set[tuple[int, int, int]]:
    """Colours on the screen where the drawing is, coarsely."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(stage.screenshot())) as image:
        found = np.array(image.convert("RGB")).reshape(-1, 3) // 16
    colours, counts = np.unique(found, axis=0, return_counts=True)
    return {tuple(c) for c, n in zip(colours.tolist(), counts, strict=True) if n > 20}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_figures_of_a_built_page_turn_by_key(visit, chapter):
    built = HTML / f"{chapter}.html"
    if not built.is_file() or FIGURE[1:] not in built.read_text(encoding="utf-8"):
        pytest.skip("the book is not built, or before its figures could turn: make html")
    page = visit(built.as_uri())
    assert not any("plotly" in url for url in page.asked)
    figure = page.locator(FIGURE).first
    stage = turned(figure)
    before = stage.evaluate(CAMERA)
    page.keyboard.press("ArrowRight")
    after = stage.evaluate(CAMERA)
    assert azimuth(after) - azimuth(before) == pytest.approx(8)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200


def test_every_key_does_what_the_page_says(visit, address):
    page = visit(address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    stage = page.locator(STAGE)
    stage.locator("canvas").first.wait_for()
    assert stage.evaluate("stage => stage === document.activeElement")
    first = stage.evaluate(CAMERA)
    # as matplotlib looks at it in the picture
    assert azimuth(first) == pytest.approx(-60)

    def pressed(key: str) -> dict[str, Any]:
        page.keyboard.press(key)
        return stage.evaluate(CAMERA)

    assert azimuth(pressed("ArrowLeft")) == pytest.approx(-68)
    assert azimuth(pressed("ArrowRight")) == pytest.approx(-60)
    assert pressed("ArrowUp")["eye"]["z"] > first["eye"]["z"]
    assert pressed("ArrowDown")["eye"]["z"] == pytest.approx(first["eye"]["z"])
    assert distance(pressed("+")) == pytest.approx(distance(first) / 1.15)
    assert distance(pressed("-")) == pytest.approx(distance(first))
    for _ in range(40):
        camera = pressed("ArrowUp")
    assert 0 < math.hypot(camera["eye"]["x"], camera["eye"]["y"]) < 0.1  # not over the top
    assert pressed("Home")["eye"] == pytest.approx(first["eye"])
    assert "Two helices. " in stage.get_attribute("aria-label")
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                """() => {
                    const e = document.activeElement;
                    const seen = getComputedStyle(e).outlineStyle === "solid";
                    return e.labels?.[0]?.textContent || e.getAttribute("aria-label") ||
                        e.textContent + (seen ? "" : " unseen");
                }"""
            )
        )
    assert names == ["truth", "forecast", BACK, "Reset the view", "Closer", "Further away"]
    page.get_by_role("button", name=BACK).press("Enter")
    assert page.locator(STAGE).count() == 0
    assert page.locator(f"{FIGURE} img").is_visible()
    assert page.evaluate("document.activeElement.textContent") == TURN


def camera_after(page: Any, stage: Any, before: dict[str, Any]) -> dict[str, Any]:
    """The camera once a gesture has moved it."""
    page.wait_for_function(
        "before => document.querySelector('.dynamix-turnable-stage')"
        ".layout.scene.camera.eye.x !== before",
        arg=before["eye"]["x"],
    )
    return stage.evaluate(CAMERA)


@pytest.mark.parametrize("released", ["inside", "outside"])
def test_mouse_and_buttons_turn_it(visit, address, released):
    page = visit(address)
    figure = page.locator(FIGURE)
    stage = turned(figure)
    assert not figure.locator("img").is_visible()
    assert page.get_by_text("A & B", exact=True).is_visible()
    assert stage.locator("a").count() == 0  # no links of the drawing library's
    first = stage.evaluate(CAMERA)
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 280, box["y"] + 200, steps=5)
    if released == "outside":
        page.mouse.move(box["x"] + 280, box["y"] + box["height"] + 60)
    page.mouse.up()
    moved = camera_after(page, stage, first)
    page.mouse.wheel(0, 300)  # belongs to the page
    page.get_by_role("button", name="Closer").click()
    closer = stage.evaluate(CAMERA)
    assert distance(closer) == pytest.approx(distance(moved) / 1.15, rel=1e-3)
    assert azimuth(closer) == pytest.approx(azimuth(moved))
    page.get_by_role("button", name="Reset the view").click()
    assert stage.evaluate(CAMERA)["eye"] == pytest.approx(first["eye"])


def test_trajectories_can_be_hidden_and_follow_the_theme(visit, address):
    page = visit(address)
    stage = turned(page.locator(FIGURE))
    page.keyboard.press("ArrowLeft")
    kept = stage.evaluate(CAMERA)
    colours = "stage => stage._fullData.map(trace => trace.line.color)"
    assert stage.evaluate(colours) == ["#0072b2", "#d55e00"]
    page.wait_for_timeout(300)
    light = ink(page, stage)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        "document.querySelector('.dynamix-turnable-stage').data[0].line.color === '#56b4e9'"
    )
    assert stage.evaluate(colours) == ["#56b4e9", "#f28e3c"]
    page.wait_for_timeout(300)
    assert ink(page, stage) != light
    page.get_by_label("truth").uncheck()
    assert stage.evaluate("stage => stage._fullData.map(trace => trace.visible)") == [False, True]
    assert stage.evaluate(CAMERA)["eye"] == pytest.approx(kept["eye"])


def test_print_shows_the_picture_and_no_buttons(visit, address):
    page = visit(address)
    page.emulate_media(media="print")
    assert page.locator(f"{FIGURE} img").is_visible()
    assert not page.get_by_role("button", name=TURN).is_visible()
    page.emulate_media(media="screen")
    turned(page.locator(FIGURE))
    page.emulate_media(media="print")
    assert page.locator(f"{FIGURE} img").is_visible()
    assert not page.locator(STAGE).is_visible()
    assert not page.get_by_role("button", name=BACK).is_visible()


def test_a_phone_turns_by_touch(visit, address):
    page = visit(address, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.get_by_role("button", name=TURN).tap()
    stage = page.locator(STAGE)
    stage.locator("canvas").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    first = stage.evaluate(CAMERA)
    box = stage.bounding_box()
    touch = page.context.new_cdp_session(page)
    at = {"x": box["x"] + 120, "y": box["y"] + 150}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    for _ in range(3):
        at["x"] += 20
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        page.wait_for_timeout(50)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    camera_after(page, stage, first)
    assert page.evaluate("scrollY") == 0


def test_without_scripts_there_is_the_picture_and_no_button(visit, address):
    page = visit(address, java_script_enabled=False)
    assert page.locator(f"{FIGURE} img").is_visible()
    assert page.get_by_alt_text("Two helices.").count() == 1
    assert page.get_by_role("button").count() == 0


def test_without_webgl_the_page_says_so_and_keeps_the_picture(driver, address):
    flat = launch(driver, "--disable-gpu", "--disable-3d-apis")
    page = flat.new_page()
    page.goto(address)
    page.get_by_role("button", name=TURN).click()
    assert "does not draw in three dimensions" in page.get_by_role("status").inner_text()
    assert page.locator(f"{FIGURE} img").is_visible()
    flat.close()


def test_without_the_drawing_library_the_page_says_so_and_keeps_the_picture(browser, address):
    page = browser.new_page()
    page.route("**/plotly-gl3d.min.js", lambda route: route.abort())
    page.goto(address)
    page.get_by_role("button", name=TURN).click()
    page.get_by_text("could not be loaded").wait_for()
    assert page.locator(f"{FIGURE} img").is_visible()
    page.unroute("**/plotly-gl3d.min.js")
    turned(page.locator(FIGURE))  # a second press tries again
    page.close()
