"""Draw the train / held-out split of the three-dimensional dysts flows, once, and write it down.

    python experiments/make_split.py

The draw knows nothing of any model's results. Families, systems that are the same equations with
other parameters or in other coordinates, stay on one side. The result is
``src/dynamix/data/split.csv``, which is what the library reads; this script documents where it came
from and is not run again unless dysts changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dynamix import systems
from dynamix.io.files import write_text

SEED = 2505_13192
TRAINING, VALIDATION = 34, 6
FAMILIES = {
    "lorenz": (
        [
            "Lorenz",
            "LorenzBounded",
            "Chen",
            "LuChen",
            "RayleighBenard",
            "VallisElNino",
            "PanXuZhou",
        ],
        "Lorenz' quadratic terms with other linear coefficients or coordinates",
    ),
    "chua": (["Chua", "MultiChua"], "Chua's circuit with more scrolls"),
    "sprott-m": (["SprottM"], "named by the paper as a test system"),
    "calcium": (["CaTwoPlus", "CaTwoPlusQuasiperiodic"], "same equations, other parameters"),
    "blinking": (["BlinkingRotlet", "BlinkingVortex"], "same protocol, other vortex kernel"),
    "bouali": (["Bouali", "Bouali2"], "the author's variants of one system"),
    "yu-wang": (["YuWang", "YuWang2"], "same equations, cosh for exp"),
    "thomas": (["Thomas", "ThomasLabyrinth"], "same equations, other parameters"),
    "jerk-cubic": (["Arneodo", "Coullet"], "the same cubic jerk equation"),
    "nose-hoover": (["NoseHoover", "SprottA"], "the same equations"),
    "lorenz-84": (["Hadley", "Lorenz84"], "the same equations"),
    "three-scroll": (["DequanLi", "Tsucs2"], "the same quadratic terms"),
}
HELD_OUT = ("lorenz", "chua", "sprott-m")
EXCLUDED = {
    "StickSlipOscillator": (
        "discontinuous friction: LSODA cannot step across it at 1e-8 and gives up"
    )
}


def main() -> None:
    """Draw and write."""
    catalogue = [name for name in systems.catalogue() if name not in EXCLUDED]
    family_of = {name: key for key, (members, _) in FAMILIES.items() for name in members}
    groups: dict[str, list[str]] = {}
    for name in catalogue:
        groups.setdefault(family_of.get(name, name), []).append(name)
    free = sorted(key for key in groups if key not in HELD_OUT)
    train: list[str] = []
    for key in np.random.default_rng(SEED).permutation(free):
        if len(train) + len(groups[key]) <= TRAINING:
            train += groups[key]
    # the last six drawn validate: a family is never cut, because the draw was by families
    singles = [name for name in train if name not in family_of]
    validation = set(singles[-VALIDATION:])
    rows = []
    for name in systems.catalogue():
        family = family_of.get(name, "")
        kin = f"kin of {', '.join(m for m in FAMILIES[family][0] if m != name)}: " if family else ""
        note = kin + FAMILIES[family][1] if family else ""
        if name in EXCLUDED:
            role, note = "excluded", EXCLUDED[name]
        elif name in validation:
            role = "train-validation"
        elif name in train:
            role = "train"
        else:
            role = "test"
            if name in ("Lorenz", "Chua", "SprottM"):
                note = "held out by protocol: the paper's own test systems"
        rows.append({"system": name, "role": role, "family": family, "reason": note})
    path = Path(__file__).parents[1] / "src" / "dynamix" / "data" / "split.csv"
    write_text(path, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    roles = [row["role"] for row in rows]
    print({role: roles.count(role) for role in sorted(set(roles))})


if __name__ == "__main__":
    main()
