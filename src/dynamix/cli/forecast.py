"""``dynamix forecast``: continue the series of a table."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from ..io.files import write_whole
from ..settings import ForecastConfig
from .flags import add_model, add_settings, check_folders, command, given_settings, split


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "forecast", run, "continue the series of a table")
    parser.add_argument(
        "data", help="table with a row per time step and a column per channel; - is standard input"
    )
    parser.add_argument("--horizon", type=int, required=True, help="steps to forecast")
    parser.add_argument("--output", help="CSV file for the forecast (default: standard output)")
    parser.add_argument("--plot", help="figure of context and forecast (.png, .pdf, .svg)")
    parser.add_argument(
        "--columns", help="channels to use, separated by commas (default: all numeric columns)"
    )
    parser.add_argument(
        "--time",
        help="column of times or dates (default: a first column of dates, or one named time, "
        "date, step, ...)",
    )
    parser.add_argument(
        "--no-time", action="store_true", help="ignore the column of times and number the rows"
    )
    parser.add_argument("--context", type=int, help="use only this many last steps of the data")
    add_model(parser)
    add_settings(parser, ForecastConfig)


def run(options: argparse.Namespace) -> None:
    """Read, forecast, write."""
    from ..forecasting.zero_shot import forecast
    from ..io.tables import read

    check_folders(options.output, options.plot)
    frame = read(
        options.data,
        columns=split(options.columns),
        time=options.time,
        no_time=options.no_time,
        last=options.context,
    )
    config = given_settings(options, ForecastConfig)
    result = forecast(
        frame, horizon=options.horizon, model=options.model, **dataclasses.asdict(config)
    )
    table = result
    if config.n_samples is not None:  # a CSV has one row of names: x[0], y[0], x[1], y[1], ...
        table = result.set_axis([f"{name}[{i}]" for i, name in result.columns], axis=1)
    if options.output is None:
        table.to_csv(sys.stdout)
    else:
        with write_whole(options.output) as temporary:
            table.to_csv(temporary)
        names = ", ".join(map(str, frame.columns))
        sys.stderr.write(
            f"{len(frame)} steps of {names}, {len(result)} steps forecast: {options.output}\n"
        )
    if options.plot:
        from .. import plotting

        times = frame.index.append(result.index)
        figure = plotting.time_series(
            context=frame.to_numpy(),
            names=[str(column) for column in frame.columns],
            shown=max(4 * len(result), 200),  # a long context would hide the forecast
            times=times.to_timestamp() if hasattr(times, "to_timestamp") else times,
            time_label=str(frame.index.name or "step"),
            **{"forecast": result.to_numpy()} if config.n_samples is None else {"samples": result},
        )
        plotting.save(figure, options.plot)
        sys.stderr.write(f"figure: {options.plot}\n")
