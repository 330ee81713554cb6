"""DynaMix: a mixture of almost-linear RNNs, gated by attention to a context.

This module is the model as the paper writes it (Hemmer & Durstewitz, NeurIPS 2025,
arXiv:2505.13192), in plain batched PyTorch. Letters, used in formulas and in shapes:

======  ==========================================  ======  =====================================
letter  meaning                                     letter  meaning
======  ==========================================  ======  =====================================
``N``   observed dimensions                         ``K``   context steps attended to, ``T_C - 1``
``M``   latent dimensions                           ``T``   horizon: steps computed
``J``   experts                                     ``S``   series, computed side by side
``P``   ReLU units of an AL-RNN expert              ``z``   latent state; its first N entries are
``H``   hidden units of a clipped shallow PLRNN             the observation
``E``   local experts (not in the paper)
======  ==========================================  ======  =====================================

Arrays are time-first: ``(T, S, N)``. One step of the model is :meth:`DynaMix.step`:

    ``z' = sum_j w_j f_j(z)``,  with expert weights ``w`` from :class:`Gate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from ..local.fits import LOCAL_FEATURES, local_fits
from ..settings import BUNDLED_MODEL, ModelConfig


class Context(NamedTuple):
    """A context made ready for the gate by :meth:`Gate.read`, once per sequence.

    ``points`` are the context steps ``c_1 .. c_K`` that a state is compared with, ``encodings`` the
    values ``e_k`` that the comparison selects, both ``(K, S, N)``; ``whole`` is the context itself,
    ``(T_C, S, N)``. ``K = T_C - 1``: the last step has no successor that an encoding could see. All
    are in the units of the context.

    Examples
    --------
    >>> read = DynaMix().gate.read(torch.zeros(100, 2, 3))
    >>> [tuple(values.shape) for values in read]
    [(99, 2, 3), (99, 2, 3), (100, 2, 3)]
    """

    points: Float[Tensor, "K S N"]
    encodings: Float[Tensor, "K S N"]
    whole: Float[Tensor, "T_C S N"]


class ALRNNExperts(nn.Module):
    """J almost-linear RNNs (paper, eq. 2): ``f_j(z) = A_j * z + W_j phi(z) + h_j``.

    ``phi`` applies the ReLU to the last P entries only, so each expert has at most ``2^P`` linear
    regions. Fields: ``A (J, M)`` diagonals, ``W (J, M, M)``, ``h (J, M)``.

    Parameters
    ----------
    config
        Its ``experts`` J, ``latent_dims`` M and ``relu_units`` P are used.
    generator
        Draws the initial weights: ``A`` by :func:`stable_diagonals`, ``W`` normal with deviation
        0.01; ``h`` is 0.

    Examples
    --------
    The second of two latent entries is rectified; three experts each propose a next state:

    >>> config = ModelConfig(observed_dims=1, latent_dims=2, experts=3, relu_units=1)
    >>> experts = ALRNNExperts(config, torch.Generator().manual_seed(0))
    >>> experts.activation(torch.tensor([[-1.0, -1.0]])).tolist()
    [[-1.0, 0.0]]
    >>> tuple(experts(torch.zeros(5, 2)).shape)
    (5, 3, 2)
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        J, M = config.experts, config.latent_dims
        self.relu_units = config.relu_units
        self.A = nn.Parameter(stable_diagonals(J, M, generator))
        self.W = nn.Parameter(0.01 * torch.randn(J, M, M, generator=generator))
        self.h = nn.Parameter(torch.zeros(J, M))

    def activation(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S M"]:
        """``phi(z)``: the last P entries rectified, the others passed on."""
        linear = z.shape[-1] - self.relu_units  # not z[:, -P:], which is everything for P = 0
        return torch.cat([z[:, :linear], torch.relu(z[:, linear:])], dim=-1)

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S J M"]:
        """Each expert's next state from the latent state ``z``."""
        J, M, _ = self.W.shape
        # one matrix product for all experts: (S, M) @ (M, J M) -> (S, J, M)
        mixed = (self.activation(z) @ self.W.reshape(J * M, M).T).view(len(z), J, M)
        return self.A * z[:, None, :] + mixed + self.h


class ClippedShallowPLRNNExperts(nn.Module):
    """J clipped shallow PLRNNs (Hess et al., ICML 2023), bounded by construction.

    ``f_j(z) = A_j * z + W1_j [relu(W2_j z + h2_j) - relu(W2_j z)] + h1_j``. The bracket lies
    between 0 and ``h2_j`` whatever ``z`` is, so orbits stay bounded while ``|A_j| < 1``.

    Fields: ``A (J, M)``, ``W1 (J, M, H)``, ``W2 (J, H, M)``, ``h1 (J, M)``, ``h2 (J, H)``.

    Parameters
    ----------
    config
        Its ``experts`` J, ``latent_dims`` M and ``hidden_units`` H are used.
    generator
        Draws the initial weights: ``A`` by :func:`stable_diagonals`, ``W1`` and ``W2`` normal with
        deviation 0.01, ``h2`` standard normal; ``h1`` is 0.

    Examples
    --------
    Without ``A`` the next state is bounded by ``|W1| |h2|`` (``h1`` is 0), even far out:

    >>> config = ModelConfig(observed_dims=1, latent_dims=2, experts=3, hidden_units=5)
    >>> experts = ClippedShallowPLRNNExperts(config, torch.Generator().manual_seed(0))
    >>> _ = experts.A.data.zero_()
    >>> bound = torch.einsum("jmh,jh->jm", experts.W1.abs(), experts.h2.abs())
    >>> bool((experts(torch.full((1, 2), 1e4)).abs() <= 1.01 * bound).all())
    True
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        J, M, H = config.experts, config.latent_dims, config.hidden_units
        self.A = nn.Parameter(stable_diagonals(J, M, generator))
        self.W1 = nn.Parameter(0.01 * torch.randn(J, M, H, generator=generator))
        self.W2 = nn.Parameter(0.01 * torch.randn(J, H, M, generator=generator))
        self.h1 = nn.Parameter(torch.zeros(J, M))
        # zero would switch every hidden unit, and so every gradient of W1 and W2, off
        self.h2 = nn.Parameter(torch.randn(J, H, generator=generator))

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S J M"]:
        """Each expert's next state from the latent state ``z``."""
        J, M, H = self.W1.shape
        drive = (z @ self.W2.reshape(J * H, M).T).view(-1, J, H)
        clipped = torch.relu(drive + self.h2) - torch.relu(drive)
        return self.A * z[:, None, :] + torch.einsum("jmh,sjh->sjm", self.W1, clipped) + self.h1


class Gate(nn.Module):
    """Expert weights from the state and what the context did near it (paper, eqs. 3 to 5).

    * query ``q = D z + sigma * eps``, ``eps ~ N(0, I_N)`` drawn anew at every step;
    * attention ``a = softmax_k(-|c_k - q|_1 / |tau_att|)`` over the context steps;
    * summary ``s = sum_k a_k e_k`` of the encodings, a convolution of ``(c_k, c_{k+1})``;
    * weights ``w = softmax(-V relu(U [s; z]) / |tau_gate|)``.

    Fields: ``D (N, M)``, ``sigma (N,)``, ``tau_att (1,)``, ``tau_gate (1,)``, ``U (J, N + M)``,
    ``V (J, J)``, ``conv`` with kernel 2. With E local experts the hidden layer also sees two
    features of each one's fit and there are E more weights: ``U (J, N + M + 2 E)``, ``V (J + E,
    J)``.

    Parameters
    ----------
    config
        Its sizes N, M, J and its local experts are used.
    generator
        Draws ``conv``, ``U`` and ``V`` uniformly within ``1 / sqrt(fan_in)``. The others begin as
        in the paper: ``D = [I 0]``, ``sigma`` 0.05, both temperatures 0.1.

    Examples
    --------
    The weights sum to 1, and the attention is on the context step nearest to the query:

    >>> gate = Gate(ModelConfig(), torch.Generator().manual_seed(0))
    >>> context = torch.randn(100, 1, 3, generator=torch.Generator().manual_seed(1))
    >>> read = gate.read(context)
    >>> weights = gate(torch.zeros(1, 30), read)
    >>> tuple(weights.shape), round(weights.sum().item(), 6)
    ((1, 10), 1.0)
    >>> int(gate.attention(query=context[7], points=read.points).argmax())
    7
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        N, M, J = config.observed_dims, config.latent_dims, config.experts
        E = len(config.local_neighbours)
        self.conv = nn.Conv1d(N, N, kernel_size=2)
        self.D = nn.Parameter(torch.eye(N, M))
        self.sigma = nn.Parameter(torch.full((N,), 0.05))
        self.tau_att = nn.Parameter(torch.tensor([0.1]))
        self.tau_gate = nn.Parameter(torch.tensor([0.1]))
        self.U = nn.Parameter(torch.empty(J, N + M + LOCAL_FEATURES * E))
        self.V = nn.Parameter(torch.empty(J + E, J))
        # PyTorch's own defaults for these layers: uniform within 1 / sqrt(fan_in)
        for parameter, fan_in in (
            (self.conv.weight, 2 * N),
            (self.conv.bias, 2 * N),
            (self.U, N + M),
            (self.V, J),
        ):
            assert parameter is not None
            if parameter.numel():  # without learned experts the gate has no hidden layer
                nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator=generator)

    def read(self, context: Float[Tensor, "T_C S N"]) -> Context:
        """Encode a context, ``(T_C, S, N)``, once for all steps that will look at it."""
        encodings = self.conv(context.permute(1, 2, 0)).permute(2, 0, 1)  # conv wants (S, N, T_C)
        return Context(points=context[:-1], encodings=encodings, whole=context)

    def attention(
        self, query: Float[Tensor, "S N"], points: Float[Tensor, "K S N"]
    ) -> Float[Tensor, "K S"]:
        """How much each of the context's ``points`` matters to a ``query``; sums to 1 over them."""
        distance = (points - query).abs().sum(dim=-1)
        return torch.softmax(-distance / self.tau_att.abs(), dim=0)

    def query(
        self,
        z: Float[Tensor, "S M"],
        noise: Float[Tensor, "#S N"] | None = None,
        query_state: Float[Tensor, "S M"] | None = None,
    ) -> Float[Tensor, "S N"]:
        """Where to look in the context from latent state ``z``, in the context's units.

        ``noise`` is ``eps``; None leaves it out. The query is a stop-gradient of ``z`` in training;
        pass ``query_state=z`` to differentiate through it (the model's true Jacobian).
        """
        query = (z.detach() if query_state is None else query_state) @ self.D.T
        return query if noise is None else query + self.sigma * noise

    def forward(
        self,
        z: Float[Tensor, "S M"],
        context: Context,
        noise: Float[Tensor, "#S N"] | None = None,
        query_state: Float[Tensor, "S M"] | None = None,
        features: Float[Tensor, "S F"] | None = None,
    ) -> Float[Tensor, "S J"]:
        """Expert weights at latent state ``z``, which sum to 1; the local experts' come last.

        ``context`` is what :meth:`read` returns; ``noise`` and ``query_state`` are those of
        :meth:`query`; ``features`` are the local experts' (:class:`dynamix.local.LocalFits`).
        """
        query = self.query(z, noise, query_state)
        attention = self.attention(query, context.points)
        summary = (attention[..., None] * context.encodings).sum(dim=0)
        seen = [summary, z] if features is None else [summary, z, features]
        hidden = torch.relu(torch.cat(seen, dim=-1) @ self.U.T)
        return torch.softmax(-(hidden @ self.V.T) / self.tau_gate.abs(), dim=-1)


class DynaMix(nn.Module):
    """The mixture (paper, eq. 1): experts, gate and the map from an observation to a latent state.

    Fields: ``experts``, ``gate``, ``L (M - N, N)`` with ``z_0 = [x_0; L x_0]``, and ``sigma_expert
    (J,)`` where the experts are probabilistic. It computes in the units of what it is given; in
    training and in :func:`dynamix.forecast` these are standardised.

    Parameters
    ----------
    config
        Sizes and kinds; the defaults are the paper's, 10,227 parameters.
    seed
        Seed of the initial weights.

    Examples
    --------
    An untrained model reads a context of two series and predicts the step behind each of the last
    ten; every tenth state is overwritten by the data:

    >>> model = DynaMix()
    >>> sum(p.numel() for p in model.parameters())
    10227
    >>> context = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> tuple(model(context, inputs=context[-10:], forcing_interval=10).shape)
    (10, 2, 3)
    >>> z = model.initial_state(context[-1])
    >>> z_next, weights = model.step(z, model.gate.read(context))
    >>> tuple(z_next.shape), tuple(weights.shape)
    ((2, 30), (2, 10))
    """

    def __init__(self, config: ModelConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        generator = torch.Generator().manual_seed(seed)
        kinds = {"alrnn": ALRNNExperts, "clipped_shallow_plrnn": ClippedShallowPLRNNExperts}
        self.experts = kinds[config.expert_kind](config, generator)
        self.gate = Gate(config, generator)
        N, M = config.observed_dims, config.latent_dims
        self.L = nn.Parameter(torch.empty(M - N, N))
        if M > N:
            nn.init.uniform_(self.L, -(N**-0.5), N**-0.5, generator=generator)
        if config.probabilistic:
            self.sigma_expert = nn.Parameter(torch.full((config.experts,), 0.01))

    @classmethod
    def from_pretrained(cls, name: str | Path = BUNDLED_MODEL) -> DynaMix:
        """Load a bundled name, a local file or folder, or ``"owner/repo:checkpoint"`` of the hub.

        ``name`` is one of these; see :func:`dynamix.model.checkpoints.load`.

        Raises
        ------
        InputError
            If the name is unknown, or the file is damaged, a pickle, or does not fit its config.

        Examples
        --------
        >>> DynaMix.from_pretrained("dynamix-6d").config.observed_dims
        6
        """
        from .checkpoints import load

        return load(name)

    def save_pretrained(self, path: str | Path) -> Path:
        """Write ``path`` (a folder, or a ``.safetensors`` file) with its config beside it.

        Returns the ``.safetensors`` file; see :func:`dynamix.model.checkpoints.save`.
        """
        from .checkpoints import save

        return save(self, path)

    def initial_state(self, x: Float[Tensor, "*S N"]) -> Float[Tensor, "*S M"]:
        """``z_0 = [x_0; L x_0]`` for observations ``x``, with any leading axes."""
        return torch.cat([x, x @ self.L.T], dim=-1)

    def step(
        self,
        z: Float[Tensor, "S M"],
        context: Context,
        gate_noise: Float[Tensor, "#S N"] | None = None,
        expert_noise: Float[Tensor, "#S J M"] | None = None,
        query_state: Float[Tensor, "S M"] | None = None,
    ) -> tuple[Float[Tensor, "S M"], Float[Tensor, "S J"]]:
        """Next state and the expert weights that made it (paper, eq. 1).

        ``z`` is the latent state and ``context`` what :meth:`Gate.read` returns. ``gate_noise`` is
        the gate's ``eps`` and ``expert_noise`` that of probabilistic experts, both standard normal;
        None leaves them out. ``query_state`` is that of :meth:`Gate.query`.
        """
        proposals, features = self.experts(z), None
        if expert_noise is not None and self.config.probabilistic:
            proposals = proposals + self.sigma_expert[:, None] * expert_noise
        if self.config.local_neighbours:
            query = self.gate.query(z, gate_noise, query_state)
            x = z[:, : self.config.observed_dims]
            local, features = local_fits(query, x, context.whole, self.config)
            # a local expert predicts an observation; its latent state is that of a first one
            proposals = torch.cat([proposals, self.initial_state(local)], dim=1)
        weights = self.gate(z, context, gate_noise, query_state, features)
        return (weights[..., None] * proposals).sum(dim=1), weights

    def forward(
        self,
        context: Float[Tensor, "T_C S N"],
        inputs: Float[Tensor, "T S N"],
        forcing_interval: int | None = None,
        forcing_strength: float | None = None,
        gate_noise: Float[
            Tensor,
            (
                T  # S N
            ),
        ]
        | None = None,
        expert_noise: Float[
            Tensor,
            (
                T  # S J M
            ),
        ]
        | None = None,
    ) -> Float[Tensor, "T S N"]:
        """Predict ``x_1 .. x_T`` from ``x_0 .. x_{T-1}`` under teacher forcing.

        ``context`` is what the gate looks at, ``inputs`` are ``x_0 .. x_{T-1}``.

        With ``forcing_interval`` (tau; sparse) every tau-th state's first N entries become the
        data's; with ``forcing_strength`` (alpha; generalised) every state's first N entries become
        ``alpha x + (1 - alpha) z``. With neither the model runs freely from ``x_0``. The other
        ``M - N`` entries are never touched.

        ``gate_noise (T, #S, N)`` and ``expert_noise (T, #S, J, M)`` hold standard normal numbers
        for every step, the second axis S or 1; None leaves them out.
        """
        N = self.config.observed_dims
        read = self.gate.read(context)
        z = self.initial_state(inputs[0])
        predictions = []
        for t, x in enumerate(inputs):
            if t > 0 and forcing_interval is not None and t % forcing_interval == 0:
                z = torch.cat([x, z[:, N:]], dim=-1)
            elif t > 0 and forcing_strength is not None:
                forced = forcing_strength * x + (1.0 - forcing_strength) * z[:, :N]
                z = torch.cat([forced, z[:, N:]], dim=-1)
            z, _ = self.step(
                z,
                read,
                None if gate_noise is None else gate_noise[t],
                None if expert_noise is None else expert_noise[t],
            )
            predictions.append(z[:, :N])
        return torch.stack(predictions)


def stable_diagonals(J: int, M: int, generator: torch.Generator) -> Float[Tensor, "J M"]:
    """Initial ``A_j``: the diagonal of ``K / lambda_max(K)``, ``K = R^T R / M + I``, R normal.

    ``J`` experts of ``M`` latent dimensions; ``generator`` draws ``R (J, M, M)``. The entries lie
    in (0, 1], so no expert's linear part is expansive.

    Examples
    --------
    >>> A = stable_diagonals(10, 30, torch.Generator().manual_seed(0))
    >>> tuple(A.shape), bool(((A > 0) & (A <= 1)).all())
    ((10, 30), True)
    """
    R = torch.randn(J, M, M, generator=generator)
    K = R.mT @ R / M + torch.eye(M)
    return K.diagonal(dim1=-2, dim2=-1) / torch.linalg.eigvalsh(K)[:, -1:]


def count_parameters(model: nn.Module) -> int:
    """Number of trained values of a ``model``.

    Examples
    --------
    With one expert instead of ten: 960 for it, 21 convolution, 90 D, 33 U, 1 V, 2 temperatures, 3
    sigma, 81 L.

    >>> count_parameters(DynaMix()), count_parameters(DynaMix(ModelConfig(experts=1)))
    (10227, 1191)
    """
    return sum(parameter.numel() for parameter in model.parameters())


def check_series(context: Tensor, config: ModelConfig) -> None:
    """Raise unless ``context`` is ``(T_C, S, N)`` with at least two steps and the model's N.

    ``config`` is the model's.

    Raises
    ------
    InputError
        If ``context`` has another number of axes, fewer than two steps, or other than N channels.

    Examples
    --------
    >>> check_series(torch.zeros(9, 1, 2), ModelConfig())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the model expects a context of shape (T_C >= 2, series, 3), found ...
    """
    if context.ndim != 3 or context.shape[-1] != config.observed_dims or context.shape[0] < 2:
        raise InputError(
            f"the model expects a context of shape (T_C >= 2, series, {config.observed_dims}), "
            f"found {tuple(context.shape)}."
        )
