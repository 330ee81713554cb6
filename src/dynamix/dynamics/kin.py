"""Similarity of systems in their use of experts, compared with known families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy import ndarray
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from ..errors import InputError
from ..io.scale import unit
from ..io.shapes import Float
from ..settings import checked


def use_distances(
    uses: Float[ndarray, "S J"], others: Float[ndarray, "R J"] | None = None
) -> Float[ndarray, "S R"]:
    """Jensen-Shannon distances (root of the divergence, nats) between mean expert uses (Lin 1991).

    A row of ``uses`` and ``others`` (None: the same) holds a system's shares of J experts, scaled
    to sum 1. The distance is 0 for equal use and at most ``sqrt(log 2)``.

    Examples
    --------
    >>> use_distances(np.array([[1.0, 0.0], [0.0, 1.0]])).round(3)
    array([[0.   , 0.833],
           [0.833, 0.   ]])
    """
    others = uses if others is None else others
    for use in (uses, others):
        if not (np.isfinite(use).all() and (use >= 0).all() and (use.sum(axis=1) > 0).all()):
            raise InputError(
                "expert use must be finite, not negative, and positive somewhere in every row."
            )
    return cdist(uses, others, "jensenshannon")


def energy_distances(clouds: Sequence[Float[ndarray, "_ n"]]) -> Float[ndarray, "S S"]:
    """Energy distances between clouds of points: 0 only for equal distributions.

    ``sqrt(2 E|X - Y| - E|X - X'| - E|Y - Y'|)``, means over all pairs of points (Szekely & Rizzo
    2013).
    """
    size = unit(np.concatenate([cloud.ravel() for cloud in clouds]))
    clouds = [cloud / size for cloud in clouds]
    within = [cdist(cloud, cloud).mean() for cloud in clouds]
    distances = np.zeros((len(clouds), len(clouds)))
    for i, j in combinations(range(len(clouds)), 2):
        squared = 2 * cdist(clouds[i], clouds[j]).mean() - within[i] - within[j]
        distances[i, j] = distances[j, i] = np.sqrt(max(float(squared), 0.0))
    return distances * np.sqrt(size)


@dataclass(frozen=True)
class Kinship:
    """Result of :func:`kinship`; chance gives a ``nearness`` of 1/2.

    ``null`` holds the nearness of each permutation, ``pairs`` the number of related pairs.
    """

    nearness: float
    p_value: float
    null: Float[ndarray, " permutations"]
    by_family: dict[str, float]
    pairs: int


@checked
def kinship(
    distances: Float[ndarray, "S S"], families: Sequence[str], *, permutations: int, seed: int
) -> Kinship:
    """Test whether systems of one family are nearer to each other than chance predicts.

    The nearness of a pair is the share of all pairs that are further apart (ties count half). It is
    averaged over the pairs of a family, then over families. Permuted labels give 1/2 on average
    (Mantel 1967); p is ``(1 + draws as near) / (1 + draws)``.

    Parameters
    ----------
    distances
        ``(S, S)``, symmetric. Only their order matters.
    families
        Family of each system; empty for none. Families of one member do not count.
    permutations, seed
        Number and seed of the permutations.

    Raises
    ------
    InputError
        If the shapes do not match, or no family has two members.

    Examples
    --------
    Two close pairs. One of the three ways to pair four systems is as near, so p is 1/3:

    >>> place = np.array([0.0, 1.0, 10.0, 11.0])
    >>> distances = abs(place[:, None] - place)
    >>> found = kinship(distances, ["a", "a", "b", "b"], permutations=999, seed=0)
    >>> round(found.nearness, 2), round(found.p_value, 1)
    (0.83, 0.3)
    """
    S = len(families)
    if distances.shape != (S, S):
        raise InputError(
            f"distances must be ({S}, {S}) for {S} families, found {distances.shape}. Give one "
            "family for each system, empty for none."
        )
    members = {
        name: [i for i, other in enumerate(families) if other == name]
        for name in dict.fromkeys(families)
        if name and list(families).count(name) > 1
    }
    if not members:
        raise InputError("no family has two members here, so there is no kinship to test.")
    upper = np.triu_indices(S, 1)
    near = np.zeros((S, S))
    near[upper] = (len(upper[0]) - rankdata(distances[upper]) + 0.5) / len(upper[0])
    near += near.T
    pairs = {name: np.array(list(combinations(who, 2))) for name, who in members.items()}

    def of(labels: ndarray) -> list[float]:
        return [float(near[labels[p[:, 0]], labels[p[:, 1]]].mean()) for p in pairs.values()]

    rng = np.random.default_rng(seed)
    found = of(np.arange(S))
    null = np.array([np.mean(of(rng.permutation(S))) for _ in range(permutations)])
    as_near = int((null >= np.mean(found) - 1e-12).sum())
    return Kinship(
        nearness=float(np.mean(found)),
        p_value=(1 + as_near) / (1 + permutations),
        null=null,
        by_family=dict(zip(members, found, strict=True)),
        pairs=sum(map(len, pairs.values())),
    )


def recognition(distances: Float[ndarray, "S S"]) -> float:
    """Share of systems whose second record (row) is nearest to their first; chance 1 / S."""
    return float((distances.argmin(axis=1) == np.arange(len(distances))).mean())
