"""The training loop: epochs, validation on free runs, a folder that a broken run resumes from."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from ..engine import runtime as kernels_runtime
from ..engine import training as kernels_training
from ..errors import InputError, one_of
from ..model import checkpoints
from ..model.dynamix import DynaMix
from ..settings import (
    BenchmarkConfig,
    ForecastDefaults,
    ModelConfig,
    TrainingConfig,
    declared,
    from_dict,
)
from ..systems import corpus as systems
from ..systems import windows
from ..systems.windows import WindowSampler
from .analogue_start import start_as_analogue
from .forcing import (
    Batch,
    Guard,
    draw_batch,
    training_loss,
    training_systems,
    validation_systems,
)

logger = logging.getLogger(__name__)

_STATE, _LOG, _CONFIG, _PLOT = "state.safetensors", "log.jsonl", "config.json", "training.png"


class Trainer:
    """One training run in one folder; see :func:`dynamix.training.train`.

    Parameters
    ----------
    output
        The folder; :meth:`run` makes it.
    model
        Sizes and kinds; None: the defaults, or the checkpoint's with ``start_from``.
    training
        The other settings; None: the defaults.
    trajectories
        Own trajectories ``(T, N)``, or with fewer channels; None: those of ``training.data``, else
        the dysts corpus.

    Attributes
    ----------
    model
        What is trained.
    kept
        What is validated and saved: the model, or with ``averaging`` a running mean of its weights.
    guard
        The :class:`dynamix.training.Guard` of the run.
    epoch
        Epochs done.
    seconds
        The time that they took.
    compiled
        Whether the compiled engine trains.

    Raises
    ------
    InputError
        If the model has nothing to train, a frozen parameter's name is unknown, ``start_from`` is
        not to be had or another model, an analogue start does not fit the model, or the compiled
        engine is asked for and does not train such a model.

    Examples
    --------
    >>> trainer = Trainer("runs/mine", training=TrainingConfig(epochs=50, frozen=("gate.sigma",)))
    >>> trainer.epoch, trainer.config.epochs, trainer.kept is trainer.model
    (0, 50, True)
    >>> trainer.model.gate.sigma.requires_grad
    False
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
        self.config = training or TrainingConfig()
        self.model = DynaMix(model, seed=self.config.seed, defaults=defaults)
        if self.config.start_from:
            self.model = self._started(model)
            self.model.defaults = defaults or self.model.defaults
        else:
            self.model.gate.tau_att.data.fill_(self.config.attention_temperature)
        if self.config.first_weights == "analogue":
            start_as_analogue(
                self.model,
                pull=self.config.analogue_pull,
                temperature=self.config.attention_temperature,
                noise=self.config.analogue_noise,
            )
        for name in self.config.frozen:
            one_of("frozen parameter", name, dict(self.model.named_parameters()))
            self.model.get_parameter(name).requires_grad_(False)
        self.optimizer = torch.optim.RAdam(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=self.config.learning_rate,
            foreach=True,
        )
        # what is validated and kept: the model itself, or a running mean of it
        self.kept = copy.deepcopy(self.model) if self.config.averaging else self.model
        self.guard = Guard()
        self.compiled = self.config.engine != "torch" and kernels_training.supports(
            self.model.config, self.config
        )
        if self.config.engine == "compiled" and not self.compiled:
            raise InputError(
                "the compiled engine does not train this kind of model. Use engine='auto' or "
                "'torch'."
            )
        self.epoch = 0  # epochs done
        self.averaged = 0  # steps in the running mean
        self.seconds = 0.0
        self._given = trajectories
        self._good = self._tensors()
        self._best = math.inf
        self._validation: list[tuple[str, ndarray, ndarray]] | None = None

    def _started(self, model: ModelConfig | None) -> DynaMix:
        """The checkpoint to start from; where a model is described too, it has to be that one."""
        started = DynaMix.from_pretrained(self.config.start_from)
        if not isinstance(started, DynaMix):
            raise InputError(
                f"start_from={self.config.start_from!r} has nothing to train: its maps are fitted "
                "to every context. Name a checkpoint with learned experts."
            )
        if model not in (None, ModelConfig(), started.config):
            raise InputError(
                f"start_from={self.config.start_from!r} is a model with {started.config}, but one "
                f"with {model} was asked for. Leave the model's settings out."
            )
        started.gate.tau_att.data /= self.config.start_sharpness
        started.defaults = dataclasses.replace(started.defaults, attention_sharpness=1.0)
        return started.train()

    def run(self) -> DynaMix:
        """Train to the last epoch; returns the final model.

        Returns
        -------
        :attr:`kept`, in evaluation mode, as ``model.safetensors`` has it.

        Raises
        ------
        InputError
            If the trajectories do not fit the model or are shorter than a training sequence, a
            system is unknown, or the compiled engine is asked for and cannot be had.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(self.config.threads)
        try:
            self._run()
        finally:
            torch.set_num_threads(threads)
        return self.kept.eval()

    def _run(self) -> None:
        config = self.config
        sampler = WindowSampler(
            self._trajectories(),
            length=config.sequence_length,
            dims=self.model.config.observed_dims,
            signed_permutations=config.signed_permutations,
            rotations=config.rotations,
            warp=config.warp,
        )
        self.output.mkdir(parents=True, exist_ok=True)
        description = {
            "model": dataclasses.asdict(self.model.config),
            "defaults": dataclasses.asdict(self.model.defaults),
            "training": dataclasses.asdict(config),
        }
        checkpoints.write_text(self.output / _CONFIG, json.dumps(description, indent=2))
        bar = tqdm(
            total=config.epochs * config.batches_per_epoch,
            initial=self.epoch * config.batches_per_epoch,
            desc="training",
            unit="step",
            disable=None,
        )
        with bar:
            while self.epoch < config.epochs:
                began = time.perf_counter()
                record = self._train_epoch(sampler, bar)
                self.seconds += time.perf_counter() - began
                self.epoch += 1
                last = self.epoch == config.epochs
                every = config.validate_every
                if every and (self.epoch % every == 0 or last):
                    record |= self._validate()
                self._log(record | {"seconds": round(self.seconds, 3)})
                if every and "validation_d_stsp" in record:
                    self._plot()
                if self.epoch % config.checkpoint_every == 0 or last:
                    self._checkpoint()
        checkpoints.save(self.kept, self.output / "model.safetensors")

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
                    for parameter in self.model.parameters():
                        if parameter.grad is not None:
                            parameter.grad *= limit / norm
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
        """Loss and gradient norm of a batch; the gradients are left in the parameters.

        Parameters
        ----------
        batch
            From :func:`dynamix.training.draw_batch`.

        Returns
        -------
        The loss of :func:`dynamix.training.training_loss`, and the Euclidean norm over all
        parameters before any clipping.

        Raises
        ------
        InputError
            If the compiled engine is asked for and cannot be had on this machine; ``engine="auto"``
            goes on with torch and logs a warning.
        """
        if self.compiled:
            try:
                return kernels_training.loss_and_gradient(
                    self.model, batch, self.config, threads=self.config.threads
                )
            except kernels_runtime.EngineUnavailable as error:
                if self.config.engine == "compiled":
                    raise InputError(
                        f"the compiled engine is not to be had here ({error}). Use engine='torch'."
                    ) from error
                logger.warning("compiling failed (%s); torch trains, some 20 times slower", error)
                self.compiled = False
        self.optimizer.zero_grad()
        loss = training_loss(self.model, batch, self.config)
        loss.backward()
        # in float64, where a large but finite gradient cannot overflow to infinity
        squares = [
            parameter.grad.double().square().sum()
            for parameter in self.model.parameters()
            if parameter.grad is not None
        ]
        return loss.item(), torch.stack(squares).sum().sqrt().item()

    def _average(self) -> None:
        """Move the running mean; over fewer steps at first, so that it forgets the start."""
        if self.kept is self.model:
            return
        self.averaged += 1
        weight = max(1.0 - self.config.averaging, 1.0 / (1.0 + 0.1 * self.averaged))
        with torch.no_grad():
            for mean, value in zip(self.kept.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, weight)

    # --- corpus and validation ---------------------------------------------------------------

    def _trajectories(self) -> list[ndarray]:
        config, dims = self.config, self.model.config.observed_dims
        if self._given is not None:
            own = [np.asarray(values, dtype=np.float32) for values in self._given]
            for i, values in enumerate(own):
                if values.ndim != 2 or values.shape[1] > dims or not np.isfinite(values).all():
                    raise InputError(
                        f"trajectory {i} must be finite and of shape (T, {dims}), or with fewer "
                        f"channels, found {values.shape}."
                    )
                if self.config.validate_every and values.shape[1] < dims:
                    raise InputError(
                        f"trajectory {i} must be of shape (T, {dims}) to be validated on, found "
                        f"{values.shape}. To train on fewer channels set validate_every=0 and "
                        "measure the model afterwards."
                    )
            return own
        if config.data:
            return windows.load_trajectories(config.data, dims=dims)
        if dims != systems.DIMENSION:
            raise InputError(
                f"the dysts corpus has {systems.DIMENSION} dimensions, the model {dims}. Set "
                f"observed_dims={systems.DIMENSION}, or give own trajectories as data."
            )
        return corpus(config)

    def _validation_set(self) -> list[tuple[str, ndarray, ndarray]]:
        """``(name, context, truth)``: the catalogue's systems, or the ends of own trajectories."""
        if self._validation is None:
            config = self.config
            length = config.validation_context + config.validation_horizon
            if self._given is not None or config.data:
                series = [(f"series {i}", x) for i, x in enumerate(self._trajectories())]
            else:
                series = [
                    (
                        name,
                        systems.trajectory(
                            name, n=length, points_per_period=config.points_per_period[0]
                        ),
                    )
                    for name in validation_systems(config)
                ]
            self._validation = [
                (name, x[-length : -config.validation_horizon], x[-config.validation_horizon :])
                for name, x in series
                if len(x) >= length
            ]
            if len(self._validation) < len(series):
                logger.warning(
                    "%d of %d series are shorter than validation_context + validation_horizon = %d "
                    "and are not validated on",
                    len(series) - len(self._validation),
                    len(series),
                    length,
                )
        return self._validation

    def _validate(self) -> dict[str, Any]:
        """Free-running measures on the validation systems: medians, failures counted apart."""
        from ..forecasting.zero_shot import forecast
        from ..metrics import reconstruction as metrics

        rows = self._validation_set()
        if not rows:
            return {}
        y = forecast(
            np.stack([context for _, context, _ in rows], axis=1),
            horizon=self.config.validation_horizon,
            model=self.kept,
            seed=self.config.seed,
        )
        x = np.stack([truth for _, _, truth in rows], axis=1)
        divergence = np.asarray(metrics.state_space_divergence(forecast=y, truth=x))
        worst = np.where(np.isnan(divergence), np.inf, divergence)
        score = float(np.median(worst))
        steps = min(BenchmarkConfig.mase_steps, len(x))
        record = {
            "validation_d_stsp": score if math.isfinite(score) else None,
            "validation_d_h": _median(metrics.spectral_hellinger(forecast=y, truth=x)),
            "validation_mase": _median(metrics.mase(forecast=y, truth=x, steps=steps)),
            "validation_failures": int(np.isnan(divergence).sum()),
            "validation_d_stsp_per_system": {
                name: None if math.isnan(value) else round(float(value), 4)
                for (name, _, _), value in zip(rows, divergence, strict=True)
            },
        }
        if score < self._best:
            self._best = score
            checkpoints.save(self.kept, self.output / "best.safetensors")
        return record

    # --- the run's folder ---------------------------------------------------------------------

    def _log(self, record: dict[str, Any]) -> None:
        with (self.output / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _plot(self) -> None:
        from .. import plotting

        figure = plotting.training_curves(list(read_log(self.output)))
        plotting.save(figure, self.output / _PLOT)

    def _tensors(self) -> dict[str, Tensor]:
        """Weights and optimiser state, copied."""
        tensors = {
            f"model.{key}": value.detach().clone() for key, value in self.model.state_dict().items()
        }
        for i, state in self.optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{i}.{key}"] = torch.as_tensor(value).detach().clone()
        return tensors

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, i, name = key.split(".")
                state.setdefault(int(i), {})[name] = value.clone()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _checkpoint(self) -> None:
        """Write everything that the rest of the run depends on, atomically."""
        now = self._tensors()
        if self.guard.skipped_in_a_row == 0 and all(bool(v.isfinite().all()) for v in now.values()):
            self._good = now
        header = {
            "model": dataclasses.asdict(self.model.config),
            "defaults": dataclasses.asdict(self.model.defaults),
            "training": dataclasses.asdict(self.config),
            "guard": dataclasses.asdict(self.guard),
            "epoch": self.epoch,
            "averaged": self.averaged,
            "seconds": self.seconds,
            "best": self._best if math.isfinite(self._best) else None,
        }
        more = {f"good.{key}": value.clone() for key, value in self._good.items()}
        if self.kept is not self.model:
            more |= {f"kept.{key}": v.clone() for key, v in self.kept.state_dict().items()}
        checkpoints.write_tensors(
            self.output / _STATE, now | more, metadata={"state": json.dumps(header)}
        )
        checkpoints.save(self.kept, self.output / "model.safetensors")

    def _settings(self) -> dict[str, Any]:
        parts = (self.model.config, self.model.defaults, self.config)
        return {name: value for part in parts for name, value in dataclasses.asdict(part).items()}

    def refuse_existing(self) -> None:
        """Raise where the folder holds a run, which a fresh one would overwrite.

        Raises
        ------
        InputError
            If there is a checkpoint or a log in it.
        """
        if any((self.output / name).exists() for name in (_STATE, _LOG)):
            raise InputError(
                f"{str(self.output)!r} already holds a training run. Continue it with resume "
                "(--resume), or choose another output folder."
            )

    def resume(self) -> None:
        """Continue from the folder's checkpoint, so that the run ends as if never broken.

        Nothing is trained yet: :meth:`run` does that. Where the folder has no checkpoint the run
        starts from the beginning, with a warning in the log. ``threads`` and ``engine`` may differ
        from the first call's.

        Raises
        ------
        InputError
            If the checkpoint is damaged or was made with other settings.
        """
        path = self.output / _STATE
        if not path.is_file():
            logger.warning("nothing to resume in %s; starting from the beginning", self.output)
            (self.output / _LOG).unlink(missing_ok=True)  # of epochs that no checkpoint kept
            return
        tensors, metadata = checkpoints.read_tensors(path)
        try:
            header = json.loads(metadata["state"])
        except (KeyError, json.JSONDecodeError) as error:
            raise InputError(f"{path.name!r} is not a training checkpoint: {error!r}.") from error
        stored = {**header["model"], **header.get("defaults", {}), **header["training"]}
        made: dict[str, Any] = {}
        for kind in (ModelConfig, ForecastDefaults, TrainingConfig):
            values = {name: value for name, value in stored.items() if name in declared(kind)}
            made |= dataclasses.asdict(from_dict(kind, values, source=path.name))
        differ = [
            f"{name} (was {made[name]!r}, now {value!r})"
            for name, value in self._settings().items()
            if made[name] != value and name not in ("threads", "engine")
        ]
        if differ:
            raise InputError(
                f"cannot resume {str(self.output)!r} with other settings: {', '.join(differ)}. "
                "Repeat the settings of the first call, or choose another output folder."
            )
        kept = {k.removeprefix("kept."): v for k, v in tensors.items() if k.startswith("kept.")}
        if kept:
            self.kept.load_state_dict(kept)
        self._restore({k: v for k, v in tensors.items() if not k.startswith(("good.", "kept."))})
        self._good = {
            k.removeprefix("good."): v for k, v in tensors.items() if k.startswith("good.")
        }
        self.guard = Guard(**header["guard"])
        self.epoch, self.seconds = header["epoch"], header["seconds"]
        self.averaged = header["averaged"]
        self._best = math.inf if header["best"] is None else header["best"]
        # epochs logged after the checkpoint are run again
        done = [record for record in read_log(self.output) if record["epoch"] <= self.epoch]
        text = "\n".join(json.dumps(record) for record in done)
        checkpoints.write_text(self.output / _LOG, text) if done else None


def corpus(config: TrainingConfig) -> list[Float[ndarray, "_ 3"]]:
    """The dysts trajectories that these settings train on: every rate, and the variants.

    Parameters
    ----------
    config
        ``systems`` (or the split's), the rates ``points_per_period``, ``trajectory_length``, and
        number, length and jitter of the ``variants``, whose draws ``seed`` decides.

    Returns
    -------
    Arrays ``(T, 3)``, float32, in each system's own units: system by system, first one for each
    rate, then the variants, each at a rate between the lowest and the highest.

    Raises
    ------
    InputError
        If a system is unknown, a length out of range, or the integrator fails.

    Examples
    --------
    >>> config = TrainingConfig(
    ...     systems=("Lorenz",), points_per_period=(25, 50), trajectory_length=100,
    ...     variants=1, variant_length=60,
    ... )
    >>> [x.shape for x in corpus(config)]
    [(100, 3), (100, 3), (60, 3)]
    """
    names = tqdm(training_systems(config), desc="corpus", unit="system", disable=None)
    found = []
    for name in names:
        found += [
            systems.trajectory(name, n=config.trajectory_length, points_per_period=rate)
            for rate in config.points_per_period
        ]
        low, high = min(config.points_per_period), max(config.points_per_period)
        for i in range(config.variants):
            rng = np.random.default_rng([config.seed, i, *name.encode()])
            rate = round(low * (high / low) ** rng.uniform())  # evenly in its logarithm
            found.append(
                systems.variant(
                    name,
                    n=config.variant_length,
                    points_per_period=rate,
                    jitter=config.variant_jitter,
                    seed=config.seed + i,
                )
            )
    return found


def read_log(output: str | Path) -> Iterator[dict[str, Any]]:
    r"""The records of a run's log, one per epoch; a line cut off by an interruption is left out.

    Parameters
    ----------
    output
        The run's folder. Without a log in it there are no records.

    Returns
    -------
    An iterator over dicts: ``epoch`` from 1, means of ``loss`` and ``gradient_norm`` over the
    batches applied (None where all were skipped), ``learning_rate``, the ``skipped`` batches and
    ``rollbacks`` so far, ``seconds``; in epochs with validation the medians ``validation_d_stsp``
    (nats), ``validation_d_h`` and ``validation_mase`` (None where the median is a failure),
    ``validation_failures``, and ``validation_d_stsp_per_system``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "log.jsonl").write_text('{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "lo')
    ...     list(read_log(folder))
    [{'epoch': 1, 'loss': 0.5}]
    """
    path = Path(output) / _LOG
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            logger.warning("left out an unreadable line of %s", path)


def _median(values: Any) -> float | None:
    """Median with failures as worst; None where it is a failure itself."""
    middle = float(np.median(np.where(np.isnan(values), np.inf, values)))
    return round(middle, 6) if math.isfinite(middle) else None
