"""The table of chapter 6: every dataset, every forecaster, the same origins for all.

    python experiments/real_world.py --output results/real_world.csv

A row is a forecaster on a dataset at one context and horizon: medians over 20 origins with their
bootstrap intervals. The contexts and horizons below were fixed before anything was run: about a
handful of the subject's periods, and one of them ahead, as far as the series is long enough for 20
origins. The shorter contexts of all datasets come first, with every forecaster, then the longer
ones with the cheaper forecasters. Long
seasons are taken out by MSTL before AutoARIMA and AutoETS (dynamix.baselines.classical).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from tqdm import tqdm

from dynamix.baselines import Baseline, baseline
from dynamix.datasets import loading as datasets
from dynamix.evaluation import RollingConfig, rolling
from dynamix.settings import EMBEDDINGS

PROTOCOL: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {  # contexts, horizons
    "nyc_taxi": ((336, 1344), (48, 336)),
    "occupancy_6005": ((192, 384), (24, 192)),
    "melbourne_min": ((365, 1095), (30, 365)),
    "beijing_weather": ((240, 720), (24, 240)),
    "etth1": ((168, 672), (24, 168)),
    "cloud_requests": ((288, 864), (48, 288)),
    "sunspots_monthly": ((528, 1056), (12, 264)),
    "airline_passengers": ((48, 72), (12, 24)),
    "ecg": ((500, 2000), (20, 500)),
    "fmri": ((100, 200), (10, 60)),
    "co2": ((260, 1040), (52, 260)),
    "el_nino": ((120, 360), (12, 60)),
    "sunspots_yearly": ((77, 154), (11, 55)),
    "occupancy_t4013": ((192, 384), (24, 192)),
    "speed_6005": ((192, 384), (24, 192)),
    "melbourne_max": ((365, 1095), (30, 365)),
}
MODELS = ("dynamix-3d", "dynamix-3d-plus")
CLASSICS = {"AutoARIMA": "auto_arima", "AutoETS": "auto_ets", "AutoTheta": "auto_theta"}
TRANSFORMS = {"detrend": (True, False), "box_cox": (False, True), "both": (True, True)}
# what grows is detrended, what is positive and skewed is Box-Cox transformed, judged by eye; taxi
# rides get everything, to see what it costs where it does not belong
BELONGING = dict.fromkeys(
    ("occupancy_6005", "occupancy_t4013", "cloud_requests", "sunspots_monthly"), ("box_cox",)
) | dict.fromkeys(("nyc_taxi", "airline_passengers", "co2"), tuple(TRANSFORMS))
# whose longest season only the longer context shows twice, so that the classics are run there, too
LONG_SEASON = ("nyc_taxi", "melbourne_min", "melbourne_max")
NUMBERS = [f"{error}{end}" for error in rolling.ERRORS for end in ("", "_low", "_high")]
COLUMNS: dict[str, Callable[[str], Any]] = {
    "dataset": str,
    "forecaster": str,
    "embedding": str,
    "transforms": str,
    "context": int,
    "horizon": int,
    **dict.fromkeys([*NUMBERS, "beats", "beats_low", "beats_high", "seconds"], float),
    "origins": int,
    "failures": int,
}
REFERENCE = "seasonal naive"
Key = tuple[str, str, str]  # forecaster, embedding, transforms


def forecasters(name: str) -> dict[Key, Baseline]:
    """All of them for a dataset, by name, embedding and transforms."""
    entry, found = datasets.find(name), {}
    embeddings = EMBEDDINGS if not entry.joint else EMBEDDINGS[:1]  # joint channels fill the model
    for model in MODELS:
        for embedding in embeddings:
            label = "none" if entry.joint else embedding
            found[model, label, ""] = baseline(model, embedding=embedding)
        for transform, (detrend, box_cox) in TRANSFORMS.items():
            label = "none" if entry.joint else embeddings[0]
            found[model, label, transform] = baseline(
                model, embedding=embeddings[0], detrend=detrend, box_cox=box_cox
            )
    # where training began, at the default embedding
    start = f"{MODELS[0]}-untrained"
    found[start, "none" if entry.joint else embeddings[0], ""] = baseline(
        start, embedding=embeddings[0]
    )
    seasons = entry.seasons or (1,)
    for season in seasons:
        # the reference is the longest season, which holds the shorter ones
        label = REFERENCE if season == max(seasons) else f"{REFERENCE}, {season} steps"
        found[label, "", ""] = baseline("seasonal_naive", season=season)
    found["context parroting", "", ""] = baseline("parrot")
    found["mean", "", ""] = baseline("mean")
    found["naive", "", ""] = baseline("naive")
    found["Fracast-0", "", ""] = baseline("fracast")
    for label, classic in CLASSICS.items():
        found[label, "", ""] = baseline(classic, seasons=entry.seasons)
    return found


def left_out(name: str, key: Key, context: int) -> bool:
    """Whether a forecaster is left out, so that the whole table takes minutes and not hours.

    PECUZAL's cost grows with the square of the context's length. "auto" includes it, and makes 64
    trial forecasts, in each of which the model with local experts would try all eight of these.
    """
    forecaster, embedding, transforms = key
    if transforms and transforms not in BELONGING.get(name, ()):
        return True
    if forecaster == "dynamix-3d-plus" and embedding == "auto":
        return True
    if context == min(PROTOCOL[name][0]):
        return False
    if forecaster in CLASSICS:
        return name not in LONG_SEASON
    return embedding in ("auto", "pecuzal")


def rows_of(
    name: str, context: int, keys: list[Key], config: RollingConfig
) -> list[dict[str, Any]]:
    """The rows of these forecasters on a dataset at one context, one for each horizon."""
    known = forecasters(name)
    reference = (REFERENCE, "", "")
    table = rolling.evaluate(
        datasets.target(name),
        forecasters={" | ".join(key): known[key] for key in dict.fromkeys([reference, *keys])},
        config=config,
        contexts=(context,),
        label=f"{name} {context}",
    )
    summed = rolling.summary(table, against=" | ".join(reference))
    rows = []
    for key in keys:
        forecaster, embedding, transforms = (part or None for part in key)
        told = {"dataset": name, "forecaster": forecaster}
        told |= {"embedding": embedding, "transforms": transforms}
        part = summed[summed["forecaster"] == " | ".join(key)].drop(columns="forecaster")
        rows += [told | {k: _short(v) for k, v in row.items()} for row in part.to_dict("records")]
    return rows


def _short(value: Any) -> Any:
    """Four digits: more are noise, and the table is read by people."""
    return float(f"{value:.4g}") if isinstance(value, float | np.floating) else value


def headline(table: pd.DataFrame) -> dict[str, float]:
    """DynaMix and Fracast-0 beside the classics over all measured series, as in their chapter.

    At its default embedding, without transforms, at the longest context at which the classics were
    run. Errors are geometric means of quotients of MASE; the rest counts the series on which
    a model has the smaller value. The best classic is known in hindsight only.
    """
    plain = table[table["transforms"].isna() & table["embedding"].isin([np.nan, "pos", "none"])]
    classics = ["AutoARIMA", "AutoETS", "AutoTheta", "seasonal naive"]
    context = plain[plain["forecaster"] == classics[0]].groupby("dataset")["context"].max()
    plain = plain[plain["context"] == plain["dataset"].map(context)]
    errors, counts = {}, {"series": float(len(context))}
    for length, pick in (("short", "min"), ("long", "max")):
        steps = plain.groupby("dataset")["horizon"].transform(pick)
        wide = plain[plain["horizon"] == steps].pivot(index="dataset", columns="forecaster")
        mase = wide["mase"].assign(classic=wide["mase"][classics].min(axis=1))
        for model in (*MODELS, "Fracast-0"):
            for rival in ("seasonal naive", "classic", "context parroting"):
                name = {"classic": "best classic"}.get(rival, rival)
                quotient = np.log(mase[model] / mase[rival]).mean()
                errors[f"mase {model} / {name}, {length}"] = float(np.exp(quotient))
            ahead = mase[model] < mase["classic"]
            counts[f"{model} ahead of best classic, {length}"] = float(ahead.sum())
            for measure in ("d_stsp", "hellinger", "d_h") if length == "long" else ():
                known = wide[measure].dropna(how="all")
                counts["series with geometry"] = float(len(known))
                for rival in ("AutoARIMA", "seasonal naive", "context parroting", "Fracast-0"):
                    if rival != model:
                        smaller = (known[model] < known[rival]).sum()
                        counts[f"{measure} {model} below {rival}"] = float(smaller)
    return errors | counts


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/real_world.csv")
    parser.add_argument(
        "--only", nargs="+", choices=PROTOCOL, metavar="NAME", default=list(PROTOCOL)
    )
    parser.add_argument(
        "--forecasters", nargs="+", metavar="NAME", default=[], help="only these; default: all"
    )
    parser.add_argument(
        "--again", action="store_true", help="make the rows of these forecasters anew"
    )
    parser.add_argument("--origins", type=int, default=RollingConfig.origins)
    options = parser.parse_args()
    configs = {
        name: RollingConfig(contexts=contexts, horizons=horizons, origins=options.origins)
        for name, (contexts, horizons) in PROTOCOL.items()
    }
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("dataset", "context", "forecaster", "embedding", "transforms"),
        settings={
            "protocol": {name: dataclasses.asdict(config) for name, config in configs.items()},
            "reference": f"{REFERENCE}, of the longest season",
        },
        command=["real_world.py", "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    made.journal.record["versions"] |= {
        name: metadata.version(name) for name in ("statsforecast", "statsmodels", "fracast")
    }
    jobs = [
        (name, context, *key)
        for place in (0, 1)
        for name, (contexts, _) in PROTOCOL.items()
        for context in contexts[place : place + 1]
        for key in forecasters(name)
        if not left_out(name, key, context)
    ]
    named = set(options.forecasters)
    again = named if options.again else set()
    made.drop(lambda row: row["forecaster"] in again or made.job(row) not in jobs)
    left: dict[tuple[str, int], list[Key]] = {}
    for name, context, *key in made.left(jobs):
        if name in options.only and (not named or key[0] in named):
            left.setdefault((name, context), []).append(tuple(key))
    for (name, context), keys in tqdm(left.items(), desc="datasets", disable=None):
        made.add(rows_of(name, context, keys, configs[name]))
    jobs.sort(key=lambda job: (list(PROTOCOL).index(job[0]), job[1]))
    places = {job: place for place, job in enumerate(jobs)}
    missing = [" ".join(map(str, (*job[:2], job[2:]))) for job in made.left(jobs)]
    made.finish(lambda row: places[made.job(row)], headline=headline, **{"not run": missing})


if __name__ == "__main__":
    main()
