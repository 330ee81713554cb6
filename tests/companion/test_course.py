"""The course as the chapters say it: rows, drawing and table."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dynamix.companion import course
from dynamix.companion.course import Chapter


def chapter(number, builds_on=()):
    return Chapter(
        Path(f"{number:02}_a.ipynb"), number, f"Title {number} & more", 30, builds_on, "1"
    )


@given(st.lists(st.sets(st.integers(1, 12)), min_size=1, max_size=12))
def test_a_chapter_stands_below_all_that_it_builds_on(wanted):
    made = [
        chapter(i, tuple(n for n in sorted(on) if n < i)) for i, on in enumerate(wanted, start=1)
    ]
    rows = course.levels(made)
    row = {c.number: i for i, level in enumerate(rows) for c in level}
    assert sorted(row) == [c.number for c in made]
    assert all(row[on] < row[c.number] for c in made for on in c.builds_on)
    tree = ET.fromstring(course.drawing(made))
    assert len(tree.findall("rect")) == len(made)
    direct = course.direct(made)
    assert len(tree.findall("path")) == sum(map(len, direct.values()))
    # the lines left out are paths of the lines that are drawn
    reached = {}
    for c in made:
        reached[c.number] = direct[c.number].union(*(reached[n] for n in direct[c.number]))
        assert reached[c.number] >= set(c.builds_on) >= direct[c.number]


def test_the_book_is_a_course():
    found = course.chapters()
    assert [c.number for c in found] == list(range(1, len(found) + 1))
    for c in found:
        assert 10 <= c.minutes <= 90
