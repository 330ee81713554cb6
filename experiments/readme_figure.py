"""Draw the README's picture: a context of Lorenz, the zero-shot forecast, and the truth.

python experiments/readme_figure.py

The picture carries the forecast's first steps, so that a test can tell whether it is still what the
bundled model does.
"""

from __future__ import annotations

import json
from pathlib import Path

import dynamix
from dynamix import plotting, systems
from dynamix.io.files import write_whole

CONTEXT = 2000
KEPT = 20  # steps kept in the picture; chaos makes more of them a matter of rounding
PATH = Path(__file__).parents[1] / "book" / "_assets" / "readme.png"


def main() -> None:
    """Forecast and draw."""
    x = systems.trajectory("Lorenz", n=CONTEXT + 6000)
    forecast = dynamix.forecast(x[:CONTEXT], horizon=6000, model="dynamix-3d")
    figure = plotting.attractors(
        {
            "context: 2,000 steps of an unseen system": {"context": x[:CONTEXT]},
            "forecast: 6,000 steps, nothing fitted": {"forecast": forecast},
            "truth": {"truth": x[CONTEXT:]},
        }
    )
    first = json.dumps(forecast[:KEPT].round(3).tolist())
    with plotting.style(), write_whole(PATH) as temporary:
        figure.savefig(temporary, metadata={"Forecast": first})
    print(PATH.name)


if __name__ == "__main__":
    main()
