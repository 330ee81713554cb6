"""The live demo in use: ugly tables, keyboard, phone, themes, less motion, no scripts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from companion.demo_page import csv, paste, read, run_to_the_end

from dynamix.preprocessing import resample

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
    ("x\n" + "\n".join(["1.5", "n/a"] * 30), "lack a value, the first of them in line 3 of “x”"),
    ("x\n" + "\n".join([*map(str, GOOD[:, 0]), "apples"]), "line 62 is “apples”"),
    ("\n".join(["x;y", *["1;2"] * 9, *["1;"] * 9, *["3;4"] * 90]), "from line 11 to line 19"),
    (
        "a,b\n" + "\n".join(f"{x},5" for x in GOOD[:, 0]),
        "constant at 5 over the 60 steps of the context, lines 2 to 61",
    ),
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
        read(page)
        playwright.expect(alert).to_be_empty()
        assert start.is_enabled(), message


def test_broken_columns_are_left_out_aloud_and_columns_can_be_chosen(visit):
    rows = [
        f"2024-01-{t % 28 + 1:02d},{'apples' if t == 7 else t**2},{np.sin(t)},{np.cos(t)},{t % 7},"
        f"{t % 5}"
        for t in T
    ]
    page = visit()
    paste(page, "date,odd,a,b,c,d\r\n" + "\r\n".join(rows))
    told = page.locator(".dynamix-columns").inner_text()
    assert "Left out: in “odd” the value of line 9 is “apples”" in told
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


# text, what a comma means, and the columns that are found
COMMAS = [
    ("\n".join(["1,5", "2,25", "0,5"] * 20), "auto", {"column 1": [1.5, 2.25, 0.5]}),
    ("\n".join(["3,14", "2,71"] * 20), "auto", {"column 1": [3.14, 2.71]}),
    ("\n".join(["3,14", "2,71"] * 20), "separator", {"column 1": [3, 2], "column 2": [14, 71]}),
    ("x\n" + "\n".join(["1,5", "2"] * 20), "auto", {"x": [1.5, 2]}),
    ("x\n" + "\n".join(['"1,5"', '"-2,25"'] * 20), "auto", {"x": [1.5, -2.25]}),
    ("a,b\n" + "\n".join(["1,5", "3,2"] * 20), "auto", {"a": [1, 3], "b": [5, 2]}),
    (
        "\n".join(f"{t},{t % 5}" for t in range(40)),
        "auto",
        {"column 1": [0, 1], "column 2": [0, 1]},
    ),
    ("\n".join(f"{t},{t % 5}" for t in range(40)), "decimal", {"column 1": [0, 1.1, 2.2]}),
    (
        "\n".join(["1,5 2,5", "2,5 0,1"] * 20),
        "auto",
        {"column 1": [1.5, 2.5], "column 2": [2.5, 0.1]},
    ),
    ("a;b\n" + "\n".join(["1.234,5;2", "0,5;3"] * 20), "auto", {"a": [1234.5, 0.5], "b": [2, 3]}),
]


def test_commas_are_read_right_or_as_the_reader_says(visit):
    page = visit()
    for text, comma, expected in COMMAS:
        found = page.evaluate(
            """([text, comma]) => DynaMixTable.parse(text, comma).columns
                .map(({name, values}) => [name, Array.from(values)])""",
            [text, comma],
        )
        assert [name for name, _ in found] == list(expected), text[:20]
        for name, values in found:
            assert values[: len(expected[name])] == expected[name], (text[:20], comma)


def test_an_empty_line_in_one_column_is_a_step_without_a_value(visit):
    page = visit()
    told = """(text) => {
        const {columns, lines, notes} = DynaMixTable.parse(text);
        const values = Array.from(columns[0].values, (v) => (Number.isNaN(v) ? null : v));
        return [columns.length, values, Array.from(lines), notes];
    }"""
    steps = ["1,5", "", "3", "4", "2"] * 30
    width, values, lines, notes = page.evaluate(told, "\n".join(["load", *steps, "", ""]))
    assert (width, values) == (1, [1.5, None, 3, 4, 2] * 30)
    assert lines == list(range(2, 152))
    width, values, _, notes = page.evaluate(told, "\n\n".join(["3", "1", "2"] * 30))
    assert (width, values) == (1, [3, 1, 2] * 30)  # a table with a line left free below each row
    assert notes == ["Skipped: 89 empty lines, the first of them line 2."]
    _, values, _, notes = page.evaluate(told, "\n".join(["a,b", *["1,2"] * 40, "", *["3,4"] * 40]))
    assert len(values) == 80
    assert notes == ["Skipped: 1 empty line, the first of them line 42."]


def test_the_meaning_of_a_comma_can_be_changed_after_reading(visit):
    page = visit()
    paste(page, "\n".join(["3,14", "2,71", "5,05"] * 20))
    assert "A comma is read as the decimal sign" in page.locator(".dynamix-columns").inner_text()
    assert page.locator(".dynamix-columns input").count() == 1
    page.get_by_label("A comma is").select_option("separator")
    read(page)
    playwright.expect(page.locator(".dynamix-columns input")).to_have_count(2)


@pytest.mark.parametrize("seed", range(4))
def test_gaps_are_filled_as_the_library_fills_them(visit, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(80, 2)).round(3), columns=["a", "b"])
    for column in table:
        table.loc[rng.choice(80, 6, replace=False), column] = np.nan
    table.iloc[:2, 0] = table.iloc[-1:, 1] = np.nan  # ends are cut
    expected, report = resample(table)
    page = visit()
    found = page.evaluate(
        """(text) => {
            const {columns, lines} = DynaMixTable.parse(text);
            const {chosen, lines: left, notes} = DynaMixTable.fill(columns, lines);
            return [chosen.map(({values}) => Array.from(values)), left[0], notes];
        }""",
        table.to_csv(index=False),
    )
    np.testing.assert_allclose(np.transpose(found[0]), expected.to_numpy(), atol=1e-12)
    assert found[1] == 2 + expected.index[0]  # the line that the first row stands in
    assert f"{report.filled} rows without a value" in found[2][0]


def test_filled_gaps_are_named_on_the_page(visit):
    page = visit()
    paste(page, "\n".join([*LINES[:8], "0.5,", *LINES[9:]]))
    assert "1 row without a value (line 9)" in page.locator(".dynamix-columns").inner_text()
    assert np.isfinite(run_to_the_end(page).to_numpy()).all()


def test_ten_megabytes_are_read_beside_the_page(visit, tmp_path):
    values = np.random.default_rng(0).normal(size=(400_000, 2)).round(9)
    file = tmp_path / "large.csv"
    lines = csv(values, ["a", "b"]).splitlines()
    file.write_text("\n".join(lines))
    assert file.stat().st_size > 9e6
    page = visit()
    page.evaluate(
        """() => {
            window.parsed = 0;
            const {parse} = DynaMixTable;
            DynaMixTable.parse = (...given) => (window.parsed += 1, parse(...given));
            window.longest = 0;
            let last = performance.now();
            setInterval(() => {
                window.longest = Math.max(window.longest, performance.now() - last);
                last = performance.now();
            }, 10);
        }"""
    )
    page.get_by_label("Series", exact=True).select_option("own")
    page.get_by_label("or a file").set_input_files(file)
    playwright.expect(page.locator(".dynamix-status")).to_contain_text("Read 10,000 rows")
    assert page.evaluate("parsed") == 0  # in the worker, not here
    assert page.evaluate("longest") < 1000  # milliseconds, on a busy machine
    assert "from line 390002 on" in page.locator(".dynamix-columns").inner_text()
    lines[345_677] += ",7"
    file = tmp_path / "ragged.csv"
    file.write_text("\n".join(lines))
    page.get_by_label("or a file").set_input_files(file)
    playwright.expect(page.get_by_role("alert")).to_contain_text("Line 345678 has 3 columns")


def test_a_browser_without_workers_reads_all_the_same(visit):
    page = visit()
    page.evaluate("() => { window.Worker = class { constructor() { throw new Error('no'); } }; }")
    paste(page, "\n".join(LINES))
    playwright.expect(page.locator(".dynamix-status")).to_contain_text("Read 60 rows")


def test_files_of_other_encodings_are_read(visit, tmp_path):
    page = visit()
    page.get_by_label("Series", exact=True).select_option("own")
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        file = tmp_path / f"{encoding}.csv"
        file.write_text(
            "Höhe\n" + "\n".join(f"{x:.3f}".replace(".", ",") for x in GOOD[:, 0]), encoding
        )
        page.get_by_label("or a file").set_input_files(file)
        playwright.expect(page.get_by_label("Höhe")).to_be_visible()
        page.get_by_label("Series", exact=True).select_option("0")
        page.get_by_label("Series", exact=True).select_option("own")
        paste(page, "")


def test_a_season_can_be_given_and_a_wrong_one_is_refused(visit):
    page = visit()
    page.get_by_label("Series", exact=True).select_option("6")
    season, alert = page.get_by_label("Season, in steps"), page.get_by_role("alert")
    for wrong, message in (("1", "at least 2 steps"), ("ab", "“ab”"), ("900", "2700 steps")):
        season.fill(wrong)
        playwright.expect(alert).to_contain_text(message)
        assert page.get_by_role("button", name="Start").is_disabled()
    season.fill("24, 168")
    playwright.expect(alert).to_be_empty()
    page.get_by_label("Embedding").select_option("delay")
    assert "steps earlier" in page.locator("#dynamix-demo").inner_text()
    run_to_the_end(page)


def test_the_truth_is_drawn_in_the_attractor_where_it_is_known(visit):
    page = visit()
    known = painted(page, "attractor", "truth")
    assert known > 300
    page.get_by_label("Draw the truth").uncheck()
    assert painted(page, "attractor", "truth") < 0.1 * known
    page.get_by_label("Series", exact=True).select_option("own")
    paste(page, "\n".join(LINES))
    assert not page.get_by_label("Draw the truth").is_visible()


def test_start_is_on_the_first_screen_of_a_phone(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    box = page.get_by_role("button", name="Start").bounding_box()
    assert box["y"] + box["height"] <= 844
    top = page.locator("#dynamix-demo").bounding_box()["y"]
    assert box["y"] + box["height"] - top < 200  # whatever stands above the demo
    assert not page.get_by_label("Horizon").is_visible()  # folded
    page.get_by_text("Settings", exact=True).tap()
    assert page.get_by_label("Horizon").is_visible()


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
    for _ in range(18):
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
        *("Series", "Model", "Start", "Reset", "Settings", "Context length", "Season, in steps"),
        *("Horizon", "Gate noise", "Width of the gate's noise", "Seed", "Speed", "Attractor"),
        *("View", "Turn", "Tilt", "Draw the truth", "Steps shown from"),
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
