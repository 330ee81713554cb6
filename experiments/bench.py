"""Measure the engine: speed against torch, growth with the context, threads, training, memory.

    python experiments/bench.py                              print the table
    python experiments/bench.py --output results/bench.json  and keep it, with its provenance
    python experiments/bench.py --quick                      all but the whole training schedule

Every ratio comes from runs taken in turn within this one process, so that a machine whose speed
drifts does not favour either side; times are medians. ``make bench`` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit
from tqdm import tqdm

from dynamix import DynaMix, TrainingConfig, forecast, systems
from dynamix.engine import products
from dynamix.engine import rollout as kernels
from dynamix.engine import training as kernels_training
from dynamix.engine.vectors import fma, splat, store
from dynamix.evaluation import results
from dynamix.forecasting import sharpened
from dynamix.io.files import write_text
from dynamix.model import rollouts as rollout
from dynamix.systems import WindowSampler
from dynamix.training import Trainer, draw_batch, train

TARGETS = {
    "rollout_ratio_512": ("one series, context 512, against torch", ">=", 40.0, "x"),
    "rollout_ratio_2000": ("one series, context 2000, against torch", ">=", 40.0, "x"),
    "context_growth": ("a step at context 10,000 against 1,000", "<=", 1.5, "x"),
    "thread_scaling": ("64 series on 2 cores against 1", ">=", 1.7, "x"),
    "train_ratio": ("optimiser step, one core, against torch", ">=", 12.0, "x"),
    "schedule_minutes": ("the paper's 100,000 steps on 2 cores", "<=", 20.0, "min"),
    "peak_fraction": ("expert part, of the multiply-add peak", "", 0.0, ""),
    "forecast_memory_mib": ("1,000 series x 10,000 steps, above the output", "<=", 1024.0, "MiB"),
    "forecast_ms_2000": ("20 steps, context 2,000, beyond the rollout", "<=", 2.0, "ms"),
    "forecast_ms_30000": ("20 steps, context 30,000, beyond the rollout", "<=", 8.0, "ms"),
    "plus_ms_2000": ("choice of dynamix-3d-plus, context 2,000", "<=", 50.0, "ms"),
    "plus_ms_30000": ("choice of dynamix-3d-plus, context 30,000", "<=", 700.0, "ms"),
    "gp_us": ("a step of dynamix-gp, 600 kernels", "<=", 20.0, "us"),
    "gp_ms_2000": ("preparation of dynamix-gp, context 2,000", "", 0.0, "ms"),
    "gp_learned_ms_2000": ("preparation of dynamix-gp-learned, context 2,000", "", 0.0, "ms"),
    "default_1_ms_2000": ("forecast that chooses, one channel, context 2,000", "", 0.0, "ms"),
    "default_3_ms_2000": ("forecast that chooses, three channels, context 2,000", "", 0.0, "ms"),
    "auto_ms_2000": ("embedding auto, context 2,000", "<=", 150.0, "ms"),
    "pecuzal_ms_2000": ("embedding pecuzal, context 2,000", "<=", 60.0, "ms"),
    "trend_seconds": ("30 channels, auto and detrend, context 2,000", "", 0.0, "s"),
    "batch_ms": ("a series of 64 steps in a batch of 1,000", "", 0.0, "ms"),
    "import_seconds": ("import dynamix", "<=", 0.3, "s"),
}


def seconds(run: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time of one call."""
    began = clock()
    run()
    return clock() - began


def series(T: int, S: int = 1) -> torch.Tensor:
    """A standardised stretch of Lorenz, ``(T, S, 3)``, each series from its own place."""
    x = systems.trajectory("Lorenz", n=40_000)
    starts = np.linspace(0, len(x) - T, S).astype(int)
    stretches = np.stack([x[s : s + T] for s in starts], axis=1)
    stretches = (stretches - stretches.mean(axis=0)) / stretches.std(axis=0, ddof=1)
    return torch.from_numpy(stretches.astype(np.float32))


def per_step(run: Callable[..., Any], model: DynaMix, c: torch.Tensor, steps: int) -> float:
    """Seconds a step, without what a call costs once: the slope between two horizons."""
    short = seconds(lambda: run(model, c, horizon=steps))
    long = seconds(lambda: run(model, c, horizon=3 * steps))
    return (long - short) / (2 * steps)


def rollout_ratio(model: DynaMix, T: int, repeats: int) -> dict[str, float]:
    """Torch's time a step over the compiled engine's, on one thread each."""
    c = series(T)
    kernels.rollout(model, c, horizon=10)
    pairs = [
        (
            per_step(rollout.rollout, model, c, 300),
            per_step(kernels.rollout, model, c, 10_000),
        )
        for _ in range(repeats)
    ]
    slow, fast = np.array(pairs).T
    return {
        f"rollout_ratio_{T}": float(np.median(slow / fast)),
        f"torch_us_{T}": float(np.median(slow) * 1e6),
        f"compiled_us_{T}": float(np.median(fast) * 1e6),
    }


def context_growth(model: DynaMix, repeats: int) -> dict[str, float]:
    """Time a step at context 10,000 over that at 1,000."""
    small, large = series(1000), series(10_000)
    pairs = [
        tuple(per_step(kernels.rollout, model, c, 10_000) for c in (large, small))
        for _ in range(repeats)
    ]
    a, b = np.array(pairs).T
    return {
        "context_growth": float(np.median(a / b)),
        "compiled_us_1000": float(np.median(b) * 1e6),
        "compiled_us_10000": float(np.median(a) * 1e6),
    }


def thread_scaling(model: DynaMix, repeats: int) -> dict[str, float]:
    """Throughput of 64 series on two threads over that on one."""
    c = series(2000, S=64)
    pairs = [
        tuple(
            seconds(lambda n=n: kernels.rollout(model, c, horizon=4000, threads=n)) for n in (1, 2)
        )
        for _ in range(repeats)
    ]
    one, two = np.array(pairs).T
    return {
        "thread_scaling": float(np.median(one / two)),
        "compiled_us_64_series": float(np.median(two) / (64 * 4000) * 1e6),
    }


def train_ratio(repeats: int) -> dict[str, float]:
    """Loss and gradient, batch 16, window 100, context 500: torch over compiled, one core each."""
    config = TrainingConfig()
    data = [systems.trajectory(name, n=6000) for name in systems.split()["train"][:8]]
    sampler = WindowSampler(data, length=config.sequence_length)
    batch = draw_batch(sampler, DynaMix().config, config, step=0)
    trainers = [
        Trainer("unused", training=TrainingConfig(engine=engine), trajectories=data)
        for engine in ("torch", "compiled")
    ]
    for trainer in trainers:
        trainer.gradient(batch)
    pairs = [
        tuple(seconds(lambda t=t: t.gradient(batch)) for t in trainers) for _ in range(4 * repeats)
    ]
    slow, fast = np.array(pairs).T
    two = [
        seconds(
            lambda: kernels_training.loss_and_gradient(trainers[1].model, batch, config, threads=2)
        )
        for _ in range(4 * repeats)
    ]
    return {
        "train_ratio": float(np.median(slow / fast)),
        "torch_training_ms": float(np.median(slow) * 1e3),
        "compiled_training_ms": float(np.median(fast) * 1e3),
        "compiled_training_ms_two_threads": float(np.median(two) * 1e3),
    }


def schedule() -> dict[str, float]:
    """The paper's whole schedule as a real run: 100,000 optimiser steps on the training systems."""
    config = TrainingConfig(validate_every=0, hold_out_validation=False, threads=2)
    data = [systems.trajectory(name, n=20_000) for name in systems.split()["train"]]
    with tempfile.TemporaryDirectory() as folder:
        took = seconds(lambda: train(folder, training=config, trajectories=data))
    return {"schedule_minutes": took / 60}


@njit(nogil=True)
def _chains(x, rounds):  # type: ignore[no-untyped-def]
    """Twelve independent chains of multiply-adds on vectors of eight, all in registers."""
    s, t = splat(np.float32(0.999)), splat(np.float32(0.001))
    a, b, c, d = s, t, s, t
    e, f, g, h = s, t, s, t
    i, j, k, m = s, t, s, t
    for _ in range(rounds):
        a, b, c = (
            fma(a, s, t),
            fma(b, s, t),
            fma(c, s, t),
        )
        d, e, f = (
            fma(d, s, t),
            fma(e, s, t),
            fma(f, s, t),
        )
        g, h, i = (
            fma(g, s, t),
            fma(h, s, t),
            fma(i, s, t),
        )
        j, k, m = (
            fma(j, s, t),
            fma(k, s, t),
            fma(m, s, t),
        )
    store(x, 0, a + b + c + d + e + f + g + h + i + j + k + m)


@njit(nogil=True)
def _experts(x, W, y, blocks, n, rounds):  # type: ignore[no-untyped-def]
    """The expert part's matrix product, as a rollout of two series does it."""
    for _ in range(rounds):
        products.product(x, 0, n, n, W, 0, y, 0, blocks * 32, blocks, 32)


def peak_fraction(repeats: int) -> dict[str, float]:
    """Multiply-adds a second of the expert part, over the machine's own peak on one core."""
    config = DynaMix().config
    n, outputs = config.latent_dims, config.experts * config.latent_dims
    blocks = -(-outputs // 32)
    rng = np.random.default_rng(0)
    x = rng.normal(size=2 * n).astype(np.float32)
    W = (1e-4 * rng.normal(size=blocks * n * 32)).astype(np.float32)
    y = np.zeros(2 * blocks * 32, np.float32)
    sink = np.zeros(8, np.float32)
    _chains(sink, 10)
    _experts(x, W, y, blocks, n, 10)
    rates = []
    for _ in range(2 * repeats):
        top = 12 * 8 * 2_000_000 / seconds(lambda: _chains(sink, 2_000_000))
        useful = 2 * n * outputs * 20_000 / seconds(lambda: _experts(x, W, y, blocks, n, 20_000))
        rates.append((useful / top, useful, top))
    fraction, useful, top = np.median(np.array(rates), axis=0)
    return {
        "peak_fraction": float(fraction),
        "expert_gmadds": float(useful / 1e9),
        "peak_gmadds": float(top / 1e9),
    }


_MEMORY = """
import resource, numpy as np, dynamix
from dynamix import systems
x = systems.trajectory("Lorenz", n=12_000)
starts = np.linspace(0, 10_000, 1000).astype(int)
context = np.stack([x[s : s + 2000] for s in starts], axis=1)
dynamix.forecast(context[:, :2], horizon=10, model="dynamix-3d")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = dynamix.forecast(context, horizon=10_000, model="dynamix-3d")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) / 1024 - y.nbytes / 2**20)
"""


def in_a_process(code: str) -> float:
    """The number that a piece of code prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def costs_around(model: DynaMix, repeats: int) -> dict[str, float]:
    """Milliseconds of one core's time, the least of several: other processes count little."""
    x = systems.trajectory("Lorenz", n=40_000)

    def least(run: Callable[[], Any]) -> float:
        run()
        return 1e3 * min(seconds(run, time.process_time) for _ in range(repeats))

    found = {}
    walks = np.random.default_rng(0).normal(size=(2000, 30)).cumsum(axis=0)
    short = np.stack([x[s : s + 64, :1] for s in range(0, 30_000, 30)], axis=1)
    with one_core():
        paper = partial(forecast, model="dynamix-3d")
        how = {"embedding": "auto", "detrend": True}
        found["trend_seconds"] = seconds(lambda: paper(walks, horizon=1, **how), time.process_time)
        found["batch_ms"] = least(lambda: paper(short, horizon=20)) / short.shape[1]
        for T in (2000, 30_000):
            whole = least(lambda T=T: paper(x[:T], horizon=20))
            c = series(T)
            rollout_alone = least(lambda c=c: kernels.rollout(model, c, horizon=20))
            found[f"forecast_ms_{T}"] = whole - rollout_alone
            found[f"plus_ms_{T}"] = least(
                lambda T=T: forecast(x[:T], horizon=1, model="dynamix-3d-plus")
            )
        for name in ("auto", "pecuzal"):
            found[f"{name}_ms_2000"] = least(
                lambda name=name: paper(x[:2000, :1], horizon=1, embedding=name)
            )
        for key, name in (("gp", "dynamix-gp"), ("gp_learned", "dynamix-gp-learned")):
            run = partial(forecast, x[:2000], model=name)
            found[f"{key}_ms_2000"] = least(lambda run=run: run(horizon=1))
        longer = least(lambda: forecast(x[:2000], model="dynamix-gp", horizon=10_001))
        found["gp_us"] = (longer - found["gp_ms_2000"]) / 10
        for channels in (1, 3):  # forecasts that choose their model
            found[f"default_{channels}_ms_2000"] = least(
                lambda n=channels: forecast(x[:2000, :n], horizon=1)
            )
    return found


@contextmanager
def one_core() -> Iterator[None]:
    """Run on one core, where the operating system can be asked for it."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def import_seconds(repeats: int) -> dict[str, float]:
    """Time of ``import dynamix`` in fresh processes."""
    code = "import time; t = time.perf_counter(); import dynamix; print(time.perf_counter() - t)"
    return {"import_seconds": float(np.median([in_a_process(code) for _ in range(repeats)]))}


def main() -> int:
    """Entry point; fails where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="keep the numbers with their record")
    parser.add_argument("--quick", action="store_true", help="leave the whole schedule out")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs per ratio")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = sharpened(DynaMix.from_pretrained("dynamix-3d"))  # as forecasts use it
    repeats = options.repeats
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "rollout, context 512": lambda: rollout_ratio(model, 512, repeats),
        "rollout, context 2000": lambda: rollout_ratio(model, 2000, repeats),
        "context growth": lambda: context_growth(model, repeats),
        "threads": lambda: thread_scaling(model, repeats),
        "training step": lambda: train_ratio(repeats),
        "peak": lambda: peak_fraction(repeats),
        "costs around the rollout": lambda: costs_around(model, repeats),
        "memory": lambda: {"forecast_memory_mib": in_a_process(_MEMORY)},
        "import": lambda: import_seconds(repeats),
    }
    if not options.quick:
        parts["whole schedule"] = schedule
    began, found = time.perf_counter(), {}
    bar = tqdm(parts.items(), disable=None)
    for name, part in bar:
        bar.set_description(name)
        found |= part()
    missed = False
    print(f"{'':46s} {'found':>9s}      target")
    for key, (label, sense, target, unit) in TARGETS.items():
        if key not in found:
            print(f"{label:46s} {'left out':>9s}")
            continue
        met = not sense or (found[key] >= target if sense == ">=" else found[key] <= target)
        missed |= not met
        wanted = f"{sense} {target:g}" if sense else "reported"
        print(f"{label:46s} {found[key]:9.2f} {unit:4s} {wanted:8s} {'' if met else 'MISSED'}")
    for key in sorted(set(found) - set(TARGETS)):
        print(f"  {key:44s} {found[key]:9.2f}")
    if options.output:
        record = results.provenance(
            "python experiments/bench.py --output results/bench.json",
            {},
            seconds=time.perf_counter() - began,
        )
        write_text(options.output, json.dumps(found | {"provenance": record}, indent=2) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
