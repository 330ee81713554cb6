"""What a suite is, how a forecaster runs it, and how its rows stand among the published ones.

A suite has tasks: series that publications forecast, each with a name. A task may have several
parts, such as windows or starts; its value is the mean over its parts. A forecaster's value is the
median or a mean over tasks. A failure (NaN) counts as infinitely bad.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ...baselines.registry import Baseline, baseline
from ...engine.machine import one_thread
from ...errors import InputError
from ...io.files import check_output
from ...io.progress import tqdm
from ...io.shapes import Float
from .. import results
from ..parallel import spread
from ..statistics import bootstrap, paired, quantiles

_BATCH = 16  # tasks of equal shape that are forecast side by side
KEY = {"task": str, "part": int, "group": str}


@dataclass(frozen=True)
class Task:
    """One forecast: what is shown, and what is then measured against it.

    ``facts`` hold what the score needs besides, such as a scale. ``beyond`` among them is the
    truth followed by as many steps again, for the ceiling.
    """

    name: str
    context: Float[ndarray, "T_C n"]
    truth: Float[ndarray, "T n"]
    group: str = "all"
    part: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A published benchmark.

    ``score`` measures a forecast ``(T, n)`` of a task by the ``measures``, of which the first
    decides; smaller is better. ``published`` gives per measure a table of the published values, a
    row per task and a column per model, NaN where none was published. ``sections`` are the parts of
    a summary and the groups of tasks that each holds. ``average`` is over tasks.
    """

    name: str
    what: str
    source: str
    measures: tuple[str, ...]
    tasks: Callable[[], list[Task]]
    score: Callable[[ndarray, Task], dict[str, float]]
    published: Callable[[], dict[str, pd.DataFrame]]
    sections: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"all": ["all"]})
    average: str = "median"
    note: str = ""

    @property
    def columns(self) -> Mapping[str, Callable[[str], Any]]:
        """Columns of a result, with their types."""
        return KEY | dict.fromkeys(self.measures, float) | {"seconds": float}


def run(
    suite: Suite,
    model: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    tasks: Sequence[Task] | None = None,
) -> pd.DataFrame:
    """Run a forecaster on a suite under its published protocol: one row per part of a task.

    Parameters
    ----------
    suite, tasks
        The suite, and its tasks if only some of them are to be run.
    model, settings, seed
        A model or name of :func:`dynamix.baselines.baseline`, with settings of its own.
    output, resume, workers
        As for :func:`dynamix.evaluation.run`.

    Returns
    -------
    The columns ``task``, ``part``, ``group``, the suite's measures, and ``seconds``, a forecast's
    share of its batch.

    Raises
    ------
    InputError
        If a name or setting is unknown, the data can neither be found nor fetched, or ``output``
        and ``resume`` do not fit.
    """
    began, settings = time.perf_counter(), dict(settings or {})
    if resume and output is None:
        raise InputError("resume continues the run in output, but no output is given.")
    if output is not None:
        check_output(output)  # before the tasks, whose data may have to be fetched
    entry = baseline(model, **settings)
    chosen = suite.tasks() if tasks is None else list(tasks)
    journal, found = None, {}
    if output is not None:
        line = command(suite, entry.name, settings, seed)
        record = results.provenance(line, {**settings, "seed": seed}, seconds=0.0)
        record |= {"suite": suite.name, "model": entry.identity, "tasks": len(chosen)}
        record["versions"] |= entry.versions
        journal = results.Journal(
            output,
            columns=suite.columns,
            record=record,
            same=("suite", "model", "settings", "tasks", "versions"),
            resume=resume,
        )
        found = {(row["task"], row["part"]): row for row in journal.rows}
    batches = _batches([task for task in chosen if (task.name, task.part) not in found])
    name = str(model) if entry.rival else entry.model
    work = partial(_rows, suite=suite, model=name, settings=settings, seed=seed)
    with tqdm(total=len(chosen), initial=len(found), desc=suite.name, disable=None) as bar:
        for rows in spread(work, batches, workers=workers):
            found |= {(row["task"], row["part"]): row for row in rows}
            if journal is not None:
                journal.append(rows, seconds=time.perf_counter() - began)
            bar.update(len(rows))
    rows = [found[task.name, task.part] for task in chosen]
    table = pd.DataFrame(rows, columns=list(suite.columns))
    if journal is not None:
        journal.finish(table)
    return table


def _batches(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks of equal shape in groups, in their order."""
    alike: dict[Any, list[Task]] = {}
    for task in tasks:
        alike.setdefault((task.context.shape, len(task.truth)), []).append(task)
    groups = alike.values()
    return [group[i : i + _BATCH] for group in groups for i in range(0, len(group), _BATCH)]


@one_thread()
@np.errstate(all="ignore")  # a forecast that explodes is a result
def _rows(
    tasks: Sequence[Task], *, suite: Suite, model: Any, settings: dict[str, Any], seed: int
) -> list[dict[str, Any]]:
    """The rows of tasks of equal shape."""
    began = time.perf_counter()
    forecasts = _forecasts(baseline(model, **settings), tasks, seed)
    seconds = (time.perf_counter() - began) / len(tasks)
    rows = []
    for task, y in zip(tasks, forecasts, strict=True):
        values = suite.score(y, task)
        row = {"task": task.name, "part": task.part, "group": task.group, **values}
        rows.append(row | {"seconds": seconds})
    return rows


def _forecasts(entry: Baseline, tasks: Sequence[Task], seed: int) -> list[ndarray]:
    """A forecast of each task; NaN where a forecaster does not take the series."""
    horizon = len(tasks[0].truth)
    try:
        contexts = np.stack([task.context for task in tasks], axis=1)
        beyond = np.stack([task.facts.get("beyond", task.truth) for task in tasks], axis=1)
        return list(entry(contexts, horizon, seed=seed, truth=beyond).transpose(1, 0, 2))
    except InputError:  # one of the series cannot be used: each alone
        if entry.missing:
            raise
        if len(tasks) == 1:
            return [np.full_like(tasks[0].truth, np.nan)]
        return [y for task in tasks for y in _forecasts(entry, [task], seed)]


def command(suite: Suite, model: str, settings: Mapping[str, Any], seed: int = 0) -> str:
    """The command line that repeats a run."""
    parts = ["dynamix benchmark --suite", suite.name, "--model", Path(model).name]
    parts += results.given(settings)
    return " ".join([*parts, f"--seed {seed}"] if seed else parts)


def compare(
    suite: Suite, tables: Mapping[str, pd.DataFrame], measure: str | None = None
) -> pd.DataFrame:
    """Results among the published rows: their averages over the tasks of each section.

    The rows are the results of :func:`run` in ``tables``, by name, and the published models, best
    of the first section first. Only tasks that every row has are compared. The columns of a section
    are the average, its 95 % bootstrap interval over tasks (over parts where the section is one
    task), and the numbers of ``tasks`` and ``failures``; ``by`` is "here" or "published".
    """
    measure = measure or suite.measures[0]
    ours = {name: _by_task(table, measure) for name, table in tables.items()}
    published = suite.published().get(measure, pd.DataFrame())
    parts, quoted = [], "all" in published.index  # averages alone were published
    widest = [*suite.sections][-1]  # of which they are
    for section, groups in suite.sections.items():
        rows = {}
        names = _names(suite, tables, groups)
        shared = published.reindex(names)
        kept = [n for n in names if quoted or not len(published) or shared.loc[n].notna().all()]
        for name, values in ours.items():
            part = tables[name][tables[name]["task"].isin(kept)][measure].to_numpy()
            one = values[kept].to_numpy() if len(kept) > 1 else np.nan_to_num(part, nan=np.inf)
            failed = int(np.isnan(part).sum())
            rows[name] = [average(suite, one), *_interval(suite, one), len(kept), failed]
        for name in published:
            if quoted and section == widest:
                rows[name] = [published.loc["all", name], np.nan, np.nan, len(kept), 0]
            elif kept and not quoted:
                one = published.loc[kept, name].to_numpy()
                rows[name] = [average(suite, one), *_interval(suite, one), len(kept), 0]
        columns = [suite.average, "low", "high", "tasks", "failures"]
        parts.append(pd.DataFrame.from_dict(rows, orient="index", columns=columns))
    frame = pd.concat(dict(zip(suite.sections, parts, strict=True)), axis=1)
    frame.insert(0, "by", ["here" if name in ours else "published" for name in frame.index])
    first = next(iter(suite.sections))
    return frame.sort_values((first, suite.average), kind="stable")


def wins(
    suite: Suite, table: pd.DataFrame, section: str | None = None, measure: str | None = None
) -> pd.DataFrame:
    """In what share of a section's tasks a result beats each published model.

    The columns are those of :func:`dynamix.evaluation.win_rates`. Empty if no values by task were
    published.
    """
    measure, section = measure or suite.measures[0], section or next(iter(suite.sections))
    names = _names(suite, {"": table}, suite.sections[section])
    ours, rows = _by_task(table, measure), {}
    theirs = suite.published().get(measure, pd.DataFrame())
    for name in theirs:
        both = [n for n in names if n in theirs.index and np.isfinite(theirs.loc[n, name])]
        if len(both) < 2:
            continue
        rows[name] = paired(ours[both].to_numpy(), theirs.loc[both, name].to_numpy())
    return pd.DataFrame.from_dict(rows, orient="index")


def average(suite: Suite, values: Float[ndarray, " n"]) -> float:
    """The suite's average of the values of tasks."""
    if not len(values):
        return float("nan")
    if suite.average == "median":
        finite = np.isfinite(values).all()
        return float(np.median(values) if finite else quantiles(values, 0.5))
    if suite.average == "geometric mean":
        return float(np.exp(np.log(values).mean()))
    return float(values.mean())


def _interval(suite: Suite, values: Float[ndarray, " n"]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    if suite.average == "geometric mean":
        low, high = np.exp(bootstrap(np.log(values), mean=True))
        return float(low), float(high)
    return bootstrap(values, mean=suite.average == "mean")


def _by_task(table: pd.DataFrame, measure: str) -> pd.Series:
    """The value of each task, the mean of its parts; infinite if one of them failed."""
    return table[measure].fillna(np.inf).groupby(table["task"], sort=False).mean()


def _names(suite: Suite, tables: Mapping[str, pd.DataFrame], groups: Sequence[str]) -> list[str]:
    """The tasks of these groups that every table has."""
    found = None
    for name, table in tables.items():
        if missing := set(suite.columns) - set(table):
            raise InputError(
                f"{name!r} is no result of the suite {suite.name!r}: it lacks the columns "
                f"{', '.join(sorted(missing))}."
            )
        names = list(dict.fromkeys(table["task"][table["group"].isin(groups)]))
        found = names if found is None else [n for n in found if n in set(names)]
    return found or []


def report(suite: Suite, tables: Mapping[str, pd.DataFrame], digits: int = 2) -> str:
    """:func:`compare` and :func:`wins` as text, with what the suite is and its cautions."""
    lines = [f"{suite.name}: {suite.what}", f"source: {suite.source}"]
    for measure in suite.measures:
        table = compare(suite, tables, measure)
        if measure == suite.measures[0] or (table["by"] == "published").any():
            lines += ["", f"{measure}, {suite.average} over tasks", _text(table, digits)]
    for name, table in tables.items():
        rates = wins(suite, table)
        if len(rates):
            section = next(iter(suite.sections))
            lines += ["", f"{name} is better in what share of tasks ({section})"]
            lines += [rates.round(3).to_string()]
    return "\n".join([*lines, *(["", suite.note] if suite.note else [])]) + "\n"


def _text(table: pd.DataFrame, digits: int) -> str:
    """A table of :func:`compare`: a column with its interval per section, and the failures."""
    shown: dict[str, Any] = {"by": table["by"]}
    for section in dict.fromkeys(name for name, _ in table.columns if name != "by"):
        middle, low, high, n, failed = (table[section].iloc[:, i] for i in range(5))
        shown[f"{section} ({n.iloc[0]:.0f})"] = [
            _cell(*values, digits=digits) for values in zip(middle, low, high, strict=True)
        ]
        if failed.any():
            shown[f"{section}: failures"] = failed.fillna(0).astype(int)
    return pd.DataFrame(shown).to_string()


def _cell(value: float, low: float, high: float, *, digits: int) -> str:
    """A value and its interval, as far as they are known."""
    if np.isnan(value):
        return ""
    # so many decimals, or so many digits of a number that would show as 0
    style = f".{digits}f" if not 0 < abs(value) < 10.0**-digits else f".{digits}g"
    interval = "" if np.isnan(low) else f" [{low:{style}}, {high:{style}}]"
    return f"{value:{style}}{interval}"
