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

from ..settings import ModelConfig

LOCAL_FEATURES = 2  # what the gate is told about each fit
TINY = 1e-12  # squared distance; below it a query coincides with its neighbours
FLOOR = 1e-6  # of the weights, should all neighbours be equally far


class LocalFits(NamedTuple):
    """What E local experts say about the next observation; see :func:`local_fits`.

    ``predictions (S, E, N)`` are in the units of the context. ``features (S, 2 E)``: first the
    logarithms of each one's reach (distance to the furthest neighbour used), then those of its
    fit's residual (root mean square, in the same units).

    Examples
    --------
    Two experts fit the neighbours of one state in a random walk:

    >>> steps = torch.randn(100, 1, 3, generator=torch.Generator().manual_seed(0))
    >>> context = steps.cumsum(dim=0)
    >>> config = ModelConfig(local_neighbours=(8, 32))
    >>> fits = local_fits(context[50], context[50], context, config)
    >>> tuple(fits.predictions.shape), tuple(fits.features.shape)
    ((1, 2, 3), (1, 4))

    The expert with more neighbours reaches further:

    >>> bool(fits.features[0, 1] > fits.features[0, 0])
    True
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

    Source: local linear prediction (Farmer & Sidorowich, 1987) with the weights of locally weighted
    regression (Cleveland, 1979).

    Parameters
    ----------
    query
        Where neighbours are looked for, the gate's ``q``.
    x
        The observation to go on from.
    context
        Its steps but the last are the possible neighbours. Where there are fewer than an expert
        asks for, it takes them all.
    config
        ``local_neighbours``, ``local_pull`` and ``local_ridge`` of the model.

    Returns
    -------
    Predictions of the next observation, in the units of ``x``, and the features of the fits.

    Examples
    --------
    A rotation by 0.1 a step is linear, so a fit to eight neighbours finds where 1 rad goes:

    >>> angle = 0.1 * torch.arange(200.0, dtype=torch.float64)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> config = ModelConfig(
    ...     observed_dims=2, latent_dims=2, experts=0, local_neighbours=(8,), local_pull=(1.0,)
    ... )
    >>> fit = local_fits(circle[10], circle[10], circle, config)
    >>> error = fit.predictions[:, 0] - circle[11]
    >>> bool(error.abs().max() < 1e-3)
    True
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
