"""Draw the README's picture: a context of Lorenz, the zero-shot forecast, and the truth.

python scripts/readme_figure.py
"""

from __future__ import annotations

from pathlib import Path

import dynamix
from dynamix import plotting, systems

CONTEXT = 2000


def main() -> None:
    """Forecast and draw."""
    x = systems.trajectory("Lorenz", n=CONTEXT + 6000)
    forecast = dynamix.forecast(x[:CONTEXT], horizon=6000)
    figure = plotting.attractors(
        {
            "context: 2,000 steps of an unseen system": {"context": x[:CONTEXT]},
            "forecast: 6,000 steps, nothing fitted": {"forecast": forecast},
            "truth": {"truth": x[CONTEXT:]},
        }
    )
    path = Path(__file__).parents[1] / "book" / "_assets" / "readme.png"
    plotting.save(figure, path)
    print(path.name)


if __name__ == "__main__":
    main()
