"""What pages make of a notebook: the caption goes to the picture alone."""

from __future__ import annotations

import json

import pytest

from dynamix.companion.page_parts import captioned

PICTURE = {"output_type": "display_data", "data": {"image/png": "aGk="}, "metadata": {}}
TURNS = {"output_type": "display_data", "data": {"text/html": ['<img alt="a">']}, "metadata": {}}
TEXT = {"output_type": "stream", "name": "stdout", "text": ["printed"]}
TABLE = {"output_type": "display_data", "data": {"text/html": ["<table>"]}, "metadata": {}}


@pytest.mark.parametrize("picture", [PICTURE, TURNS])
@pytest.mark.parametrize("before", [[], [TEXT], [TEXT, TABLE]])
@pytest.mark.parametrize("after", [[], [TABLE]])
def test_a_caption_belongs_to_the_picture_alone_and_no_output_is_lost(picture, before, after):
    said = {"figure": {"caption": "A curve.", "name": "fig-a"}, "image": {"alt": "A curve."}}
    cell = {
        "cell_type": "code",
        "source": "draw()",
        "metadata": {"tags": ["opener", "hide-input"], "mystnb": said},
        "outputs": [*before, picture, *after],
    }
    text = {"cell_type": "markdown", "source": "a", "metadata": {}}
    notebook = json.loads(json.dumps({"cells": [text, cell, text]}))
    cells = captioned(notebook)["cells"]
    assert [o for c in cells for o in c.get("outputs", [])] == [*before, picture, *after]
    sources = [c["source"] for c in cells]
    assert [s for s in sources if s != "# as above"] == ["a", "draw()", "a"]
    assert all(sources)  # MyST-NB leaves out a cell without source
    (named,) = [c for c in cells if "figure" in c["metadata"].get("mystnb", {})]
    assert named["outputs"] == [picture]
    assert [c for c in cells if "opener" in c["metadata"].get("tags", [])] == [named]
    assert len({c["id"] for c in cells if "id" in c}) == len(cells) or not (before or after)
