"""The live demo in a real browser: Python's numbers, and usable by keyboard and on a phone."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import dynamix
from dynamix import systems

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the demo's tests need playwright: pip install '.[test]'"
)
ASSETS = ROOT / "book" / "_assets"
BUILT = ROOT / "_build" / "html" / "demo.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
STEPS = 20


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


def is_current(built: Path) -> bool:
    """Whether the built book has the demo's page and files as they are now."""
    static = built.parent / "_static" / "demo"
    return (
        built.is_file()
        and fragment() in built.read_text(encoding="utf-8")
        and all(
            (static / path.name).is_file()
            and (static / path.name).read_bytes() == path.read_bytes()
            for path in (ASSETS / "demo").iterdir()
        )
    )


def fragment() -> str:
    """The page's own HTML."""
    text = (ROOT / "book" / "demo.md").read_text(encoding="utf-8")
    return text[text.index('<div id="dynamix-demo">') : text.rindex("</script>") + len("</script>")]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The built page if it is up to date, else one put together from the same HTML."""
    if is_current(BUILT):
        return BUILT.as_uri()
    page = tmp_path_factory.mktemp("demo") / "demo.html"
    body = fragment().replace("_static/", f"{ASSETS.as_uri()}/")
    page.write_text(
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>demo</title><main>{body}</main>",
        encoding="utf-8",
    )
    return page.as_uri()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., Any]]:
    """Open the demo; afterwards: nothing was asked of the outside, nothing went wrong unseen."""
    contexts, asked, wrong = [], list[str](), list[str]()

    def watch(page: Any, problems: list[str]) -> None:
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        watch(page, wrong)
        page.goto(address)
        return page

    yield open_page
    theme = list[str]()
    if wrong and address == BUILT.as_uri():  # what every page of the book says is the theme's
        other = contexts[-1].new_page()
        watch(other, theme)
        other.goto(BUILT.with_name("log.html").as_uri())
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    assert [text for text in wrong if text not in theme] == []


def run_to_the_end(page: Any) -> pd.DataFrame:
    """Press Start, wait, and take the forecast as the page saves it."""
    page.get_by_label("Speed").select_option("still")
    page.get_by_role("button", name="Start").click()
    page.locator(".dynamix-status", has_text="Finished:").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    return pd.read_csv(download.value.path(), index_col="step")


def set_slider(page: Any, label: str, value: int) -> None:
    page.get_by_label(label, exact=True).fill(str(value))


def paste(page: Any, text: str) -> None:
    page.get_by_label("Series", exact=True).select_option("own")
    page.get_by_label("One row per time step").fill(text)
    page.get_by_role("button", name="Read the table").click()


def csv(values: np.ndarray, names: list[str], **options: Any) -> str:
    text = io.StringIO()
    pd.DataFrame(values, columns=names).to_csv(text, index=False, **options)
    return text.getvalue()


# ---- what is committed is what the checkpoint says ----


@pytest.fixture(scope="module")
def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_demo", ROOT / "scripts" / "make_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    text = (ASSETS / "demo" / "demo_weights.js").read_text(encoding="utf-8")
    _, model, _, *examples, end = text.splitlines()
    assert end == "];"
    return json.loads(model.partition(" = ")[2][:-1]), [json.loads(line[:-1]) for line in examples]


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["base64"]), "<f4").reshape(packed["shape"])


def test_the_weights_are_the_bundled_checkpoint(maker, committed):
    assert committed[0] == json.loads(json.dumps(maker.weights())), "run scripts/make_demo.py"
    assert (ASSETS / "demo" / "demo_weights.js").stat().st_size < 400_000


def test_the_series_are_those_of_the_library(maker, committed, cache):
    series = {entry["title"]: unpacked(entry["values"]) for entry in committed[1]}
    length = maker.CONTEXT + maker.TRUTH
    assert {len(values) for values in series.values()} == {length}
    for name, title in maker.SYSTEMS.items():
        assert name in systems.split()["test"]
        # two machines' integrations of chaos stay together for a while only
        start = systems.trajectory(name, n=200)
        np.testing.assert_allclose(series[title][:200], start, atol=1e-3 * start.std())
    np.testing.assert_allclose(series["A sine, one column"], maker.sine(), atol=1e-6)
    np.testing.assert_allclose(series["An invented hourly load"], maker.load_curve(), rtol=1e-6)


# ---- the numbers ----


@pytest.mark.parametrize("choices", [{}, {"sharpness": 1.5, "quietSteps": 0}])
@pytest.mark.parametrize(
    ("title", "columns", "length"),
    [
        ("Lorenz: two wings", [0, 1, 2], 2000),
        ("Hindmarsh–Rose: bursts of a neuron", [0, 1, 2], 333),
        ("Chua's circuit: double scroll", [2, 0], 700),
        ("A sine, one column", [0], 512),
        ("An invented hourly load", [0], 2000),
    ],
)
def test_the_engine_computes_what_python_computes(
    visit, committed, title, columns, length, choices
):
    values = next(unpacked(entry["values"]) for entry in committed[1] if entry["title"] == title)
    context = values[2000 - length : 2000, columns].astype(np.float64)
    told = visit().evaluate(
        "([columns, steps, choices]) => "
        "DynaMixEngine.forecast(DynaMixDemo.model, columns, steps, choices)",
        [context.T.tolist(), STEPS, {"gateNoise": False} | choices],
    )
    expected, gates = dynamix.forecast(
        context,
        horizon=STEPS,
        gate_noise=False,
        engine="torch",
        attention_sharpness=choices.get("sharpness"),
        return_gates=True,
    )
    error = np.abs(np.array(told["rows"]) - expected) / context.std(axis=0)
    assert error.max() < 1e-4
    np.testing.assert_allclose(told["gates"], gates, atol=1e-4)


def test_the_page_shows_what_python_computes(visit, committed):
    page = visit()
    page.get_by_label("Gate noise", exact=True).uncheck()
    set_slider(page, "Context length", 800)
    shown = run_to_the_end(page)
    context = unpacked(committed[1][0]["values"])[1200:2000]
    expected = dynamix.forecast(context, horizon=STEPS, gate_noise=False)
    assert list(shown.columns) == ["x1", "x2", "x3"]
    assert len(shown) == 5000
    error = np.abs(shown.to_numpy()[:STEPS] - expected) / context.std(axis=0)
    assert error.max() < 1e-4
    assert int(page.locator("#dynamix-demo").get_attribute("data-speed")) > 0


def test_a_pasted_table_is_forecast_as_python_does_it(visit):
    t = np.arange(400)
    wave = np.sin(2 * np.pi * t / 61) + 0.3 * np.cos(2 * np.pi * t / 17) + 40
    page = visit()
    page.get_by_label("Gate noise", exact=True).uncheck()
    paste(page, csv(np.stack([t, wave], axis=1), ["t", "wave"], sep=";", decimal=","))
    assert "not ticked: “t”" in page.locator(".dynamix-columns").inner_text()
    assert page.get_by_label("Context length", exact=True).input_value() == "400"
    shown = run_to_the_end(page)
    expected = dynamix.forecast(wave, horizon=STEPS, gate_noise=False, engine="torch")
    assert np.abs(shown["wave"].to_numpy()[:STEPS] - expected).max() < 1e-4 * wave.std()
    assert "dominant period" in page.locator("#dynamix-demo").inner_text()


def test_the_seed_fixes_the_noise_and_quiet_steps_have_none(visit, committed):
    context = unpacked(committed[1][0]["values"])[1500:2000].astype(np.float64)
    columns = context.T.tolist()
    rows = visit().evaluate(
        """(columns) => [[1, 0], [1, 0], [2, 0], [1, 30], [2, 30]].map(([seed, quietSteps]) =>
           DynaMixEngine.forecast(DynaMixDemo.model, columns, 60, {seed, quietSteps}).rows)""",
        columns,
    )
    first, again, other, quiet, other_quiet = np.array(rows)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    np.testing.assert_array_equal(quiet[:30], other_quiet[:30])
    assert np.abs(quiet[30:] - other_quiet[30:]).max() > 0


def test_the_noise_is_normal(visit):
    page = visit()
    draws = np.array(
        page.evaluate(
            """[0, 1].map((seed) => {
                const draw = DynaMixEngine.normals(seed);
                return Array.from({length: 20000}, draw);
            })"""
        )
    )
    for moment, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert np.mean(draws**moment, axis=1) == pytest.approx(expected, abs=0.15)
    assert abs(np.corrcoef(draws)[0, 1]) < 0.03
    assert abs(np.corrcoef(draws[0, :-1], draws[0, 1:])[0, 1]) < 0.03


def test_the_spectrum_of_a_sine_is_a_line(visit):
    shares = visit().evaluate(
        """() => {
            const wave = (_, t) => 7 + Math.sin(2 * Math.PI * t / 32);
            const rows = Float64Array.from({length: 2000}, wave);
            return Array.from(new DynaMixSpectrum.Welch(512, 1).extend(rows, 2000).shares(0));
        }"""
    )
    assert np.argmax(shares) == 512 // 32
    assert sum(shares) == pytest.approx(1)
    assert sum(shares[15:18]) > 0.999


# ---- ugly input ----

T = np.arange(60)
GOOD = np.stack([np.sin(T / 5), np.cos(T / 5)], axis=1)
LINES = csv(GOOD, ["a", "b"]).splitlines()


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Nothing to read"),
        ("<!DOCTYPE html><html><body>404</body></html>", "web page"),
        ("PK\x03\x04 a spreadsheet", "not a text file"),
        ("name, place\nAda, London\n", "No numbers found"),
        ("1\n2\n3\n", "Only 3 rows"),
        (with_line(9, "1,2,3"), "Line 9 has 3 columns, the lines before have 2"),
        ("x\n" + "\n".join(["1.5", "n/a"] * 30), "line 3 is missing (“n/a”)"),
        ("x\n" + "\n".join([*map(str, GOOD[:, 0]), "apples"]), "line 62 is “apples”"),
        ("\n".join(["3,14", "2,71"] * 30), "decimal comma"),
        ("a,b\n" + "\n".join(f"{x},5" for x in GOOD[:, 0]), "“b” is constant at 5"),
        ("\n".join(LINES[0:1]), "No numbers found"),
    ],
)
def test_ugly_tables_get_one_clear_message(visit, text, message):
    page = visit()
    paste(page, text)
    alert = page.get_by_role("alert")
    playwright.expect(alert).to_contain_text(message)
    assert page.get_by_role("button", name="Start").is_disabled()
    assert page.get_by_label("One row per time step").get_attribute("aria-invalid") == "true"
    page.get_by_label("One row per time step").fill("\n".join(LINES))
    page.get_by_role("button", name="Read the table").click()  # and a good one recovers
    playwright.expect(alert).to_be_empty()
    assert page.get_by_role("button", name="Start").is_enabled()


def test_broken_columns_are_left_out_aloud_and_columns_can_be_chosen(visit):
    rows = [
        f"2024-01-{t % 28 + 1:02d},{'' if t == 7 else t**2},{np.sin(t)},{np.cos(t)},{t % 7},{t % 5}"
        for t in T
    ]
    page = visit()
    paste(page, "date,gaps,a,b,c,d\r\n" + "\r\n".join(rows))
    told = page.locator(".dynamix-columns").inner_text()
    assert "Left out: in “gaps” the value of line 9 is empty" in told
    assert "Not numbers, so left out: “date”" in told
    ticked = {name: page.get_by_label(name, exact=True).is_checked() for name in "abcd"}
    assert ticked == {"a": True, "b": True, "c": True, "d": False}
    page.get_by_label("d", exact=True).check()
    playwright.expect(page.get_by_role("alert")).to_contain_text("3 columns at once, 4 are ticked")
    for name in "abcd":
        page.get_by_label(name, exact=True).uncheck()
    playwright.expect(page.get_by_role("alert")).to_contain_text("at least one column")
    page.get_by_label("c", exact=True).check()
    assert list(run_to_the_end(page).columns) == ["c"]


def test_files_can_be_chosen_and_dropped(visit, tmp_path):
    page = visit()
    file = tmp_path / "wave.csv"
    file.write_text("\n".join(LINES))
    page.get_by_label("Series", exact=True).select_option("own")
    page.get_by_label("or a file").set_input_files(file)
    playwright.expect(page.locator(".dynamix-status")).to_contain_text("Read 60 rows")
    page.reload()
    page.evaluate(
        """(text) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "wave.csv"));
            const event = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
            document.getElementById("dynamix-demo").dispatchEvent(event);
        }""",
        "\n".join(LINES),
    )
    playwright.expect(page.locator(".dynamix-status")).to_contain_text("Read 60 rows")
    assert page.get_by_label("Series", exact=True).input_value() == "own"


# ---- people ----


def test_everything_can_be_done_by_keyboard(visit):
    page = visit()
    page.get_by_label("Series", exact=True).focus()
    names = list[str]()
    for _ in range(14):
        names.append(
            page.evaluate(
                """() => {
                    const e = document.activeElement, label = e.labels?.[0]?.textContent;
                    const seen = getComputedStyle(e).outlineStyle === "solid";
                    const name = e.tagName === "CANVAS" ? "Attractor" : e.textContent.trim();
                    return (label ?? name) + (seen ? "" : " without a visible focus");
                }"""
            )
        )
        page.keyboard.press("Tab")
    assert names == [
        *("Series", "Context length", "Horizon", "Gate noise", "Width of the gate's noise"),
        *("Seed", "Speed", "Start", "Reset", "Attractor", "View", "Turn", "Tilt"),
        "Steps shown from",
    ]
    page.get_by_label("Series", exact=True).focus()
    page.keyboard.press("ArrowDown")  # the next system
    page.get_by_label("Speed").focus()
    page.keyboard.press("Home")  # the slowest
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("Number(document.getElementById('dynamix-demo').dataset.steps) > 3")
    page.keyboard.press("Space")
    status = page.get_by_role("status")  # the only one: sliders do not speak up
    playwright.expect(status).to_contain_text("Paused at step")
    assert status.get_attribute("aria-live") == "polite"
    page.locator(".dynamix-attractor").focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.get_by_label("Turn", exact=True).input_value() == "-70"
    assert page.get_by_label("Tilt", exact=True).input_value() == "20"
    page.keyboard.press("+")
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".dynamix-progress")).to_have_text("step 0 of 5,000")


def test_every_control_and_picture_has_a_name(visit):
    page = visit()
    page.get_by_label("Series", exact=True).select_option("own")
    unnamed = page.evaluate(
        """() => ["input", "select", "textarea", "button", "canvas"]
            .flatMap((tag) => [...document.querySelectorAll(`#dynamix-demo ${tag}`)])
            .filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim())
            .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("source", ["0", "5", "own"])
def test_a_phone_shows_everything_without_sideways_scrolling(visit, source):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    if source == "own":
        paste(page, csv(np.tile(GOOD, 2), [name * 30 for name in "abcd"]))
    else:
        page.get_by_label("Series", exact=True).select_option(source)
    run_to_the_end(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    outside = page.evaluate(
        """() => [...document.querySelectorAll("#dynamix-demo *")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def painted(page: Any, kind: str, variable: str) -> int:
    """Pixels of a picture in the colour of that name."""
    return page.evaluate(
        """([kind, variable]) => {
            const canvas = document.querySelector(`.dynamix-${kind}`);
            const style = getComputedStyle(document.getElementById("dynamix-demo"));
            const hex = style.getPropertyValue(`--dynamix-${variable}`).trim();
            const wanted = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                count += data[i + 3] > 60 && wanted.every((c, j) => Math.abs(c - data[i + j]) < 12);
            }
            return count;
        }""",
        [kind, variable],
    )


def test_all_pictures_are_drawn_in_either_theme(visit):
    page = visit()
    run_to_the_end(page)
    for theme in ("light", "dark", "light"):
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        page.wait_for_timeout(100)
        for kind in ("attractor", "series", "spectrum"):
            assert painted(page, kind, "context") > 100, (theme, kind)
            assert painted(page, kind, "forecast") > 100, (theme, kind)
        assert painted(page, "series", "truth") > 100
        assert painted(page, "strip", "glow") > 100


def test_reduced_motion_is_respected(visit):
    page = visit(reduced_motion="reduce")
    assert page.get_by_label("Speed").input_value() == "still"
    assert visit().get_by_label("Speed").input_value() == "1000"
    page.get_by_role("button", name="Start").click()
    page.locator(".dynamix-status", has_text="Finished:").wait_for()
    assert painted(page, "attractor", "forecast") > 100


def test_changing_the_context_while_it_runs_starts_anew(visit):
    page = visit()
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("Number(document.getElementById('dynamix-demo').dataset.steps) > 50")
    set_slider(page, "Context length", 300)
    page.wait_for_function("Number(document.getElementById('dynamix-demo').dataset.steps) > 5")
    assert page.get_by_role("button", name="Pause").is_visible()
    page.get_by_role("button", name="Pause").click()
    assert "Paused" in page.locator(".dynamix-status").inner_text()


def test_a_forecast_that_leaves_the_numbers_is_stopped_and_said(visit):
    page = visit()
    page.evaluate("DynaMixDemo.model.A.fill(30)")
    page.get_by_label("Speed").select_option("0")
    page.get_by_role("button", name="Start").click()
    page.locator(".dynamix-status", has_text="left the numbers at step").wait_for()
    assert page.get_by_role("button", name="Start").is_enabled()


def test_without_scripts_there_is_a_picture_and_a_way_on(visit):
    page = visit(java_script_enabled=False)
    image = page.locator("noscript img, img[alt*=Lorenz]").first
    assert image.is_visible()
    assert re.search("context", image.get_attribute("alt"))
    assert page.locator("a[href='05_zero_shot.html']").first.is_visible()
