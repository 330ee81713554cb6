"""Training by sparse teacher forcing: batches, loss, guard, and :func:`train`.

Equations: Mikhaeil et al. (NeurIPS 2022) for sparse, Hess et al. (ICML 2023) for generalised
teacher forcing, Hemmer & Durstewitz (2025), appendix A, for the recipe. The recipe's clipping alone
lets single exploding windows destroy a run, hence :class:`Guard`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..errors import one_of
from ..model.batch import Batch
from ..model.dynamix import DynaMix
from ..settings import ForecastDefaults, ModelConfig, TrainingConfig
from ..systems import corpus as systems
from ..systems.windows import WindowSampler

_MEAN_DECAY = 0.99  # of the guard's running means
_WARM_UP = 20  # batches before the running means are trusted


def draw_batch(
    sampler: WindowSampler, model: ModelConfig, config: TrainingConfig, *, step: int
) -> Batch:
    """The batch of optimiser step ``step``: it depends on the seed and the step alone.

    The training window begins ``overlap`` points before the context ends (Hemmer & Durstewitz,
    2025, appendix A).

    Parameters
    ----------
    sampler
        Where the sequences come from; its ``length`` must be at least ``config.sequence_length``.
    model
        Says whether experts are probabilistic, and then how many there are.
    config
        Lengths, batch size, width of the input noise, and the seed. With ``longer_contexts`` the
        context's length is drawn too.
    step
        Optimiser step, counted from 0 over the whole run.

    Returns
    -------
    A :class:`Batch` of ``config.batch_size`` sequences and ``config.window - 1`` predictions.

    Raises
    ------
    InputError
        If the sampler finds no sequence that moves in every channel.

    Examples
    --------
    >>> walk = np.random.default_rng(0).standard_normal((600, 3)).cumsum(axis=0)
    >>> config = TrainingConfig(batch_size=4)
    >>> sampler = WindowSampler([walk], length=config.sequence_length)
    >>> batch = draw_batch(sampler, ModelConfig(), config, step=7)
    >>> tuple(batch.context.shape), tuple(batch.inputs.shape)
    ((500, 4, 3), (100, 4, 3))
    >>> bool((batch.targets[:50] == batch.context[-50:]).all())  # the overlap, less its first point
    True
    """
    rng = np.random.default_rng([config.seed, step])
    T_C = int(rng.choice([config.context_length, *config.longer_contexts]))
    length = T_C + config.window - config.overlap
    sequences = sampler.draw(config.batch_size, rng=rng, length=length)
    window = sequences[T_C - config.overlap :]
    inputs, targets = window[:-1], window[1:]
    noise = config.input_noise * rng.standard_normal(inputs.shape, dtype=np.float32)
    gate_noise = rng.standard_normal(inputs.shape, dtype=np.float32)
    expert_noise = None
    if model.probabilistic:
        shape = (*inputs.shape[:2], model.experts, model.latent_dims)
        expert_noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return Batch(
        torch.from_numpy(sequences[:T_C]),
        torch.from_numpy(inputs + noise),
        torch.from_numpy(np.ascontiguousarray(targets)),
        torch.from_numpy(gate_noise),
        expert_noise,
    )


def training_loss(model: DynaMix, batch: Batch, config: TrainingConfig) -> Float[Tensor, ""]:
    """Squared error of the predictions, and a penalty that keeps the gate's noise open.

    ``mean((x_hat - x)^2) + 0.1 mean(exp(-|sigma| / 0.01))``; the logarithmic loss has ``mean_s
    log(1 + e_s / loss_scale)`` in the first term's place, ``e_s`` the mean squared error of
    sequence ``s``. Under the plain mean the few sequences that nobody can predict make nearly all
    of the gradient, and it asks for forecasts that shrink towards the mean.

    Parameters
    ----------
    model
        Run under teacher forcing on the batch's inputs.
    batch
        From :func:`draw_batch`.
    config
        Which forcing and which loss, with their numbers; weight and scale of the penalty.

    Returns
    -------
    A scalar with its graph. The error is in squared deviations of each sequence's channels.

    Examples
    --------
    >>> config = TrainingConfig(context_length=20, window=11, overlap=6, batch_size=4)
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> sampler = WindowSampler([walk], length=config.sequence_length)
    >>> model, batch = DynaMix(), draw_batch(sampler, ModelConfig(), config, step=0)
    >>> quiet, losses = batch._replace(gate_noise=torch.zeros_like(batch.gate_noise)), []
    >>> for sigma in (0.0, 1.0):
    ...     model.gate.sigma.data[:] = sigma
    ...     losses.append(training_loss(model, quiet, config).item())
    >>> round(losses[0] - losses[1], 4)  # what a closed gate costs
    0.1
    """
    sparse = config.forcing == "sparse"
    predictions = model(
        batch.context,
        batch.inputs,
        forcing_interval=config.forcing_interval if sparse else None,
        forcing_strength=None if sparse else config.forcing_strength,
        gate_noise=batch.gate_noise,
        expert_noise=batch.expert_noise,
    )
    errors = ((predictions - batch.targets) ** 2).mean(dim=(0, 2))
    if config.loss == "logarithmic":
        errors = torch.log1p(errors / config.loss_scale)
    error = errors.mean()
    closed = torch.exp(-model.gate.sigma.abs() / config.gate_noise_scale).mean()
    return error + config.gate_noise_penalty * closed


@dataclasses.dataclass
class Guard:
    """Decides whether a batch's gradient may move the weights, and how far.

    A loss or gradient norm that is not finite, or far above its running mean, is skipped; others
    are clipped at a multiple of the running mean. After ``rollback_after`` skips in a row the
    weights themselves are taken to be bad, and the trainer restores the last good ones.

    Attributes
    ----------
    mean_norm
        Running mean of the gradient norm over the batches applied, as clipped.
    mean_loss
        Running mean of the loss.
    seen
        Batches applied so far.
    skipped
        Batches skipped so far.
    skipped_in_a_row
        Batches skipped since the last one that was applied.
    rollbacks
        How often the trainer went back.

    Examples
    --------
    >>> guard, config = Guard(), TrainingConfig()
    >>> guard.limit(config)  # no running mean yet: the recipe's clipping alone
    10.0
    >>> all(guard.accepts(1.0, 2.0, config) for _ in range(20))
    True
    >>> guard.limit(config)  # three times the mean norm
    6.0
    >>> guard.accepts(1.0, 101.0, config), guard.accepts(float("nan"), 2.0, config), guard.skipped
    (False, False, 2)
    """

    mean_norm: float = 0.0
    mean_loss: float = 0.0
    seen: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0

    def accepts(self, loss: float, norm: float, config: TrainingConfig) -> bool:
        """Whether to apply this batch; counts it either way.

        Parameters
        ----------
        loss
            Of the batch.
        norm
            Euclidean norm of its gradient, before clipping.
        config
            ``skip_gradient`` and ``skip_loss`` say which multiple of a running mean is too much.
            Over the first 20 batches only what is not finite is skipped.
        """
        trusted = self.seen >= _WARM_UP
        usable = math.isfinite(loss) and math.isfinite(norm)
        if usable and trusted:
            usable = (
                norm <= config.skip_gradient * self.mean_norm
                and loss <= config.skip_loss * self.mean_loss
            )
        if not usable:
            self.skipped += 1
            self.skipped_in_a_row += 1
            return False
        self.skipped_in_a_row = 0
        self.seen += 1
        decay = min(_MEAN_DECAY, 1.0 - 1.0 / self.seen)  # a plain mean at first
        # a norm enters as clipped, or one outlier would open the door to the next
        entering = min(norm, self.limit(config)) if trusted else norm
        self.mean_norm = decay * self.mean_norm + (1 - decay) * entering
        self.mean_loss = decay * self.mean_loss + (1 - decay) * loss
        return True

    def limit(self, config: TrainingConfig) -> float:
        """Largest norm applied now.

        Parameters
        ----------
        config
            ``gradient_clip`` bounds it; once 20 batches are seen ``adaptive_clip`` times the
            running mean does so too.
        """
        if self.seen < _WARM_UP:
            return config.gradient_clip
        return min(config.gradient_clip, config.adaptive_clip * self.mean_norm)


def train(
    output: str | Path,
    *,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    defaults: ForecastDefaults | None = None,
    trajectories: Sequence[Float[ndarray, "_ _"]] | None = None,
    resume: bool = False,
) -> DynaMix:
    """Train a DynaMix and keep everything about the run in one folder.

    The folder gets ``model.safetensors`` (the last weights), ``best.safetensors`` (the best on the
    validation systems), ``log.jsonl`` (a line per epoch), ``training.png``, ``config.json``, and
    ``state.safetensors``, from which an interrupted run goes on. Without validation
    (``validate_every=0``) there is no best one and no figure.

    Parameters
    ----------
    output
        The folder; it is made where it does not exist.
    model
        Sizes and kinds; None: the paper's, or the checkpoint's with ``start_from``.
    training
        Corpus, forcing, loss and optimiser; None: the paper's.
    defaults
        How forecasts use the model, stored with it; None: the class's own, or the checkpoint's with
        ``start_from``.
    trajectories
        Own trajectories ``(T, N)`` to train on instead of the corpus, in any units; those with
        fewer channels get zeros for the others.
    resume
        Continue the run in ``output``; without it a folder that holds a run is refused.

    Returns
    -------
    The trained model, in evaluation mode: the last weights, or with ``averaging`` their running
    mean.

    Raises
    ------
    InputError
        If the folder holds a run (and ``resume`` is off), the run to be resumed is damaged or had
        other settings, the settings do not fit the data or each other, or the engine asked for is
        not to be had.

    Examples
    --------
    >>> import tempfile
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> config = TrainingConfig(
    ...     epochs=1, batches_per_epoch=2, context_length=20, window=11, overlap=6,
    ...     validate_every=0, engine="torch",
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = train(folder, training=config, trajectories=[walk])
    ...     restored = DynaMix.from_pretrained(Path(folder, "model.safetensors"))
    >>> torch.equal(model.gate.sigma, restored.gate.sigma)
    True
    """
    from .trainer import Trainer

    trainer = Trainer(
        output, model=model, training=training, defaults=defaults, trajectories=trajectories
    )
    if resume:
        trainer.resume()
    else:
        trainer.refuse_existing()
    return trainer.run()


def training_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run trains on: those named, else the split's, without validation ones.

    Parameters
    ----------
    config
        ``systems`` names them; where it is empty, ``hold_out_validation`` says whether the
        validation systems are left out. Of systems that are named, none is left out.

    Raises
    ------
    InputError
        If a system, or one to validate on, is not a three-dimensional flow of dysts.

    Examples
    --------
    >>> len(training_systems(TrainingConfig()))
    28
    >>> len(training_systems(TrainingConfig(hold_out_validation=False)))
    34
    >>> training_systems(TrainingConfig(systems=("Lorenz", "Rossler")))
    ['Lorenz', 'Rossler']
    """
    parts = systems.split()
    if config.systems:
        for name in config.systems:
            one_of("system", name, systems.catalogue())
        return list(config.systems)
    held_out = set(validation_systems(config)) if config.hold_out_validation else set()
    return [name for name in parts["train"] if name not in held_out]


def validation_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run is validated on: those named, else the split's six.

    Parameters
    ----------
    config
        ``validation_systems`` names them.

    Raises
    ------
    InputError
        If a system is not a three-dimensional flow of dysts.

    Examples
    --------
    >>> validation_systems(TrainingConfig()) == systems.split()["validation"]
    True
    >>> validation_systems(TrainingConfig(validation_systems=("Lorenz",)))
    ['Lorenz']
    """
    for name in config.validation_systems:
        one_of("system", name, systems.catalogue())
    return list(config.validation_systems) or systems.split()["validation"]
