"""Defaults of chapter 7: what counts as a failure, and the controlled transformer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .config import _described
from .errors import InputError, whole_number


@dataclass(frozen=True)
class FailureConfig:
    """From where on a measured property of a forecast counts as a failure, and how it is measured.

    The thresholds are conventions: they turn measures into rates. The measures are stored, too.
    """

    stretch: int = _described(30, "steps that a copied stretch has at least")
    parroting: float = _described(0.5, "a parroting index above this is a failure")
    amplitude: float = _described(
        0.1, "a deviation in the last tenth below this share of the context's is a failure"
    )
    chaos: float = _described(
        0.25, "an exponent below this share of the truth's is a failure, where the truth is chaotic"
    )
    least_exponent: float = _described(
        1e-3, "estimated exponents per step below this do not count as chaos"
    )
    spectral_ratio: float = _described(
        0.1, "a frequency is lost where less than this share of the truth's power is left"
    )
    spectral_mass: float = _described(0.25, "lost or invented power above this share is a failure")
    margin: float = _described(0.1, "of the range of context and truth: what is beyond is outside")
    outside: float = _described(0.01, "a larger share of steps outside is a failure")
    smoothing: int = _described(20, "width in frequency bins of the spectra's smoothing")

    def __post_init__(self) -> None:
        whole_number("stretch", self.stretch, least=2)
        whole_number("smoothing", self.smoothing, least=0)
        for f in dataclasses.fields(self):
            if isinstance(f.default, float) and not 0.0 <= getattr(self, f.name) <= 1.0:
                raise InputError(f"{f.name} must lie in [0, 1], found {getattr(self, f.name)!r}.")


@dataclass(frozen=True)
class TransformerConfig:
    """The controlled transformer: Chronos-T5's architecture, small, and its training.

    The corpus is not described here: it is that of a :class:`TrainingConfig`. Chronos-T5 "tiny",
    for comparison: width 256, 4 heads, 4 layers, 4096 tokens, limit 15.
    """

    context_length: int = _described(512, "steps that the encoder sees at most")
    prediction_length: int = _described(64, "steps decoded before they become context")
    tokens: int = _described(1024, "bins of the tokeniser, two special tokens included")
    limit: float = _described(8.0, "outermost bins, in mean absolute values of the context")
    width: int = _described(128, "width of the hidden states")
    heads: int = _described(4, "attention heads")
    layers: int = _described(2, "layers of the encoder, and of the decoder")
    feed_forward: int = _described(256, "width of the feed-forward layers")
    temperature: float = _described(1.0, "temperature of sampling")
    top_k: int = _described(50, "tokens that sampling chooses from")
    ordered_start: bool = _described(
        True, "first weights know which bin lies beside which, and which step"
    )
    loss_decay: float = _described(
        1.0, "the t-th token of the future counts t to minus this in the loss; 0: all alike"
    )
    steps: int = _described(14_000, "optimiser steps")
    stop_after: int = _described(
        0, "stop after so many steps already, the learning rate brought to 0; 0: after all"
    )
    cool_down: int = _described(600, "steps before such a stop over which the rate falls to 0")
    batch_size: int = _described(16, "windows in a batch, one channel of each")
    training_contexts: tuple[int, ...] = _described(
        (128, 128, 128, 128, 128, 128, 256, 512),
        "context lengths of training, one drawn for each batch",
    )
    learning_rate: float = _described(1.5e-3, "highest learning rate, which decays linearly to 0")
    warm_up: int = _described(200, "steps over which it rises")
    gradient_clip: float = _described(1.0, "largest gradient norm applied")
    bfloat16: bool = _described(True, "multiply in bfloat16 while training")
    log_every: int = _described(50, "steps between two lines of the log")
    validate_every: int = _described(3500, "steps between two validations; 0 for never")
    validation_horizon: int = _described(2000, "horizon of a validation forecast")
    checkpoint_every: int = _described(250, "steps between two checkpoints")
    seed: int = _described(0, "seed of initial weights, batches and validation")

    def __post_init__(self) -> None:
        whole = {
            "validate_every": 0,
            "warm_up": 0,
            "seed": 0,
            "stop_after": 0,
            "tokens": 8,
            "context_length": 2,
        }
        for f in dataclasses.fields(self):
            if isinstance(f.default, int) and not isinstance(f.default, bool):
                whole_number(f.name, getattr(self, f.name), least=whole.get(f.name, 1))
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, found {self.width} and {self.heads}."
            )
        for name in ("limit", "temperature", "learning_rate", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, found {getattr(self, name)!r}.")
        if not 0 <= self.loss_decay < float("inf"):
            raise InputError(f"loss_decay must be finite and at least 0, found {self.loss_decay}.")
        if not self.training_contexts or not all(
            2 <= length <= self.context_length for length in self.training_contexts
        ):
            raise InputError(
                f"training_contexts must lie between 2 and context_length = {self.context_length}, "
                f"found {self.training_contexts}."
            )

    @property
    def last_step(self) -> int:
        """Steps that training takes."""
        return min(self.stop_after or self.steps, self.steps)
