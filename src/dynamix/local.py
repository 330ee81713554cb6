"""Local experts: affine maps that are read out of the context instead of learned.

Where the experts of :mod:`dynamix.model` know what dynamics look like in general, these know what
the system at hand did near the present state: each takes the context steps nearest to the query and
fits an affine map from them to their successors, by least squares, at every step anew. It is local
linear prediction (Farmer & Sidorowich, Phys. Rev. Lett. 59, 845, 1987) with weights like those of
locally weighted regression (Cleveland, J. Am. Stat. Assoc. 74, 829, 1979), as further experts of
the mixture, which the same gate weighs. The paper's model has none.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .config import ModelConfig

LOCAL_FEATURES = 2  # what the gate is told about each fit
TINY = 1e-12  # squared distance; below it a query coincides with its neighbours
FLOOR = 1e-6  # of the weights, should all neighbours be equally far


class LocalFits(NamedTuple):
    """What E local experts say about the next observation.

    ``predictions (S, E, N)``; ``features (S, 2 E)``: first the logarithms of each one's reach
    (distance to the furthest neighbour used), then those of its fit's residual.
    """

    predictions: Float[Tensor, "S E N"]
    features: Float[Tensor, "S F"]


def local_fits(
    query: Float[Tensor, "S N"],
    x: Float[Tensor, "S N"],
    context: Float[Tensor, "T_C S N"],
    config: ModelConfig,
) -> LocalFits:
    """Fit affine maps to the context near ``query`` and apply them to ``x``.

    Each local expert has its number of neighbours (``local_neighbours``) and its ``a``
    (``local_pull``). With those context steps
    ``c_k`` nearest to the query, ``r`` the distance of the furthest, ``u_k = c_k - x``,
    ``v_k = c_{k+1} - x - a u_k`` and weights ``(1 - |c_k - q|^2 / r^2)^2``, normalised, under which
    the means are ``u`` and ``v``,

        ``B = (cov(u, u) + lambda r^2 I)^-1 cov(u, v)``,   ``x' = x + v - B^T u``.

    ``lambda`` (``local_ridge``) decides what happens in directions in which the neighbours have no
    spread: there the map falls back to ``a`` times the identity about them, so
    that a state which has strayed from what the context covers is drawn back where ``a < 1``.
    The weights fall to 0 at the furthest neighbour, hence no jump where another takes its place.
    Gradients reach ``x`` through the maps but not through the fits, as in the gate's attention.
    """
    centre = x.detach()
    with torch.no_grad():
        points, successors = context[:-1], context[1:]
        squared = ((points - query) ** 2).sum(dim=-1)
        most = min(max(config.local_neighbours), len(points))
        nearest, index = squared.topk(most, dim=0, largest=False)
        pick = index[..., None].expand(-1, -1, x.shape[-1])
        u = points.gather(0, pick) - centre
        v = successors.gather(0, pick) - centre
        fits = [
            _fit(nearest[:n], u[:n], v[:n] - pull * u[:n], config)
            for n, pull in config.local_experts
        ]
        shift, slope, reach, error = (
            torch.stack(values, dim=1) for values in zip(*fits, strict=True)
        )
        features = 0.5 * torch.cat([reach + TINY, error + TINY], dim=1).log()
    moved = x - centre  # zero, but its gradient is not
    pulls = torch.tensor([pull for _, pull in config.local_experts]).to(x)
    through = pulls[:, None] * moved[:, None] + torch.einsum("si,seij->sej", moved, slope)
    return LocalFits(centre[:, None] + shift + through, features)


def _fit(
    squared: Float[Tensor, "n S"],
    u: Float[Tensor, "n S N"],
    v: Float[Tensor, "n S N"],
    config: ModelConfig,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``v - B^T u (S, N)``, ``B (S, N, N)``, squared reach ``(S,)``, mean squared residual."""
    reach = squared[-1]
    weight = (1.0 - squared / reach.clamp_min(TINY)) ** 2 + FLOOR
    weight = weight / weight.sum(dim=0)
    u_mean, v_mean = torch.einsum("ks,ksi->si", weight, u), torch.einsum("ks,ksi->si", weight, v)
    du, dv = u - u_mean, v - v_mean
    ridge = config.local_ridge * reach + TINY
    moments = torch.einsum("ks,ksi,ksj->sij", weight, du, du)
    moments = moments + ridge[:, None, None] * torch.eye(u.shape[-1]).to(u)
    products = torch.einsum("ks,ksi,ksj->sij", weight, du, dv)
    slope = torch.cholesky_solve(products, torch.linalg.cholesky(moments))
    residual = dv - torch.einsum("ksi,sij->ksj", du, slope)
    error = torch.einsum("ks,ksj,ksj->s", weight, residual, residual)
    return v_mean - torch.einsum("si,sij->sj", u_mean, slope), slope, reach, error
