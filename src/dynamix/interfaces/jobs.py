"""Forecasts of very many series: in chunks, by several processes, with what is done kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import __version__
from ..baselines import baseline
from ..errors import InputError, check_levels, needs, whole_number
from ..evaluation.parallel import spread
from ..forecasting.automatic import ForecastReport
from ..forecasting.batches import Context, Found, LeftOut, side_by_side
from ..forecasting.models import find_model
from ..io.files import check_output, digest, make_folder, read_json, write_text, write_whole
from ..io.progress import tqdm
from ..settings import AUTO, PATIENCE, ForecastConfig, takes
from .frames import Columns, contexts_of, long_table, with_dates
from .sources import Chunk, find_source

logger = logging.getLogger(__name__)

_SHARED = ("seed", "errors", "denoise")  # settings that a rival takes, too
_RECORD = "_job.json"
_KEY = b"dynamix"  # of a part's metadata
_PART = "part-{:05d}.parquet"


class Done(NamedTuple):
    """A finished job: its folder, the number of its series, and why some were left out."""

    output: Path
    series: int
    left_out: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker must know; ``key`` is the hash of settings and source."""

    source: str
    output: str
    named: Columns
    how: dict[str, Any]
    names: tuple[str, ...]
    key: str


@takes(ForecastConfig, without=("n_samples", "errors"))
def forecast_dataset(
    source: str | Path,
    output: str | Path,
    *,
    horizon: int,
    id_column: str = "item_id",
    timestamp_column: str = "timestamp",
    columns: Sequence[str] = ("target",),
    quantile_levels: Sequence[float] | None = None,
    model: str | Path | None = None,
    chunk: int = 1000,
    workers: int = 1,
    dask: str | None = None,
    resume: bool = False,
    **settings: Any,
) -> Done:
    """Forecast every series of a data set that need not fit into memory.

    The series are forecast in chunks. A process holds one chunk at a time. A finished chunk is
    written, whole, as a part of the output, ``part-00000.parquet`` and so on, so an interruption
    costs the unfinished chunks alone. The numbers are those of :func:`dynamix.forecast`, whatever
    the chunks and workers are.

    Parameters
    ----------
    source
        A long table, with a row per series and time, in a Parquet file or a folder of Parquet
        files; or a Zarr group with an array ``(series, time)`` for each channel.
    output
        The folder of the parts and of ``_job.json``, which holds the settings. It must be new or
        empty, unless ``resume`` is set. Workers on other machines must see both paths.
    horizon
        Steps to forecast.
    id_column, timestamp_column
        Columns of the series' names and times; of a Zarr group, the names of the dimensions.
    columns
        The channels, which are forecast together.
    quantile_levels
        Levels between 0 and 1: their calibrated quantiles, in place of the forecast.
    model
        A name or path that :func:`dynamix.forecast` takes, or the name of a rival, which has none
        of the settings but ``seed`` and ``denoise``. None or ``"auto"`` chooses a model for each
        series, which takes some ten times as long as a named one.
    chunk
        Series of a chunk.
    workers, dask
        Processes of this machine; or the address of a Dask scheduler, whose workers are used. A
        chunk whose worker dies goes to another one.
    resume
        Continue a job of the same settings and source.
    **settings

    Returns
    -------
    Done
        ``output``, the number of ``series``, and ``left_out``: why a series could not be forecast,
        by its name. Each part holds its own ``left_out`` as JSON, in the key ``dynamix`` of its
        Parquet metadata. A part's columns are id, time, and each channel, or with quantiles
        ``NAME[LEVEL]``.

    Raises
    ------
    InputError
        If source, settings or model cannot be used, the output holds another job, or no series can
        be forecast.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pandas as pd
    >>> wave = np.sin(2 * np.pi * np.arange(60) / 12)
    >>> parts = [pd.DataFrame({"item_id": s, "timestamp": range(60), "target": wave + s})
    ...          for s in range(3)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pd.concat(parts).to_parquet(Path(folder, "in.parquet"))
    ...     done = forecast_dataset(
    ...         Path(folder, "in.parquet"), Path(folder, "out"), horizon=4, model="dynamix-3d"
    ...     )
    ...     table = pd.read_parquet(done.output)
    >>> done.series, table.shape, table.columns.tolist()
    (3, (12, 3), ['item_id', 'timestamp', 'target'])
    """
    horizon, size = whole_number("horizon", horizon), whole_number("chunk", chunk)
    workers = whole_number("workers", workers)
    how = {**dataclasses.asdict(ForecastConfig(**settings)), "horizon": horizon}
    how |= {"model": None if model is None else str(model), "quantile_levels": None}
    if quantile_levels is not None:
        how["quantile_levels"] = check_levels(quantile_levels)
    _rival(how)  # an error of its name is one of the job
    channels = tuple(map(str, columns))
    if not channels or len({*channels, id_column, timestamp_column}) < 2 + len(channels):
        raise InputError(
            "columns must name at least one channel, each once, and neither the id nor the time."
        )
    named = Columns(id_column, timestamp_column, channels)
    chunks, content = find_source(source, named).chunks(size)
    record: dict[str, Any] = {
        "made_by": f"dynamix {__version__}",
        "source": {"path": str(Path(source).resolve()), "series": chunks[-1].last},
        "settings": {**how, "id": id_column, "time": timestamp_column, "columns": list(channels)},
        "chunk": size,
        "parts": len(chunks),
    }
    file = Path(str(model))
    whole = {**record, "source": content, "model": digest(file) if file.is_file() else ""}
    record["hash"] = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    folder = Path(output)
    _claim(folder, record, resume=resume)
    names = channels
    if levels := how["quantile_levels"]:
        names = tuple(f"{name}[{level}]" for level in levels for name in channels)
    job = Job(str(source), str(folder), named, how, names, record["hash"])
    left: dict[int, dict[str, str]] = {}
    for one in chunks:
        if (why := _written(folder, one, job)) is not None:
            left[one.number] = why
    todo = [c for c in chunks if c.number not in left]
    if len(todo) < len(chunks):
        logger.info("%d of %d parts are there", len(chunks) - len(todo), len(chunks))
    made = spread(partial(_work, job), todo, workers=workers, dask=dask)
    bar = tqdm(made, total=len(todo), desc="chunks", disable=None, delay=PATIENCE)
    left |= dict(bar)
    left_out = {name: text for number in sorted(left) for name, text in left[number].items()}
    if len(left_out) == chunks[-1].last:
        name, text = next(iter(left_out.items()))
        raise InputError(f"no series of the data set can be forecast; series {name!r}: {text}")
    if left_out:
        logger.warning("%d of %d series were left out", len(left_out), chunks[-1].last)
    return Done(folder, chunks[-1].last, left_out)


def _claim(folder: Path, record: dict[str, Any], *, resume: bool) -> None:
    """Begin a job in a new folder, or find that it is the one to be continued."""
    path = folder / _RECORD
    if os.path.isfile(folder):
        raise InputError(f"{str(folder)!r} is a file. The parts need a folder.")
    make_folder(folder)
    if path.is_file():
        if not resume:
            raise InputError(
                f"{str(folder)!r} holds a job. Continue it with resume=True (command line: "
                "--resume), or name another folder."
            )
        old = read_json(path.read_text(encoding="utf-8"), source=path.name)
        if old.get("hash") == record["hash"]:
            check_output(path)  # and what a dead writer left goes
            return
        keys = ("made_by", "settings", "chunk", "source")
        other = [key for key in keys if old.get(key) != record[key]] or ["content of the source"]
        raise InputError(
            f"{str(folder)!r} holds another job: other {', '.join(other)}. Repeat the command that "
            "began it, or name another folder."
        )
    if any(not re.match(r"\.", file.name) for file in folder.iterdir()):
        raise InputError(f"{str(folder)!r} is not empty. Name a new folder.")
    write_text(path, json.dumps(record, indent=1) + "\n")


def _written(folder: Path, chunk: Chunk, job: Job) -> dict[str, str] | None:
    """What the part of a chunk left out; None if it is not there, or of another job."""
    with needs("tables"):
        from pyarrow import ArrowInvalid, parquet
    path = folder / _PART.format(chunk.number)
    if not path.is_file():
        return None
    try:
        stored = json.loads((parquet.read_schema(path).metadata or {})[_KEY])
        return stored["left_out"] if stored["job"] == job.key else None
    except (ArrowInvalid, OSError, KeyError, ValueError):
        logger.warning("%s is damaged; it is made again", path.name)
        return None


def _rival(how: dict[str, Any]) -> Any:
    """The rival that was asked for; None for a model of ours, whose name is looked up, too."""
    name = how["model"]
    if name in (None, AUTO):
        return None
    rival = baseline(name)
    if not rival.rival:
        find_model(name)
        return None
    if rival.needs_truth:
        raise InputError(f"{name!r} continues the true system, which a data set does not hold.")
    unset = dataclasses.asdict(ForecastConfig())
    idle = [key for key, value in unset.items() if key not in _SHARED and how[key] != value]
    if idle := [*idle, *(["quantile_levels"] if how["quantile_levels"] else [])]:
        raise InputError(
            f"{', '.join(idle)} would have no effect: {name!r} is no DynaMix model. Leave it out."
        )
    return rival.having(denoise=how["denoise"]) if how["denoise"] else rival


def _by(
    rival: Any, contexts: dict[Any, Context], left_out: LeftOut, how: dict[str, Any]
) -> dict[Any, Found]:
    """The forecasts of a rival, one series after the other."""
    found = {}
    for name, one in contexts.items():
        with left_out.naming(name):
            frame = pd.DataFrame(one.values, index=one.index)
            made = np.asarray(rival(frame, how["horizon"], seed=how["seed"]))
            found[name] = Found(made, ForecastReport(name, {}))
    return found


def _work(job: Job, chunk: Chunk) -> tuple[int, dict[str, str]]:
    """Forecast the series of a chunk, write its part, and say what was left out."""
    import pyarrow as pa
    from pyarrow import parquet

    table = find_source(job.source, job.named).read(chunk)
    table = with_dates(table, job.named.time)
    left_out = LeftOut("skip")
    contexts, later = contexts_of(table, job.named, left_out, horizon=job.how["horizon"])
    if rival := _rival(job.how):
        found = _by(rival, contexts, left_out, job.how)
    else:
        found = side_by_side(contexts, left_out, **job.how)
    why = {str(name): text for name, text in left_out.why.items()}
    known = table[[job.named.id, job.named.time]]
    schema = pa.Schema.from_pandas(known, preserve_index=False)  # also of a part without rows
    for name in job.names:
        schema = schema.append(pa.field(name, pa.float64()))
    result = known.iloc[:0].assign(**dict.fromkeys(job.names, 0.0))
    if found:
        kind = known[job.named.id].dtype
        result = long_table(found, later, job.named, job.names, dtype=kind)
    written = pa.Table.from_pandas(result, schema=schema, preserve_index=False)
    told = json.dumps({"job": job.key, "series": chunk.last - chunk.first, "left_out": why})
    written = written.replace_schema_metadata({_KEY: told})
    with write_whole(Path(job.output) / _PART.format(chunk.number)) as temporary:
        parquet.write_table(written, temporary)
    return chunk.number, why
