"""``dynamix forecast``: continue the series of a table."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from typing import Any

import pandas as pd

from ..errors import InputError
from ..settings import AUTO, ForecastConfig
from .flags import add_model, add_settings, check_outputs, command, given_settings, split


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "forecast", run, "continue the series of a table")
    parser.add_argument(
        "data", help="table with a row per time step and a column per channel; - is standard input"
    )
    parser.add_argument("--horizon", type=int, required=True, help="steps to forecast")
    parser.add_argument(
        "--output",
        help="file for the forecast: .csv, .tsv, .parquet, .npy, also .csv.gz (default: CSV to "
        "standard output)",
    )
    parser.add_argument("--plot", help="figure of context and forecast (.png, .pdf, .svg)")
    parser.add_argument(
        "--columns", help="channels to use, separated by commas (default: all but time)"
    )
    parser.add_argument(
        "--time",
        help="column of times or dates (default: found by its content)",
    )
    parser.add_argument(
        "--no-time", action="store_true", help="leave out the column of times and number the rows"
    )
    parser.add_argument(
        "--fill", action="store_true", help="interpolate short holes before the forecast"
    )
    parser.add_argument("--context", type=int, help="use only this many last steps of the data")
    add_model(parser, AUTO)
    add_settings(parser, ForecastConfig)


def run(options: argparse.Namespace) -> None:
    """Read, forecast, write."""
    from ..forecasting.zero_shot import each_series
    from ..io.tables import read_series, write

    check_outputs(options.output, plot=options.plot, inputs=[options.data, options.model])
    series = read_series(
        options.data,
        columns=split(options.columns),
        time=options.time,
        no_time=options.no_time,
        last=options.context,
    )
    if len(series) > 1 and options.plot:
        raise InputError(f"--plot draws one series, the file holds {len(series)}. Leave it out.")
    config = given_settings(options, ForecastConfig)
    continued = partial(_continued, options=options, config=config)
    first = next(iter(series.values()))
    if len(series) == 1:
        table = continued(first)
    else:
        parts = each_series(series.items(), continued, total=len(series), errors=config.errors)
        if not parts:
            raise InputError("no series of the file can be forecast.")
        table = pd.concat(parts, names=first.attrs["id_columns"])
    write(table, options.output)
    if options.output:
        steps = sum(map(len, series.values()))
        names = ", ".join(map(str, first.columns))
        sys.stderr.write(
            f"{steps} steps of {names}, {len(table)} steps forecast: {options.output}\n"
        )


def _continued(
    frame: pd.DataFrame, options: argparse.Namespace, config: ForecastConfig
) -> pd.DataFrame:
    """The forecast of one series as a table with one line of names."""
    from ..forecasting.zero_shot import forecast

    how = {"horizon": options.horizon, "model": options.model, **dataclasses.asdict(config)}
    if options.fill:
        from ..preprocessing.resampling import resample

        frame, what = resample(frame)
        sys.stderr.write(f"{what}\n")
    result, report = forecast(frame, return_report=True, **how)
    if options.model == AUTO:
        sys.stderr.write(f"model: {report}\n")
    if options.plot:
        _plot(frame, result, options.plot, sampled=config.n_samples is not None)
    if config.n_samples is None:
        return result
    return result.set_axis([f"{name}[{i}]" for i, name in result.columns], axis=1)


def _plot(frame: pd.DataFrame, result: pd.DataFrame, path: str, *, sampled: bool) -> None:
    from .. import plotting

    times = frame.index.append(result.index)
    figure = plotting.time_series(
        context=frame.to_numpy(),
        names=[str(column) for column in frame.columns],
        shown=max(4 * len(result), 200),  # a long context would hide the forecast
        times=times.to_timestamp() if hasattr(times, "to_timestamp") else times,
        time_label=str(frame.index.name or "step"),
        **{"samples": result} if sampled else {"forecast": result.to_numpy()},
    )
    plotting.save(figure, path)
    sys.stderr.write(f"figure: {path}\n")
