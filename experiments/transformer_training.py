"""Training of the controlled transformer: first weights, loss, a run that can be resumed.

Windows come from the corpus and the sampler of DynaMix. The log counts CPU seconds and
floating-point operations beside the loss.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from dynamix import InputError, systems
from dynamix.baselines.transformer import FIRST_VALUE, TransformerControl
from dynamix.io.files import append_record, write_text
from dynamix.metrics import reconstruction as metrics
from dynamix.model.checkpoints import read_tensors, write_tensors
from dynamix.settings import TrainingConfig, setting, settings
from dynamix.systems import WindowSampler
from dynamix.training import corpus, read_log, validation_systems

logger = logging.getLogger(__name__)

_STATE, _LOG = "state.safetensors", "log.jsonl"
_NEIGHBOUR_BIAS = 5.0  # e^5 = 150: about all attention of that head, at contexts of 128


@settings
class TransformerConfig:
    """Chronos-T5's architecture, small, and its training.

    Chronos-T5 "tiny" has width 256, 4 heads, 4 layers, 4096 tokens and limit 15.
    """

    context_length: int = setting(512, "largest number of steps that the encoder sees", at_least=2)
    prediction_length: int = setting(64, "steps decoded before they become context", at_least=1)
    tokens: int = setting(1024, "bins of the tokeniser, two special tokens included", at_least=8)
    limit: float = setting(8.0, "outermost bins, in mean absolute values of the context", above=0)
    width: int = setting(128, "width of the hidden states", at_least=1)
    heads: int = setting(4, "attention heads", at_least=1)
    layers: int = setting(2, "layers of the encoder, and of the decoder", at_least=1)
    feed_forward: int = setting(256, "width of the feed-forward layers", at_least=1)
    temperature: float = setting(1.0, "temperature of sampling", above=0)
    top_k: int = setting(50, "tokens that sampling chooses from", at_least=1)
    ordered_start: bool = setting(
        True, "first weights know which bin lies beside which, and which step"
    )
    loss_decay: float = setting(
        1.0, "the t-th token has the weight t to minus this in the loss; 0: all alike", at_least=0
    )
    steps: int = setting(14_000, "optimiser steps", at_least=1)
    stop_after: int = setting(
        0, "stop after so many steps, with a learning rate of 0 there; 0: after all", at_least=0
    )
    cool_down: int = setting(600, "steps before that stop in which the rate falls", at_least=1)
    batch_size: int = setting(16, "windows in a batch, one channel of each", at_least=1)
    training_contexts: tuple[int, ...] = setting(
        (128, 128, 128, 128, 128, 128, 256, 512),
        "context lengths of training, one drawn for each batch",
        at_least=2,
    )
    learning_rate: float = setting(
        1.5e-3, "highest learning rate, which decays linearly to 0", above=0
    )
    warm_up: int = setting(200, "steps over which it rises", at_least=0)
    gradient_clip: float = setting(1.0, "largest gradient norm applied", above=0)
    bfloat16: bool = setting(True, "multiply in bfloat16 while training")
    log_every: int = setting(50, "steps between two lines of the log", at_least=1)
    validate_every: int = setting(3500, "steps between two validations; 0 for never", at_least=0)
    validation_horizon: int = setting(2000, "horizon of a validation forecast", at_least=1)
    checkpoint_every: int = setting(250, "steps between two checkpoints", at_least=1)
    seed: int = setting(0, "seed of initial weights, batches and validation", at_least=0)

    def check(self) -> None:
        """Raise where two settings contradict each other."""
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, found {self.width} and {self.heads}."
            )
        if not self.training_contexts or max(self.training_contexts) > self.context_length:
            raise InputError(
                f"training_contexts must name lengths of at most context_length = "
                f"{self.context_length}, found {self.training_contexts}."
            )

    @property
    def last_step(self) -> int:
        """Steps that training takes."""
        return min(self.stop_after or self.steps, self.steps)


def architecture(c: TransformerConfig) -> dict[str, Any]:
    """The settings of T5, and those under which Chronos' own pipeline runs it."""
    return {
        "vocab_size": c.tokens,
        "d_model": c.width,
        "d_kv": c.width // c.heads,
        "d_ff": c.feed_forward,
        "num_layers": c.layers,
        "num_decoder_layers": c.layers,
        "num_heads": c.heads,
        "dropout_rate": 0.0,
        "feed_forward_proj": "relu",
        # T5's own. Chronos' training script has 0.05; on a budget this small the larger one learns
        # faster (training loss after 400 steps at context 128: 4.03 against 4.28)
        "initializer_factor": 1.0,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "chronos_config": {
            "tokenizer_class": "MeanScaleUniformBins",
            "tokenizer_kwargs": {"low_limit": -c.limit, "high_limit": c.limit},
            "context_length": c.context_length,
            "prediction_length": c.prediction_length,
            "n_tokens": c.tokens,
            "n_special_tokens": FIRST_VALUE,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "use_eos_token": True,
            "model_type": "seq2seq",
            "num_samples": 20,
            "temperature": c.temperature,
            "top_k": c.top_k,
            "top_p": 1.0,
        },
    }


def untrained(config: TransformerConfig) -> TransformerControl:
    """The model with its first weights."""
    from transformers import T5Config, T5ForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: Any = T5ForConditionalGeneration._from_config(
            T5Config(**architecture(config)), attn_implementation="sdpa"
        )
    model = TransformerControl(network)
    if config.ordered_start:
        with torch.no_grad():
            order_tokens(model, config)
            order_steps(model, config)
    return model


def order_tokens(model: TransformerControl, c: TransformerConfig) -> None:
    """First embeddings in which near bins are near: waves of the bins' values.

    T5's own are independent of each other. A short training then mostly learns that bin 501 is
    beside bin 502. Wavelengths run from four bins to twice the range, phases are equally spaced,
    and the variance is T5's.
    """
    bins, waves = c.tokens - FIRST_VALUE, c.width // 2
    value = torch.linspace(-c.limit, c.limit, bins, dtype=torch.float64)
    first, last = 8 * c.limit / bins, 4 * c.limit
    lengths = torch.logspace(math.log10(first), math.log10(last), waves, dtype=torch.float64)
    angles = 2 * math.pi * (value[:, None] / lengths + torch.arange(waves) / waves)
    features = torch.cat([angles.sin(), angles.cos()], dim=1) * math.sqrt(2.0)
    # an odd width keeps its last column
    model.network.shared.weight[FIRST_VALUE:, : features.shape[1]].copy_(features)


def order_steps(model: TransformerControl, c: TransformerConfig) -> None:
    """First position biases by which a step attends to its neighbours.

    These biases are T5's only notion of time, and the decoder's attention to the context has none:
    it finds the context's end only if the encoder marks it. From T5's own first values that was not
    learned in 6,500 steps, and the first token of a forecast stayed a guess.
    """
    network = model.network
    for stack, offsets in ((network.encoder, (1, -1)), (network.decoder, (-1,))):
        attention = stack.block[0].layer[0].SelfAttention
        for head, offset in zip(range(c.heads), offsets, strict=False):
            bucket = attention._relative_position_bucket(
                torch.tensor([offset]),
                bidirectional=stack is network.encoder,
                num_buckets=attention.relative_attention_num_buckets,
                max_distance=attention.relative_attention_max_distance,
            )
            attention.relative_attention_bias.weight[bucket, head] += _NEIGHBOUR_BIAS


def save(model: TransformerControl, folder: Path, config: TransformerConfig) -> Path:
    """Write weights (half precision, safetensors) and config (JSON); returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "dtype": "float16",
        **architecture(config),
        "dynamix": dataclasses.asdict(config),
    }
    weights = {name: p.detach().half() for name, p in model.state_dict().items()}
    write_tensors(folder / "model.safetensors", weights, metadata={"format": "pt"})
    write_text(folder / "config.json", json.dumps(stored, indent=2))
    return folder


def token_losses(model: TransformerControl, context: Tensor, future: Tensor) -> Tensor:
    """Cross entropy ``(P + 1,)`` of each token of the future given all before it, in nats.

    ``context`` is ``(B, T_C)``, ``future`` ``(B, P)``. The future is scaled by the context's mean
    absolute value; an end token closes both. Means over the batch; NaN does not count.
    """
    ids, mask, scale = model.tokenizer.context_input_transform(context)
    labels, seen = model.tokenizer.label_input_transform(future, scale)
    before = model.network.prepare_decoder_input_ids_from_labels(labels)
    # with labels= it would compute its own mean, too
    logits = model.network(input_ids=ids, attention_mask=mask, decoder_input_ids=before).logits
    each = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, reduction="none"
    )
    return (each * seen).sum(dim=0) / seen.sum(dim=0).clamp(min=1)


def weighted(losses: Tensor, decay: float) -> Tensor:
    """The mean of successive tokens' losses with the weights ``t ** -decay``.

    Chronos' loss is the plain mean. In it the first token counts a 65th, although every forecast
    begins with it.
    """
    weights = (1.0 + torch.arange(len(losses))) ** -decay
    return (losses * weights).sum() / weights.sum()


def draw(sampler: WindowSampler, config: TransformerConfig, *, step: int) -> tuple[Tensor, Tensor]:
    """Contexts ``(B, T_C)`` and futures ``(B, P)`` of a step: one random channel of each window."""
    rng = np.random.default_rng([config.seed, step])
    T_C = int(rng.choice(config.training_contexts))
    windows = sampler.draw(config.batch_size, rng=rng, length=T_C + config.prediction_length)
    channel = rng.integers(windows.shape[2], size=config.batch_size)
    series = torch.from_numpy(windows[:, np.arange(config.batch_size), channel].T.copy())
    return series[:, :T_C].contiguous(), series[:, T_C:].contiguous()


def learning_rate(config: TransformerConfig, step: int) -> float:
    """Linear warm-up, linear decay to 0 at ``steps``; down to 0 earlier where training stops."""
    rising = min(1.0, (step + 1) / max(config.warm_up, 1))
    falling = (config.steps - step) / max(config.steps - config.warm_up, 1)
    rate = config.learning_rate * min(rising, falling)
    if config.last_step < config.steps:
        rate *= min(1.0, (config.last_step - step) / config.cool_down)
    return rate


class Run:
    """A training in a folder: ``log.jsonl``, a checkpoint, and at the end ``model/``."""

    def __init__(self, output: Path, config: TransformerConfig, data: TrainingConfig) -> None:
        self.output, self.config, self.data = output, config, data
        self.model = untrained(config)
        self.optimizer = torch.optim.AdamW(
            self.model.network.parameters(), lr=config.learning_rate, foreach=True
        )
        self.state: dict[str, Any] = {"step": 0, "cpu_seconds": 0.0, "flops": 0.0, "windows": 0}
        self.settings = json.loads(
            json.dumps(
                {"transformer": dataclasses.asdict(config), "data": dataclasses.asdict(data)}
            )
        )

    def step(self, sampler: WindowSampler) -> tuple[float, float, int]:
        """One optimiser step: the mean loss, that of the first token, the context's length."""
        config, network = self.config, self.model.network
        context, future = draw(sampler, config, step=self.state["step"])
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
            each = token_losses(self.model, context, future)
            loss = weighted(each, config.loss_decay)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.state["step"])
        if bool(norm.isfinite()):
            self.optimizer.step()
        network.eval()
        return each.detach().mean().item(), each[0].item(), context.shape[1]

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{k}": v.detach().clone() for k, v in self.model.state_dict().items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            for key, value in values.items():
                tensors[f"optimizer.{i}.{key}"] = torch.as_tensor(value).detach().clone()
        header = {"settings": self.settings, "state": self.state}
        write_tensors(self.output / _STATE, tensors, metadata={"state": json.dumps(header)})

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self.output / _STATE
        if not path.is_file():
            logger.warning("nothing to resume in %s; starting from the beginning", self.output)
            (self.output / _LOG).unlink(missing_ok=True)
            return
        arrays, metadata = read_tensors(path)
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
        header = json.loads(metadata["state"])
        now, made = (json.loads(json.dumps(each)) for each in (self.settings, header["settings"]))
        for both in (made, now):
            for name in ("stop_after", "cool_down"):  # a run may be asked to stop where it is
                both["transformer"].pop(name)
        if made != now:
            raise InputError(
                f"cannot resume {str(self.output)!r} with other settings. Repeat those of the "
                "first call (config.json lists them), or choose another folder."
            )
        with torch.no_grad():
            for name, parameter in self.model.state_dict().items():
                parameter.copy_(tensors[f"model.{name}"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, i, name = key.split(".")
                moments.setdefault(int(i), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.state = header["state"]
        # lines logged after the checkpoint are written again
        done = [line for line in read_log(self.output) if line["step"] <= self.state["step"]]
        if done:
            write_text(self.output / _LOG, "".join(f"{json.dumps(line)}\n" for line in done))


def train(
    output: str | Path,
    *,
    config: TransformerConfig,
    data: TrainingConfig,
    trajectories: Sequence[np.ndarray] | None = None,
    resume: bool = False,
) -> TransformerControl:
    """Train from random weights on the corpus of ``data``, or on own trajectories ``(T, N)``.

    With ``resume`` the run continues from its checkpoint, and ends as if it had never stopped.
    """
    output = Path(output)
    if not resume and (output / _LOG).exists():
        raise InputError(
            f"{str(output)!r} already holds a training run. Continue it with --resume, or choose "
            "another output folder."
        )
    run = Run(output, config, data)
    if resume:
        run.resume()
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "config.json", json.dumps(run.settings, indent=2))
    sampler = WindowSampler(
        corpus(data) if trajectories is None else list(trajectories),
        length=max(config.training_contexts) + config.prediction_length,
        signed_permutations=data.signed_permutations,
        rotations=data.rotations,
        warp=data.warp,
    )
    counts = {length: flops(config, length) for length in config.training_contexts}
    state, losses = run.state, []
    began = time.process_time() - state["cpu_seconds"]
    bar = tqdm(total=config.last_step, initial=state["step"], desc="training", disable=None)
    with bar:
        while state["step"] < config.last_step:
            rate = learning_rate(config, state["step"])
            all_alike, first, length = run.step(sampler)
            losses.append((all_alike, first))
            state["step"] += 1
            state["windows"] += config.batch_size
            state["flops"] += counts[length]
            state["cpu_seconds"] = time.process_time() - began
            step, last = state["step"], state["step"] == config.last_step
            bar.update()
            bar.set_postfix(loss=f"{all_alike:.3f}")
            record: dict[str, Any] = {}
            if step % config.log_every == 0 or last:
                means = np.mean(losses, axis=0).tolist()
                record = {"loss": means[0], "first_token": means[1], "learning_rate": rate}
                losses.clear()
            if config.validate_every and (step % config.validate_every == 0 or last):
                began_validation = time.process_time()
                record |= validate(run.model, config, data)
                began += time.process_time() - began_validation  # no part of the training
            if record:
                counted = {k: state[k] for k in ("step", "windows", "flops")}
                counted["cpu_seconds"] = round(state["cpu_seconds"], 2)
                append_record(output / _LOG, counted | record)
            if step % config.checkpoint_every == 0 or last:
                run.save()
    save(run.model, output / "model", config)
    return run.model


def validate(
    model: TransformerControl, config: TransformerConfig, data: TrainingConfig
) -> dict[str, Any]:
    """Medians of the free-running measures on the validation systems, failures as worst."""
    T_C, T = config.context_length, config.validation_horizon
    rate = data.points_per_period[0]
    series = np.stack(
        [
            systems.trajectory(n, n=T_C + T, points_per_period=rate)
            for n in validation_systems(data)
        ],
        axis=1,
    )
    pair = {"forecast": model.forecast(series[:T_C], T, seed=config.seed), "truth": series[T_C:]}
    divergence = np.asarray(metrics.state_space_divergence(**pair))
    measured = {
        "validation_d_stsp": divergence,
        "validation_d_h": metrics.spectral_hellinger(**pair),
        "validation_mase": metrics.mase(**pair, steps=10),
    }
    medians: dict[str, Any] = {}
    for key, values in measured.items():
        middle = float(np.median(np.where(np.isnan(values), np.inf, values)))
        medians[key] = round(middle, 6) if np.isfinite(middle) else None
    return medians | {"validation_failures": int(np.isnan(divergence).sum())}


def flops(config: TransformerConfig, context_length: int) -> float:
    """Floating-point operations of one training step, counted by torch: matrix products alone.

    A multiplication and an addition are two.
    """
    model = untrained(config)
    model.network.set_attn_implementation("eager")  # the counter knows no fused one on a CPU
    x = torch.sin(torch.arange(context_length + config.prediction_length) / 5.0)
    x = x.repeat(config.batch_size, 1)
    with FlopCounterMode(display=False) as counter:
        losses = token_losses(model, x[:, :context_length], x[:, context_length:])
        weighted(losses, config.loss_decay).backward()
    return float(counter.get_total_flops())
