"""Figures that compare forecasters by their errors and failures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..errors import needs
from ..evaluation import statistics
from . import theme

_LABELS = {"d_stsp": r"$D_\mathrm{stsp}$", "hellinger": "$H$", "d_h": "$D_H$", "mase": "MASE"}
_COLOURS = (theme.VERMILION, theme.BLUE, *theme.PALETTE[2:], "#000000", "0.55")  # DynaMix first
_BOX = 0.6  # height of a box, of the distance between two of them
_FLOOR = 1e-3  # smaller errors are drawn here on logarithmic axes


@theme.style()
def benchmark_boxes(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the benchmark's errors over systems: a box per model, a point per system.

    ``tables`` holds results of :func:`dynamix.evaluation.benchmark.run` by model's name. A system's
    value is the median over its starts. Failures are counted below the box.

    >>> table = pd.DataFrame({"system": ["Lorenz", "Chua"], "start": 0, "d_stsp": [0.8, np.nan]})
    >>> figure = benchmark_boxes({"mine": table.assign(hellinger=0.4, d_h=0.1, mase=0.5)})
    >>> len(figure.axes), [text.get_text() for text in figure.axes[0].texts]
    (4, ['1 failed'])
    """
    with needs("plot"):
        import seaborn as sns

    errors = [
        statistics.per_system(table).replace(np.inf, np.nan).assign(model=name)
        for name, table in tables.items()
    ]
    data = pd.concat(errors, ignore_index=True)
    shown = {measure: label for measure, label in _LABELS.items() if measure in data}
    figure, axes = theme.panels(len(shown), 9.6, 0.9 + 0.4 * len(errors), sharey=True)
    palette = sns.color_palette("colorblind", len(errors))
    for ax, (measure, label) in zip(axes, shown.items(), strict=True):
        data["value"] = data[measure].clip(lower=_FLOOR)
        sns.boxplot(
            data, x="value", y="model", hue="model", order=[*tables], hue_order=[*tables], ax=ax,
            palette=palette, showfliers=False, width=_BOX,
        )  # fmt: skip
        rng = np.random.default_rng(0)  # seaborn's own jitter differs from call to call
        for row, name in enumerate(tables):
            values = data.loc[data["model"] == name, "value"]
            heights = row + rng.uniform(-0.18, 0.18, len(values))
            ax.scatter(values, heights, s=4, color="0.15", alpha=0.6, lw=0, zorder=3)
            failed = int(values.isna().sum())
            if failed:
                ax.annotate(  # between two boxes, where there is no point either
                    f"{failed} failed", (1.0, row + _BOX / 2), (0, -1), fontsize=7,
                    xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="right", va="top",
                )  # fmt: skip
        # H lies between 0 and 1, and no two models differ by decades in it
        ax.set(xscale="linear" if measure == "hellinger" else "log", xlabel=label, ylabel="")
    axes[-1].set_xlabel("MASE(10)")
    return figure


@theme.style()
def errors_by_forecaster(table: pd.DataFrame, *, groups: Mapping[str, str] | None = None) -> Figure:
    """Draw medians over origins with their intervals: a row per forecaster, a panel per measure.

    ``table`` is :func:`dynamix.evaluation.rolling.summary` at one context and horizon. Infinite
    errors are drawn a tenth beyond the largest finite one. Forecasters of the same kind in
    ``groups`` (``{forecaster: kind}``) share a colour.

    >>> table = pd.DataFrame({"forecaster": ["naive"], "mase": 1.0, "mase_low": 0.9})
    >>> table = table.assign(mase_high=1.1, d_stsp=np.nan, d_h=np.nan)
    >>> [ax.get_xlabel() for ax in errors_by_forecaster(table).axes]  # those with a value
    ['MASE']
    """
    shown = [name for name in ("mase", "d_stsp", "d_h") if table[name].notna().any()]
    names = table["forecaster"].tolist()
    kinds = np.array([(groups or {}).get(name, "") for name in names])
    colours = dict(zip(dict.fromkeys(kinds), _COLOURS, strict=False))
    rows = np.arange(len(names))
    figure, axes = theme.panels(len(shown), 8.4, 0.9 + 0.22 * len(names), sharey=True)
    for ax, name in zip(axes, shown, strict=True):
        finite = table[[name, f"{name}_low", f"{name}_high"]].replace(np.inf, np.nan)
        most = float(np.nanmax(finite.to_numpy())) if finite.notna().any(axis=None) else 1.0
        middle, low, high = (table[c].clip(upper=1.1 * most).to_numpy() for c in finite)
        for kind, colour in colours.items():
            part = kinds == kind
            ax.hlines(rows[part], low[part], high[part], color=colour, linewidth=1.6)
            ax.plot(middle[part], rows[part], "o", color=colour, markersize=4.5, label=kind)
        ax.set_xlabel(_LABELS[name])
        ax.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes[0].set_yticks(rows, names)
    axes[0].invert_yaxis()
    theme.legend(figure, axes[:1])
    return figure
