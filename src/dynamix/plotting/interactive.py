"""Figures that answer a reader: a row of pictures to choose from, and a forecast that plays.

Both are a picture where nothing can be played or chosen, such as on paper and in slides.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import to_numpy
from ..io.shapes import Float
from . import theme
from .state_space import attractors
from .turning import DARKER, VIEW

_MOST = 2500  # points of a line that plays
_SCALE = 1000  # its coordinates are whole numbers up to this


@dataclass(frozen=True)
class Picture:
    """A figure with a form of its own on pages: ``html``, and ``png`` everywhere else."""

    html: str
    png: bytes

    def __repr__(self) -> str:
        return f"<Picture: {len(self.html) // 1000} kB>"

    def _repr_html_(self) -> str:
        return self.html

    def _repr_png_(self) -> bytes:
        return self.png


def choose(figures: Mapping[str, Figure], *, label: str, alt: Mapping[str, str]) -> Picture:
    """Show one of several figures, chosen by a row of buttons that the arrow keys move along.

    ``figures`` holds a figure by the text of its button, ``alt`` an alternative text by the same
    texts. ``label`` says what is chosen, such as "forcing interval", and is different for each
    choice on a page. The first figure is shown at the start, and wherever nothing can be chosen.
    No script is needed.

    Raises
    ------
    InputError
        If there are fewer than two figures, or one lacks an alternative text.

    >>> made = choose({"1": Figure(), "5": Figure()}, label="interval", alt={"1": "a", "5": "b"})
    >>> made.html.count("<img"), made.html.count('type="radio"')
    (2, 2)
    """
    if len(figures) < 2:
        raise InputError(f"a choice needs at least two figures, found {len(figures)}.")
    if lacking := [name for name in figures if not alt.get(name, "").strip()]:
        raise InputError(f"alt= lacks a text for {', '.join(map(repr, lacking))}.")
    key = "choice-" + re.sub(r"\W+", "-", label.lower()).strip("-")
    pngs = [_png(figure) for figure in figures.values()]
    buttons, pictures = [], []
    for at, (name, png) in enumerate(zip(figures, pngs, strict=True)):
        checked = " checked" if at == 0 else ""
        buttons.append(
            f'<input type="radio" name="{key}" id="{key}-{at}"{checked}>'
            f'<label for="{key}-{at}">{html.escape(name)}</label>'
        )
        pictures.append(
            f'<img alt="{html.escape(alt[name])}" '
            f'src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'
        )
    # a page of the book drops a scoped style, which stands where none may, and has its own rules
    shown = ",".join(
        f".{key} input:nth-of-type({at}):checked~.dynamix-pictures img:nth-of-type({at})"
        for at in range(1, len(pngs) + 1)
    )
    look = f".{key} .dynamix-pictures img{{display:none}}{shown}{{display:block!important}}"
    return Picture(
        f'<div class="dynamix-choice {key}"><style scoped>{look}</style>'
        f"<fieldset><legend>{html.escape(label)}</legend>{''.join(buttons)}"
        f'<div class="dynamix-pictures">{"".join(pictures)}</div></fieldset></div>',
        pngs[0],
    )


def play(*, context: Any, forecast: Any, truth: Any, alt: str) -> Picture:
    """Draw context, forecast and truth; the book's pages play them in time.

    Each is ``(T, n)`` with at least three channels, of which the first three are drawn. A page
    draws the context first, then forecast and truth side by side as they go on, in state space and
    as the first channel against time. A button stops it. ``alt`` says what the figure shows, for
    readers who cannot see it.

    Raises
    ------
    InputError
        If an array has fewer channels, or the alternative text is empty.

    >>> x = np.random.default_rng(0).normal(size=(300, 3))
    >>> made = play(context=x[:100], forecast=x[100:], truth=x[100:], alt="A cloud.")
    >>> "dynamix-playing" in made.html
    True
    """
    if not alt.strip():
        raise InputError("a figure needs an alternative text: say in alt= what it shows.")
    paths = {
        name: _path(name, x)
        for name, x in {"context": context, "truth": truth, "forecast": forecast}.items()
    }
    whole = np.concatenate([paths["context"], paths["truth"]])
    low, span = whole.min(axis=0), np.ptp(whole, axis=0)
    scaled = {name: (x - low) / np.where(span > 0, span, 1.0) - 0.5 for name, x in paths.items()}
    seen = {name: _seen(x) for name, x in scaled.items()}
    framed = np.concatenate([seen["context"], seen["truth"]])
    corner, size = framed.min(axis=0), np.ptp(framed, axis=0).max()
    lines = []
    for name, x in paths.items():
        kept = np.unique(np.linspace(0, len(x) - 1, _MOST).round().astype(int))
        before = 0 if name == "context" else len(paths["context"])
        state = np.clip((seen[name][kept] - corner) / size, -1, 2)
        lines.append(
            {
                "name": name,
                "light": (color := to_hex(theme.ROLES[name]["color"])),
                "dark": DARKER.get(color, DARKER.get(theme.ROLES[name]["color"], color)),
                "t": (before + kept).tolist(),
                "x": (_SCALE * state[:, 0]).round().astype(int).tolist(),
                "y": (_SCALE * state[:, 1]).round().astype(int).tolist(),
                "v": (_SCALE * np.clip(scaled[name][kept, 0] + 0.5, -1, 2))
                .round()
                .astype(int)
                .tolist(),
            }
        )
    size_y = float(_SCALE * np.ptp(framed[:, 1]) / size)
    data = {"lines": lines, "width": _SCALE, "height": round(size_y), "shown": len(whole)}
    png = _png(attractors({name: {name: paths[name]} for name in ("context", "forecast", "truth")}))
    picture = base64.b64encode(png).decode("ascii")
    points = json.dumps(data, separators=(",", ":"))
    return Picture(
        f'<div class="dynamix-playing"><img alt="{html.escape(alt.strip())}" '
        f'src="data:image/png;base64,{picture}">'
        f'<script type="application/json">{points}</script></div>',
        png,
    )


def _path(name: str, x: Any) -> Float[ndarray, "T 3"]:
    """A trajectory as finite numbers; a forecast ends where it stops being finite."""
    points = to_numpy(x, name).astype(np.float64)
    if points.ndim != 2 or points.shape[1] < 3:
        raise InputError(f"{name} has the shape {points.shape}: expected (T, n), n at least 3.")
    points = points[:, :3]
    finite = np.isfinite(points).all(axis=1)
    end = len(points) if finite.all() else int(np.argmin(finite))
    if end < 2:
        raise InputError(f"{name} needs at least two finite steps, found {end}.")
    return points[:end]


def _seen(x: Float[ndarray, "T 3"]) -> Float[ndarray, "T 2"]:
    """Points in three dimensions as matplotlib's own view shows them, without perspective."""
    turn, tilt = np.radians(VIEW["azimuth"]), np.radians(VIEW["elevation"])
    away = np.cos(turn) * x[:, 0] + np.sin(turn) * x[:, 1]
    across = -np.sin(turn) * x[:, 0] + np.cos(turn) * x[:, 1]
    return np.stack([across, np.sin(tilt) * away - np.cos(tilt) * x[:, 2]], axis=1)


def _png(figure: Figure) -> bytes:
    """A figure as a PNG with few colours: a third of the size."""
    from PIL import Image

    stream, small = io.BytesIO(), io.BytesIO()
    with theme.style():
        figure.savefig(stream, format="png", dpi=figure.dpi)
    Image.open(stream).convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return small.getvalue()
