"""Training by sparse teacher forcing: loss, guard, trainer.

Equations: Mikhaeil et al. (NeurIPS 2022) for sparse, Hess et al. (ICML 2023) for generalised
teacher forcing, Hemmer & Durstewitz (2025), appendix A, for the recipe. The recipe's clipping alone
lets single exploding windows destroy a run, hence :class:`Guard`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from . import checkpoints, systems
from .config import BenchmarkConfig, ModelConfig, TrainingConfig, from_dict
from .errors import InputError, one_of
from .model import DynaMix
from .systems import WindowSampler

logger = logging.getLogger(__name__)

_MEAN_DECAY = 0.99  # of the guard's running means
_WARM_UP = 20  # batches before the running means are trusted
_STATE, _LOG, _CONFIG, _PLOT = "state.safetensors", "log.jsonl", "config.json", "training.png"


class Batch(NamedTuple):
    """One optimiser step's data: ``x_0 .. x_{T-1}`` with noise, their successors without."""

    context: Float[Tensor, "T_C S N"]
    inputs: Float[Tensor, "T S N"]
    targets: Float[Tensor, "T S N"]
    gate_noise: Float[Tensor, "T S N"]
    expert_noise: Float[Tensor, "T S J M"] | None


def draw_batch(
    sampler: WindowSampler, model: ModelConfig, config: TrainingConfig, *, step: int
) -> Batch:
    """The batch of optimiser step ``step``: it depends on the seed and the step, on nothing else."""
    rng = np.random.default_rng([config.seed, step])
    sequences = sampler.draw(config.batch_size, rng=rng)
    window = sequences[config.context_length - config.overlap :]
    inputs, targets = window[:-1], window[1:]
    noise = config.input_noise * rng.standard_normal(inputs.shape, dtype=np.float32)
    gate_noise = rng.standard_normal(inputs.shape, dtype=np.float32)
    expert_noise = None
    if model.probabilistic:
        shape = (*inputs.shape[:2], model.experts, model.latent_dims)
        expert_noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return Batch(
        torch.from_numpy(sequences[: config.context_length]),
        torch.from_numpy(inputs + noise),
        torch.from_numpy(np.ascontiguousarray(targets)),
        torch.from_numpy(gate_noise),
        expert_noise,
    )


def training_loss(model: DynaMix, batch: Batch, config: TrainingConfig) -> Float[Tensor, ""]:
    """Mean squared error of the predictions, and a penalty that keeps the gate's noise open.

    ``mean((x_hat - x)^2) + 0.1 mean(exp(-|sigma| / 0.01))``.
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
    error = ((predictions - batch.targets) ** 2).mean()
    closed = torch.exp(-model.gate.sigma.abs() / config.gate_noise_scale).mean()
    return error + config.gate_noise_penalty * closed


@dataclasses.dataclass
class Guard:
    """Decides whether a batch's gradient may move the weights, and how far.

    A loss or gradient norm that is not finite, or far above its running mean, is skipped; others
    are clipped at a multiple of the running mean. After ``rollback_after`` skips in a row the
    weights themselves are taken to be bad, and the trainer restores the last good ones.
    """

    mean_norm: float = 0.0
    mean_loss: float = 0.0
    seen: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0

    def accepts(self, loss: float, norm: float, config: TrainingConfig) -> bool:
        """Whether to apply this batch; counts it either way."""
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
        """Largest norm applied now."""
        if self.seen < _WARM_UP:
            return config.gradient_clip
        return min(config.gradient_clip, config.adaptive_clip * self.mean_norm)


class Trainer:
    """One training run in one folder; see :func:`train`."""

    def __init__(
        self,
        output: str | Path,
        *,
        model: ModelConfig | None = None,
        training: TrainingConfig | None = None,
        trajectories: Sequence[Float[ndarray, "_ N"]] | None = None,
    ) -> None:
        self.output = Path(output)
        self.config = training or TrainingConfig()
        self.model = DynaMix(model, seed=self.config.seed)
        self.optimizer = torch.optim.RAdam(self.model.parameters(), lr=self.config.learning_rate)
        self.guard = Guard()
        self.epoch = 0  # epochs done
        self.seconds = 0.0
        self._given = trajectories
        self._good = self._tensors()
        self._best = math.inf
        self._validation: list[tuple[str, ndarray, ndarray]] | None = None

    def run(self) -> DynaMix:
        """Train to the last epoch; returns the final model."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.config.threads)
        try:
            self._run()
        finally:
            torch.set_num_threads(threads)
        return self.model.eval()

    def _run(self) -> None:
        config = self.config
        sampler = WindowSampler(
            self._trajectories(),
            length=config.sequence_length,
            signed_permutations=config.signed_permutations,
        )
        self.output.mkdir(parents=True, exist_ok=True)
        description = {
            "model": dataclasses.asdict(self.model.config),
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
        checkpoints.save(self.model, self.output / "model.safetensors")

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
        """Loss and gradient norm of a batch; the gradients are left in the parameters."""
        self.optimizer.zero_grad()
        loss = training_loss(self.model, batch, self.config)
        loss.backward()
        # in float64, where a large but finite gradient cannot overflow to infinity
        squares = [
            parameter.grad.double().square().sum()
            for parameter in self.model.parameters()
            if parameter.grad is not None
        ]
        return float(loss), float(torch.stack(squares).sum().sqrt())

    # --- corpus and validation ---------------------------------------------------------------

    def _trajectories(self) -> list[ndarray]:
        config, dims = self.config, self.model.config.observed_dims
        if self._given is not None:
            own = [np.asarray(values, dtype=np.float32) for values in self._given]
            for i, values in enumerate(own):
                if values.ndim != 2 or values.shape[1] != dims or not np.isfinite(values).all():
                    raise InputError(
                        f"trajectory {i} must be finite and of shape (T, {dims}), found "
                        f"{values.shape}."
                    )
            return own
        if config.data:
            return systems.load_trajectories(config.data, dims=dims)
        if dims != systems.DIMENSION:
            raise InputError(
                f"the dysts corpus has {systems.DIMENSION} dimensions, the model {dims}. Set "
                f"observed_dims={systems.DIMENSION}, or give own trajectories as data."
            )
        return [
            systems.trajectory(
                name, n=config.trajectory_length, points_per_period=config.points_per_period
            )
            for name in tqdm(training_systems(config), desc="corpus", unit="system", disable=None)
        ]

    def _validation_set(self) -> list[tuple[str, ndarray, ndarray]]:
        """``(name, context, truth)``: the catalogue's systems, or the ends of own trajectories."""
        if self._validation is None:
            config = self.config
            length = config.validation_context + config.validation_horizon
            if self._given is not None or config.data:
                series = [(f"series {i}", x) for i, x in enumerate(self._trajectories())]
            else:
                series = [
                    (name, systems.trajectory(name, n=length, points_per_period=config.points_per_period))
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
        from . import metrics
        from .forecasting import forecast

        rows = self._validation_set()
        if not rows:
            return {}
        y = forecast(
            np.stack([context for _, context, _ in rows], axis=1),
            horizon=self.config.validation_horizon,
            model=self.model,
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
            checkpoints.save(self.model, self.output / "best.safetensors")
        return record

    # --- the run's folder ---------------------------------------------------------------------

    def _log(self, record: dict[str, Any]) -> None:
        with (self.output / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def _plot(self) -> None:
        from . import plotting

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
            "training": dataclasses.asdict(self.config),
            "guard": dataclasses.asdict(self.guard),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best": self._best if math.isfinite(self._best) else None,
        }
        good = {f"good.{key}": value for key, value in self._good.items()}
        checkpoints.write_tensors(
            self.output / _STATE, now | good, metadata={"state": json.dumps(header)}
        )
        checkpoints.save(self.model, self.output / "model.safetensors")

    def resume(self) -> None:
        """Continue from the folder's checkpoint, so that the run ends as if never broken.

        Raises
        ------
        InputError
            If the checkpoint is damaged or was made with other settings.
        """
        path = self.output / _STATE
        if not path.is_file():
            logger.warning("nothing to resume in %s; starting from the beginning", self.output)
            return
        tensors, metadata = checkpoints.read_tensors(path)
        try:
            header = json.loads(metadata["state"])
        except (KeyError, json.JSONDecodeError) as error:
            raise InputError(f"{path.name!r} is not a training checkpoint: {error!r}.") from error
        made = (
            from_dict(ModelConfig, header["model"], source=path.name),
            from_dict(TrainingConfig, header["training"], source=path.name),
        )
        for before, now in zip(made, (self.model.config, self.config), strict=True):
            differ = [
                f"{f.name} (was {getattr(before, f.name)!r}, now {getattr(now, f.name)!r})"
                for f in dataclasses.fields(before)
                if getattr(before, f.name) != getattr(now, f.name) and f.name != "threads"
            ]
            if differ:
                raise InputError(
                    f"cannot resume {str(self.output)!r} with other settings: {', '.join(differ)}. "
                    "Repeat the settings of the first call, or choose another output folder."
                )
        self._restore({k: v for k, v in tensors.items() if not k.startswith("good.")})
        self._good = {k.removeprefix("good."): v for k, v in tensors.items() if k.startswith("good.")}
        self.guard = Guard(**header["guard"])
        self.epoch, self.seconds = header["epoch"], header["seconds"]
        self._best = math.inf if header["best"] is None else header["best"]
        # epochs logged after the checkpoint are run again
        kept = [record for record in read_log(self.output) if record["epoch"] <= self.epoch]
        text = "\n".join(json.dumps(record) for record in kept)
        checkpoints.write_text(self.output / _LOG, text) if kept else None


def train(
    output: str | Path,
    *,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    trajectories: Sequence[Float[ndarray, "_ N"]] | None = None,
    resume: bool = False,
) -> DynaMix:
    """Train a DynaMix and keep everything about the run in one folder.

    The folder gets ``model.safetensors`` (the last weights), ``best.safetensors`` (the best on the
    validation systems), ``log.jsonl`` (a line per epoch), ``training.png``, ``config.json``, and
    ``state.safetensors``, from which an interrupted run goes on.

    Parameters
    ----------
    output
        The folder.
    model, training
        Settings; the defaults are the paper's.
    trajectories
        Own trajectories ``(T, N)`` to train on instead of the corpus.
    resume
        Continue the run in ``output``; without it a folder that holds a run is refused.

    Raises
    ------
    InputError
        If the folder holds a run, or the settings do not fit the data or each other.
    """
    trainer = Trainer(output, model=model, training=training, trajectories=trajectories)
    if resume:
        trainer.resume()
    elif (trainer.output / _STATE).exists() or (trainer.output / _LOG).exists():
        raise InputError(
            f"{str(output)!r} already holds a training run. Continue it with resume (--resume), or "
            "choose another output folder."
        )
    return trainer.run()


def training_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run trains on: those named, else the split's, without validation ones."""
    parts = systems.split()
    if config.systems:
        for name in config.systems:
            one_of("system", name, systems.catalogue())
        return list(config.systems)
    held_out = set(validation_systems(config)) if config.hold_out_validation else set()
    return [name for name in parts["train"] if name not in held_out]


def validation_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run is validated on."""
    for name in config.validation_systems:
        one_of("system", name, systems.catalogue())
    return list(config.validation_systems) or systems.split()["validation"]


def read_log(output: str | Path) -> Iterator[dict[str, Any]]:
    """The records of a run's log, one per epoch; a line cut off by an interruption is left out."""
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
