"""The chapters' slides: what a deck holds, and that a browser shows it without any other host."""

from __future__ import annotations

import base64
import io
import re
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup
from companion.demo_page import PATIENCE
from helpers import ROOT
from matplotlib.figure import Figure

from dynamix import InputError, cli
from dynamix.companion import check, plain, run, slides, sphinx_extension

ASSETS = ROOT / "book" / "_assets" / "slides"
OPENING = """\
# Tides of $\\tau$ & more

*After this chapter you can tell high water from low {cite}`lorenz1963`.*

**30 minutes** · builds on nothing · runs in about one minute on a laptop
"""
TEXT = """\
(sec-moon)=
## The moon

```{margin}
* A note that is on no slide.
```

The {term}`tide <tide>` has two parts ({ref}`sec-sun`):

* one of the moon, $a < b$
* one of the [sun](02_sun.ipynb), <b>small</b>

This long text is on no slide.
"""
FORMULA = "A tide is a sum, {eq}`eq-sum`:\n\n$$\nh(t) = \\sum_k a_k \\cos(\\omega_k t)\n$$ (eq-sum)"
END = "(sec-end)=\n## Take away\n\nIn short:\n\n* Water rises.\n* Water falls.\n\n## Exercises"


def png(width: float, height: float) -> str:
    drawn = Figure(figsize=(width, height))
    drawn.add_subplot().plot([0, 1, 0])
    file = io.BytesIO()
    drawn.savefig(file, dpi=40)
    return base64.b64encode(file.getvalue()).decode()


def figure(output: dict[str, str], caption: str = "Water over time, {eq}`eq-sum`.", **marks):
    new, style = nbformat.v4, {"image": {"alt": 'A "wave"'}, "figure": {"caption": caption}}
    cell = new.new_code_cell("draw()", metadata={"tags": ["slide"], "mystnb": style} | marks)
    cell.outputs = [
        new.new_output("stream", text="said"),
        new.new_output("display_data", data={"text/plain": "x"} | output),
    ]
    return cell


def text(source: str, *tags: str):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})


@pytest.fixture
def notebook():
    wide, turned = png(8, 3), png(4, 4)
    cells = [
        text(OPENING),
        figure({"image/png": wide}),
        text(TEXT, "slide"),
        figure({"text/html": f'<img alt="It turns" src="data:image/png;base64,{turned}">'}),
        text("### Within the moon\n\nWords."),
        figure({"image/png": wide, "text/html": "<b>no picture</b>"}, tags=[]),
        figure({"text/html": '<style>td {}</style><table style="x"><tr><td>1</td></tr></table>'}),
        text(FORMULA, "slide"),
        text(END),
    ]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def shelf(tmp_path, monkeypatch, notebook):
    """A book of one chapter with slides and one without, in a folder of its own."""
    book = tmp_path / "book"
    book.mkdir()
    nbformat.write(notebook, book / "04_tide.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=[text("# Plain")]), book / "05_plain.ipynb")
    (book / "_assets").symlink_to(ROOT / "book" / "_assets")
    monkeypatch.setattr(run, "BOOK", book)
    monkeypatch.setattr(slides, "BOOK", book)
    monkeypatch.setattr(slides, "BUILD", tmp_path / "_build")
    return tmp_path / "_build" / "html"


def test_a_deck_has_one_slide_for_each_tagged_cell_between_title_and_end(notebook):
    made = slides.deck(notebook, chapter="04_tide")
    kinds = ["title", "figure", "text", "figure tall", "table", "text", "end"]
    assert [slide.kind for slide in made.slides] == kinds
    assert [slide.heading for slide in made.slides] == [
        r"Tides of \(\tau\) &amp; more",
        r"Tides of \(\tau\) &amp; more",  # before the first section
        "The moon",
        "The moon",
        "Within the moon",
        "Within the moon",
        "Take away",
    ]
    first, wide, moon, turned, table, formula, end = (slide.body for slide in made.slides)
    assert "tell high water from low (Lorenz 1963).</em>" in first
    assert '<a href="../04_tide.html">Chapter 4</a>' in first
    assert "30 minutes" not in first
    assert 'alt="A &quot;wave&quot;"' in wide
    assert '<p class="caption">Water over time.</p>' in wide
    assert moon == (
        "<p>The tide has two parts:</p>\n<ul>\n<li>one of the moon, \\(a &lt; b\\)</li>\n"
        "<li>one of the sun, &lt;b&gt;small&lt;/b&gt;</li>\n</ul>"
    )
    assert 'alt="It turns"' in turned
    assert '<div class="table"><table><tr><td>1</td></tr></table></div>' in table
    assert "<p>A tide is a sum:</p>\n<div>\\[\nh(t) =" in formula
    assert end == "<ul>\n<li>Water rises.</li>\n<li>Water falls.</li>\n</ul>"
    assert len(made.pictures) == 2  # of three figures two are equal, and one cell is not tagged


def test_pictures_to_choose_from_lie_over_each_other_on_one_slide(notebook):
    images = "".join(
        f'<img alt="{name}" src="data:image/png;base64,{png(8, height)}">'
        for name, height in (("one", 3), ("two", 3.1))
    )
    buttons = "<legend>Moon</legend>" + "".join(
        f'<input type="radio" id="{at}"><label for="{at}">{name}</label>'
        for at, name in enumerate(("new", "full"))
    )
    shown = {"text/html": buttons + images, "image/png": png(8, 3)}
    notebook.cells[1] = figure(shown, caption="Two tides.")
    made = slides.deck(notebook, chapter="04_tide")
    assert [slide.kind for slide in made.slides][:3] == ["title", "figure", "text"]
    page = BeautifulSoup(made.slides[1].body, "html.parser")
    stack = page.select(".picture.r-stack > div")
    assert [(i.p.get_text(), i.img["alt"], i["class"]) for i in stack] == [
        ("Moon: new", "one", ["one"]),
        ("Moon: full", "two", ["one", "fragment"]),
    ]
    assert page.select_one(".caption").get_text() == (
        "Two tides. The arrow keys show the next one."
    )
    assert {i["src"].rpartition("/")[2] for i in page.find_all("img")} <= set(made.pictures)


@pytest.mark.parametrize(
    ("index", "source", "message"),
    [
        (0, "No title", "begin with the title and the promise"),
        (2, "## Bare", "cell 3 of 04_tide is a slide without text"),
        (8, "## Summary\n\n* Water.", "## Take away"),
    ],
)
def test_a_chapter_that_lacks_a_part_is_refused(notebook, index, source, message):
    notebook.cells[index].source = source
    with pytest.raises(InputError, match=message):
        slides.deck(notebook, chapter="04_tide")


def test_a_tagged_cell_without_output_is_refused(notebook):
    notebook.cells[1].outputs = []
    with pytest.raises(InputError, match="dynamix book run 04"):
        slides.deck(notebook, chapter="04_tide")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A {term}`mixture\nof experts`.", "A mixture of experts."),
        ("{numref}`fig-a` and {numref}`fig-b`", "The figure and the figure"),
        ("Long. {numref}`fig-a` shows", "Long. The figure shows"),
        ("By {cite}`lorenz1963,hess2023`.", "By (Lorenz 1963; Hess et al. 2023)."),
        ("{cite:t}`lorenz1963` and {cite}`unknown`.", "Lorenz (1963) and."),
        ("{ref}`the gate <sec-gate>` (see {ref}`sec-b`)", "the gate"),
        ("{py:func}`~dynamix.forecast` `{ref}`", "<code>forecast</code> <code>{ref}</code>"),
        ("An $a_1 < b$ cost of 5\\$", r"An \(a_1 &lt; b\) cost of 5$"),
    ],
)
def test_roles_become_plain_text(source, expected):
    assert plain.inline(source) == expected


def test_the_command_writes_decks_and_says_what_is_wrong(shelf, capsys):
    assert cli.main(["book", "slides"]) == 0
    assert re.search(r"04_tide: 7 slides, file://.*/slides/04\.html", capsys.readouterr().out)
    assert [path.name for path in (shelf / "slides").iterdir()] == ["04.html"]
    (shelf / "04_tide.html").write_text("<title>Tides</title>")
    assert check.check(shelf) == []
    assert cli.main(["book", "slides", "05"]) == 0
    assert "05_plain: no cell is tagged 'slide'" in capsys.readouterr().out
    assert cli.main(["book", "slides", "77"]) == 2
    path = run.BOOK / "04_tide.ipynb"
    path.write_text(path.read_text().replace("## Take away", "## Summary"))
    assert cli.main(["book", "slides"]) == 1
    assert "04_tide: its slides end with" in capsys.readouterr().err


def test_the_decks_files_are_small_and_no_page_loads_them():
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 300_000
    assert "slides/" not in (ROOT / "_config.yml").read_text()


def test_a_deck_in_a_browser(shelf, browser, notebook):
    """From a file, by keyboard; every slide fits, with its formulas set and its picture loaded."""
    path = run.BOOK / "04_tide.ipynb"
    points = "\n".join(f"* {'A long point that goes on and on, ' * 5}." for _ in range(5))
    notebook.cells[8].source = f"## Take away\n\n{points}"
    nbformat.write(notebook, path)
    assert cli.main(["book", "slides", "04"]) == 0
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE)
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.goto((shelf / "slides" / "04.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.title() == r"Tides of \tau & more: slides"
    assert page.locator("html").get_attribute("lang") == "en"
    seen = []
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        seen.append(
            page.evaluate(
                """() => {
                  const slide = Reveal.getCurrentSlide(), frame = slide.querySelector(".frame");
                  const images = [...slide.querySelectorAll("img")];
                  return {
                    kind: slide.classList[0],
                    fits: frame.scrollHeight <= frame.clientHeight
                      && frame.scrollWidth <= frame.clientWidth,
                    formulas: slide.querySelectorAll("mjx-container").length,
                    loaded: images.every((image) => image.naturalWidth > 0),
                    size: parseFloat(getComputedStyle(frame).fontSize),
                  };
                }"""
            )
        )
        page.keyboard.press("ArrowRight")
    page.close()
    assert [slide["kind"] for slide in seen] == [
        *("title", "figure", "text", "figure", "table", "text", "end")
    ]
    assert all(slide["fits"] and slide["loaded"] for slide in seen)
    assert [slide["formulas"] for slide in seen] == [1, 1, 1, 0, 0, 1, 0]
    assert seen[-1]["size"] < seen[2]["size"]  # what is too long is set smaller
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert wrong == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '<h1>A</h1><p class="facts"><strong>30 minutes</strong> · laptop</p><p>B</p>',
            '<h1>A</h1><p class="facts"><strong>30 minutes</strong> · laptop · '
            '<a href="slides/04.html">slides</a></p><p>B</p>',
        ),
        (
            "<h1>A</h1><p>B</p>",
            '<h1>A</h1><p>This chapter has <a href="slides/04.html">slides</a>.</p><p>B</p>',
        ),
    ],
)
def test_a_chapter_with_slides_links_to_them(shelf, body, expected):
    def page_of(chapter: str, builder: str = "html") -> str:
        env = SimpleNamespace(found_docs={chapter}, doc2path=lambda n: run.BOOK / f"{n}.ipynb")
        context = {"body": body}
        app = SimpleNamespace(env=env, builder=SimpleNamespace(name=builder))
        sphinx_extension._link_slides(app, chapter, "page.html", context, None)
        return context["body"]

    assert page_of("04_tide") == expected
    assert page_of("05_plain") == page_of("04_tide", "singlehtml") == body
