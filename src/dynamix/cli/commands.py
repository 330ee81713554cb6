"""The command line: ``dynamix forecast``, ``train``, ``benchmark``, ``run`` and ``sweep``.

Every field of the config dataclasses is a flag, so the command line knows no default of its own.
Input that cannot be used ends with one message and exit code 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from .. import __version__
from ..errors import InputError
from ..io.tables import read
from ..settings import (
    BUNDLED_MODEL,
    BenchmarkConfig,
    ForecastConfig,
    ForecastDefaults,
    ModelConfig,
    TrainingConfig,
)
from . import notebooks as cli_notebooks

_EPILOG = """examples:
  dynamix forecast data.csv --horizon 500 --output forecast.csv --plot forecast.png
  dynamix forecast data.csv --columns price --embedding auto --horizon 100
  dynamix forecast data.csv --horizon 100 --n-samples 50 --output samples.csv --plot fan.png
  dynamix train --output runs/mine --epochs 200
  dynamix train --output runs/mine --epochs 200 --resume
  dynamix benchmark --model dynamix-3d --context 2000 --output mine.csv --workers 2
  dynamix benchmark --compare mine.csv others.csv
  dynamix run book/03_architecture.ipynb mine.ipynb -p system Rossler
  dynamix sweep book/05_zero_shot.ipynb -p context_length 512,1000,2000

Each command explains its options: dynamix forecast --help"""


def main(arguments: Sequence[str] | None = None) -> int:
    r"""Run the command line.

    Parameters
    ----------
    arguments
        What follows ``dynamix``, a text each; None: what was typed.

    Returns
    -------
    The exit code: 0; 2 for unusable input, of which a message on standard error tells; 130 for an
    interruption.

    Raises
    ------
    SystemExit
        For an unknown command or flag (code 2), and for ``--help`` and ``--version`` (code 0).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data, output = Path(folder) / "data.csv", Path(folder) / "forecast.csv"
    ...     lines = ["step,saw", *(f"{t},{t % 7}" for t in range(50))]
    ...     _ = data.write_text("\n".join(lines))
    ...     flags = ["--horizon", "3", "--engine", "torch", "--output", str(output)]
    ...     main(["forecast", str(data), *flags])
    ...     [line.split(",")[0] for line in output.read_text().split()]
    0
    ['step', '50', '51', '52']
    >>> main(["forecast", "none.csv", "--horizon", "3"])  # and a message on standard error
    2
    """
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        options.run(options)
    except InputError as error:
        sys.stderr.write(f"dynamix {options.command}: {error}\n")
        return 2
    except KeyboardInterrupt:
        kept = options.command == "train" or (
            options.command == "benchmark" and _option(options, "output")
        )
        hint = " Continue with --resume." if kept else ""
        sys.stderr.write(f"\ndynamix {options.command}: interrupted.{hint}\n")
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; every flag of a config comes from its dataclass.

    Examples
    --------
    >>> build_parser().parse_args(["forecast", "data.csv", "--horizon", "500"]).horizon
    500
    """
    parser = argparse.ArgumentParser(
        prog="dynamix",
        description="Zero-shot reconstruction of dynamical systems: show DynaMix a short stretch "
        "of a system it has never seen, and it continues it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dynamix {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    forecast = _command(commands, "forecast", _run_forecast, "continue the series of a CSV file")
    forecast.add_argument("data", help="CSV file: a row per time step, a column per channel")
    forecast.add_argument("--horizon", type=int, required=True, help="steps to forecast")
    forecast.add_argument("--output", help="CSV file for the forecast (default: standard output)")
    forecast.add_argument("--plot", help="picture of context and forecast (.png, .pdf, .svg)")
    forecast.add_argument(
        "--columns", help="channels to use, separated by commas (default: every numeric column)"
    )
    forecast.add_argument(
        "--time",
        help="column that holds time or dates (default: a first column of dates, or one named "
        "time, date, step, ...)",
    )
    forecast.add_argument(
        "--no-time",
        action="store_true",
        help="leave a time column out and number the rows, for dates with gaps that do not matter",
    )
    forecast.add_argument("--context", type=int, help="use only the last steps of the data")
    _add_model(forecast)
    _add_fields(forecast, ForecastConfig)

    train = _command(commands, "train", _run_train, "train a model from nothing, or go on training")
    train.add_argument("--output", required=True, help="folder of the run")
    train.add_argument("--resume", action="store_true", help="continue the run in that folder")
    _add_fields(train.add_argument_group("model"), ModelConfig)
    _add_fields(train.add_argument_group("training"), TrainingConfig)
    _add_fields(train.add_argument_group("forecasts of the trained model"), ForecastDefaults)

    benchmark = _command(
        commands, "benchmark", _run_benchmark, "measure a model on the systems it never saw"
    )
    _add_model(
        benchmark,
        more=", or a rival: ceiling, parrot, sindy, chronos-2, ... (table() of dynamix.baselines)",
    )
    benchmark.add_argument(
        "--systems", help="systems, separated by commas, or all (default: held out)"
    )
    benchmark.add_argument(
        "--dims",
        type=int,
        nargs="+",
        metavar="N",
        help="all flows of dysts with so many dimensions, 4 to 6, instead of the held-out ones",
    )
    benchmark.add_argument(
        "--output", help="CSV file for the results, a row per system and start; grows with the run"
    )
    benchmark.add_argument(
        "--resume", action="store_true", help="go on with the interrupted run in --output"
    )
    benchmark.add_argument(
        "--workers", type=int, help="processes that share the work, instead of one"
    )
    benchmark.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="Dask scheduler whose workers do the work, tcp://host:8786",
    )
    benchmark.add_argument(
        "--compare",
        nargs="+",
        metavar="FILE",
        help="run nothing: win rates of these stored results against the last one of them",
    )
    benchmark.add_argument("--plot", help="picture of the distribution over systems")
    _add_fields(benchmark, BenchmarkConfig)
    cli_notebooks.add_commands(commands, _command)
    return parser


def _command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,  # an option that is not given has no default to show
    )
    parser.set_defaults(run=run)
    return parser


def _add_model(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument(
        "--model",
        default=BUNDLED_MODEL,
        help=f"bundled name, file, folder, or hub name owner/repo:checkpoint{more}",
    )


def _add_fields(parser: Any, config: type[Any]) -> None:
    """A flag for every field of a config: ``latent_dims`` becomes ``--latent-dims``."""
    kinds = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        kind = kinds[field.name]
        if get_origin(kind) is types.UnionType:  # int | None: the flag may be left out
            (kind,) = (part for part in get_args(kind) if part is not type(None))
        given: dict[str, Any] = {
            "dest": f"{config.__name__}.{field.name}",
            "default": field.default,
            "help": field.metadata["help"],
        }
        flags = [f"--{field.name.replace('_', '-')}"]
        if kind is bool:
            given["action"] = argparse.BooleanOptionalAction
        elif get_origin(kind) is Literal:
            given["choices"] = get_args(kind)
        elif get_origin(kind) is tuple:
            given |= {"nargs": "+", "type": get_args(kind)[0], "metavar": "VALUE"}
        elif isinstance(kind, type) and not isinstance(kind, types.GenericAlias):
            given |= {"type": kind, "metavar": kind.__name__.upper()}
        parser.add_argument(*flags, **given)


def _config(options: argparse.Namespace, kind: type[Any]) -> Any:
    """The config that the given flags describe."""
    values = {
        field.name: getattr(options, f"{kind.__name__}.{field.name}")
        for field in dataclasses.fields(kind)
    }
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _option(options: argparse.Namespace, name: str) -> Any:
    return getattr(options, name, None)


def _run_forecast(options: argparse.Namespace) -> None:
    from ..forecasting.zero_shot import forecast

    for name in ("output", "plot"):  # found out before the work, not after it
        _check_folder(_option(options, name))
    frame = read(
        options.data,
        columns=_split(_option(options, "columns")),
        time=_option(options, "time"),
        no_time=bool(_option(options, "no_time")),
        last=_option(options, "context"),
    )
    config = _config(options, ForecastConfig)
    result = forecast(
        frame, horizon=options.horizon, model=options.model, **dataclasses.asdict(config)
    )
    table = result
    if config.n_samples is not None:  # a CSV has one row of names: x[0], y[0], x[1], y[1], ...
        table = result.set_axis([f"{name}[{i}]" for i, name in result.columns], axis=1)
    output = _option(options, "output")
    if output is None:
        table.to_csv(sys.stdout)
    else:
        table.to_csv(output)
        sys.stderr.write(
            f"{len(frame)} steps of {', '.join(map(str, frame.columns))} continued by "
            f"{len(result)} in {output}\n"
        )
    if _option(options, "plot"):
        from .. import plotting

        times = frame.index.append(result.index)
        given: dict[str, Any] = {
            "context": frame.to_numpy(),
            "names": [str(column) for column in frame.columns],
            "shown": max(4 * len(result), 200),  # a long context would hide the forecast
            "times": times.to_timestamp() if hasattr(times, "to_timestamp") else times,
            "time_label": str(frame.index.name or "step"),
        }
        if config.n_samples is None:
            given["forecast"] = result.to_numpy()
        else:
            given["samples"] = result
        plotting.save(plotting.time_series(**given), options.plot)
        sys.stderr.write(f"picture in {options.plot}\n")


def _run_train(options: argparse.Namespace) -> None:
    from ..training.forcing import train

    train(
        options.output,
        model=_config(options, ModelConfig),
        training=_config(options, TrainingConfig),
        defaults=_config(options, ForecastDefaults),
        resume=bool(_option(options, "resume")),
    )
    sys.stderr.write(
        f"model, log and curves in {options.output}; try it: "
        f"dynamix benchmark --model {Path(options.output) / 'model.safetensors'}\n"
    )


def _run_benchmark(options: argparse.Namespace) -> None:
    from ..evaluation import benchmark

    if _option(options, "compare"):
        sys.stdout.write(_compared(options.compare))
        return
    for name in ("output", "plot"):
        _check_folder(_option(options, name))
    given = {name: _option(options, name) for name in ("output", "resume", "workers", "dask")}
    table = benchmark.run(
        options.model,
        config=_config(options, BenchmarkConfig),
        names=_benchmark_systems(options),
        **{name: value for name, value in given.items() if value is not None},
    )
    sys.stdout.write(f"{benchmark.summary(table).round(3).to_string()}\n\n")
    sys.stdout.write("ends in\n")
    sys.stdout.write(f"{benchmark.shares(table).round(3).to_string()}\n")
    if _option(options, "plot"):
        from .. import plotting

        plotting.save(plotting.benchmark_boxes({str(options.model): table}), options.plot)


def _benchmark_systems(options: argparse.Namespace) -> list[str] | None:
    """The systems asked for by name or dimensions; None: those that the split holds out."""
    from ..systems import corpus as systems

    named, dims = _split(_option(options, "systems")), _option(options, "dims") or []
    if named and dims:
        raise InputError("--systems and --dims both say what to run on. Leave one of them out.")
    low, high = systems.DIMENSION + 1, systems.MOST_DIMS
    if any(not low <= n <= high for n in dims):
        raise InputError(
            f"--dims takes numbers from {low} to {high}, found {dims}. The three-dimensional "
            "systems are divided by the split: name them with --systems."
        )
    if named == ["all"]:
        return systems.everyone()
    return named or (systems.catalogue(dims=dims) if dims else None)


def _compared(paths: Sequence[str]) -> str:
    """Win rates of stored results against the last of them, as text."""
    from ..evaluation import benchmark

    if len(paths) < 2:
        raise InputError("--compare needs two files or more, found one. Name another one.")
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    stored = {name: benchmark.read(path) for name, path in zip(names, paths, strict=True)}
    settings = {name: record.get("settings", {}) for name, (_, record) in stored.items()}
    last = settings[names[-1]]
    for name in names[:-1]:
        changed = sorted(
            k
            for k in last.keys() & settings[name].keys() - {"starts", "seed"}
            if last[k] != settings[name][k]
        )
        if changed:
            raise InputError(
                f"{name!r} and {names[-1]!r} were made with different settings: "
                + ", ".join(f"{k} {settings[name][k]!r} and {last[k]!r}" for k in changed)
                + ". Run both alike."
            )
    rates = benchmark.win_rates({name: table for name, (table, _) in stored.items()}, names[-1])
    return f"better than {names[-1]}\n{rates.round(3).to_string()}\n"


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _check_folder(path: str | None) -> None:
    if path is not None and not Path(path).absolute().parent.is_dir():
        raise InputError(f"cannot write {path!r}: its folder does not exist. Create it first.")


if __name__ == "__main__":
    sys.exit(main())
