"""Every default of the library, each in one place.

One dataclass per subject holds its defaults and nothing else in the library does: the model
(:class:`ModelConfig`), a forecast (:class:`ForecastConfig`), training (:class:`TrainingConfig`) and
the benchmark (:class:`BenchmarkConfig`). The command line makes its flags from these fields, so a
field's ``help`` is the text a user reads.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from .errors import InputError, of_their_types, one_of, whole_number

ExpertKind = Literal["alrnn", "clipped_shallow_plrnn"]
Embedding = Literal["pos", "delay", "delay_random", "zero", "pecuzal", "auto"]
Engine = Literal["auto", "compiled", "torch"]
Forcing = Literal["sparse", "generalised"]
Loss = Literal["squared", "logarithmic"]
FirstWeights = Literal["random", "analogue"]
LocalChoice = Literal["gate", "context"]

EXPERT_KINDS: tuple[str, ...] = get_args(ExpertKind)
EMBEDDINGS: tuple[str, ...] = get_args(Embedding)
ENGINES: tuple[str, ...] = get_args(Engine)
FORCINGS: tuple[str, ...] = get_args(Forcing)
LOSSES: tuple[str, ...] = get_args(Loss)
FIRST_WEIGHTS: tuple[str, ...] = get_args(FirstWeights)
LOCAL_CHOICES: tuple[str, ...] = get_args(LocalChoice)

BUNDLED_MODEL = "dynamix-3d"


def _described(default: Any, help: str) -> Any:
    """A dataclass field with a default and the sentence that ``--help`` shows for it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and kinds that fix a :class:`dynamix.DynaMix` architecture.

    The paper's letters: ``observed_dims`` N, ``latent_dims`` M, ``experts`` J, ``relu_units`` P,
    ``hidden_units`` H (clipped shallow PLRNN experts only).

    Parameters
    ----------
    observed_dims
        N, 1 or more.
    latent_dims
        M, at least N and P.
    experts
        Learned experts J; 0 needs local ones.
    relu_units
        P of an AL-RNN expert, 0 or more.
    hidden_units
        H, 1 or more.
    expert_kind
        ``"alrnn"`` or ``"clipped_shallow_plrnn"``.
    probabilistic
        Whether experts add noise of a learned width to every step.
    local_neighbours
        Context steps that the affine map of each local expert (:mod:`dynamix.local`) is fitted to,
        N + 2 or more; a number for each such expert.
    local_ridge
        Ridge of that fit, positive, as a share of the squared distance to the furthest of them.
    local_pull
        What those maps do to directions without data, from 0 (forget) to 1 (keep); one number for
        all local experts, or one each.
    local_choice
        Who weighs local experts: ``"gate"`` at every step, or ``"context"``, which picks one for a
        whole forecast (only without learned experts).
    attention_sharpness
        Forecasts divide the attention's temperature by it; positive.
    quiet_steps
        First steps of a forecast that draw no gate noise.
    embedding
        How forecasts make up missing dimensions unless they are told.
    complete_from
        Channels with which a system counts as wholly observed, so that zeros are appended; 0:
        never.
    reference_spacing
        Spacing of a context, in deviations, at which forecasts leave the gate's widths as trained
        (:mod:`dynamix.forecasting.spacing`); 0 leaves them alone always.

    Raises
    ------
    InputError
        If a size is out of range, P exceeds M, or N exceeds M; if a kind or embedding is unknown,
        the settings of local experts do not fit each other, or another number is out of range.

    Examples
    --------
    >>> ModelConfig().latent_dims
    30
    >>> ModelConfig(relu_units=31)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: relu_units (P = 31) must not exceed latent_dims (M = 30).
    """

    observed_dims: int = _described(3, "observed dimensions N")
    latent_dims: int = _described(30, "latent dimensions M")
    experts: int = _described(10, "number of learned experts J; 0 needs local ones")
    relu_units: int = _described(2, "ReLU units P of an AL-RNN expert")
    hidden_units: int = _described(50, "hidden units H of a clipped shallow PLRNN expert")
    expert_kind: ExpertKind = _described("alrnn", "kind of expert")
    probabilistic: bool = _described(False, "experts add noise of a learned width to every step")
    local_neighbours: tuple[int, ...] = _described(
        (), "context steps that further, local experts fit their affine maps to, a number for each"
    )
    local_ridge: float = _described(
        1e-3, "ridge of that fit, as a share of the squared distance to the furthest of them"
    )
    local_pull: tuple[float, ...] = _described(
        (0.95,),
        "what those maps do to directions without data: 1 keeps a deviation, 0 forgets it; one "
        "number for all local experts, or one each",
    )
    local_choice: LocalChoice = _described(
        "gate",
        "who weighs local experts: the gate at every step, or the context, which picks one of them "
        "for a whole forecast (only without learned experts)",
    )
    attention_sharpness: float = _described(
        1.0, "forecasts divide the attention's temperature by this; training does not"
    )
    quiet_steps: int = _described(
        0, "forecasts draw no gate noise in this many first steps; training does"
    )
    embedding: Embedding = _described(
        "pos", "how forecasts make up missing dimensions, unless they are told"
    )
    complete_from: int = _described(
        0,
        "with so many channels a system counts as wholly observed, and missing dimensions are "
        "zeros; 0 for never",
    )
    reference_spacing: float = _described(
        0.0,
        "forecasts widen the gate's attention and noise by a context's spacing over this one; 0 "
        "for not at all",
    )

    def __post_init__(self) -> None:
        for name, least in (
            ("observed_dims", 1),
            ("latent_dims", 1),
            ("experts", 0 if self.local_neighbours else 1),
            ("relu_units", 0),
            ("hidden_units", 1),
            ("quiet_steps", 0),
            ("complete_from", 0),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} must be an integer of at least {least}, found {value!r}.")
        one_of("expert_kind", self.expert_kind, EXPERT_KINDS)
        one_of("embedding", self.embedding, EMBEDDINGS)
        of_their_types(self)
        if any(count < self.observed_dims + 2 for count in self.local_neighbours):
            raise InputError(
                f"local_neighbours must all be at least observed_dims + 2 = "
                f"{self.observed_dims + 2}, which an affine map needs, found "
                f"{self.local_neighbours}."
            )
        if not self.local_ridge > 0 or any(not 0.0 <= pull <= 1.0 for pull in self.local_pull):
            raise InputError(
                "local_ridge must be positive and local_pull lie in [0, 1], found "
                f"{self.local_ridge!r} and {self.local_pull!r}."
            )
        if len(self.local_pull) not in (1, len(self.local_neighbours)):
            raise InputError(
                f"local_pull must hold one number, or one for each of the "
                f"{len(self.local_neighbours)} local experts, found {self.local_pull!r}."
            )
        one_of("local_choice", self.local_choice, LOCAL_CHOICES)
        if self.local_choice == "context" and (self.experts or not self.local_neighbours):
            raise InputError(
                "local_choice='context' is for models without learned experts and with local ones: "
                f"set experts=0 and local_neighbours, found experts={self.experts} and "
                f"local_neighbours={self.local_neighbours}."
            )
        if not self.attention_sharpness > 0:
            raise InputError(
                f"attention_sharpness must be positive, found {self.attention_sharpness!r}."
            )
        if not self.reference_spacing >= 0:
            raise InputError(
                f"reference_spacing must be 0 or more, found {self.reference_spacing!r}."
            )
        if self.latent_dims < self.observed_dims:
            raise InputError(
                f"latent_dims (M = {self.latent_dims}) must be at least observed_dims "
                f"(N = {self.observed_dims}), because the observation is read from the first N "
                "latent entries. Raise latent_dims."
            )
        if self.relu_units > self.latent_dims:
            raise InputError(
                f"relu_units (P = {self.relu_units}) must not exceed latent_dims "
                f"(M = {self.latent_dims})."
            )

    def embedding_of(self, channels: int) -> Embedding:
        """How forecasts of so many ``channels`` make up missing dimensions unless they are told."""
        complete = self.complete_from and channels >= self.complete_from
        return "zero" if complete else self.embedding

    @property
    def all_experts(self) -> int:
        """Learned and local experts: the gate's weights."""
        return self.experts + len(self.local_neighbours)

    @property
    def local_experts(self) -> tuple[tuple[int, float], ...]:
        """Neighbours (context steps) and pull of each local expert."""
        pulls = self.local_pull * (len(self.local_neighbours) if len(self.local_pull) == 1 else 1)
        return tuple(zip(self.local_neighbours, pulls, strict=True))


@dataclass(frozen=True)
class ForecastConfig:
    """Defaults of :func:`dynamix.forecast` (design of the pipeline: paper, section 3.3).

    Nothing is checked here: :func:`dynamix.forecast` does that.

    Parameters
    ----------
    embedding
        How missing dimensions are made up; None: as the checkpoint says.
    standardize, detrend, box_cox
        Transforms of each channel, fitted to the context and undone on the forecast.
    gate_noise
        Whether the gate's noise is drawn.
    seed
        Of every random draw.
    engine
        ``"auto"``, ``"compiled"`` or ``"torch"``.
    n_samples
        Size of an ensemble; None: a single forecast.

    Examples
    --------
    >>> ForecastConfig().standardize, ForecastConfig(seed=3).seed
    (True, 3)
    """

    embedding: Embedding | None = _described(
        None,
        "how missing dimensions are made up when the data has fewer than the model; by default as "
        "the checkpoint says",
    )
    standardize: bool = _described(True, "scale each channel by the context's mean and deviation")
    detrend: bool = _described(False, "remove a power-law trend before, add it back after")
    box_cox: bool = _described(False, "Box-Cox transform before, undone after")
    gate_noise: bool = _described(True, "draw the gate's noise; off makes the model deterministic")
    seed: int = _described(0, "seed of every random draw")
    engine: Engine = _described("auto", "what computes the rollout")
    n_samples: int | None = _described(
        None, "forecasts with different draws of the gate's noise, as an ensemble"
    )


_NOT_NEGATIVE = (
    "variants",
    "variant_jitter",
    "analogue_pull",
    "analogue_noise",
    "input_noise",
    "gate_noise_penalty",
    "validate_every",
    "seed",
)
_POSITIVE = (
    "trajectory_length",
    "variant_length",
    "start_sharpness",
    "gate_noise_scale",
    "gradient_clip",
    "adaptive_clip",
    "skip_gradient",
    "skip_loss",
    "validation_context",
    "validation_horizon",
)


@dataclass(frozen=True)
class TrainingConfig:
    """Corpus, forcing, loss, optimiser and bookkeeping of a training run (paper, appendix A).

    Steps are sampling steps. ``window`` counts the points of the training window: ``window - 1``
    predictions, the first ``overlap`` points of which still lie inside the context.

    Parameters
    ----------
    epochs
        Length of the run.
    batches_per_epoch
        Optimiser steps in an epoch.
    batch_size
        Sequences in a batch.
    context_length
        Context steps T_C of a training sequence, 2 or more.
    longer_contexts
        Other context lengths, drawn as often as ``context_length``; each at least ``overlap``.
    window
        Points of the training window, 2 or more.
    overlap
        Points of the window that lie in the context: from 1 to the smaller of window and context.
    points_per_period
        Samples per dominant period, 2 or more; several rates give several trajectories per system.
    trajectory_length
        Points of each of these trajectories.
    variants
        Further trajectories per system, with perturbed parameters
        (:func:`dynamix.systems.variant`), each at a random rate between the lowest and the highest.
    variant_jitter
        Largest relative change of a parameter in them.
    variant_length
        Points of each of them.
    systems
        Three-dimensional dysts systems to train on; none named: the split's training systems.
    hold_out_validation
        Whether the validation systems are left out of these.
    data
        Files of own trajectories to train on instead (:func:`dynamix.systems.windows.load_trajectories`).
    signed_permutations
        Whether each sequence's axes are permuted and mirrored at random.
    rotations
        Whether each sequence is rotated at random.
    warp
        Strength of a random smooth change of coordinates, in [0, 1)
        (:class:`dynamix.systems.windows.WindowSampler`).
    frozen
        Parameters kept at their first values, by name.
    start_from
        Checkpoint to start from: what :meth:`dynamix.DynaMix.from_pretrained` takes; empty for
        none.
    first_weights
        Without a checkpoint: ``"random"`` or ``"analogue"``.
    analogue_pull
        ``pull`` of :func:`dynamix.training.analogue_start.start_as_analogue`.
    analogue_noise
        ``noise`` of the same.
    attention_temperature
        First ``tau_att`` without a checkpoint, positive, in deviations of the context.
    start_sharpness
        What the checkpoint's ``tau_att`` is divided by.
    averaging
        Decay per step of a running mean of the weights, in [0, 1); 0 for none.
    forcing
        Teacher forcing, ``"sparse"`` (Mikhaeil et al., 2022) or ``"generalised"`` (Hess et al.,
        2023).
    forcing_interval
        Sparse forcing: steps between two overwritings of the observed entries, tau.
    forcing_strength
        Generalised forcing: weight alpha of the data at every step, in [0, 1].
    loss
        ``"squared"`` or ``"logarithmic"`` (:func:`dynamix.training.training_loss`).
    loss_scale
        Logarithmic loss: squared error that counts as small, positive.
    input_noise
        Deviation of the noise on the inputs, in deviations of the sequence.
    gate_noise_penalty
        Weight of the loss term that keeps ``sigma`` open.
    gate_noise_scale
        ``sigma`` at which that term has fallen by a factor e.
    learning_rate
        Of the first epoch; it falls exponentially.
    final_learning_rate
        Of the last epoch, positive and no larger.
    gradient_clip
        Largest gradient norm ever applied.
    adaptive_clip
        Multiple of the gradient norm's running mean that is clipped at.
    skip_gradient, skip_loss
        Multiple of its running mean beyond which a batch is skipped
        (:class:`dynamix.training.Guard`).
    rollback_after
        Skips in a row after which the last good weights are restored.
    validate_every
        Epochs between two validations; 0 for never.
    validation_systems
        What is validated on; none named: the split's.
    validation_context
        Steps shown in validation.
    validation_horizon
        Steps forecast in validation.
    checkpoint_every
        Epochs between two checkpoints.
    seed
        Of first weights, batches and noise.
    threads
        CPU threads.
    engine
        What computes loss and gradient: ``"auto"``, ``"compiled"`` or ``"torch"``.

    Raises
    ------
    InputError
        If a choice is unknown, a number is out of range, or two settings contradict each other.

    Examples
    --------
    >>> TrainingConfig().sequence_length
    550
    >>> TrainingConfig(context_length=200, longer_contexts=(400, 800)).sequence_length
    850
    >>> TrainingConfig(warp=1.0)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: warp must lie in [0, 1), found 1.0.
    """

    epochs: int = _described(2000, "epochs")
    batches_per_epoch: int = _described(50, "optimiser steps in an epoch")
    batch_size: int = _described(16, "sequences in a batch")
    context_length: int = _described(500, "context steps T_C of a training sequence")
    longer_contexts: tuple[int, ...] = _described(
        (), "other context lengths, drawn as often as context_length, a length per batch"
    )
    window: int = _described(101, "points of the training window: inputs and targets overlap")
    overlap: int = _described(51, "points of the training window that lie in the context")
    points_per_period: tuple[int, ...] = _described(
        (50,), "samples per dominant period; several rates give several trajectories per system"
    )
    trajectory_length: int = _described(60_000, "points of each trajectory drawn from")
    variants: int = _described(
        0,
        "further trajectories per system with perturbed parameters, each at a random rate "
        "between the lowest and the highest of points_per_period",
    )
    variant_jitter: float = _described(
        0.1, "largest relative change of a parameter in such a variant"
    )
    variant_length: int = _described(10_000, "points of each variant's trajectory")
    systems: tuple[str, ...] = _described(
        (), "dysts systems to train on; none named: the split's training systems"
    )
    hold_out_validation: bool = _described(
        True, "leave the validation systems out of the training corpus, so they stay zero-shot"
    )
    data: tuple[str, ...] = _described(
        (), "own trajectories (.npy, .csv) to train on instead of the dysts corpus"
    )
    signed_permutations: bool = _described(
        False, "show each sequence with its axes randomly permuted and mirrored"
    )
    rotations: bool = _described(False, "show each sequence randomly rotated")
    warp: float = _described(
        0.0, "strength of a random smooth change of each sequence's coordinates, below 1"
    )
    frozen: tuple[str, ...] = _described(
        (), "parameters kept at their first values, by name: gate.tau_att, gate.D, gate.sigma, ..."
    )
    start_from: str = _described(
        "", "checkpoint whose weights training starts from, with its model's settings; fine-tuning"
    )
    first_weights: FirstWeights = _described(
        "random",
        "the paper's random weights, or those of an analogue forecaster, which training improves",
    )
    analogue_pull: float = _described(
        0.05, "analogue start: share of the distance to the analogues that a step closes"
    )
    analogue_noise: float = _described(0.05, "analogue start: width of the gate's noise, sigma")
    attention_temperature: float = _described(
        0.1, "first value of the gate's tau_att, unless training starts from a checkpoint"
    )
    start_sharpness: float = _described(
        1.0, "divides the tau_att of the checkpoint that training starts from"
    )
    averaging: float = _described(
        0.0,
        "decay per step of a running mean of the weights, which is what is validated and kept; 0 "
        "for none",
    )
    forcing: Forcing = _described("sparse", "teacher forcing: sparse or generalised")
    forcing_interval: int = _described(10, "sparse forcing: steps between two overwritings, tau")
    forcing_strength: float = _described(0.1, "generalised forcing: weight alpha of the data")
    loss: Loss = _described(
        "squared",
        "mean squared error, or the mean over sequences of log(1 + squared error / loss_scale), in "
        "which a well predicted sequence counts as much as a badly predicted one",
    )
    loss_scale: float = _described(1e-4, "logarithmic loss: squared error that counts as small")
    input_noise: float = _described(0.05, "standard deviation of the noise added to the inputs")
    gate_noise_penalty: float = _described(0.1, "weight of the loss term that keeps sigma open")
    gate_noise_scale: float = _described(0.01, "scale of that term")
    learning_rate: float = _described(4e-3, "learning rate of the first epoch")
    final_learning_rate: float = _described(1e-5, "learning rate of the last epoch")
    gradient_clip: float = _described(10.0, "largest gradient norm ever applied")
    adaptive_clip: float = _described(
        3.0, "clip at this multiple of the gradient norm's running mean"
    )
    skip_gradient: float = _described(
        50.0, "skip a batch whose gradient norm exceeds this multiple of its running mean"
    )
    skip_loss: float = _described(
        20.0, "skip a batch whose loss exceeds this multiple of its running mean"
    )
    rollback_after: int = _described(
        20, "consecutive skipped batches after which the last good state is restored"
    )
    validate_every: int = _described(100, "epochs between two validations; 0 for never")
    validation_systems: tuple[str, ...] = _described(
        (), "systems of the free-running validation; none named: the split's"
    )
    validation_context: int = _described(500, "context steps of a validation forecast")
    validation_horizon: int = _described(2000, "horizon of a validation forecast")
    checkpoint_every: int = _described(20, "epochs between two checkpoints")
    seed: int = _described(0, "seed of initial weights, batches and noise")
    threads: int = _described(1, "CPU threads; small matrices gain nothing from more than one")
    engine: Engine = _described("auto", "what computes loss and gradient")

    def __post_init__(self) -> None:
        one_of("forcing", self.forcing, FORCINGS)
        one_of("engine", self.engine, ENGINES)
        one_of("loss", self.loss, LOSSES)
        one_of("first_weights", self.first_weights, FIRST_WEIGHTS)
        of_their_types(self)
        if self.first_weights != "random" and self.start_from:
            raise InputError(
                f"first_weights={self.first_weights!r} and start_from={self.start_from!r} both say "
                "where training starts. Leave one of them out."
            )
        if not self.loss_scale > 0:
            raise InputError(f"loss_scale must be positive, found {self.loss_scale!r}.")
        if not self.points_per_period or min(self.points_per_period) < 2:
            raise InputError(
                "points_per_period must be one or more numbers of at least 2, found "
                f"{self.points_per_period!r}."
            )
        for name in (
            "epochs",
            "batches_per_epoch",
            "batch_size",
            "forcing_interval",
            "checkpoint_every",
            "rollback_after",
            "threads",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, found {getattr(self, name)!r}.")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, found {getattr(self, name)!r}.")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, found {getattr(self, name)!r}.")
        if self.context_length < 2 or self.window < 2:
            raise InputError(
                "context_length and window must both be at least 2, found "
                f"{self.context_length} and {self.window}."
            )
        if not 1 <= self.overlap <= min(self.window, self.context_length):
            raise InputError(
                "overlap must lie between 1 and the smaller of window and context_length "
                f"({min(self.window, self.context_length)}), found {self.overlap}."
            )
        if not 0.0 <= self.forcing_strength <= 1.0:
            raise InputError(
                f"forcing_strength must lie in [0, 1], found {self.forcing_strength!r}."
            )
        if not self.attention_temperature > 0:
            raise InputError(
                f"attention_temperature must be positive, found {self.attention_temperature!r}."
            )
        if not 0.0 <= self.warp < 1.0:
            raise InputError(f"warp must lie in [0, 1), found {self.warp!r}.")
        if not 0.0 <= self.averaging < 1.0:
            raise InputError(f"averaging must lie in [0, 1), found {self.averaging!r}.")
        if not 0.0 < self.final_learning_rate <= self.learning_rate:
            raise InputError(
                "final_learning_rate must be positive and no larger than learning_rate, found "
                f"{self.final_learning_rate!r} and {self.learning_rate!r}."
            )

        if any(length < self.overlap for length in self.longer_contexts):
            raise InputError(
                f"longer_contexts must all be at least overlap ({self.overlap}), found "
                f"{self.longer_contexts}."
            )

    @property
    def sequence_length(self) -> int:
        """Points of the longest training sequence: the context and what follows it."""
        return max(self.context_length, *self.longer_contexts, 0) + self.window - self.overlap


@dataclass(frozen=True)
class BenchmarkConfig:
    """The zero-shot protocol "dysts-3d": what is shown, and how far it is continued.

    Parameters
    ----------
    context
        Steps shown, 2 or more.
    horizon
        Steps forecast.
    points_per_period
        Samples per dominant period, 2 or more.
    starts
        Different starting points on each attractor.
    bins
        Per dimension, of :func:`dynamix.metrics.state_space_divergence`.
    smoothing
        Of :func:`dynamix.metrics.spectral_hellinger`, in frequency bins.
    mase_steps
        Steps that the short-term error is averaged over, at most ``horizon``.
    lyapunov_steps
        Steps that the model's largest Lyapunov exponent is averaged over; 0 leaves it out.
    seed
        Of the gate's noise.

    Raises
    ------
    InputError
        If a number is no integer or out of range.

    Examples
    --------
    >>> BenchmarkConfig(context=512).horizon
    10000
    >>> BenchmarkConfig(horizon=5)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: mase_steps must not exceed horizon, found 10 and 5.
    """

    context: int = _described(2000, "context steps shown")
    horizon: int = _described(10_000, "steps forecast")
    points_per_period: int = _described(50, "samples per dominant period")
    starts: int = _described(5, "different starting points on each attractor")
    bins: int = _described(30, "histogram bins per dimension of the state-space divergence")
    smoothing: int = _described(20, "width in frequency bins of the spectrum's smoothing")
    mase_steps: int = _described(10, "steps over which the short-term error is averaged")
    lyapunov_steps: int = _described(
        2000, "steps that the model's largest Lyapunov exponent is averaged over; 0 to leave it out"
    )
    seed: int = _described(0, "seed of the gate's noise")

    def __post_init__(self) -> None:
        least = {"context": 2, "points_per_period": 2, "bins": 2} | dict.fromkeys(
            ("smoothing", "lyapunov_steps", "seed"), 0
        )
        for f in dataclasses.fields(self):
            whole_number(f.name, getattr(self, f.name), least=least.get(f.name, 1))
        if self.mase_steps > self.horizon:
            raise InputError(
                f"mase_steps must not exceed horizon, found {self.mase_steps} and {self.horizon}."
            )


@dataclass(frozen=True)
class ResampleConfig:
    """What :func:`dynamix.preprocessing.resample` mends, and where it refuses.

    Parameters
    ----------
    longest_gap
        Steps without an observation that are still interpolated.
    most_filled
        Largest share of interpolated steps, in [0, 1).
    holes
        What longer gaps lead to: ``"refuse"``, or ``"cut"`` to the longest stretch without one.

    Raises
    ------
    InputError
        If a number is out of range; ``holes`` is checked by the function.

    Examples
    --------
    >>> ResampleConfig()
    ResampleConfig(longest_gap=6, most_filled=0.2, holes='refuse')
    >>> ResampleConfig(most_filled=1.0)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: most_filled must lie in [0, 1), found 1.0.
    """

    longest_gap: int = _described(6, "steps without an observation that are still interpolated")
    most_filled: float = _described(0.2, "largest share of interpolated steps")
    holes: str = _described("refuse", "longer gaps: refuse, or cut to the longest stretch without")

    def __post_init__(self) -> None:
        whole_number("longest_gap", self.longest_gap, least=0)
        if not 0.0 <= self.most_filled < 1.0:
            raise InputError(f"most_filled must lie in [0, 1), found {self.most_filled!r}.")


@dataclass(frozen=True)
class RollingConfig:
    """Forecasts from many origins of one series, and how they are measured.

    Parameters
    ----------
    contexts
        Steps shown, each 2 or more.
    horizons
        Steps over which errors are averaged, each 2 or more.
    origins
        Starting points, spread evenly over what the contexts leave.
    season
        Lag of the change that MASE divides by, in steps.
    dims
        Dimensions of the delay embedding that D_stsp is measured in.
    bins
        Histogram bins of each of them, 2 or more.
    smoothing
        Width of the spectra's smoothing, in frequency bins.
    seed
        Handed to every forecaster.

    Raises
    ------
    InputError
        If a number is no integer or out of range, or no length is named.

    Examples
    --------
    >>> RollingConfig(contexts=(256, 512)).origins
    20
    >>> RollingConfig(contexts=())
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: contexts must name at least one length.
    """

    contexts: tuple[int, ...] = _described((512,), "context steps shown")
    horizons: tuple[int, ...] = _described((10, 336), "steps over which errors are averaged")
    origins: int = _described(20, "starting points, spread evenly over what the contexts leave")
    season: int = _described(1, "lag of the change that MASE divides by; 1: the one-step change")
    dims: int = _described(3, "dimensions of the delay embedding that D_stsp is measured in")
    bins: int = _described(8, "histogram bins per dimension of D_stsp")
    smoothing: int = _described(2, "width in frequency bins of the spectra's smoothing")
    seed: int = _described(0, "seed handed to every forecaster")

    def __post_init__(self) -> None:
        least = {"bins": 2, "smoothing": 0, "seed": 0}
        for name in ("origins", "season", "dims", "bins", "smoothing", "seed"):
            whole_number(name, getattr(self, name), least=least.get(name, 1))
        for name, fewest in (("contexts", 2), ("horizons", 2)):
            if not getattr(self, name):
                raise InputError(f"{name} must name at least one length.")
            for value in getattr(self, name):
                whole_number(name, value, least=fewest)


@dataclass(frozen=True)
class ReportConfig:
    """Limits of the report on a reader's own data: rules of thumb, to be argued with.

    Triples are the limits of a note, a warning and a serious finding. Nothing is checked here.

    Parameters
    ----------
    fewest_rows
        Rows below which there is no report.
    trained_points
        Samples per dominant oscillation that training covers, from and to.
    fewest_points
        Samples per oscillation below which aliasing begins.
    steps
        Length of the context in steps; less is a finding.
    oscillations
        Oscillations that the context shows; fewer are a finding.
    shift
        Change of the mean between the context's halves, in deviations.
    spread
        Ratio of the deviations of the halves.
    still_steps
        Equal values in a row that are no finding.
    constant
        Longest constant stretch, as a share of the context.
    repeat_steps
        Length in steps of a stretch that must not occur twice.
    repeats
        Share of such stretches.
    resolution
        Distance between neighbouring values, in deviations.
    outlier
        Robust deviations from the running median that make an outlier.
    outliers
        Share of outliers.
    noise
        One-step error of nearest neighbours, in deviations.
    missing
        Share of steps that had to be interpolated.
    off_grid
        Share of rows at times off the regular grid.
    most_unreadable
        Share of entries that are no number, beyond which a column is text.
    longest_gap, most_filled
        As in :class:`ResampleConfig`.
    origins
        Starting points of the trial on the context's own end.
    held_out
        Longest trial, as a share of the context.

    Examples
    --------
    >>> note, warning, serious = ReportConfig().steps
    >>> note > warning > serious  # the shorter the context, the graver
    True
    >>> ReportConfig(fewest_rows=50).fewest_rows
    50
    """

    fewest_rows: int = _described(24, "rows below which there is no report")
    trained_points: tuple[float, float] = _described(
        (25.0, 130.0), "samples per dominant oscillation that training covers"
    )
    fewest_points: float = _described(5.0, "samples per oscillation below which aliasing begins")
    steps: tuple[float, float, float] = _described((500, 200, 80), "context steps")
    oscillations: tuple[float, float, float] = _described((15, 8, 3), "oscillations shown")
    shift: tuple[float, float, float] = _described(
        (0.25, 0.5, 1.0), "change of the mean between the halves, in deviations"
    )
    spread: tuple[float, float, float] = _described(
        (1.25, 1.6, 2.5), "ratio of the deviations of the halves"
    )
    still_steps: int = _described(10, "equal values in a row that are no finding")
    constant: tuple[float, float, float] = _described(
        (0.005, 0.02, 0.2), "longest constant stretch, as a share of the context"
    )
    repeat_steps: int = _described(20, "length of a stretch that must not occur twice")
    repeats: tuple[float, float, float] = _described((0.001, 0.05, 0.3), "share of such stretches")
    resolution: tuple[float, float, float] = _described(
        (0.05, 0.2, 0.6), "distance between neighbouring values, in deviations"
    )
    outlier: float = _described(8.0, "robust deviations from the running median of an outlier")
    outliers: tuple[float, float, float] = _described((1e-9, 0.005, 0.03), "share of outliers")
    noise: tuple[float, float, float] = _described(
        (0.2, 0.4, 0.8), "one-step error of nearest neighbours, in deviations"
    )
    missing: tuple[float, float, float] = _described(
        (1e-9, 0.02, 0.15), "share of steps that had to be interpolated"
    )
    off_grid: tuple[float, float, float] = _described(
        (0.01, 0.3, 2.0), "share of rows at times off the regular grid; never serious by itself"
    )
    most_unreadable: float = _described(
        0.2, "share of entries that are no number, beyond which a column is text"
    )
    longest_gap: int = _described(12, "steps without an observation that are still interpolated")
    most_filled: float = _described(0.5, "share of interpolated steps beyond which it is refused")
    origins: int = _described(4, "starting points of the trial on the context's own end")
    held_out: float = _described(0.2, "longest trial, as a share of the context")


ConfigT = TypeVar("ConfigT")


def from_dict(kind: type[ConfigT], values: dict[str, Any], *, source: str) -> ConfigT:
    """Rebuild a config from JSON values; ``source`` names the file in error messages.

    Parameters
    ----------
    kind
        The dataclass; what is missing keeps its default.
    values
        Settings by name; lists become tuples.
    source
        Where they come from, for messages.

    Returns
    -------
    An instance of ``kind``.

    Raises
    ------
    InputError
        If a key is unknown or a value does not fit its field.

    Examples
    --------
    >>> from_dict(ModelConfig, {"local_neighbours": [20, 40]}, source="model.json").local_neighbours
    (20, 40)
    >>> from_dict(ResampleConfig, {"gap": 3}, source="mine.json")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: mine.json holds unknown settings ['gap']; ResampleConfig knows ...
    """
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"{source} holds unknown settings {unknown}; {kind.__name__} knows {sorted(known)}."
        )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
