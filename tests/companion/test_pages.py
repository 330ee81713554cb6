"""The built pages in a real browser: they ask nobody for anything, and complain of nothing."""

from __future__ import annotations

import os
import re
import shutil
from urllib.parse import urlsplit

import pytest
from companion.demo_page import PATIENCE
from helpers import ROOT

from dynamix.companion import site
from dynamix.companion.check import soup

HTML = ROOT / "_build" / "html"
PAGES = sorted(path.stem for path in HTML.glob("*.html") if path.name != "index.html")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# What the eye needs to tell text from its ground (WCAG 2.1, 1.4.3: 4.5 for small text, 3 for
# large). Checked at 3: code colours are the theme's.
CONTRAST = """() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || (c.length === 4 && c[3] > 0.5)) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('article p, article li, article td, article th, ' +
      'article h1, article h2, article a, article pre, .bd-sidebar a, .bd-toc a')) {
    if (!e.innerText || !e.innerText.trim() || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 3) bad.push(`${e.tagName} ${ratio.toFixed(1)} ${e.innerText.slice(0, 40)}`);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        named = next(filter(None, map(shutil.which, BROWSERS)), None)
        if named is None and not os.path.exists(p.chromium.executable_path):
            pytest.skip("no Chromium here: install one, or run playwright install chromium")
        started = p.chromium.launch(
            executable_path=named, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(browser, request):
    """A page in a narrow window, and what it asks for and complains of.

    It is loaded once for all tests that look at it, from narrow to wide: a moment after the window
    has changed, the theme makes reachable by key what scrolls then.
    """
    context = browser.new_context(color_scheme="light", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.goto((HTML / f"{request.param}.html").as_uri(), wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise?.then(() => true)")
    yield page
    context.close()


def of(names):
    """The test looks at each of these pages."""
    return pytest.mark.parametrize("opened", names or ["none"], indirect=True, scope="module")


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
@of(PAGES)
def test_a_page_fits_a_phone(opened):
    opened.set_viewport_size({"width": 390, "height": 844})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


# Pages of every kind: chapters, tables, the reference, the demo, what Sphinx makes itself
KINDS = [
    *(
        "intro",
        "01_reconstruction",
        "04_stf_training",
        "10_published",
        "12_variants",
        "teach",
        "cheat_sheet",
        "slides/04",
        "results",
        "demo",
        "references",
        "api/io",
    ),
    *("genindex", "py-modindex", "search", "404"),
]
RULES = {
    "rules": {"label-content-name-mismatch": {"enabled": True}},  # off by default
    "resultTypes": ["violations"],  # what passes takes longer to describe than to find
    "preload": False,  # no page may ask a file for another one's style sheets
}


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
@of(KINDS)
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_a_page(opened, width):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    opened.set_viewport_size({"width": width, "height": 844})
    found = axe.Axe().run(opened, options=RULES).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
@of(PAGES)
def test_a_page_asks_no_other_host_logs_no_error_and_is_legible(opened):
    opened.set_viewport_size({"width": 1200, "height": 900})
    for theme in ("dark", "light"):
        opened.emulate_media(color_scheme=theme)
        opened.wait_for_function(f"document.documentElement.dataset.theme === {theme!r}")
        opened.wait_for_timeout(200)  # colours fade
        assert opened.evaluate(CONTRAST) == []
    assert [u for u in opened.asked if not u.startswith(("file:", "data:", "blob:"))] == []
    assert opened.errors == []


# What is wider than its column and cannot be pushed aside: it would be cut off
CUT = """() => {
  const bad = [];
  const looked = 'article table.dataframe, .stream pre, mjx-container';
  for (const e of document.querySelectorAll(looked)) {
    let frame = e;
    while (frame && !['auto', 'scroll'].includes(getComputedStyle(frame).overflowX))
      frame = frame.parentElement;
    const right = e.getBoundingClientRect().right;
    const article = document.querySelector('article').getBoundingClientRect().right;
    if (!frame && right > article + 1) bad.push(e.innerText.slice(0, 40));
    if (e.matches('pre') && e.scrollWidth > e.clientWidth + 1) bad.push(e.innerText.slice(0, 40));
    if (e.matches('.dataframe') && [...e.querySelectorAll('thead th')].some(
        th => getComputedStyle(th).textAlign !== getComputedStyle(e.querySelector('td')).textAlign))
      bad.push('headings: ' + e.innerText.slice(0, 40));
  }
  return bad;
}"""


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
@of([name for name in PAGES if name[:2].isdigit()])
def test_outputs_of_a_chapter_are_not_cut_off(opened):
    for width in (390, 1280):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate(CUT) == []


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
def test_questions_are_answered_by_keyboard(browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((HTML / "04_stf_training.html").as_uri(), wait_until="load")
    page.locator("details.questions summary").first.focus()
    question = page.locator("details.questions fieldset").first
    assert not question.is_visible()
    page.keyboard.press("Enter")
    told = question.locator(".why")
    page.keyboard.press("Tab")
    for key, chosen in (("Space", 0), ("ArrowDown", 1)):
        page.keyboard.press(key)
        seen = [told.nth(i).is_visible() for i in range(told.count())]
        assert seen == [i == chosen for i in range(told.count())]
    page.close()


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
def test_a_search_shows_excerpts_in_a_book_that_is_read_from_a_folder(browser):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{(HTML / 'search.html').as_uri()}?q=attractor", wait_until="load")
    excerpt = page.locator("#search-results li p.context").first
    excerpt.wait_for()
    assert "attractor" in excerpt.inner_text().lower()
    context.close()


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
def test_the_page_of_lost_addresses_works_below_a_folder_that_is_not_there(browser):
    home = re.search(r'const home = "([^"]*)"', (HTML / "404.html").read_text()).group(1)
    context = browser.new_context()

    def serve(route):
        path = HTML / urlsplit(route.request.url).path.removeprefix(home)
        found = path.is_file()
        route.fulfill(path=path if found else HTML / "404.html", status=200 if found else 404)

    context.route("http://book.invalid/**", serve)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    for address in ("lost.html", "no/such/folder/lost.html"):
        page.goto(f"http://book.invalid{home}{address}", wait_until="load")
        assert page.locator("article a").first.evaluate("e => e.href").endswith(f"{home}intro.html")
        assert page.evaluate("document.styleSheets.length") > 5
    context.close()


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
def test_every_page_has_one_description_and_every_name_on_it_is_used_once():
    descriptions = {}
    for path in [*HTML.glob("*.html"), *HTML.glob("api/*.html")]:
        if path.name == "index.html":  # only leads on
            continue
        page = soup(path)
        told = [tag["content"] for tag in page.select("meta[name=description]")]
        assert len(told) == 1, path.name
        assert 20 < len(told[0]) <= site.LONGEST, path.name
        descriptions[told[0]] = path.name
        for name in ("title", "description", "type", "site_name"):
            assert len(page.select(f'meta[property="og:{name}"]')) == 1, (path.name, name)
        names = [tag["id"] for tag in page.find_all(id=True)]
        assert len(names) == len(set(names)), path.name
        assert page.select("summary p, th:empty, style[scoped]") == [], path.name
    assert "05_zero_shot.html" in descriptions.values()


@pytest.mark.skipif(not PAGES, reason="the book is not built: make html")
def test_the_cheat_sheet_is_one_page_of_paper(browser, tmp_path):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto((HTML / "cheat_sheet.html").as_uri(), wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise?.then(() => true)")
    printed = page.pdf(format="A4", path=tmp_path / "sheet.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    context.close()
