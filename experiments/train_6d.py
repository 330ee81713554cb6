"""Train dynamix-6d, the model for up to six channels.

    python experiments/train_6d.py --output runs/dynamix-6d

Corpus: the split's 34 training systems in their own three dimensions (padded with zeros, and
rotated into all six), pairs of them coupled, and generated flows of four to six dimensions, which
belong to no catalogue. No flow of dysts with more than three dimensions is among them: all 24 are
the test. Training starts as an analogue forecaster, with the settings of dynamix-3d.
--resume continues an interrupted run.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dynamix import ModelConfig, TrainingConfig, flows, systems, train
from dynamix.errors import InputError
from dynamix.settings import ForecastDefaults

MODEL = ModelConfig(observed_dims=6, latent_dims=36, experts=16)
DEFAULTS = ForecastDefaults(
    quiet_steps=20, reference_spacing=0.07, embedding="delay", complete_from=3
)
TRAINING = TrainingConfig(
    epochs=400,
    first_weights="analogue",
    attention_temperature=0.01,
    frozen=("gate.tau_att", "gate.sigma"),
    loss="logarithmic",
    overlap=1,
    input_noise=0.02,
    longer_contexts=(1000,),
    rotations=True,
    averaging=0.998,
    gradient_clip=1000.0,
    validate_every=0,
)
RATES = (50, 25, 40, 80, 130)
LENGTH, PAIR_LENGTH = 20_000, 8_000
FLOWS = 100  # of each number of dimensions; seeds from 0, far from those of benchmark_outside.py
PAIRS = 60


def corpus(*, count: int, pairs: int) -> list[np.ndarray]:
    """All trajectories, each system's own number of channels wide."""
    names = systems.split()["train"]
    found = [
        systems.trajectory(name, n=LENGTH, points_per_period=rate)
        for name in tqdm(names, desc="systems", disable=None)
        for rate in RATES
    ]
    for dims in (4, 5, 6):
        for seed in tqdm(range(count), desc=f"{dims}-dimensional flows", disable=None):
            rate = RATES[seed % len(RATES)]
            found.append(flows.flow(seed, n=PAIR_LENGTH, dims=dims, points_per_period=rate))
    both = list(itertools.combinations(names, 2))
    order = np.random.default_rng(0).permutation(len(both))
    bar = tqdm(total=pairs, desc="pairs", disable=None)
    made = 0
    for i in order:
        try:
            rate = RATES[made % len(RATES)]
            found.append(systems.pair(*both[i], n=PAIR_LENGTH, points_per_period=rate))
        except InputError:  # one is driven by time, or the pair does not live
            continue
        made += 1
        bar.update()
        if made == pairs:
            break
    bar.close()
    return [values.astype(np.float32) for values in found]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=TRAINING.epochs, help="50 steps each")
    parser.add_argument("--flows", type=int, default=FLOWS, help="of each number of dimensions")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    options = parser.parse_args()
    train(
        options.output,
        model=MODEL,
        defaults=DEFAULTS,
        training=dataclasses.replace(TRAINING, threads=options.threads, epochs=options.epochs),
        trajectories=corpus(count=options.flows, pairs=options.pairs),
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
