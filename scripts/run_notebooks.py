"""Run the book's notebooks in place with their default parameters, or only check them.

python scripts/run_notebooks.py                 all, two side by side
python scripts/run_notebooks.py 03 05           those whose names begin so
python scripts/run_notebooks.py --check         no running: are the committed ones clean?
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from dynamix import notebooks

BOOK = Path(__file__).parents[1] / "book"
PARTIAL = Path(__file__).parents[1] / "_build" / "failed"


def execute(path: Path) -> float:
    """Run one notebook; the book's copy is replaced only by a whole run."""
    began = time.perf_counter()
    PARTIAL.mkdir(parents=True, exist_ok=True)
    # kernels inherit this process's standard error and write notes of their own to it; what a cell
    # writes is in the notebook, and what fails comes back as an exception
    with (PARTIAL / f"{path.stem}.log").open("w") as log:
        os.dup2(log.fileno(), 2)
    result = notebooks.run(path, PARTIAL / path.name)
    os.replace(result, path)
    return time.perf_counter() - began


def warm_up() -> None:
    """Compile the kernels once, here, so that no notebook has to wait and say so in its output."""
    import numpy as np

    import dynamix
    from dynamix.trainer import Trainer
    from dynamix.training import draw_batch

    wave = np.sin(np.arange(700.0)[:, None] / np.array([5.0, 7.0, 9.0]))
    dynamix.forecast(wave, horizon=3)
    trainer = Trainer("unused", trajectories=[wave])
    sampler = dynamix.windows.WindowSampler([wave], length=trainer.config.sequence_length)
    trainer.gradient(draw_batch(sampler, trainer.model.config, trainer.config, step=0))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Run the book's notebooks in place.")
    parser.add_argument("names", nargs="*", help="beginnings of names (default: all)")
    parser.add_argument("--check", action="store_true", help="only check the committed notebooks")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks run side by side")
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(BOOK.glob("*.ipynb"))
        if not options.names or path.name.startswith(tuple(options.names))
    ]
    failed = False
    if not options.check:
        warm_up()
        # each notebook computes on one core; more threads only fight for the same two
        os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with ProcessPoolExecutor(options.jobs) as pool:
            running = {pool.submit(execute, path): path for path in paths}
            bar = tqdm(as_completed(running), total=len(paths), desc="notebooks", unit="notebook")
            for done in bar:
                path = running[done]
                error = done.exception()
                if error is None:
                    bar.write(f"{path.name}: {done.result():.0f} s")
                else:
                    failed = True
                    bar.write(f"{path.name} failed; what ran is in {PARTIAL / path.name}\n{error}")
    for path in paths:
        for problem in notebooks.problems(path):
            failed = True
            print(problem, file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
