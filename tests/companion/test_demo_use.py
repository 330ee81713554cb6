"""The live demo in use: ugly tables, keyboard, phone, themes, less motion, no scripts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from companion.demo_page import csv, paste, run_to_the_end

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the demo's tests need playwright: pip install '.[test]'"
)

T = np.arange(60)
GOOD = np.stack([np.sin(T / 5), np.cos(T / 5)], axis=1)
LINES = csv(GOOD, ["a", "b"]).splitlines()


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


UGLY = [
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
]


def test_ugly_tables_get_one_clear_message(visit):
    page = visit()
    alert, start = page.get_by_role("alert"), page.get_by_role("button", name="Start")
    for text, message in UGLY:
        paste(page, text)
        playwright.expect(alert).to_contain_text(message)
        assert start.is_disabled(), message
        assert page.get_by_label("One row per time step").get_attribute("aria-invalid") == "true"
        page.get_by_label("One row per time step").fill("\n".join(LINES))
        page.get_by_role("button", name="Read the table").click()  # and a good one recovers
        playwright.expect(alert).to_be_empty()
        assert start.is_enabled(), message


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


def test_rows_can_be_held_back_to_compare(visit):
    page = visit()
    paste(page, csv(np.tile(GOOD, (3, 1)), ["a", "b"]))
    assert not page.get_by_text("what really follows").is_visible()
    page.get_by_label("Rows held back, to compare").fill("60")
    assert page.get_by_label("Context length", exact=True).input_value() == "120"
    run_to_the_end(page)
    assert page.get_by_text("what really follows").is_visible()
    assert painted(page, "series", "truth") > 100


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
    box = page.locator(".dynamix-attractor").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 100)
    page.mouse.up()
    page.mouse.move(box["x"] + 250, box["y"] + 100)  # no longer held
    assert page.get_by_label("Turn", exact=True).input_value() == "-40"
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
    page.get_by_label("Context length", exact=True).fill("300")
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
    assert "context" in image.get_attribute("alt")
    assert page.locator("a[href='05_zero_shot.html']").first.is_visible()
