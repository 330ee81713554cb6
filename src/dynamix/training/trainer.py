"""The training loop: epochs, validation on free runs, a folder from which a broken run resumes."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from ..engine import training as compiled_training
from ..engine.runtime import EngineUnavailable
from ..errors import InputError, one_of
from ..forecasting.zero_shot import forecast
from ..io.files import append_record, make_folder, write_text
from ..io.progress import tqdm
from ..io.shapes import Float
from ..metrics.reconstruction import MASE_STEPS
from ..model import checkpoints
from ..model.dynamix import DynaMix
from ..model.shapes import Batch
from ..settings import ForecastDefaults, ModelConfig, TrainingConfig, checked
from ..systems.windows import WindowSampler
from . import run_folder
from .analogue_start import start_as_analogue
from .data import training_trajectories, validation_scores, validation_set
from .forcing import draw_batch, training_loss
from .guard import Guard

logger = logging.getLogger(__name__)

OnEpoch = Callable[[dict[str, Any]], None]
_PROGRESS = ("epoch", "seconds", "averaged", "best")  # attributes that a checkpoint stores


@checked
def train(
    output: str | Path,
    *,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    defaults: ForecastDefaults | None = None,
    trajectories: Sequence[Float[ndarray, "_ _"]] | None = None,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
) -> DynaMix:
    """Train a DynaMix and keep the run in one folder.

    The folder gets ``model.safetensors`` (the last weights), ``best.safetensors`` (the best on the
    validation systems), ``log.jsonl``, ``config.json``, and ``state.safetensors`` for ``resume``.

    Parameters
    ----------
    output
        The folder; it is made where it does not exist.
    model, training
        Settings; None: the paper's. With ``start_from`` the model is the checkpoint's.
    defaults
        Forecast settings to store with the model; None: the usual, or those of ``start_from``.
    trajectories
        Own trajectories ``(T, N)`` to train on instead of the corpus, in any units. Missing
        channels are filled with zeros.
    resume
        Continue the run in ``output``. A resumed run ends in the same weights as an unbroken one.
    on_epoch
        Called with the record of every epoch; see :func:`dynamix.training.read_log`.

    Returns
    -------
    The trained model in evaluation mode: the last weights, or with ``averaging`` their mean.

    Raises
    ------
    InputError
        If the folder holds a run and ``resume`` is not set, or that run cannot be resumed; if the
        settings do not fit the data or each other; if the engine is not available.

    Examples
    --------
    >>> import tempfile
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> small = {"epochs": 1, "batches_per_epoch": 2, "validate_every": 0, "engine": "torch"}
    >>> config = TrainingConfig(context_length=20, window=11, overlap=6, **small)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = train(folder, training=config, trajectories=[walk])
    """
    trainer = Trainer(
        output, model=model, training=training, defaults=defaults, trajectories=trajectories
    )
    if resume:
        trainer.resume()
    else:
        run_folder.refuse_existing(trainer.output)
    return trainer.run(on_epoch)


class Trainer:
    """One training run in one folder; takes the arguments of :func:`dynamix.training.train`.

    ``model`` is trained. ``kept`` is validated and saved: the same model, or with ``averaging`` a
    running mean of its weights. ``epoch`` counts the finished epochs, which took ``seconds``.

    >>> trainer = Trainer("runs/mine", training=TrainingConfig(epochs=50, frozen=("gate.sigma",)))
    >>> trainer.epoch, trainer.config.epochs, trainer.kept is trainer.model
    (0, 50, True)
    """

    def __init__(
        self,
        output: str | Path,
        *,
        model: ModelConfig | None = None,
        training: TrainingConfig | None = None,
        defaults: ForecastDefaults | None = None,
        trajectories: Sequence[Float[ndarray, "_ _"]] | None = None,
    ) -> None:
        self.output = Path(output)
        self.config = config = training or TrainingConfig()
        self.model = self._first_weights(model, defaults)
        for name in config.frozen:
            one_of("frozen parameter", name, dict(self.model.named_parameters()))
            self.model.get_parameter(name).requires_grad_(False)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.RAdam(trained, lr=config.learning_rate, foreach=True)
        self.kept = copy.deepcopy(self.model) if config.averaging else self.model
        self.guard = Guard()
        supported = compiled_training.supports(self.model.config)
        if config.engine == "compiled" and not supported:
            raise InputError("the compiled engine does not train this model. Use engine='torch'.")
        self.compiled = supported and config.engine != "torch"
        self.epoch, self.seconds, self.averaged = 0, 0.0, 0  # averaged: steps in the running mean
        self.best: float | None = None
        self._given, self._good = trajectories, self._tensors()

    def _first_weights(
        self, description: ModelConfig | None, defaults: ForecastDefaults | None
    ) -> DynaMix:
        config = self.config
        if config.start_from:
            model = DynaMix.from_pretrained(config.start_from)
            if not isinstance(model, DynaMix):
                raise InputError(
                    f"start_from={config.start_from!r} has no learned experts to train. Name "
                    "another checkpoint."
                )
            if description not in (None, ModelConfig(), model.config):
                raise InputError(
                    f"start_from={config.start_from!r} is a model with {model.config}, not with "
                    f"{description}. Leave the model's settings out."
                )
            model.gate.tau_att.data /= config.start_sharpness
            usual = dataclasses.replace(model.defaults, attention_sharpness=1.0)
            model.defaults = defaults or usual
            return model.train()
        try:
            model = DynaMix(description, seed=config.seed, defaults=defaults)
        except (RuntimeError, MemoryError) as error:  # torch's allocator raises RuntimeError
            raise InputError(f"there is no memory for a model with {description}.") from error
        model.gate.tau_att.data.fill_(config.attention_temperature)
        if config.first_weights == "analogue":
            pull, noise = config.analogue_pull, config.analogue_noise
            temperature = config.attention_temperature
            start_as_analogue(model, pull=pull, temperature=temperature, noise=noise)
        return model

    def run(self, on_epoch: OnEpoch | None = None) -> DynaMix:
        """Train to the last epoch; returns ``kept`` in evaluation mode."""
        config, dims = self.config, self.model.config.observed_dims
        make_folder(self.output)  # before the corpus, which may take an hour
        write_text(self.output / run_folder.CONFIG, json.dumps(self._settings(), indent=2))
        trajectories = training_trajectories(config, self._given, dims)
        names = ("signed_permutations", "rotations", "warp")
        frames: dict[str, Any] = {name: getattr(config, name) for name in names}
        sampler = WindowSampler(trajectories, length=config.sequence_length, dims=dims, **frames)
        own = trajectories if self._given is not None or config.data else None
        steps, done = (n * config.batches_per_epoch for n in (config.epochs, self.epoch))
        bar = tqdm(total=steps, initial=done, desc="training", disable=None)
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            stack.enter_context(bar)
            torch.set_num_threads(config.threads)
            while self.epoch < config.epochs:
                began = time.perf_counter()
                record = self._train_epoch(sampler, bar)
                self.seconds += time.perf_counter() - began
                self.epoch += 1
                last, every = self.epoch == config.epochs, config.validate_every
                if every and (last or self.epoch % every == 0):
                    record |= self._validate(own)
                record["seconds"] = round(self.seconds, 3)
                append_record(self.output / run_folder.LOG, record)
                if on_epoch is not None:
                    on_epoch(record)
                if self.epoch % config.checkpoint_every == 0 or last:
                    self._checkpoint()
        checkpoints.save(self.kept, self.output / run_folder.MODEL)
        return self.kept.eval()

    def _train_epoch(self, sampler: WindowSampler, bar: tqdm[Any]) -> dict[str, Any]:
        config, guard = self.config, self.guard
        decay = config.final_learning_rate / config.learning_rate
        rate = config.learning_rate * decay ** (self.epoch / max(config.epochs - 1, 1))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses, norms = [], []
        for i in range(config.batches_per_epoch):
            step = self.epoch * config.batches_per_epoch + i
            loss, norm = self.gradient(draw_batch(sampler, self.model.config, config, step=step))
            limit = guard.limit(config)
            if guard.accepts(loss, norm, config):
                if norm > limit:
                    for gradient in self._gradients():
                        gradient *= limit / norm
                self.optimizer.step()
                self._average()
                losses.append(loss)
                norms.append(norm)
            elif guard.skipped_in_a_row >= config.rollback_after:
                self._restore(self._good)
                guard.skipped_in_a_row = 0
                guard.rollbacks += 1
                logger.warning("epoch %d: rolled back to the last good weights", self.epoch)
            bar.update()
        mean = float(np.mean(losses)) if losses else None
        bar.set_postfix(epoch=self.epoch + 1, loss="-" if mean is None else f"{mean:.4f}")
        return {
            "epoch": self.epoch + 1,
            "loss": mean,
            "gradient_norm": float(np.mean(norms)) if norms else None,
            "learning_rate": rate,
            "skipped": guard.skipped,
            "rollbacks": guard.rollbacks,
        }

    def gradient(self, batch: Batch) -> tuple[float, float]:
        """The loss of a batch and its gradient's norm; the parameters get the gradient."""
        config, compiled = self.config, compiled_training.loss_and_gradient
        if self.compiled:
            try:
                return compiled(self.model, batch, config, threads=config.threads)
            except EngineUnavailable as error:
                if config.engine == "compiled":
                    message = f"the compiled engine is not available ({error}). Use engine='torch'."
                    raise InputError(message) from error
                logger.warning("compiling failed (%s); torch trains, some 20 times slower", error)
                self.compiled = False
        self.optimizer.zero_grad()
        loss = training_loss(self.model, batch, config)
        loss.backward()
        # in float64, where a large but finite gradient cannot overflow to infinity
        squares = [gradient.double().square().sum() for gradient in self._gradients()]
        return loss.item(), torch.stack(squares).sum().sqrt().item()

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    def _average(self) -> None:
        """Update the running mean; its window grows at first, so that it forgets the start."""
        if self.kept is self.model:
            return
        self.averaged += 1
        weight = max(1.0 - self.config.averaging, 1.0 / (1.0 + 0.1 * self.averaged))
        with torch.no_grad():
            for mean, value in zip(self.kept.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, weight)

    def _validate(self, own: Sequence[ndarray] | None) -> dict[str, Any]:
        """Free-running measures; the best weights so far are saved."""
        config = self.config
        names, series = validation_set(config, own)
        if not names:
            return {}
        context, truth = np.split(series, [config.validation_context])
        y = forecast(context, horizon=len(truth), model=self.kept, seed=config.seed)
        steps = min(MASE_STEPS, len(truth))
        record = validation_scores(names, forecast=y, truth=truth, steps=steps)
        score = record["validation_d_stsp"]
        if score is not None and (self.best is None or score < self.best):
            self.best = score
            checkpoints.save(self.kept, self.output / run_folder.BEST)
        return record

    def _settings(self) -> dict[str, dict[str, Any]]:
        return {
            "model": dataclasses.asdict(self.model.config),
            "defaults": dataclasses.asdict(self.model.defaults),
            "training": dataclasses.asdict(self.config),
        }

    def _tensors(self) -> dict[str, Tensor]:
        """Weights and optimiser state, copied."""
        return run_folder.named(self.model.state_dict(), "model.") | run_folder.named(
            run_folder.optimizer_tensors(self.optimizer), "optimizer."
        )

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(run_folder.part(tensors, "model."))
        run_folder.restore_optimizer(self.optimizer, run_folder.part(tensors, "optimizer."))

    def _checkpoint(self) -> None:
        """Write everything that the rest of the run depends on, whole or not at all."""
        now = self._tensors()
        if self.guard.skipped_in_a_row == 0 and all(bool(v.isfinite().all()) for v in now.values()):
            self._good = now
        header = self._settings() | {"guard": dataclasses.asdict(self.guard)}
        header |= {name: getattr(self, name) for name in _PROGRESS}
        tensors = now | run_folder.named(self._good, "good.")
        if self.kept is not self.model:
            tensors |= run_folder.named(self.kept.state_dict(), "kept.")
        run_folder.write_state(self.output, tensors, header)
        checkpoints.save(self.kept, self.output / run_folder.MODEL)

    def resume(self) -> None:
        """Load the folder's checkpoint, so that :meth:`run` ends as if it had never been broken.

        Without a checkpoint the run starts from the beginning, with a warning.
        """
        stored = run_folder.read_state(self.output)
        if stored is None:
            return
        tensors, header = stored
        run_folder.check_same(self.output, header, self._settings(), free=("threads", "engine"))
        try:
            if self.kept is not self.model:
                self.kept.load_state_dict(run_folder.part(tensors, "kept."))
            self._good = run_folder.part(tensors, "good.")
            self._restore(self._good)
            self._restore(tensors)
            self.guard = Guard(**header["guard"])
            vars(self).update({name: header[name] for name in _PROGRESS})
            if self.epoch not in range(self.config.epochs + 1):
                raise ValueError(f"epoch {self.epoch}")
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"cannot resume {str(self.output)!r}: {run_folder.STATE} is damaged ({error})."
            ) from error
        run_folder.cut_log(self.output, self.epoch)  # later epochs are run again
