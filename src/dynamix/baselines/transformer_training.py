"""Training of the controlled transformer: a loop, its log, a folder that a broken run resumes from.

Windows come from the same trajectories and the same sampler as DynaMix's
(:func:`dynamix.training.trainer.corpus`), compute is counted beside the loss: CPU seconds and floating-point
operations, so that "as much compute" can be checked in the log.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from ..errors import InputError
from ..metrics import reconstruction as metrics
from ..model import checkpoints
from ..settings import TrainingConfig, from_dict
from ..systems import corpus as systems
from ..systems.windows import WindowSampler
from ..training.forcing import draw_batch, training_loss, validation_systems
from ..training.trainer import corpus, read_log
from .settings import TransformerConfig
from .transformer import TransformerControl

logger = logging.getLogger(__name__)

_STATE, _LOG = "state.safetensors", "log.jsonl"


def draw(
    sampler: WindowSampler, config: TransformerConfig, *, step: int
) -> tuple[Float[Tensor, "B T_C"], Float[Tensor, "B P"]]:
    """The batch of a step, which depends on the seed and the step alone: contexts and futures.

    One random channel of each window, for the model is univariate.

    Parameters
    ----------
    sampler
        Where windows come from, ``T_C + P`` steps at least; it standardises them.
    config
        Its ``batch_size`` B, ``training_contexts``, one of which becomes T_C,
        ``prediction_length`` P and ``seed``.
    step
        The number of the step, from 0.

    Returns
    -------
    ``(B, T_C)`` and ``(B, P)``, the second going on from the first.

    Raises
    ------
    InputError
        If the trajectories stand still almost everywhere.

    Examples
    --------
    >>> t = np.arange(500, dtype=np.float32)[:, None]
    >>> sampler = WindowSampler([np.sin(t / 5)], length=40)
    >>> config = TransformerConfig(training_contexts=(24,), prediction_length=16, batch_size=8)
    >>> context, future = draw(sampler, config, step=3)
    >>> context.shape, future.shape
    (torch.Size([8, 24]), torch.Size([8, 16]))
    >>> torch.equal(draw(sampler, config, step=3)[0], context)
    True
    """
    rng = np.random.default_rng([config.seed, step])
    T_C = int(rng.choice(config.training_contexts))
    windows = sampler.draw(config.batch_size, rng=rng, length=T_C + config.prediction_length)
    channel = rng.integers(windows.shape[2], size=config.batch_size)
    series = torch.from_numpy(windows[:, np.arange(config.batch_size), channel].T.copy())
    return series[:, :T_C].contiguous(), series[:, T_C:].contiguous()


def train(
    output: str | Path,
    *,
    config: TransformerConfig | None = None,
    data: TrainingConfig | None = None,
    trajectories: Sequence[Float[ndarray, "_ N"]] | None = None,
    resume: bool = False,
) -> TransformerControl:
    """Train from random weights; the folder gets ``log.jsonl``, ``model/`` and a checkpoint.

    Parameters
    ----------
    output
        The run's folder.
    config
        Model, optimiser, bookkeeping; None: the bundled model's.
    data
        Whose corpus and augmentation to use: the settings that a DynaMix was trained with.
    trajectories
        Own trajectories, ``(T, N)`` each in any units, instead of the corpus.
    resume
        Go on from the folder's checkpoint; ends as if it had never stopped.

    Returns
    -------
    The trained model, which lies in the folder's ``model/``, too.

    Raises
    ------
    InputError
        If the folder holds a run that is not to be resumed, or one with other settings; if a
        trajectory is shorter than the longest context and its future, or stands still; if
        chronos-forecasting is not installed.

    Examples
    --------
    >>> import tempfile
    >>> sizes = {"tokens": 64, "width": 16, "heads": 2, "layers": 1, "feed_forward": 32}
    >>> few = {"steps": 2, "batch_size": 8, "validate_every": 0, "bfloat16": False}
    >>> config = TransformerConfig(**sizes, **few, training_contexts=(24,))
    >>> t = np.arange(500, dtype=np.float32)[:, None]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = train(folder, config=config, trajectories=[np.sin(t / 5), np.cos(t / 7)])
    ...     (line,) = read_log(folder)
    >>> line["step"], line["windows"]
    (2, 16)
    """
    output, config, data = Path(output), config or TransformerConfig(), data or TrainingConfig()
    if not resume and (output / _LOG).exists():
        raise InputError(
            f"{str(output)!r} already holds a training run. Continue it with resume (--resume), or "
            "choose another output folder."
        )
    model = TransformerControl(config)
    network = model.network
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, foreach=True)
    state: dict[str, Any] = {"step": 0, "cpu_seconds": 0.0, "flops": 0.0, "windows": 0}
    settings = {"transformer": dataclasses.asdict(config), "data": dataclasses.asdict(data)}
    if resume:
        state = _resume(output, model, optimizer, settings) or state
    output.mkdir(parents=True, exist_ok=True)
    checkpoints.write_text(output / "config.json", json.dumps(settings, indent=2))
    sampler = WindowSampler(
        corpus(data) if trajectories is None else list(trajectories),
        length=max(config.training_contexts) + config.prediction_length,
        signed_permutations=data.signed_permutations,
        rotations=data.rotations,
        warp=data.warp,
    )
    counts = {length: flops(model, length) for length in config.training_contexts}
    losses: list[tuple[float, float]] = []  # of all tokens alike, and of the first
    began, before = time.process_time(), state["cpu_seconds"]
    bar = tqdm(total=config.last_step, initial=state["step"], desc="training", disable=None)
    with bar:
        while state["step"] < config.last_step:
            context, future = draw(sampler, config, step=state["step"])
            network.train()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
                each = model.token_losses(context, future)
                loss = model.weighted(each)
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
            rate = _rate(config, state["step"])
            for group in optimizer.param_groups:
                group["lr"] = rate
            if bool(norm.isfinite()):
                optimizer.step()
            network.eval()
            losses.append((each.detach().mean().item(), each[0].item()))
            state["step"] += 1
            state["windows"] += config.batch_size
            state["flops"] += counts[context.shape[1]]
            state["cpu_seconds"] = before + time.process_time() - began
            step, last = state["step"], state["step"] == config.last_step
            bar.update()
            bar.set_postfix(loss=f"{losses[-1][0]:.3f}")
            record: dict[str, Any] = {}
            if step % config.log_every == 0 or last:
                all_alike, first = np.mean(losses, axis=0)
                record = {"loss": float(all_alike), "first_token": float(first)}
                record["learning_rate"] = rate
                losses.clear()
            every = config.validate_every
            if every and (step % every == 0 or last):
                began_validation = time.process_time()
                record |= validate(model, data)
                began += time.process_time() - began_validation  # no part of the training
            if record:
                counted = {k: state[k] for k in ("step", "windows", "flops")}
                record = counted | {"cpu_seconds": round(state["cpu_seconds"], 2)} | record
                with (output / _LOG).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            if step % config.checkpoint_every == 0 or last:
                _checkpoint(output, model, optimizer, settings, state)
    model.save(output / "model")
    return model


def _rate(config: TransformerConfig, step: int) -> float:
    """Linear warm-up, linear decay to 0 at ``steps``; down to 0 earlier where training stops."""
    rising = min(1.0, (step + 1) / max(config.warm_up, 1))
    falling = (config.steps - step) / max(config.steps - config.warm_up, 1)
    rate = config.learning_rate * min(rising, falling)
    if config.last_step < config.steps:
        rate *= min(1.0, (config.last_step - step) / config.cool_down)
    return rate


def validate(model: TransformerControl, data: TrainingConfig) -> dict[str, Any]:
    """Free-running measures on the validation systems: medians, failures as worst.

    Parameters
    ----------
    model
        What is validated; its config has the context's length, the horizon and the seed.
    data
        Its ``validation_systems`` (none named: the split's) and the first of its
        ``points_per_period``.

    Returns
    -------
    Medians over systems: ``validation_d_stsp`` in nats, ``validation_d_h`` from 0 to 1,
    ``validation_mase`` over 10 steps in the truth's mean one-step changes, None where half of the
    forecasts or more failed; ``validation_failures``, how many have no ``d_stsp``.

    Raises
    ------
    InputError
        If a system is unknown, or the horizon is shorter than 10 steps.

    Examples
    --------
    An untrained model draws values at random:

    >>> sizes = {"tokens": 64, "width": 16, "heads": 2, "layers": 1, "feed_forward": 32}
    >>> short = {"context_length": 32, "training_contexts": (16,), "validation_horizon": 64}
    >>> model = TransformerControl(TransformerConfig(**sizes, **short))
    >>> found = validate(model, TrainingConfig(validation_systems=("Lorenz",)))
    >>> found["validation_mase"] > 1.0  # worse than "no change" for one step
    True
    """
    T_C, T = model.config.context_length, model.config.validation_horizon
    names = validation_systems(data)
    series = np.stack(
        [
            systems.trajectory(n, n=T_C + T, points_per_period=data.points_per_period[0])
            for n in names
        ],
        axis=1,
    )
    truth = series[T_C:]
    y = model.forecast(series[:T_C], T, seed=model.config.seed)
    divergence = np.asarray(metrics.state_space_divergence(forecast=y, truth=truth))
    record = {
        "validation_d_stsp": divergence,
        "validation_d_h": metrics.spectral_hellinger(forecast=y, truth=truth),
        "validation_mase": metrics.mase(forecast=y, truth=truth, steps=10),
    }
    medians: dict[str, Any] = {}
    for key, values in record.items():
        middle = float(np.median(np.where(np.isnan(values), np.inf, values)))
        medians[key] = round(middle, 6) if np.isfinite(middle) else None
    medians["validation_failures"] = int(np.isnan(divergence).sum())
    return medians


def flops(model: TransformerControl, context_length: int) -> float:
    """Floating-point operations of one training step, counted by torch: matrix products alone.

    Parameters
    ----------
    model
        Its config is what counts: sizes, ``batch_size`` and ``prediction_length``.
    context_length
        Steps of the contexts, at most the config's.

    Returns
    -------
    Those of the forward and the backward pass of one batch. A multiplication and an addition
    are two.

    Examples
    --------
    >>> sizes = {"tokens": 64, "width": 16, "heads": 2, "layers": 1, "feed_forward": 32}
    >>> one, two = (TransformerControl(TransformerConfig(**sizes, batch_size=B)) for B in (1, 2))
    >>> flops(two, 16) / flops(one, 16)
    2.0
    """
    from torch.utils.flop_counter import FlopCounterMode

    c = model.config
    # eager attention: the counter knows no fused attention on a CPU
    counted = TransformerControl(c)
    counted.network.set_attn_implementation("eager")
    x = torch.sin(torch.arange(context_length + c.prediction_length) / 5.0).repeat(c.batch_size, 1)
    with FlopCounterMode(display=False) as counter:
        counted.loss(x[:, :context_length], x[:, context_length:]).backward()
    return float(counter.get_total_flops())


def dynamix_flops(config: TrainingConfig) -> float:
    """The same count for one training step of a default DynaMix, as plain torch does it.

    The attention's distances are no matrix products and are added by hand: three operations a
    context step, dimension and prediction, thrice for forward and backward pass. ``config`` gives
    the batch and the lengths of context and window; the result is in operations, as of
    :func:`flops`.

    Examples
    --------
    >>> lengths = {"context_length": 20, "window": 5, "overlap": 2}
    >>> one, two = (dynamix_flops(TrainingConfig(**lengths, batch_size=B)) for B in (1, 2))
    >>> two / one
    2.0
    """
    from torch.utils.flop_counter import FlopCounterMode

    from ..model.dynamix import DynaMix

    model = DynaMix(seed=0)
    N = model.config.observed_dims
    x = np.random.default_rng(0).standard_normal((config.sequence_length + 1, N)).cumsum(axis=0)
    sampler = WindowSampler([x.astype(np.float32)], length=config.sequence_length)
    batch = draw_batch(sampler, model.config, config, step=0)
    with FlopCounterMode(display=False) as counter:
        training_loss(model, batch, config).backward()
    distances = 9 * N * (config.context_length - 1) * (config.window - 1) * config.batch_size
    return float(counter.get_total_flops() + distances)


def _checkpoint(
    output: Path,
    model: TransformerControl,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
    state: dict[str, Any],
) -> None:
    tensors = {f"model.{k}": v.detach().clone() for k, v in model.network.named_parameters()}
    for i, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"optimizer.{i}.{key}"] = torch.as_tensor(value).detach().clone()
    header = {"settings": settings, "state": state}
    checkpoints.write_tensors(output / _STATE, tensors, metadata={"state": json.dumps(header)})


def _resume(
    output: Path,
    model: TransformerControl,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> dict[str, Any] | None:
    """Put the checkpoint's weights and moments in place; None where there is no checkpoint."""
    path = output / _STATE
    if not path.is_file():
        logger.warning("nothing to resume in %s; starting from the beginning", output)
        (output / _LOG).unlink(missing_ok=True)
        return None
    tensors, metadata = checkpoints.read_tensors(path)
    header = json.loads(metadata["state"])
    made = {
        "transformer": dataclasses.asdict(
            from_dict(TransformerConfig, header["settings"]["transformer"], source=path.name)
        ),
        "data": dataclasses.asdict(
            from_dict(TrainingConfig, header["settings"]["data"], source=path.name)
        ),
    }
    now = json.loads(json.dumps(settings))  # tuples as JSON has them
    made = json.loads(json.dumps(made))
    for both in (made, now):
        for name in ("stop_after", "cool_down"):  # a run may be told to stop where it has come to
            both["transformer"].pop(name)
    if made != now:
        raise InputError(
            f"cannot resume {str(output)!r} with other settings. Repeat the settings of the first "
            f"call ({path.with_name('config.json').name} lists them), or choose another folder."
        )
    model.load({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".")
            moments.setdefault(int(i), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state: dict[str, Any] = header["state"]
    # lines logged after the checkpoint are written again
    done = [line for line in read_log(output) if line["step"] <= state["step"]]
    if done:
        checkpoints.write_text(output / _LOG, "\n".join(map(json.dumps, done)))
    return state
