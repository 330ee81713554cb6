"""Every setting of the library, declared once: default, help and bounds on one line.

The check when a settings object is made, the command line's flags and ``--help``, and the reference
come from this declaration.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, wraps
from typing import Any, Literal, TypeVar, dataclass_transform, get_args

from .errors import InputError, check_value, choices_of, one_of

ExpertKind = Literal["alrnn", "clipped_shallow_plrnn"]
Embedding = Literal["pos", "delay", "delay_random", "zero", "pecuzal", "memory", "auto"]
Engine = Literal["auto", "compiled", "numpy", "torch"]
TrainingEngine = Literal["auto", "compiled", "torch"]
Errors = Literal["raise", "skip"]
Denoise = Literal["off", "auto"]
Seasons = Literal["off", "auto"] | int | tuple[int, ...]
Odds = Literal["calibrated", "gate"]
Forcing = Literal["sparse", "generalised"]
Loss = Literal["squared", "logarithmic"]
FirstWeights = Literal["random", "analogue"]

EMBEDDINGS: tuple[str, ...] = get_args(Embedding)
BUNDLED_MODEL = "dynamix-3d"
AUTO = "auto"  # the model that a context's own end asks for
PATIENCE = 2.0  # seconds of work without a progress bar
# which module reads a checkpoint that is no DynaMix, by the key that marks it in its JSON file
CHECKPOINT_KINDS = {"local": "dynamix.local.settings", "gp": "dynamix.gp.settings"}

# annotations that `checked` checks
_PLAIN = (int, float, bool, str)
_ORIGINS = (Literal, types.UnionType, typing.Union, tuple, Sequence)

SettingsT = TypeVar("SettingsT")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def setting(default: Any, help: str, **bounds: float) -> Any:
    """Declare a field of a settings class.

    ``bounds`` are ``at_least``, ``above``, ``at_most`` or ``below``; they hold for every number in
    the field. Choices come from the annotation: ``Literal["auto", "torch"]``.
    """
    return dataclasses.field(default=default, metadata={"help": help, "bounds": bounds})


@dataclass_transform(frozen_default=True)
def settings(kind: type[SettingsT]) -> type[SettingsT]:
    """Make a class of :func:`setting` declarations a frozen dataclass that checks itself.

    Types, choices and bounds are checked first, then the class's own ``check(self)``, if it has
    one. A misfit raises InputError. The docstring gains a list of the settings.

    >>> @settings
    ... class Example:
    ...     epochs: int = setting(10, "passes over the data", at_least=1)
    >>> Example(epochs=0)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: epochs must be a whole number of at least 1, found 0.
    """

    def __post_init__(self: Any) -> None:  # noqa: N807
        for name, field in declared(own).items():
            value = getattr(self, name)
            # neither a default nor a known name needs a check; this keeps forecasts cheap
            known = isinstance(value, str) and value in get_args(field.type)
            if not known and value is not field.default:
                check_value(name, value, hint=field.type, bounds=field.metadata["bounds"])
        if own_check is not None:
            own_check(self)

    own: Any = kind
    own_check = getattr(kind, "check", None)
    own.__post_init__ = __post_init__
    kind = dataclasses.dataclass(frozen=True)(kind)
    own.__no_type_check__ = True  # jaxtyping leaves bad values to the check above
    head = (kind.__doc__ or "").rstrip()
    kind.__doc__ = "\n".join([head, "", "Parameters", "----------", *_described(kind), ""])
    return kind


def checked(function: FunctionT) -> FunctionT:
    """Refuse arguments of another type than the annotation of a number, text, choice or flag."""
    parameters = inspect.signature(function).parameters
    names, free = list(parameters), any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    @lru_cache
    def hints() -> dict[str, Any]:
        found = {}
        for name, hint in function.__annotations__.items():
            with suppress(NameError):  # a type that is imported for type checkers alone
                known = eval(hint, function.__globals__) if isinstance(hint, str) else hint
                if known in _PLAIN or typing.get_origin(known) in _ORIGINS:
                    found[name] = known
        return found

    @lru_cache
    def fits(name: str, text: str) -> bool:  # so that a known name costs little
        return text in choices_of(hints()[name])

    @wraps(function)
    def called(*args: Any, **given: Any) -> Any:
        known = hints()
        for name, value in (*zip(names, args, strict=False), *given.items()):
            if name in known and type(value) is not known[name]:
                if not (isinstance(value, str) and fits(name, value)):
                    check_value(name, value, hint=known[name], bounds={})
            elif name not in parameters and not free:
                one_of(f"argument of {function.__name__}", name, names)
        return function(*args, **given)

    return called  # type: ignore[return-value]


def takes(kind: Any, *, without: tuple[str, ...] = ()) -> Callable[[FunctionT], FunctionT]:
    """Replace the ``**settings``, in signature and docstring, by the fields of a class."""

    def decorate(function: FunctionT) -> FunctionT:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        fields = [f for f in declared(kind).values() if f.name not in without]
        more = [
            inspect.Parameter(f.name, own[-1].KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in fields
        ]
        function.__signature__ = signature.replace(parameters=own + more)  # type: ignore[attr-defined]
        described = textwrap.indent("\n".join(_described(kind, without)), "    ")
        function.__doc__ = (function.__doc__ or "").replace("    **settings", described)
        return checked(function)

    return decorate


def _described(kind: type[Any], without: tuple[str, ...] = ()) -> list[str]:
    """The settings of a class as lines of a NumPy docstring."""
    lines = []
    for field in dataclasses.fields(kind):
        if field.name not in without:
            text = f"{field.metadata['help']}; default ``{field.default!r}``"
            lines += [field.name, textwrap.indent(textwrap.fill(text, 88), "    ")]
    return lines


@lru_cache
def declared(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a settings class by name, ``type`` resolved to a real type."""
    hints = typing.get_type_hints(kind.__init__)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for field in fields.values():
        field.type = hints[field.name]
    return fields


def from_dict(kind: type[SettingsT], values: dict[str, Any], *, source: str) -> SettingsT:
    """Settings from the JSON values of the file ``source``; lists become tuples.

    A missing key keeps its default. An unknown key or a value that does not fit is an InputError.

    >>> from_dict(TrainingConfig, {"systems": ["Lorenz"]}, source="mine.json").systems
    ('Lorenz',)
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"{source} holds unknown settings {unknown}; {kind.__name__} knows {sorted(known)}."
        )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


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
        M = f"latent_dims (M = {self.latent_dims})"
        if self.latent_dims < self.observed_dims:
            raise InputError(f"{M} must be at least observed_dims (N = {self.observed_dims}).")
        if self.relu_units > self.latent_dims:
            raise InputError(f"relu_units (P = {self.relu_units}) must not exceed {M}.")


@settings
class ForecastDefaults:
    """Forecast settings that a checkpoint stores; :class:`ForecastConfig` can override each."""

    embedding: Embedding = setting("pos", "how missing dimensions are filled")
    complete_from: int = setting(
        0, "channels from which on missing dimensions are filled with zeros; 0: never", at_least=0
    )
    attention_sharpness: float = setting(
        1.0, "forecasts divide the attention's temperature by this; training does not", above=0
    )
    quiet_steps: int = setting(0, "first steps of a forecast without gate noise", at_least=0)
    reference_spacing: float = setting(
        0.0,
        "forecasts scale the gate's widths by a context's spacing over this; 0: never",
        at_least=0,
    )
    denoise: Denoise = setting("off", "smooth a context by the noise that is found in it")

    def embedding_of(self, channels: int) -> Embedding:
        """How missing dimensions are filled for a context of so many ``channels``."""
        complete = self.complete_from and channels >= self.complete_from
        return "zero" if complete else self.embedding


@settings
class ForecastConfig:
    """Settings of :func:`dynamix.forecast` (the pipeline of the paper, section 3.3).

    A setting of None is taken from the checkpoint; an ensemble of the gate then has no quiet steps.
    """

    embedding: Embedding | None = setting(None, "how missing dimensions are filled")
    standardize: bool = setting(True, "scale each channel by the context's mean and deviation")
    detrend: bool = setting(False, "remove a power-law trend before, add it back after")
    box_cox: bool = setting(False, "Box-Cox transform before, undone after")
    season: Seasons = setting(
        "off",
        "remove seasons before, add them back after: off, auto (those of the calendar that are "
        "found), or periods in steps",
        at_least=2,
    )
    damping: Denoise = setting(
        "off",
        "auto shrinks the forecast towards season and level, as far as forecasts of the context's "
        "own end ask for",
    )
    denoise: Denoise | None = setting(
        None, "smooth the context by the noise that is found in it; a clean one stays as it is"
    )
    gate_noise: bool = setting(True, "draw the gate's noise; off makes the model deterministic")
    seed: int = setting(0, "seed of every random draw", at_least=0, below=2**63)
    engine: Engine = setting("auto", "what computes the rollout")
    errors: Errors = setting("raise", "series that cannot be forecast: raise, or skip (NaN)")
    n_samples: int | None = setting(
        None, "forecasts in an ensemble; by default one forecast without an axis", at_least=1
    )
    odds: Odds = setting(
        "calibrated", "samples by the errors of runs inside the context, or by the gate's noise"
    )
    attention_sharpness: float | None = setting(
        None, "divides the attention's temperature", above=0
    )
    quiet_steps: int | None = setting(None, "first steps without gate noise", at_least=0)
    reference_spacing: float | None = setting(
        None,
        "scales the gate's widths by the context's spacing over this; 0: never",
        at_least=0,
        below=float("inf"),
    )


@settings
class TrainingConfig:
    """Corpus, forcing, loss, optimiser and bookkeeping of a training run (paper, appendix A).

    ``window`` points are ``window - 1`` predictions; the first ``overlap`` lie in the context.
    """

    epochs: int = setting(2000, "length of the run in epochs", at_least=1)
    batches_per_epoch: int = setting(50, "optimiser steps in an epoch", at_least=1)
    batch_size: int = setting(16, "sequences in a batch", at_least=1)
    context_length: int = setting(500, "context steps T_C of a training sequence", at_least=2)
    longer_contexts: tuple[int, ...] = setting(
        (), "other context lengths, drawn as often as context_length, a length per batch"
    )
    window: int = setting(101, "points of the training window: inputs and targets", at_least=2)
    overlap: int = setting(51, "points of the training window in the context", at_least=1)
    points_per_period: tuple[int, ...] = setting(
        (50,), "samples per dominant period; each rate gives each system a trajectory", at_least=2
    )
    trajectory_length: int = setting(60_000, "points of each trajectory drawn from", at_least=1)
    variants: int = setting(
        0, "further trajectories per system, with perturbed parameters at random rates", at_least=0
    )
    variant_jitter: float = setting(
        0.1, "largest relative change of a parameter in such a variant", at_least=0
    )
    flows: int = setting(
        0, "generated flows beside the systems, each at one of the rates, by turns", at_least=0
    )
    variant_length: int = setting(
        10_000, "points of the trajectory of each variant and generated flow", at_least=1
    )
    systems: tuple[str, ...] = setting((), "dysts systems to train on; none named: the split's")
    hold_out_validation: bool = setting(
        True, "leave the validation systems out of the training corpus, so they stay zero-shot"
    )
    data: tuple[str, ...] = setting((), "own trajectories (.npy, .csv) instead of the corpus")
    signed_permutations: bool = setting(False, "permute and mirror each sequence's axes at random")
    rotations: bool = setting(False, "rotate each sequence at random")
    warp: float = setting(
        0.0, "strength of a random smooth change of coordinates", at_least=0, below=1
    )
    frozen: tuple[str, ...] = setting(
        (), "parameters kept at their first values, by name: gate.tau_att, gate.D, gate.sigma, ..."
    )
    start_from: str = setting("", "checkpoint to fine-tune, with its model's settings")
    first_weights: FirstWeights = setting(
        "random", "the paper's random weights, or those of an analogue forecaster"
    )
    analogue_pull: float = setting(
        0.05, "analogue start: share of the distance that a step closes", at_least=0
    )
    analogue_noise: float = setting(0.05, "analogue start: sigma of the gate's noise", at_least=0)
    attention_temperature: float = setting(0.1, "first tau_att of a new model", above=0)
    start_sharpness: float = setting(1.0, "divides the tau_att of start_from", above=0)
    averaging: float = setting(
        0.0, "decay per step of a mean of the weights, which is kept; 0: none", at_least=0, below=1
    )
    forcing: Forcing = setting("sparse", "teacher forcing: sparse or generalised")
    forcing_interval: int = setting(10, "sparse: steps between overwritings, tau", at_least=1)
    forcing_strength: float = setting(
        0.1, "generalised forcing: weight alpha of the data", at_least=0, at_most=1
    )
    loss: Loss = setting("squared", "mean of the squared errors, or of log(1 + error / loss_scale)")
    loss_scale: float = setting(1e-4, "logarithmic loss: a small squared error", above=0)
    input_noise: float = setting(0.05, "deviation of the noise added to the inputs", at_least=0)
    gate_noise_penalty: float = setting(
        0.1, "weight of the loss term that keeps sigma open", at_least=0
    )
    gate_noise_scale: float = setting(0.01, "scale of that term", above=0)
    learning_rate: float = setting(4e-3, "learning rate of the first epoch", above=0)
    final_learning_rate: float = setting(1e-5, "learning rate of the last epoch", above=0)
    gradient_clip: float = setting(10.0, "largest gradient norm ever applied", above=0)
    adaptive_clip: float = setting(3.0, "clip at so many running means of the norm", above=0)
    skip_gradient: float = setting(50.0, "skip a batch above so many mean norms", above=0)
    skip_loss: float = setting(20.0, "skip a batch above so many mean losses", above=0)
    rollback_after: int = setting(
        20, "consecutive skipped batches after which the last good state is restored", at_least=1
    )
    validate_every: int = setting(100, "epochs between two validations; 0: never", at_least=0)
    validation_systems: tuple[str, ...] = setting(
        (), "systems of the free-running validation; none named: the split's"
    )
    validation_context: int = setting(500, "context steps of a validation forecast", at_least=1)
    validation_horizon: int = setting(2000, "horizon of a validation forecast", at_least=1)
    checkpoint_every: int = setting(20, "epochs between two checkpoints", at_least=1)
    seed: int = setting(0, "seed of initial weights, batches and noise", at_least=0, below=2**63)
    threads: int = setting(1, "CPU threads; small matrices gain nothing from more", at_least=1)
    engine: TrainingEngine = setting("auto", "what computes loss and gradient")

    def check(self) -> None:
        """Raise where two settings contradict each other."""
        most = min(self.window, self.context_length, *self.longer_contexts)
        if self.first_weights != "random" and self.start_from:
            raise InputError("first_weights and start_from both say where training starts.")
        if not self.points_per_period:
            raise InputError("points_per_period must name at least one rate, found ().")
        if self.overlap > most:
            raise InputError(
                "overlap must be at most window, context_length and every one of longer_contexts "
                f"({most}), found {self.overlap}."
            )
        if self.final_learning_rate > self.learning_rate:
            rates = f"{self.final_learning_rate!r} and {self.learning_rate!r}"
            raise InputError(f"final_learning_rate must not exceed learning_rate, found {rates}.")

    @property
    def sequence_length(self) -> int:
        """Points of the longest training sequence: the context and what follows it."""
        return max(self.context_length, *self.longer_contexts, 0) + self.window - self.overlap
