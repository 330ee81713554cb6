"""A control: a small transformer of Chronos' class, trained on the corpus of ``dynamix-3d``.

It differs from DynaMix in its architecture alone. Tokeniser and network (T5) are those of Chronos
(Ansari et al., TMLR 2024), from their packages; ``chronos.ChronosPipeline`` reads its folder, too.
Each channel is forecast alone, from the last 512 steps, by 64 steps at a time.
"""

from __future__ import annotations

import os
import warnings
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from ..errors import InputError, whole_number
from ..io.progress import tqdm
from ..io.scale import unit
from ..io.shapes import Float, Int
from .pretrained import WEIGHTS, no_bar
from .trained import CONTROL

FIRST_VALUE = 2  # tokens before the first bin: padding and end, as in Chronos
_PAD = 0
_MOST_SEQUENCES = 256  # decoded side by side; bounds the memory of their keys and values


class TransformerControl:
    """T5 over binned values, and the rollout that makes a forecaster of it.

    ``network`` is a ``T5ForConditionalGeneration`` whose config holds a ``chronos_config``.
    """

    def __init__(self, network: Any) -> None:
        from chronos import ChronosConfig

        self.network = network.eval()
        self.config: dict[str, Any] = network.config.chronos_config
        self.tokenizer: Any = ChronosConfig(**self.config).create_tokenizer()

    @classmethod
    def from_pretrained(cls, folder: str | Path = CONTROL) -> TransformerControl:
        """The bundled model, or one in a local folder; reads safetensors and JSON, no pickle.

        The bundled weights are in the repository. A wheel leaves them out, so there the folder that
        ``DYNAMIX_WEIGHTS`` names should hold them.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a notebook's missing progress-bar widget
            from transformers import T5ForConditionalGeneration

        path = Path(folder).expanduser()
        if str(folder) == CONTROL:
            path = Path(str(resources.files("dynamix") / "data" / "models" / CONTROL))
            if not path.is_dir():
                path = Path(os.environ.get(WEIGHTS, "")) / CONTROL
        try:
            with no_bar():
                network = T5ForConditionalGeneration.from_pretrained(
                    path, dtype=torch.float32, attn_implementation="sdpa", use_safetensors=True
                )
            return cls(network)
        except Exception as error:  # the package raises whatever its own parts do
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"no transformer at {str(folder)!r}: {first}. Expected a folder with config.json "
                f"and model.safetensors. The one of this project, {CONTROL!r}, is part of the "
                f"repository and not of an installed package: get the folder src/dynamix/data/"
                f"models/{CONTROL}, and name the folder around it in {WEIGHTS}."
            ) from error

    def state_dict(self) -> dict[str, Tensor]:
        """The weights by name; the tied embedding counts once."""
        return dict(self.network.named_parameters())

    def forecast(
        self,
        context: Float[ndarray, "T_C *S N"],
        horizon: int,
        *,
        seed: int = 0,
        samples: int = 1,
    ) -> Float[ndarray, "horizon *S N"]:
        """Continue every channel; what a series gets does not depend on the other series.

        With one of ``samples`` a path is drawn, which continues its own steps. With more, the
        median of the drawn paths is reported and fed back, as in Chronos' own pipeline.
        """
        samples = whole_number("samples", samples)
        values = np.asarray(context, dtype=np.float64)
        channels = values.shape[-1]
        seen = values[-self.config["context_length"] :]
        seen = seen.reshape(len(seen), -1)
        size = unit(seen)
        seen = seen / size
        middle, scale = seen.mean(axis=0), seen.std(axis=0)
        scale = np.where(scale > 1e-12 * np.abs(middle), scale, 1.0)
        series = torch.from_numpy(((seen - middle) / scale).T.astype(np.float32))
        parts = series.split(max(_MOST_SEQUENCES // (samples * channels), 1) * channels)
        blocks = -(-horizon // self.config["prediction_length"])
        bar = tqdm(total=blocks * len(parts), desc="transformer", unit="block", disable=None)
        with bar, torch.inference_mode():
            paths = [self._continue(part, blocks, channels, seed, samples, bar) for part in parts]
        path = (torch.cat(paths)[:, :horizon].double().numpy().T * scale + middle) * size
        return path.reshape(horizon, *values.shape[1:]).astype(context.dtype)

    def _continue(
        self,
        series: Float[Tensor, "B T"],
        blocks: int,
        channels: int,
        seed: int,
        samples: int,
        bar: Any,
    ) -> Float[Tensor, "B T_new"]:
        length, given = self.config["prediction_length"], series.shape[1]
        for block in range(blocks):
            # the same draws for every series, so that none depends on its neighbours
            rng = np.random.default_rng([seed, block])
            uniform = torch.from_numpy(rng.random((length, channels, samples), dtype=np.float32))
            uniform = uniform.repeat(1, len(series) // channels, 1)
            seen = series[:, -self.config["context_length"] :].contiguous()
            ids, mask, scale = self.tokenizer.context_input_transform(seen)
            drawn = self.tokenizer.output_transform(self.sample(ids, mask, uniform), scale)
            series = torch.cat([series, drawn.median(dim=1).values], dim=1)
            bar.update()
        return series[:, given:]

    def sample(
        self, ids: Int[Tensor, "B T"], mask: Tensor, uniform: Float[Tensor, "P B K"]
    ) -> Int[Tensor, "B K P"]:
        """Draw ``K`` continuations of each sequence of tokens, by inversion of ``uniform``."""
        from transformers.modeling_outputs import BaseModelOutput

        P, B, K = uniform.shape
        encoded = self.network.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        encoded = BaseModelOutput(last_hidden_state=encoded.repeat_interleave(K, dim=0))
        mask = mask.repeat_interleave(K, dim=0)
        tokens = torch.full((B * K, 1), _PAD)  # the decoder's start token
        past = None  # keys and values of decoded tokens
        for t in range(P):
            output = self.network(
                encoder_outputs=encoded,
                attention_mask=mask,
                decoder_input_ids=tokens[:, -1:],
                past_key_values=past,
                use_cache=True,
            )
            past = output.past_key_values
            drawn = self.draw(output.logits[:, -1], uniform[t].reshape(B * K, 1))
            tokens = torch.cat([tokens, drawn], dim=1)
        return tokens[:, 1:].reshape(B, K, P)

    def draw(self, logits: Float[Tensor, "B V"], u: Float[Tensor, "B 1"]) -> Int[Tensor, "B 1"]:
        """The token of the ``top_k`` likeliest where the cumulative probability exceeds ``u``."""
        logits = logits.float() / self.config["temperature"]
        logits[:, :FIRST_VALUE] = -torch.inf  # special tokens are no values
        count = min(self.config["top_k"], logits.shape[1] - FIRST_VALUE)
        top, candidates = logits.topk(count)
        place = (top.softmax(dim=1).cumsum(dim=1) < u).sum(dim=1, keepdim=True)
        return candidates.gather(1, place.clamp(max=count - 1))
