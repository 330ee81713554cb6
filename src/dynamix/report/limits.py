"""The limits of the report's findings."""

from __future__ import annotations

from ..settings import setting, settings


@settings
class ReportConfig:
    """Limits of the report on a reader's own data: rules of thumb.

    Triples are the limits of a note, a warning and a serious finding.
    """

    fewest_rows: int = setting(24, "rows below which there is no report")
    trained_points: tuple[float, float] = setting(
        (25.0, 130.0), "samples per dominant oscillation that training covers"
    )
    fewest_points: float = setting(5.0, "samples per oscillation below which aliasing begins")
    steps: tuple[float, float, float] = setting((500, 200, 80), "context steps")
    oscillations: tuple[float, float, float] = setting((15, 8, 3), "oscillations shown")
    shift: tuple[float, float, float] = setting(
        (0.25, 0.5, 1.0), "change of the mean between the halves, in deviations"
    )
    spread: tuple[float, float, float] = setting(
        (1.25, 1.6, 2.5), "ratio of the deviations of the halves"
    )
    still_steps: int = setting(10, "equal values in a row that are no finding")
    constant: tuple[float, float, float] = setting(
        (0.005, 0.02, 0.2), "longest constant stretch, as a share of the context"
    )
    repeat_steps: int = setting(20, "length of a stretch that must not occur twice")
    repeats: tuple[float, float, float] = setting((0.001, 0.05, 0.3), "share of such stretches")
    resolution: tuple[float, float, float] = setting(
        (0.05, 0.2, 0.6), "distance between neighbouring values, in deviations"
    )
    outlier: float = setting(8.0, "robust deviations from the running median of an outlier")
    outliers: tuple[float, float, float] = setting((1e-9, 0.005, 0.03), "share of outliers")
    noise: tuple[float, float, float] = setting(
        (0.2, 0.4, 0.8), "one-step error of nearest neighbours, in deviations"
    )
    missing: tuple[float, float, float] = setting(
        (1e-9, 0.02, 0.15), "share of steps that had to be interpolated"
    )
    off_grid: tuple[float, float, float] = setting(
        (0.01, 0.3, 2.0), "share of rows at times off the regular grid; never serious by itself"
    )
    most_unreadable: float = setting(
        0.2, "share of entries that are no number, beyond which a column is text"
    )
    longest_gap: int = setting(12, "steps without an observation that are still interpolated")
    most_filled: float = setting(0.5, "share of interpolated steps beyond which it is refused")
    origins: int = setting(4, "starting points of the trial on the context's own end")
    held_out: float = setting(0.2, "longest trial, as a share of the context")
