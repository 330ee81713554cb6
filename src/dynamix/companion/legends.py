"""Legends that name what a reader does not see: each entry is compared with what is drawn.

The runner watches a notebook's figures inside its kernel, and keeps in the notebook's metadata what
it finds. ``dynamix book check`` reads it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import wraps
from typing import Any, NamedTuple

_found: list[str] = []


class Look(NamedTuple):
    """What tells an entry from another: colours, and for a line its dashes and its marker."""

    colours: frozenset[tuple[float, ...]]
    dashes: Any = None
    marker: Any = None


def undrawn(figure: Any) -> list[str]:
    """The entries of a drawn figure's legends that look like nothing inside its axes.

    An entry needs an artist of one of its colours, of which a part lies within the axes. If the
    entry has dashes or a marker, the artist has the same.
    """
    found = []
    for axes, legend in _legends(figure):
        seen = [_look(artist) for ax in axes for artist in _visible(ax)]
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if not any(_shows(_look(handle), drawn) for drawn in seen):
                found.append(f"a legend names {text.get_text()!r}, which its figure does not draw")
    return found


def _legends(figure: Any) -> Iterator[tuple[list[Any], Any]]:
    """The legends of a figure, each with the axes that it speaks of."""
    from matplotlib.legend import Legend

    every = figure.get_axes()
    yield from ((every, legend) for legend in figure.legends)
    for ax in every:
        twins = [other for other in every if other.bbox.bounds == ax.bbox.bounds]
        yield from ((twins, legend) for legend in ax.findobj(Legend))


def _visible(ax: Any) -> Iterator[Any]:
    """The artists of axes that have a part within them."""
    if ax.get_visible():
        for artist in (*ax.lines, *ax.collections, *ax.patches):
            if artist.get_visible() and _look(artist).colours and _within(artist, ax.bbox):
                yield artist


def _within(artist: Any, box: Any) -> bool:
    from matplotlib.collections import Collection, PathCollection
    from matplotlib.lines import Line2D
    from matplotlib.quiver import Quiver

    if isinstance(artist, PathCollection | Quiver):  # dots and arrows are drawn at offsets
        return _inside(artist.get_offset_transform().transform(artist.get_offsets()), box)
    paths = artist.get_paths() if isinstance(artist, Collection) else [artist.get_path()]
    drawn = [path.transformed(artist.get_transform()) for path in paths]
    if isinstance(artist, Line2D) and artist.get_linestyle() == "None":
        return _inside(drawn[0].vertices, box)
    return any(path.intersects_bbox(box, filled=not isinstance(artist, Line2D)) for path in drawn)


def _inside(points: Any, box: Any) -> bool:
    import numpy as np

    points = np.ma.filled(np.ma.asarray(points, dtype=float), np.nan)
    return bool(((points >= box.min) & (points <= box.max)).all(axis=1).any())


def _look(artist: Any) -> Look:
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

    if isinstance(artist, Line2D):
        dashed, marked = artist.get_linestyle() != "None", artist.get_marker() not in ("None", "")
        shades: list[Any] = [artist.get_color()] * dashed
        shades += [artist.get_markerfacecolor(), artist.get_markeredgecolor()] * marked
        # a pattern of one's own has no name in public
        dashes = repr(getattr(artist, "_unscaled_dash_pattern", "")) if dashed else ""
        return Look(
            _colours(shades, artist.get_alpha()), dashes, str(artist.get_marker()) if marked else ""
        )
    shades = [artist.get_facecolor(), artist.get_edgecolor()]
    if isinstance(artist, Collection):
        shades = [shade for several in shades for shade in several]
    return Look(_colours(shades))


def _colours(shades: list[Any], alpha: float | None = None) -> frozenset[tuple[float, ...]]:
    """Colours without the transparent ones; how much shines through is no difference."""
    from matplotlib.colors import to_rgba_array

    table: Any = to_rgba_array(shades, alpha) if shades else []
    return frozenset(tuple(float(c) for c in row[:3].round(3)) for row in table if row[3] > 0)


def _shows(entry: Look, drawn: Look) -> bool:
    """Whether what an entry shows is drawn; more may be drawn, such as a line through dots."""
    same = bool(entry.colours & drawn.colours)
    if entry.dashes is None or drawn.dashes is None:  # areas, and dots of a scatter plot
        return same
    return same and entry.dashes in ("", drawn.dashes) and entry.marker in ("", drawn.marker)


def watch() -> None:
    """From now on, compare the legends of every figure that this process draws."""
    from matplotlib.figure import Figure

    plain = Figure.draw

    @wraps(plain)
    def draw(self: Any, renderer: Any) -> None:
        plain(self, renderer)
        _found.extend(entry for entry in undrawn(self) if entry not in _found)

    Figure.draw = draw  # type: ignore[method-assign]


def tell(output: str) -> None:
    """Write what was found since :func:`watch` to ``output``, a JSON list."""
    from ..io.files import write_text

    write_text(output, json.dumps(_found))
