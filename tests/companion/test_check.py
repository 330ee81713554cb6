"""Checks of the built pages: each finds its fault, and nothing else."""

from __future__ import annotations

import pytest

from dynamix.companion import check

GOOD = """<html><head>
<link rel="stylesheet" href="style.css"><link rel="canonical" href="https://example.org/a.html">
<script src="code.js"></script></head><body><article>
<a href="b.html#there">b</a> <a href="#here">here</a> <a href="https://example.org/">outside</a>
<h1 id="here">A</h1><img src="a.png" alt="a curve that climbs">
<canvas aria-label="attractor"></canvas> <code>$A$</code> $5, $6</article></body></html>"""


@pytest.fixture
def site(tmp_path):
    """A sound little book; returns how to change a page of it and what is then found."""
    (tmp_path / "a.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<html><body><p id="there">b</p></body></html>')
    (tmp_path / "style.css").write_text("/* url(https://x.org/y) */ p { background: url(a.png) }")
    (tmp_path / "code.js").write_text('const HELP = "https://example.org"; fetch("b.html");')
    (tmp_path / "a.png").write_bytes(b"png")

    def found(old="", new="", file="a.html"):
        text = (tmp_path / file).read_text()
        assert old in text
        (tmp_path / file).write_text(text.replace(old, new, 1))
        return check.check(tmp_path)

    return found


def test_a_sound_book_passes(site):
    assert site() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("a.html", "b.html#there", "c.html", "leads to no file"),
        ("a.html", "b.html#there", "b.html#nowhere", "has no anchor 'nowhere'"),
        ("a.html", "#here", "#gone", "has no anchor 'gone'"),
        ("a.html", 'href="b.html', 'href="../../b.html', "leads to no file"),
        ("a.html", 'src="code.js"', 'src="https://cdn.example.org/x.js"', "asks another host"),
        ("a.html", 'src="code.js"', 'src="//cdn.example.org/x.js"', "asks another host"),
        ("a.html", 'src="code.js"', 'src="missing.js"', "leads to no file"),
        ("a.html", 'href="style.css"', 'href="http://x.org/s.css"', "asks another host"),
        (
            "a.html",
            "<article>",
            '<article style="background:url(https://x.org/i)">',
            "another host",
        ),
        ("a.html", "<article>", '<article><iframe src="https://x.org"></iframe>', "another host"),
        ("a.html", "<article>", "<article><script>fetch('https://x.org')</script>", "another host"),
        ("a.html", "<article>", "<article><p><div>a</div></p>", "must not stand here"),
        ("a.html", "<article>", "<article><details><summary><p>a</p></summary></details>", "stand"),
        ("a.html", "<article>", "<article><section><p>a</p></section>", "must not stand here"),
        ("a.html", "<article>", "<article><ul><p>a</p></ul>", "must not stand here"),
        ("a.html", "<article>", '<article><table><tr valign="top"></table>', "must not stand here"),
        ("a.html", "<article>", '<article id="here">', "'here' is used twice"),
        ("a.html", "<article>", '<article id="he re">', "has a space"),
        ("a.html", "<article>", '<article><label for="no">a</label>', "for='no' names nothing"),
        ("a.html", 'alt="a curve that climbs"', "", "no alternative text"),
        ("a.html", 'alt="a curve that climbs"', 'alt="a.png"', "no alternative text"),
        ("a.html", ' aria-label="attractor"', "", "no label on a <canvas>"),
        ("a.html", "<article>", r"<article><p>It is $D_\mathrm{stsp}$.</p>", "is not set: 'It is"),
        ("style.css", "url(a.png)", "url('https://x.org/font.woff')", "asks another host"),
        ("style.css", "p {", '@import "https://x.org/more.css"; p {', "asks another host"),
        ("code.js", 'fetch("b.html")', 'import("https://x.org/m.js")', "asks another host"),
        ("code.js", 'fetch("b.html")', 'new WebSocket("wss://x.org")', "asks another host"),
    ],
)
def test_each_fault_is_found(site, file, old, new, expected):
    (problem,) = site(old, new, file)
    assert expected in problem


def test_weight_and_downloads_are_checked(site, tmp_path, monkeypatch):
    (tmp_path / "_sources").mkdir()
    (tmp_path / "_sources" / "a.ipynb").write_text("{}")
    (problem,) = site()
    assert "does not offer its notebook" in problem
    assert site("#here", "_sources/a.ipynb") == []
    monkeypatch.setattr(check, "LARGEST_PAGE", 100)
    monkeypatch.setattr(check, "LARGEST_BOOK", 100)
    assert len(site()) == 2
    assert check.check(tmp_path / "_sources") == [
        "no pages in _sources: build the book first, make html"
    ]
