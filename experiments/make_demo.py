"""Write what the live demo's page loads: the weights of some models and a few example series.

    python experiments/make_demo.py --published dynamix-3d-alrnn-v1.0.safetensors

makes ``book/_assets/demo/demo_weights.js``: a script, because a page opened from a file may load
scripts and nothing else. Run it again after a bundled checkpoint has changed; a test tells when.

The page holds the models that its engine computes: three dimensions, AL-RNN experts. The published
weights may be passed on (CC-BY-4.0), with their authors named. ``dynamix-3d-plus`` is not among
them: it has no weights, and chooses its local linear maps by free runs inside each context, which
takes the library's compiled engine.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from dynamix import DynaMix, InputError, systems
from dynamix.io.files import write_text
from dynamix.settings import BUNDLED_MODEL

OUTPUT = Path(__file__).parents[1] / "book" / "_assets" / "demo" / "demo_weights.js"
CONTEXT = 2000  # steps that the page can show the model
TRUTH = 1000  # further steps, to compare the forecast with
PUBLISHED = "DurstewitzLab/dynamix:dynamix-3d-alrnn-v1.0"
# name, title in the list, and whose weights they are
MODELS = [
    (BUNDLED_MODEL, f"{BUNDLED_MODEL}, written by hand", ""),
    ("dynamix-3d-flows", "dynamix-3d-flows, from random weights", ""),
    (
        PUBLISHED,
        "the paper's published weights",
        "Weights of Hemmer & Durstewitz (2025), arXiv:2505.13192, under CC-BY-4.0.",
    ),
]
# settings that the page's engine knows; of all others it only knows the default
COMPUTED = {
    *("observed_dims", "latent_dims", "experts", "relu_units", "hidden_units"),
    *("attention_sharpness", "quiet_steps", "reference_spacing"),
}
# held out of training, all of them; the last is one that learned experts find hard
SYSTEMS = {
    "Lorenz": "Lorenz: two wings",
    "Rossler": "Rössler: one band, folded",
    "Chua": "Chua's circuit: double scroll",
    "Thomas": "Thomas: a labyrinth",
    "HindmarshRose": "Hindmarsh–Rose: bursts of a neuron",
}


def packed(values: Any) -> dict[str, Any]:
    """An array as the page reads it: its shape, and base64 of little-endian float32."""
    array = np.ascontiguousarray(values, dtype="<f4")
    return {"shape": list(array.shape), "base64": base64.b64encode(array.tobytes()).decode()}


def weights(
    name: str = BUNDLED_MODEL, title: str = "", credit: str = "", *, source: str | None = None
) -> dict[str, Any]:
    """What the page holds of a model: name, title, credit, config and tensors.

    ``source`` is where the checkpoint is, by default what its name says.

    Raises
    ------
    InputError
        If the model has parts that the page's engine does not compute.
    """
    model = DynaMix.from_pretrained(source or name)
    if not isinstance(model, DynaMix):
        raise InputError(f"the demo's page does not compute {name!r}, a {type(model).__name__}.")
    config = dataclasses.asdict(model.config) | dataclasses.asdict(model.defaults)
    foreign = {
        field.name: config[field.name]
        for field in (*dataclasses.fields(model.config), *dataclasses.fields(model.defaults))
        if field.name not in COMPUTED and config[field.name] != field.default
    }
    if foreign:
        raise InputError(
            f"the demo's page does not compute what {name!r} asks for: {foreign}. Extend "
            "book/_assets/demo/demo_engine.js first, then COMPUTED in this script."
        )
    tensors = {key: packed(value.numpy()) for key, value in model.state_dict().items()}
    shown = {"model": name, "title": title or name, "credit": credit}
    return shown | {"config": config, "tensors": tensors}


def models(published: str = PUBLISHED) -> list[dict[str, Any]]:
    """All models of the page; ``published`` is where the published weights are."""
    where = {PUBLISHED: published}
    return [weights(*model, source=where.get(model[0])) for model in MODELS]


def sine() -> np.ndarray:
    """A sine of 50 steps a period."""
    return np.sin(2 * np.pi * np.arange(CONTEXT + TRUTH) / 50.0)[:, None]


def load_curve(seed: int = 0) -> np.ndarray:
    """An invented hourly load: a day, its harmonics, quieter weekends, and correlated noise."""
    rng = np.random.default_rng(seed)
    hour = np.arange(CONTEXT + TRUTH)
    day = np.sin(2 * np.pi * (hour - 8) / 24) + 0.45 * np.sin(4 * np.pi * (hour - 5) / 24)
    weekend = ((hour // 24) % 7 >= 5).astype(float)
    noise = np.zeros(len(hour))
    for t, shock in enumerate(rng.standard_normal(len(hour))[1:], start=1):
        noise[t] = 0.8 * noise[t - 1] + 0.06 * shock
    return (50 + 10 * (day * (1 - 0.35 * weekend) - 0.6 * weekend + noise))[:, None]


def examples() -> list[dict[str, Any]]:
    """The series that a reader can pick, each with the truth that follows its context."""
    unseen = set(systems.split()["test"])
    series = []
    for name, title in SYSTEMS.items():
        assert name in unseen, f"{name} is not held out"
        values = systems.trajectory(name, n=CONTEXT + TRUTH)
        series.append({"title": title, "columns": ["x1", "x2", "x3"], "values": values})
    series.append({"title": "A sine, one column", "columns": ["x"], "values": sine()})
    series.append({"title": "An invented hourly load", "columns": ["load"], "values": load_curve()})
    return [entry | {"context": CONTEXT, "values": packed(entry["values"])} for entry in series]


def script(found: list[dict[str, Any]], series: list[dict[str, Any]]) -> str:
    """The file's text: one line for each model and each series."""
    lines = [
        "// Made by experiments/make_demo.py; do not edit.",
        "window.DynaMixDemoModels = [",
        *(f"{json.dumps(entry, sort_keys=True)}," for entry in found),
        "];",
        "window.DynaMixDemoExamples = [",
        *(f"{json.dumps(entry, sort_keys=True, ensure_ascii=False)}," for entry in series),
        "];",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--published", default=PUBLISHED, help="the published weights, by default from the hub"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="file to write")
    options = parser.parse_args()
    text = script(models(options.published), examples())
    write_text(options.output, text)
    print(f"{options.output.name}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
