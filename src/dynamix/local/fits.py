"""Affine maps from context steps to their successors, fitted near the present state at every step.

This is local linear prediction (Farmer & Sidorowich, Phys. Rev. Lett. 59, 845, 1987) with weights
like those of locally weighted regression (Cleveland, J. Am. Stat. Assoc. 74, 829, 1979).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..io.shapes import Float
from ..model.shapes import Query, Series
from .settings import FLOOR, TINY, LocalConfig

Predictions = Float[Tensor, "S E N"]
Neighbours = Float[Tensor, "n S N"]
Distances = Float[Tensor, "n S"]


def local_fits(query: Query, x: Query, context: Series, config: LocalConfig) -> Predictions:
    """Fit affine maps to the context near ``query`` and apply them to ``x``: ``(S, E, N)``.

    Candidate e uses the ``neighbours[e]`` context steps ``c_k`` nearest to the query, or all steps
    but the last if there are fewer. With ``r`` the largest of their distances, ``a = pulls[e]``,

        ``u_k = c_k - x``,   ``v_k = c_{k+1} - x - a u_k``,   ``w_k ~ (1 - |c_k - q|^2 / r^2)^2``,

    ``u``, ``v`` and ``cov`` the means and covariances under the weights ``w``, it predicts

        ``B = (cov(u, u) + lambda r^2 I)^-1 cov(u, v)``,   ``x' = x + v - B^T u``.

    ``lambda`` (``ridge``) decides what happens in directions in which the neighbours have no
    spread: the map falls back to ``a`` times the identity there. With ``a < 1`` a state that has
    left the region of the context is pulled back to it. The weights fall to 0 at the furthest
    neighbour, so the map does not jump when another step replaces it. Gradients reach ``x``
    through the maps but not through the fits, as in the gate's attention.
    """
    centre = x.detach()
    with torch.no_grad():
        points, successors = context[:-1], context[1:]
        squared = ((points - query) ** 2).sum(dim=-1)
        most = min(max(config.neighbours), len(points))
        nearest, index = squared.topk(most, dim=0, largest=False)
        pick = index[..., None].expand(-1, -1, x.shape[-1])
        u = points.gather(0, pick) - centre
        v = successors.gather(0, pick) - centre
        fits = [
            _fit(nearest[:n], u[:n], v[:n] - pull * u[:n], config.ridge)
            for n, pull in zip(config.neighbours, config.pulls, strict=True)
        ]
        shift, slope = (torch.stack(values, dim=1) for values in zip(*fits, strict=True))
    moved = x - centre  # zero, but its gradient is not
    pulls = torch.tensor(config.pulls).to(x)
    through = pulls[:, None] * moved[:, None] + torch.einsum("si,seij->sej", moved, slope)
    return centre[:, None] + shift + through


def _fit(squared: Distances, u: Neighbours, v: Neighbours, ridge: float) -> tuple[Tensor, Tensor]:
    """``v - B^T u (S, N)`` and ``B (S, N, N)``."""
    reach = squared[-1]
    weight = (1.0 - squared / reach.clamp_min(TINY)) ** 2 + FLOOR
    weight = weight / weight.sum(dim=0)
    u_mean, v_mean = torch.einsum("ks,ksi->si", weight, u), torch.einsum("ks,ksi->si", weight, v)
    du, dv = u - u_mean, v - v_mean
    moments = torch.einsum("ks,ksi,ksj->sij", weight, du, du)
    moments = moments + (ridge * reach + TINY)[:, None, None] * torch.eye(u.shape[-1]).to(u)
    products = torch.einsum("ks,ksi,ksj->sij", weight, du, dv)
    slope = torch.cholesky_solve(products, torch.linalg.cholesky(moments))
    return v_mean - torch.einsum("si,sij->sj", u_mean, slope), slope
