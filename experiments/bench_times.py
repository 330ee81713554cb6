"""Inference time against horizon, context, series and parameters, beside other foundation models.

    python experiments/bench_times.py --output results/bench_times.csv

DynaMix on both engines, one core; Chronos-T5 small and large and Chronos-Bolt base at their
published sizes with random weights (speed does not depend on the values), through their own package
(the extra ``foundation``; left out, and said so, where it is not installed). ``--skip-large``
leaves the 710-million-parameter model out.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from bench import series  # the script beside this one
from tqdm import tqdm

from dynamix import DynaMix, ModelConfig
from dynamix.engine import rollout as kernels
from dynamix.evaluation import results
from dynamix.forecasting import sharpened
from dynamix.model import count_parameters, rollout

logger = logging.getLogger(__name__)

HORIZONS = (128, 512, 2048, 8192)
CONTEXTS = (128, 512, 2048, 8192)
SERIES = (1, 4, 16, 64)
LATENTS = (10, 30, 100, 200)
REPEATS = 5
# d_model, d_kv, d_ff, layers, heads of the published checkpoints
T5_SIZES = {
    "chronos-t5-small": (512, 64, 2048, 6, 8),
    "chronos-t5-large": (1024, 64, 4096, 24, 16),
}
BOLT_SIZES = {"chronos-bolt-base": (768, 64, 3072, 12, 12)}


def median_seconds(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median wall time; several repeats come after one call that does not count."""
    if repeats > 1:
        run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def dynamix_rows() -> list[dict[str, Any]]:
    """Both engines, one setting varied at a time around context 512, horizon 512, one series."""
    base = {"context": 512, "horizon": 512, "series": 1, "latent": 30}
    settings = [
        base | {key: value}
        for key, values in (
            ("horizon", HORIZONS),
            ("context", CONTEXTS),
            ("series", SERIES),
            ("latent", LATENTS),
        )
        for value in values
    ]
    settings = [dict(t) for t in dict.fromkeys(tuple(s.items()) for s in settings)]
    pretrained = sharpened(DynaMix.from_pretrained("dynamix-3d"))  # as forecasts use it
    rows = []
    for setting in tqdm(settings, desc="DynaMix", disable=None):
        model = (
            pretrained
            if setting["latent"] == 30
            else DynaMix(ModelConfig(latent_dims=setting["latent"]))
        )
        c = series(setting["context"], setting["series"])
        engines: dict[str, Callable[..., Any]] = {
            "compiled": lambda m, c, h: kernels.rollout(m, c, horizon=h, threads=1),
            "torch": lambda m, c, h: rollout.rollout(m, c, horizon=h),
        }
        for engine, run in engines.items():
            horizon = setting["horizon"]
            took = median_seconds(lambda run=run, m=model, c=c, h=horizon: run(m, c, h))
            rows.append(
                {
                    "model": "DynaMix",
                    "engine": engine,
                    "parameters": count_parameters(model),
                    **{key: setting[key] for key in ("context", "horizon", "series")},
                    "seconds": took,
                }
            )
    return rows


def chronos_rows(skip_large: bool) -> list[dict[str, Any]]:
    """Chronos models: a 512-step horizon from a 512-step context of one channel."""
    try:
        from chronos.chronos import ChronosConfig, ChronosModel, ChronosPipeline
        from chronos.chronos_bolt import ChronosBoltModelForForecasting, ChronosBoltPipeline
        from transformers import T5Config, T5ForConditionalGeneration
    except ImportError:
        logger.warning("chronos-forecasting is not installed: pip install -e '.[foundation]'")
        return []
    x = series(512)[:, 0, 0]
    rows = []

    def t5_config(sizes: tuple[int, ...], **more: Any) -> Any:
        d_model, d_kv, d_ff, layers, heads = sizes
        return T5Config(
            d_model=d_model,
            d_kv=d_kv,
            d_ff=d_ff,
            num_layers=layers,
            num_decoder_layers=layers,
            num_heads=heads,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            **more,
        )

    def add(name: str, model: Any, run: Callable[[], Any]) -> None:
        rows.append(
            {
                "model": name,
                "engine": "torch",
                "parameters": count_parameters(model),
                "context": 512,
                "horizon": 512,
                "series": 1,
                "seconds": median_seconds(run, repeats=1),
            }
        )

    for name, sizes in tqdm(T5_SIZES.items(), desc="Chronos-T5", disable=None):
        if skip_large and name.endswith("large"):
            continue
        settings = ChronosConfig(
            tokenizer_class="MeanScaleUniformBins",
            tokenizer_kwargs={"low_limit": -15.0, "high_limit": 15.0},
            context_length=512,
            prediction_length=64,
            n_tokens=4096,
            n_special_tokens=2,
            pad_token_id=0,
            eos_token_id=1,
            use_eos_token=True,
            model_type="seq2seq",
            num_samples=20,
            temperature=1.0,
            top_k=50,
            top_p=1.0,
        )
        network = T5ForConditionalGeneration(
            t5_config(sizes, vocab_size=4096, feed_forward_proj="relu")
        ).eval()
        pipeline = ChronosPipeline(
            tokenizer=settings.create_tokenizer(), model=ChronosModel(settings, network)
        )
        add(name, network, lambda p=pipeline: p.predict(x, prediction_length=512, num_samples=1))
    for name, sizes in BOLT_SIZES.items():
        config = t5_config(
            sizes,
            vocab_size=2,
            feed_forward_proj="relu",
            chronos_config={
                "context_length": 2048,
                "prediction_length": 64,
                "input_patch_size": 16,
                "input_patch_stride": 16,
                "quantiles": [q / 10 for q in range(1, 10)],
                "use_reg_token": True,
            },
        )
        network = ChronosBoltModelForForecasting(config).eval()
        bolt = ChronosBoltPipeline(model=network)
        add(name, network, lambda p=bolt: p.predict(x, prediction_length=512))
    return rows


def headline(table: pd.DataFrame) -> dict[str, float]:
    """What the page of results shows: 512 steps after a context of 512."""
    same = table[(table["context"] == 512) & (table["horizon"] == 512) & (table["series"] == 1)]
    own = same[(same["model"] == "DynaMix") & (same["parameters"] == 10_227)]
    other = same[same["model"] != "DynaMix"]
    return {
        "parameters DynaMix": float(own["parameters"].iloc[0]),
        "parameters fewest other": float(other["parameters"].min()),
        "seconds DynaMix compiled": float(own[own["engine"] == "compiled"]["seconds"].iloc[0]),
        "seconds DynaMix torch": float(own[own["engine"] == "torch"]["seconds"].iloc[0]),
        "seconds fastest other": float(other["seconds"].min()),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    parser.add_argument("--skip-large", action="store_true", help="leave Chronos-T5 large out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    with torch.no_grad():
        rows = dynamix_rows() + chronos_rows(options.skip_large)
    record = results.provenance(
        f"python experiments/bench_times.py --output results/{options.output.name}",
        {"threads": 1, "repeats": REPEATS, "chronos": "random weights, 1 sample, 1 repeat"},
        seconds=time.perf_counter() - began,
    )
    table = pd.DataFrame(rows)
    record["headline"] = headline(table)
    results.write(table, options.output, record)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
