"""Run the book's notebooks with their default parameters, or only check them.

python scripts/run_notebooks.py                 all in place, two side by side
python scripts/run_notebooks.py 03 05           those whose names begin so
python scripts/run_notebooks.py --stale         those whose stamps say that they are stale
python scripts/run_notebooks.py --check         no running: are the committed ones clean and fresh?
python scripts/run_notebooks.py --profile quick small settings of book/profiles.yml, into _build
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import yaml
from tqdm import tqdm

from dynamix.companion import notebooks
from dynamix.companion import sweep as sweeps

ROOT = Path(__file__).parents[3]
BOOK = ROOT / "book"
BUILD = ROOT / "_build"


def warm_up() -> None:
    """Compile the kernels once, here, so that no notebook has to wait and say so in its output."""
    import numpy as np
    import torch

    import dynamix
    from dynamix.engine import tangent as lyapunov
    from dynamix.training import draw_batch
    from dynamix.training.trainer import Trainer

    wave = np.sin(np.arange(700.0)[:, None] / np.array([5.0, 7.0, 9.0]))
    for model in dynamix.model.checkpoints.bundled():
        dynamix.forecast(wave, horizon=3, model=model)
    contexts = torch.from_numpy(np.stack([wave, wave], axis=1))
    model = dynamix.DynaMix.from_pretrained()
    lyapunov.largest_exponents(model, contexts, steps=2, transient=1, noise=None)
    trainer = Trainer("unused", trajectories=[wave])
    sampler = dynamix.systems.windows.WindowSampler([wave], length=trainer.config.sequence_length)
    trainer.gradient(draw_batch(sampler, trainer.model.config, trainer.config, step=0))


def profile(name: str) -> dict[str, dict[str, object]]:
    """A profile's parameters by notebook."""
    profiles = yaml.safe_load((BOOK / "profiles.yml").read_text(encoding="utf-8"))
    if name not in profiles:
        sys.exit(f"no profile {name!r} in book/profiles.yml; it has {', '.join(profiles)}")
    return {
        notebook: {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        for notebook, values in profiles[name].items()
    }


def chosen(options: argparse.Namespace) -> list[Path]:
    """The notebooks that the command line names."""
    paths = [
        path
        for path in sorted(BOOK.glob("*.ipynb"))
        if not options.names or path.name.startswith(tuple(options.names))
    ]
    return [path for path in paths if notebooks.stale(path)] if options.stale else paths


def run(paths: list[Path], options: argparse.Namespace) -> tuple[list[Path], bool]:
    """Run them; returns the notebooks that were written and whether one failed."""
    values = profile(options.profile) if options.profile else {}
    folder = BUILD / (options.profile or "run")
    # the later a chapter, the longer it takes: begin with those
    jobs = [
        sweeps.Job(path, folder / path.name, values.get(path.stem, {})) for path in reversed(paths)
    ]

    def done(outcome: sweeps.Outcome) -> None:
        name = outcome.job.path.name
        print(f"{name}: {outcome.error or f'{outcome.seconds:.0f} s'}", flush=True)

    began = time.perf_counter()
    warm_up()
    outcomes = sweeps.run_all(jobs, workers=options.jobs, done=done)
    written = []
    for outcome in outcomes:
        if outcome.error is None and not options.profile:
            # the book's copy is replaced only by a whole run
            os.replace(outcome.job.output, outcome.job.path)
            written.append(outcome.job.path)
        elif outcome.error is None:
            written.append(outcome.job.output)
    tqdm.write(f"{len(written)} of {len(jobs)} in {time.perf_counter() - began:.0f} s")
    return written, len(written) < len(jobs)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Run the book's notebooks.")
    parser.add_argument("names", nargs="*", help="beginnings of names (default: all)")
    parser.add_argument("--check", action="store_true", help="only check the committed notebooks")
    parser.add_argument("--stale", action="store_true", help="only those that are stale")
    parser.add_argument("--profile", help="parameters of book/profiles.yml; results go to _build")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks run side by side")
    options = parser.parse_args()
    paths, failed = chosen(options), False
    if not options.check:
        paths, failed = run(paths, options)
    for path in paths:
        found = notebooks.problems(path)
        if not options.profile:
            found += notebooks.stale(path)
        for problem in found:
            failed = True
            print(problem, file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
