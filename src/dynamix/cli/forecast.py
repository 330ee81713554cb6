"""``dynamix forecast``: continue the series of a table."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from typing import TYPE_CHECKING, Any

from ..errors import InputError, needs, whole_number
from ..settings import AUTO, ForecastConfig, declared
from . import jobs
from .flags import (
    OUTPUT,
    Parser,
    Typed,
    add_json,
    add_model,
    add_set,
    add_settings,
    add_settings_file,
    check_outputs,
    chosen,
    command,
    given_settings,
    show_json,
    split,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..forecasting.batches import LeftOut

logger = logging.getLogger(__name__)

_SHARED = ("seed", "errors", "denoise")  # settings that every forecaster takes


def add(commands: Any) -> None:
    """Add the command."""
    command(commands, "forecast", run, "continue the series of a table", fill=_fill)


def _fill(parser: Parser) -> None:
    parser.surplus = (
        'A command takes one table: for f in *.csv; do dynamix forecast "$f" -n 24 -o '
        '"forecast-$f"; done. A file may hold many series below each other.'
    )
    parser.add_argument(
        "data", help="table with a row per time step and a column per channel; - is standard input"
    )
    parser.add_argument(
        "-n", "--horizon", type=Typed(int), required=True, help="steps to forecast (at least 1)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=OUTPUT,
        metavar="FILE",
        help="file for the forecast: .csv, .tsv, .json, also with .gz; .parquet, .npy, .npz "
        "(default: -, CSV to standard output)",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="figure of context and forecast over time and in state space (.png, .pdf, .svg)",
    )
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
    parser.add_argument(
        "--context",
        type=Typed(int),
        help="use only this many last steps of the data (default: all; at least 2)",
    )
    parser.add_argument(
        "--quantiles",
        metavar="LEVELS",
        help="levels between 0 and 1, separated by commas, such as 0.1,0.5,0.9: a column "
        "NAME[LEVEL] for each, in place of the forecast",
    )
    add_model(parser, AUTO)
    add_set(parser, "settings of a rival, such as match_length=30; DynaMix has the flags below")
    add_json(parser, "forecast, and what was read and set,")
    add_settings_file(parser)
    jobs.add_flags(parser)
    add_settings(parser, ForecastConfig)


def run(options: argparse.Namespace) -> None:
    """Read, forecast, write."""
    config: ForecastConfig = given_settings(options, ForecastConfig)
    whole_number("horizon", options.horizon)
    levels = quantiles(options.quantiles)
    jobs.check(options)
    if "://" in options.data:
        raise InputError(f"{options.data!r} is an address. Download the table, and name its file.")
    if options.data == "-" and (sys.stdin is None or sys.stdin.isatty()):  # nobody will type one
        raise InputError(
            "- reads standard input, and nothing is piped into it: "
            "cat data.csv | dynamix forecast - -n 24"
        )
    if options.id is not None:
        jobs.run(options, config, levels)
        return

    from ..forecasting.batches import LeftOut
    from ..io.tables import check_suffix, read_series, write

    if options.plot and options.quantiles is not None:
        raise InputError("--plot draws no quantiles. Leave out one of them; --n-samples has bands.")
    output = None if options.output == "-" else options.output
    if output:
        check_suffix(output)
        if output.lower().endswith(".parquet"):
            with needs("tables"):
                import pyarrow  # noqa: F401
    check_outputs(output, plot=options.plot, inputs=[options.data, options.model])
    series = read_series(
        options.data,
        columns=split(options.columns),
        time=options.time,
        no_time=options.no_time,
        last=options.context,
    )
    if len(series) > 1 and options.plot:
        raise InputError(f"--plot draws one series, the file holds {len(series)}. Leave it out.")
    forecaster = Forecaster(options, config)  # takes long, so it comes last
    first = next(iter(series.values()))
    logger.debug("model %s, settings %s", forecaster.name, forecaster.settings)
    left_out = LeftOut(config.errors)
    if len(series) == 1:
        table = forecaster(first)
    else:
        import pandas as pd

        try:
            parts = forecaster.each(series, left_out)
        except InputError as error:
            raise InputError(f"{error} --errors skip leaves out such a series.") from error
        if not parts:
            raise InputError("no series of the file can be forecast.")
        table = pd.concat(parts, names=first.attrs["id_columns"])
    if options.json:
        show_json(
            {
                "forecast": table,
                **forecaster.taken(series),
                "left_out": {str(k): v for k, v in left_out.why.items()},
            }
        )
    if output or not options.json:
        write(table, output)
    if left_out.why:
        logger.warning("%d of %d series were left out", len(left_out.why), len(series))
    if output:
        steps = sum(map(len, series.values()))
        names = ", ".join(map(str, first.columns))
        logger.info("%d steps of %s, %d steps forecast: %s", steps, names, len(table), output)


class Forecaster:
    """The model or rival that was asked for, with its settings; it continues one series."""

    def __init__(self, options: argparse.Namespace, config: ForecastConfig) -> None:
        from ..baselines import baseline

        self.options, self.config = options, config
        self.report: Any = None  # of the last series
        self.name, own = chosen(options)
        self.rival = baseline(self.name, **own)
        self.ours = self.name == AUTO or not self.rival.rival
        self.settings = dataclasses.asdict(config)
        self.levels = quantiles(options.quantiles)
        if self.levels:
            self.settings["quantiles"] = self.levels
        if self.rival.needs_truth:
            raise InputError(
                f"{self.name!r} continues the true system, which a table does not hold. Choose "
                "another model: dynamix models"
            )
        if self.ours:
            if own:
                raise InputError(
                    f"--set is for rivals, and {self.name!r} is a DynaMix model: its settings are "
                    "flags, such as --embedding."
                )
            return
        if self.levels:
            raise InputError(
                f"--quantiles needs a DynaMix model, and {self.name!r} is a rival. Leave it out."
            )
        given = [
            name for name in declared(ForecastConfig) if f"ForecastConfig.{name}" in vars(options)
        ]
        if idle := [name for name in given if name not in _SHARED]:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
            raise InputError(
                f"{flags} would have no effect: {self.name!r} is not a DynaMix model. Leave it "
                "out; a rival's own settings are given by --set NAME=VALUE."
            )
        if config.denoise:
            self.rival = self.rival.having(denoise=config.denoise)
        kept = {name: self.settings[name] for name in ("seed", "errors")}
        self.settings = {**kept, **self.rival.settings}

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The forecast of one series as a table with one line of names."""
        from ..forecasting.zero_shot import forecast

        options, frame = self.options, self._filled(frame)
        if self.ours:
            result, self.report = forecast(frame, **self._how())
            if self.name == AUTO:
                logger.info("model: %s", self.report)
        else:
            result = self.rival(frame, options.horizon, seed=self.config.seed)
        if options.plot:
            _plot(frame, result, options.plot, sampled=self.several)
        return self._flat(result)

    def each(self, series: dict[Any, pd.DataFrame], left_out: LeftOut) -> dict[Any, pd.DataFrame]:
        """The forecasts of many series, without those left out."""
        from ..forecasting.batches import each_series, forecast_each

        bar = each_series(series.items(), total=len(series))
        found: dict[Any, Any] = {}
        for name, frame in series.items() if self.ours else bar:
            with left_out.naming(name):
                found[name] = self._filled(frame) if self.ours else self(frame)
        if not self.ours:
            return found
        made = forecast_each(found, left_out, starts={}, **self._how())
        for name, (_, report) in made.items() if self.name == AUTO else ():
            logger.info("model of %r: %s", name, report)
        return {name: self._flat(result) for name, (result, _) in made.items()}

    def _how(self) -> dict[str, Any]:
        how = {**dataclasses.asdict(self.config), "quantile_levels": self.levels}
        return {**how, "horizon": self.options.horizon, "model": self.name, "return_report": True}

    def _filled(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self.options.fill:
            for name, holes in frame.isna().sum().items():
                if holes:
                    first = frame[name].isna().idxmax()
                    raise InputError(
                        f"column {name!r} has {holes} empty of {len(frame)} entries, the first at "
                        f"{first}. --fill interpolates short holes; else fill or cut them."
                    )
            return frame
        from ..preprocessing.resampling import resample

        frame, what = resample(frame)
        logger.info("%s", what)
        return frame

    @property
    def several(self) -> bool:
        """Whether a forecast has samples or quantiles."""
        return self.ours and (self.levels or self.config.n_samples) is not None

    def _flat(self, result: pd.DataFrame) -> pd.DataFrame:
        if not self.several:
            return result
        return result.set_axis([f"{name}[{i}]" for i, name in result.columns], axis=1)

    def taken(self, series: dict[Any, pd.DataFrame]) -> dict[str, Any]:
        """What was read and set, for a reader of JSON."""
        first = next(iter(series.values()))
        read = {
            "data": self.options.data,
            "notes": first.attrs["notes"],
            "channels": list(first.columns),
            "steps": {str(name): len(frame) for name, frame in series.items()},
        }
        if len(series) == 1:
            read["steps"] = len(first)
        settings = {"horizon": self.options.horizon, **self.settings}
        made = {"model": self.name, "read": read, "settings": settings}
        if self.name == AUTO and len(series) == 1:
            settings |= self.report.settings
            made["model"] = self.report.model
        return made


def quantiles(text: str | None) -> list[float] | None:
    """The levels that a flag lists; None without the flag."""
    try:
        return None if text is None else [float(part) for part in split(text)]
    except ValueError as error:
        raise InputError(
            f"--quantiles takes levels separated by commas, such as 0.1,0.5,0.9; found {text!r}."
        ) from error


def _plot(frame: pd.DataFrame, result: pd.DataFrame, path: str, *, sampled: bool) -> None:
    from .. import plotting

    times = frame.index.append(result.index)
    figure = plotting.time_series(
        context=frame.to_numpy(),
        names=[str(column) for column in frame.columns],
        shown=max(4 * len(result), 200),  # a long context would hide the forecast
        times=times.to_timestamp() if hasattr(times, "to_timestamp") else times,
        time_label=str(frame.index.name or "step"),
        states=True,
        **{"samples": result} if sampled else {"forecast": result.to_numpy()},
    )
    plotting.save(figure, path)
    logger.info("figure: %s", path)
