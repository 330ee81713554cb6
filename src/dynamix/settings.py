"""Every setting of the library, declared once: default, help and bounds on one line.

The declaration of a setting is the only place where it is written down. The check when a settings
object is made, the flag and its ``--help`` on the command line, and the reference come from it.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, TypeVar, dataclass_transform, get_args

import numpy as np

from .errors import InputError, one_of

ExpertKind = Literal["alrnn", "clipped_shallow_plrnn"]
Embedding = Literal["pos", "delay", "delay_random", "zero", "pecuzal", "auto"]
Engine = Literal["auto", "compiled", "torch"]
Forcing = Literal["sparse", "generalised"]
Loss = Literal["squared", "logarithmic"]
FirstWeights = Literal["random", "analogue"]
Holes = Literal["refuse", "cut"]
Source = Literal["dysts", "generated"]

EMBEDDINGS: tuple[str, ...] = get_args(Embedding)
ENGINES: tuple[str, ...] = get_args(Engine)
BUNDLED_MODEL = "dynamix-3d"
# which module reads a checkpoint that is no DynaMix, by the key that marks it in its JSON file
CHECKPOINT_KINDS = {"local": "dynamix.local.forecaster"}

SettingsT = TypeVar("SettingsT")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def setting(
    default: Any,
    help: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a field of a settings class; the bounds hold for every number in it.

    Choices come from the annotation: ``Literal["auto", "torch"]``.
    """
    bounds = (at_least, above, at_most, below)
    return dataclasses.field(default=default, metadata={"help": help, "bounds": bounds})


@dataclass_transform(frozen_default=True, field_specifiers=(setting,))
def settings(kind: type[SettingsT]) -> type[SettingsT]:
    """Make a class of :func:`setting` declarations a frozen dataclass that checks itself.

    Types, choices and bounds are checked first. Then the class's own ``check(self)`` is called, if
    it has one, for what concerns several settings. The docstring gains a list of the settings.

    Raises
    ------
    InputError
        When an object is made whose settings do not fit their declarations.

    Examples
    --------
    >>> @settings
    ... class Example:
    ...     "Settings of an example."
    ...     epochs: int = setting(10, "passes over the data", at_least=1)
    >>> Example(epochs=3).epochs
    3
    >>> Example(epochs=0)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: epochs must be a whole number of at least 1, found 0.
    """

    def __post_init__(self: Any) -> None:  # noqa: N807
        if not known:
            known.update({k: choices_of(f.type) for k, f in declared(kind).items()})
        for name, field in declared(kind).items():
            value = getattr(self, name)
            # neither a default nor a known name needs a check; this keeps forecasts cheap
            if value is not field.default and not (type(value) is str and value in known[name]):
                check(name, value, hint=field.type, bounds=field.metadata["bounds"])
        if own_check is not None:
            own_check(self)

    known: dict[str, tuple[str, ...]] = {}
    own_check = getattr(kind, "check", None)
    kind.__post_init__ = __post_init__  # type: ignore[attr-defined]
    kind = dataclasses.dataclass(frozen=True)(kind)
    kind.__doc__ = "\n".join(
        [(kind.__doc__ or "").rstrip(), "", "Parameters", "----------", *_described(kind), ""]
    )
    return kind


def takes(kind: type[Any], *, without: tuple[str, ...] = ()) -> Callable[[FunctionT], FunctionT]:
    """Decorate a function whose ``**settings`` are the fields of ``kind``.

    Its signature gets each setting as a keyword, and its docstring their list in the place of the
    line ``**settings``. So a new field of ``kind`` is a new parameter of the function.
    """

    def decorate(function: FunctionT) -> FunctionT:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                field.name, own[-1].KEYWORD_ONLY, default=field.default, annotation=field.type
            )
            for field in declared(kind).values()
            if field.name not in without
        ]
        function.__signature__ = signature.replace(parameters=own + more)  # type: ignore[attr-defined]
        described = "\n".join(f"    {line}" for line in _described(kind, without))
        function.__doc__ = (function.__doc__ or "").replace("    **settings", described)
        return function

    return decorate


def _described(kind: type[Any], without: tuple[str, ...] = ()) -> list[str]:
    """The settings of a class as lines of a NumPy docstring."""
    lines = []
    for field in dataclasses.fields(kind):
        if field.name not in without:
            text = f"{field.metadata['help']}; default ``{field.default!r}``"
            lines += [
                field.name,
                *textwrap.wrap(text, 92, initial_indent="    ", subsequent_indent="    "),
            ]
    return lines


@lru_cache
def declared(kind: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a settings class by name, ``type`` resolved to a real type."""
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for field in fields.values():
        field.type = hints[field.name]
    return fields


def check(name: str, value: object, *, hint: Any, bounds: tuple[float | None, ...]) -> None:
    """Raise unless ``value`` has the type ``hint``, is one of its choices and within ``bounds``."""
    several = typing.get_origin(hint) is tuple
    choices = choices_of(hint)
    fits = _fits(value, hint)
    if choices and not (fits and value is None):
        one_of(name, value, choices)
    numbers = typing.cast("tuple[object, ...]", value if several else (value,))
    if fits and all(_inside(number, *bounds) for number in numbers):
        return
    wanted = " ".join(
        filter(
            None, (_words(hint), "each" if several and any_bound(bounds) else "", _range(*bounds))
        )
    )
    kind = "" if _fits(value, hint) else f" ({type(value).__name__})"
    raise InputError(f"{name} must be {wanted}, found {value!r}{kind}.")


def choices_of(hint: Any) -> tuple[str, ...]:
    """The names that a ``Literal`` allows, alone or beside None; empty for other types."""
    for part in (hint, *get_args(hint)):
        if typing.get_origin(part) is Literal:
            return get_args(part)
    return ()


def any_bound(bounds: tuple[float | None, ...]) -> bool:
    """Whether any bound is set."""
    return any(bound is not None for bound in bounds)


def from_dict(kind: type[SettingsT], values: dict[str, Any], *, source: str) -> SettingsT:
    """Settings from JSON values; lists become tuples, and what is missing keeps its default.

    ``source`` names the file for error messages.

    Raises
    ------
    InputError
        If a key is unknown or a value does not fit its declaration.

    Examples
    --------
    >>> from_dict(RollingConfig, {"contexts": [64, 128]}, source="mine.json").contexts
    (64, 128)
    >>> from_dict(ResampleConfig, {"gap": 3}, source="mine.json")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: mine.json holds unknown settings ['gap']; ResampleConfig knows ...
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"{source} holds unknown settings {unknown}; {kind.__name__} knows {sorted(known)}."
        )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has a type; an int is a float, but a bool is no int."""
    if hint in (int, float):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return whole or (hint is float and isinstance(value, float | np.floating))
    if hint in (bool, str):
        return isinstance(value, hint)
    inner = get_args(hint)
    if typing.get_origin(hint) is Literal:
        return value in inner
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        each = inner[:1] * len(value) if inner[-1] is ... else inner
        return len(each) == len(value) and all(map(_fits, value, each))
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(value is None if part is type(None) else _fits(value, part) for part in inner)
    return True


def _inside(
    value: Any,
    at_least: float | None,
    above: float | None,
    at_most: float | None,
    below: float | None,
) -> bool:
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        return True
    return bool(
        not np.isnan(value)
        and (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
        and (below is None or value < below)
    )


def _range(
    at_least: float | None, above: float | None, at_most: float | None, below: float | None
) -> str:
    """The bounds in words: ``"of at least 1"``, ``"above 0"``, ``"in [0, 1)"``."""
    low, high = (at_least if above is None else above), (at_most if below is None else below)
    if low is not None and high is not None:
        return f"in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"
    if low is not None:
        return f"of at least {low:g}" if above is None else f"above {low:g}"
    return "" if high is None else (f"of at most {high:g}" if below is None else f"below {high:g}")


def _words(hint: Any) -> str:
    """A type in words."""
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
    if hint in words:
        return words[hint]
    inner = get_args(hint)
    if typing.get_origin(hint) is tuple:
        each = words.get(inner[0], "a value").removeprefix("a ") + "s"
        return f"a tuple of {each}" if inner[-1] is ... else f"a tuple of {len(inner)} {each}"
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join("None" if part is type(None) else _words(part) for part in inner)
    return str(hint)


@settings
class ModelConfig:
    """Sizes and kinds that fix a :class:`dynamix.DynaMix` architecture.

    The paper's letters: ``observed_dims`` N, ``latent_dims`` M, ``experts`` J, ``relu_units`` P,
    ``hidden_units`` H (clipped shallow PLRNN experts only). M is at least N and P.
    """

    observed_dims: int = setting(3, "observed dimensions N", at_least=1)
    latent_dims: int = setting(30, "latent dimensions M", at_least=1)
    experts: int = setting(10, "number of experts J", at_least=1)
    relu_units: int = setting(2, "ReLU units P of an AL-RNN expert", at_least=0)
    hidden_units: int = setting(50, "hidden units H of a clipped shallow PLRNN expert", at_least=1)
    expert_kind: ExpertKind = setting("alrnn", "kind of expert")
    probabilistic: bool = setting(False, "experts add noise of a learned width to every step")

    def check(self) -> None:
        """Raise unless the sizes fit each other."""
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


@settings
class LocalConfig:
    """The candidates of a :class:`dynamix.local.LocalForecaster`; a context chooses one of them.

    Candidate i fits its affine maps to ``neighbours[i]`` context steps and pulls by ``pulls[i]``.
    """

    observed_dims: int = setting(3, "observed dimensions N", at_least=1)
    neighbours: tuple[int, ...] = setting(
        (8, 8, 12, 12, 20, 20, 32, 32), "context steps that each candidate fits its maps to"
    )
    pulls: tuple[float, ...] = setting(
        (1.0, 0.95) * 4,
        "effect of each candidate's maps on directions without data: 1 keeps a deviation, 0 "
        "removes it",
        at_least=0,
        at_most=1,
    )
    ridge: float = setting(
        3e-4, "ridge of the fits, as a share of the squared distance to the furthest step", above=0
    )

    def check(self) -> None:
        """Raise unless there are as many pulls as numbers of neighbours, and enough neighbours."""
        if not self.neighbours or len(self.pulls) != len(self.neighbours):
            raise InputError(
                "neighbours and pulls must hold one number for each candidate, found "
                f"{len(self.neighbours)} and {len(self.pulls)}."
            )
        if min(self.neighbours) < self.observed_dims + 2:
            raise InputError(
                f"neighbours must all be at least observed_dims + 2 = {self.observed_dims + 2}, "
                f"which an affine map needs, found {self.neighbours}."
            )


@settings
class ForecastDefaults:
    """Forecast settings that a checkpoint stores; :class:`ForecastConfig` can override each."""

    embedding: Embedding = setting("pos", "how missing dimensions are filled")
    complete_from: int = setting(
        0,
        "from this number of channels on, missing dimensions are filled with zeros; 0 for never",
        at_least=0,
    )
    attention_sharpness: float = setting(
        1.0, "forecasts divide the attention's temperature by this; training does not", above=0
    )
    quiet_steps: int = setting(
        0, "first steps of a forecast without gate noise; training has noise", at_least=0
    )
    reference_spacing: float = setting(
        0.0,
        "forecasts scale the gate's widths by a context's spacing over this spacing; 0 for never",
        at_least=0,
    )

    def embedding_of(self, channels: int) -> Embedding:
        """How missing dimensions are filled for a context of so many ``channels``."""
        complete = self.complete_from and channels >= self.complete_from
        return "zero" if complete else self.embedding


@settings
class ForecastConfig:
    """Settings of :func:`dynamix.forecast` (the pipeline of the paper, section 3.3)."""

    embedding: Embedding | None = setting(
        None,
        "how missing dimensions are made up when the data has fewer than the model; by default as "
        "the checkpoint says",
    )
    standardize: bool = setting(True, "scale each channel by the context's mean and deviation")
    detrend: bool = setting(False, "remove a power-law trend before, add it back after")
    box_cox: bool = setting(False, "Box-Cox transform before, undone after")
    gate_noise: bool = setting(True, "draw the gate's noise; off makes the model deterministic")
    seed: int = setting(0, "seed of every random draw", at_least=0)
    engine: Engine = setting("auto", "what computes the rollout")
    n_samples: int | None = setting(
        None,
        "number of forecasts with different draws of the gate's noise, as an ensemble; sample i "
        "has the seed dynamix.forecasting.sample_seed(seed, i)",
        at_least=1,
    )
    attention_sharpness: float | None = setting(
        None, "divides the attention's temperature; by default as the checkpoint says", above=0
    )
    quiet_steps: int | None = setting(
        None,
        "first steps without gate noise; by default as the checkpoint says, and 0 in an ensemble",
        at_least=0,
    )
    reference_spacing: float | None = setting(
        None,
        "scales the gate's widths by the context's spacing over this spacing, 0 for never; by "
        "default as the checkpoint says",
        at_least=0,
        below=float("inf"),
    )


@settings
class TrainingConfig:
    """Corpus, forcing, loss, optimiser and bookkeeping of a training run (paper, appendix A).

    Steps are sampling steps. ``window`` counts the points of the training window: ``window - 1``
    predictions, the first ``overlap`` points of which still lie inside the context.
    """

    epochs: int = setting(2000, "length of the run in epochs", at_least=1)
    batches_per_epoch: int = setting(50, "optimiser steps in an epoch", at_least=1)
    batch_size: int = setting(16, "sequences in a batch", at_least=1)
    context_length: int = setting(500, "context steps T_C of a training sequence", at_least=2)
    longer_contexts: tuple[int, ...] = setting(
        (), "other context lengths, drawn as often as context_length, a length per batch"
    )
    window: int = setting(
        101, "points of the training window: inputs and targets overlap", at_least=2
    )
    overlap: int = setting(51, "points of the training window that lie in the context", at_least=1)
    points_per_period: tuple[int, ...] = setting(
        (50,),
        "samples per dominant period; several rates give several trajectories per system",
        at_least=2,
    )
    trajectory_length: int = setting(60_000, "points of each trajectory drawn from", at_least=1)
    variants: int = setting(
        0,
        "further trajectories per system with perturbed parameters, each at a random rate between "
        "the lowest and the highest of points_per_period",
        at_least=0,
    )
    variant_jitter: float = setting(
        0.1, "largest relative change of a parameter in such a variant", at_least=0
    )
    variant_length: int = setting(10_000, "points of each variant's trajectory", at_least=1)
    systems: tuple[str, ...] = setting(
        (), "dysts systems to train on; none named: the split's training systems"
    )
    hold_out_validation: bool = setting(
        True, "leave the validation systems out of the training corpus, so they stay zero-shot"
    )
    data: tuple[str, ...] = setting(
        (), "own trajectories (.npy, .csv) to train on instead of the dysts corpus"
    )
    signed_permutations: bool = setting(
        False, "show each sequence with its axes randomly permuted and mirrored"
    )
    rotations: bool = setting(False, "show each sequence randomly rotated")
    warp: float = setting(
        0.0,
        "strength of a random smooth change of each sequence's coordinates",
        at_least=0,
        below=1,
    )
    frozen: tuple[str, ...] = setting(
        (), "parameters kept at their first values, by name: gate.tau_att, gate.D, gate.sigma, ..."
    )
    start_from: str = setting(
        "", "checkpoint whose weights training starts from, with its model's settings; fine-tuning"
    )
    first_weights: FirstWeights = setting(
        "random",
        "the paper's random weights, or those of an analogue forecaster, which training improves",
    )
    analogue_pull: float = setting(
        0.05,
        "analogue start: share of the distance to the analogues that a step closes",
        at_least=0,
    )
    analogue_noise: float = setting(
        0.05, "analogue start: width of the gate's noise, sigma", at_least=0
    )
    attention_temperature: float = setting(
        0.1, "first value of the gate's tau_att, unless training starts from a checkpoint", above=0
    )
    start_sharpness: float = setting(
        1.0, "divides the tau_att of the checkpoint that training starts from", above=0
    )
    averaging: float = setting(
        0.0,
        "decay per step of a running mean of the weights, which is validated and kept; 0 for none",
        at_least=0,
        below=1,
    )
    forcing: Forcing = setting("sparse", "teacher forcing: sparse or generalised")
    forcing_interval: int = setting(
        10, "sparse forcing: steps between two overwritings, tau", at_least=1
    )
    forcing_strength: float = setting(
        0.1, "generalised forcing: weight alpha of the data", at_least=0, at_most=1
    )
    loss: Loss = setting(
        "squared",
        "mean squared error, or the mean over sequences of log(1 + squared error / loss_scale), in "
        "which a well predicted sequence counts as much as a badly predicted one",
    )
    loss_scale: float = setting(
        1e-4, "logarithmic loss: squared error that counts as small", above=0
    )
    input_noise: float = setting(
        0.05, "standard deviation of the noise added to the inputs", at_least=0
    )
    gate_noise_penalty: float = setting(
        0.1, "weight of the loss term that keeps sigma open", at_least=0
    )
    gate_noise_scale: float = setting(0.01, "scale of that term", above=0)
    learning_rate: float = setting(4e-3, "learning rate of the first epoch", above=0)
    final_learning_rate: float = setting(1e-5, "learning rate of the last epoch", above=0)
    gradient_clip: float = setting(10.0, "largest gradient norm ever applied", above=0)
    adaptive_clip: float = setting(
        3.0, "clip at this multiple of the gradient norm's running mean", above=0
    )
    skip_gradient: float = setting(
        50.0, "skip a batch whose gradient norm exceeds this multiple of its running mean", above=0
    )
    skip_loss: float = setting(
        20.0, "skip a batch whose loss exceeds this multiple of its running mean", above=0
    )
    rollback_after: int = setting(
        20, "consecutive skipped batches after which the last good state is restored", at_least=1
    )
    validate_every: int = setting(100, "epochs between two validations; 0 for never", at_least=0)
    validation_systems: tuple[str, ...] = setting(
        (), "systems of the free-running validation; none named: the split's"
    )
    validation_context: int = setting(500, "context steps of a validation forecast", at_least=1)
    validation_horizon: int = setting(2000, "horizon of a validation forecast", at_least=1)
    checkpoint_every: int = setting(20, "epochs between two checkpoints", at_least=1)
    seed: int = setting(0, "seed of initial weights, batches and noise", at_least=0)
    threads: int = setting(
        1, "CPU threads; small matrices gain nothing from more than one", at_least=1
    )
    engine: Engine = setting("auto", "what computes loss and gradient")

    def check(self) -> None:
        """Raise where two settings contradict each other."""
        if self.first_weights != "random" and self.start_from:
            raise InputError(
                f"first_weights={self.first_weights!r} and start_from={self.start_from!r} both say "
                "where training starts. Leave one of them out."
            )
        if not self.points_per_period:
            raise InputError("points_per_period must name at least one rate, found ().")
        if self.overlap > min(self.window, self.context_length):
            raise InputError(
                "overlap must lie between 1 and the smaller of window and context_length "
                f"({min(self.window, self.context_length)}), found {self.overlap}."
            )
        if self.final_learning_rate > self.learning_rate:
            raise InputError(
                "final_learning_rate must be no larger than learning_rate, found "
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


@settings
class BenchmarkConfig:
    """The zero-shot protocol "dysts-3d": what is shown, and how far it is continued."""

    source: Source = setting("dysts", "where systems come from: the catalogue, or generated flows")
    first_flow: int = setting(100_000, "seed of the first generated flow", at_least=0)
    flows: int = setting(40, "number of generated flows", at_least=1)
    context: int = setting(2000, "context steps shown", at_least=2)
    horizon: int = setting(10_000, "steps forecast", at_least=1)
    points_per_period: int = setting(50, "samples per dominant period", at_least=2)
    starts: int = setting(5, "different starting points on each attractor", at_least=1)
    bins: int = setting(
        30, "histogram bins per dimension of the state-space divergence", at_least=2
    )
    smoothing: int = setting(20, "width in frequency bins of the spectrum's smoothing", at_least=0)
    mase_steps: int = setting(10, "steps over which the short-term error is averaged", at_least=1)
    lyapunov_steps: int = setting(
        2000,
        "steps that the model's largest Lyapunov exponent is averaged over; 0 to leave it out",
        at_least=0,
    )
    seed: int = setting(0, "seed of the gate's noise", at_least=0)

    def check(self) -> None:
        """Raise where the short-term error needs more steps than are forecast."""
        if self.mase_steps > self.horizon:
            raise InputError(
                f"mase_steps must not exceed horizon, found {self.mase_steps} and {self.horizon}."
            )


@settings
class ResampleConfig:
    """What :func:`dynamix.preprocessing.resample` mends, and where it refuses."""

    longest_gap: int = setting(
        6, "steps without an observation that are still interpolated", at_least=0
    )
    most_filled: float = setting(0.2, "largest share of interpolated steps", at_least=0, below=1)
    holes: Holes = setting("refuse", "longer gaps: refuse, or cut to the longest stretch without")


@settings
class RollingConfig:
    """Forecasts from many origins of one series, and how they are measured."""

    contexts: tuple[int, ...] = setting((512,), "context steps shown", at_least=2)
    horizons: tuple[int, ...] = setting(
        (10, 336), "steps over which errors are averaged", at_least=2
    )
    origins: int = setting(
        20, "starting points, spread evenly over what the contexts leave", at_least=1
    )
    season: int = setting(
        1, "lag of the change that MASE divides by; 1: the one-step change", at_least=1
    )
    dims: int = setting(
        3, "dimensions of the delay embedding that D_stsp is measured in", at_least=1
    )
    bins: int = setting(8, "histogram bins per dimension of D_stsp", at_least=2)
    smoothing: int = setting(2, "width in frequency bins of the spectra's smoothing", at_least=0)
    seed: int = setting(0, "seed handed to every forecaster", at_least=0)

    def check(self) -> None:
        """Raise where no length is named."""
        for name in ("contexts", "horizons"):
            if not getattr(self, name):
                raise InputError(f"{name} must name at least one length.")


@settings
class ReportConfig:
    """Limits of the report on a reader's own data: rules of thumb, to be argued with.

    Triples are the limits of a note, a warning and a serious finding.
    """

    fewest_rows: int = setting(24, "rows below which there is no report")
    trained_points: tuple[float, float] = setting(
        (25.0, 130.0), "samples per dominant oscillation that training covers"
    )
    fewest_points: float = setting(5.0, "samples per oscillation below which aliasing begins")
    steps: tuple[float, float, float] = setting((500, 200, 80), "context steps")
    oscillations: tuple[float, float, float] = setting((15, 8, 3), "oscillations shown")
    shift: tuple[float, float, float] = setting(
        (0.25, 0.5, 1.0), "change of the mean between the halves, in deviations"
    )
    spread: tuple[float, float, float] = setting(
        (1.25, 1.6, 2.5), "ratio of the deviations of the halves"
    )
    still_steps: int = setting(10, "equal values in a row that are no finding")
    constant: tuple[float, float, float] = setting(
        (0.005, 0.02, 0.2), "longest constant stretch, as a share of the context"
    )
    repeat_steps: int = setting(20, "length of a stretch that must not occur twice")
    repeats: tuple[float, float, float] = setting((0.001, 0.05, 0.3), "share of such stretches")
    resolution: tuple[float, float, float] = setting(
        (0.05, 0.2, 0.6), "distance between neighbouring values, in deviations"
    )
    outlier: float = setting(8.0, "robust deviations from the running median of an outlier")
    outliers: tuple[float, float, float] = setting((1e-9, 0.005, 0.03), "share of outliers")
    noise: tuple[float, float, float] = setting(
        (0.2, 0.4, 0.8), "one-step error of nearest neighbours, in deviations"
    )
    missing: tuple[float, float, float] = setting(
        (1e-9, 0.02, 0.15), "share of steps that had to be interpolated"
    )
    off_grid: tuple[float, float, float] = setting(
        (0.01, 0.3, 2.0), "share of rows at times off the regular grid; never serious by itself"
    )
    most_unreadable: float = setting(
        0.2, "share of entries that are no number, beyond which a column is text"
    )
    longest_gap: int = setting(12, "steps without an observation that are still interpolated")
    most_filled: float = setting(0.5, "share of interpolated steps beyond which it is refused")
    origins: int = setting(4, "starting points of the trial on the context's own end")
    held_out: float = setting(0.2, "longest trial, as a share of the context")
