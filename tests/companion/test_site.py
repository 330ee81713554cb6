"""Corrections of built pages, descriptions, the sitemap, and the scripts of every page."""

from __future__ import annotations

import base64
import io
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from companion.demo_page import ASSETS
from docutils.core import publish_doctree
from PIL import Image

from dynamix.companion import site

FOLDED = """<div class="cell tag_hide-input docutils container">
<details class="admonition hide above-input">
<summary aria-label="Toggle hidden content">
<p class="collapsed admonition-title">Show code cell source</p>
<p class="expanded admonition-title">Hide code cell source</p>
</summary>
<div class="cell_input docutils container"><pre>x = 1</pre></div>
</details>
</div>"""


def test_a_folded_cell_is_named_by_its_words_and_holds_no_paragraph():
    page = site.mend(FOLDED)
    summary = re.search("<summary.*?</summary>", page, re.DOTALL).group()
    assert "<p" not in summary
    assert "aria-label" not in page
    assert summary.count('<span class="collapsed') == summary.count('<span class="expanded') == 1
    assert "<pre>x = 1</pre>" in page


def test_a_table_of_pandas_has_no_empty_heading_and_no_style_of_its_own():
    frame = pd.DataFrame({"a": [1.5, 2.0]}, index=pd.Index(["x", "y"], name="row"))
    page = site.mend(frame._repr_html_() + pd.DataFrame({"b": [1]})._repr_html_())
    assert "<style" not in page
    assert 'border="1"' not in page
    assert not re.search(r"<th[^>]*>\s*</th>", page)
    assert re.findall(r"<th>(\w+)</th>", page) == ["a", "row", "x", "y", "b", "0"]
    assert re.findall(r"<td>([\d.]*)</td>", page) == ["", "", "1.5", "2.0", "", "1"]


def test_a_list_of_pages_is_named_after_its_page():
    told = site.mend(
        '<a href="api.html">API &amp; more</a><details><summary><span></span></summary>x</details>'
    )
    assert '<summary aria-label="Pages under API &amp; more"><span>' in told
    assert site.mend(told) == told


def test_the_sidebar_is_a_landmark():
    told = site.mend('<div id="pst-primary-sidebar" class="bd-sidebar">')
    assert 'role="complementary" aria-label' in told
    assert site.mend(told) == told


def test_exercises_of_a_page_are_no_sections_and_one_viewport_remains():
    page = (
        '<meta charset="utf-8"><meta name="viewport" content="a"/><meta name="viewport" '
        'content="b"><section id="mine"><div><section class="x" id="exercise-content"><p>a</p>'
        '</section></div><section id="solution-content"><p>b</p></section></section>'
    )
    mended = site.mend(page)
    assert mended.endswith(
        '<section id="mine"><div><div class="x"><p>a</p></div></div><div><p>b</p></div></section>'
    )
    assert mended.count('name="viewport"') == mended.count("id=") == 1
    assert mended == site.mend(mended)


@pytest.mark.parametrize(
    ("baseurl", "repository", "expected"),
    [
        ("", "https://github.com/Me/mine", "https://me.github.io/mine/"),
        ("", "https://github.com/me/me.github.io", "https://me.github.io/"),
        ("https://book.example.org", "https://github.com/me/mine", "https://book.example.org/"),
        ("", "https://gitlab.com/me/mine", None),
        ("", "", None),
    ],
)
def test_the_address_is_the_one_that_is_configured_or_githubs(baseurl, repository, expected):
    assert site.address(baseurl, repository) == expected


def test_a_description_is_whole_sentences_where_they_fit():
    short = "After this chapter you can read $D_\\mathrm{stsp}$."
    assert site.describe(short) == "After this chapter you can read D_stsp."
    assert site.describe(f"{'One sentence of words. ' * 8}{'more ' * 30}").endswith("words.")
    cut = site.describe("word " * 100)
    assert len(cut) <= site.LONGEST
    assert cut.endswith("word…")


def test_the_description_is_the_first_paragraph_of_the_page_itself():
    page = "Title\n=====\n\n.. note::\n\n   Not this.\n\n* nor this\n\n*After this page* you can.\n"
    assert site.first_paragraph(publish_doctree(page)) == "After this page you can."
    assert site.first_paragraph(None) == ""


def test_tags_are_escaped_and_addresses_only_where_they_are_known():
    told = site.tags('A "title"', "1 < 2", "The book", None, None)
    assert 'content="A &quot;title&quot;"' in told
    assert 'name="description" content="1 &lt; 2"' in told
    assert "og:url" not in told
    assert "og:image" not in told
    assert 'og:url" content="https://a.b/c.html"' in site.tags(
        "t", "d", "s", "https://a.b/c.html", "p"
    )


def test_the_sitemap_lists_every_page():
    root = ElementTree.fromstring(site.sitemap("https://a.b/c/", ["intro.html", "api/io.html"]))
    assert [entry[0].text for entry in root] == [
        "https://a.b/c/intro.html",
        "https://a.b/c/api/io.html",
    ]


def test_the_entrance_leads_on_and_says_what_the_book_is():
    told = site.tags("The book", "A book.", "s", None, None)
    page = site.entrance(f"<head><title>A &amp; B</title>{told}<script>1</script></head>", "a.html")
    assert 'content="0; url=a.html"' in page
    assert "<title>A &amp; B</title>" in page
    assert told in page
    assert "<script" not in page


def test_excerpts_hold_the_text_of_each_section_once():
    page = (
        '<article><section id="one"><h1>One<a class="headerlink">#</a></h1>\n<p>first</p>\n'
        '<section id="two"><p>second</p><script>no</script></section><p>third</p></section>'
        "</article>"
    )
    assert site.excerpts(page) == [("one", "One first third"), ("two", "second")]
    assert site.excerpts("<p>nothing</p>") == []


# ---- the scripts, in a browser ----


def png(width: int, height: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width), 200, dtype=np.uint8)).save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page with two folded cells and two figures, as a chapter has them."""
    contexts = []
    static = (ASSETS / "site").as_uri()
    (tmp_path / "page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{static}/pages.css"><style>article {{ max-width: 600px }}'
        "article img { max-width: 100% }</style>"
        f'<main><article><h1>Chapter</h1>{site.mend(FOLDED) * 2}<img alt="A wide curve" '
        f'src="{png(900, 300)}"><a href="#x"><img alt="A link" src="{png(90, 30)}"></a></article>'
        f'</main><script src="{static}/pages.js" defer></script>',
        encoding="utf-8",
    )

    def open_page(before: str = "", **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        contexts.append(context)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_one_switch_opens_all_code_and_is_remembered(visit):
    page = visit()
    code, switch = page.locator("pre"), page.locator(".dynamix-code-switch button")
    assert not code.first.is_visible()
    assert switch.inner_text() == "Show all code"
    switch.click()
    assert [code.nth(i).is_visible() for i in range(2)] == [True, True]
    assert switch.inner_text() == "Hide all code"
    page.reload()
    assert code.nth(1).is_visible()
    page.locator("summary").first.click()  # not all are open now
    page.locator(".dynamix-code-switch", has_text="Show all code").wait_for()
    switch.click()
    switch.click()
    assert not code.first.is_visible()
    page.reload()
    assert not code.first.is_visible()


def test_the_switch_works_where_the_browser_keeps_nothing(visit):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }});"
    page = visit(before=refuse)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.locator(".dynamix-code-switch button").click()
    assert page.locator("pre").first.is_visible()
    assert wrong == []


def test_a_figure_opens_large_by_keyboard_and_closes(visit):
    page = visit()
    figure, dialog = page.get_by_role("button", name="A wide curve"), page.get_by_role("dialog")
    figure.focus()
    page.keyboard.press("Enter")
    large = dialog.get_by_role("img", name="A wide curve")
    assert large.bounding_box()["width"] > 1.25 * figure.bounding_box()["width"]
    assert dialog.locator("p").inner_text() == "A wide curve"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert figure.evaluate("e => e === document.activeElement")
    figure.click()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    assert page.locator("[role=button]").count() == 1  # a picture that is a link stays one


def test_a_figure_on_a_phone_is_larger_than_the_screen_and_scrolls(visit):
    page = visit(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="A wide curve").tap()
    dialog, stage = page.get_by_role("dialog"), page.locator(".dynamix-figure-stage")
    assert stage.evaluate("e => e.scrollWidth >= 1.9 * e.clientWidth")
    dialog.get_by_role("button", name="Fit to window").tap()
    assert stage.evaluate("e => e.scrollWidth <= e.clientWidth")
    dialog.get_by_role("button", name="Close").tap()
    assert not dialog.is_visible()
