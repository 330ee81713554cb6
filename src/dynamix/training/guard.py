"""The guard of a training run: which gradients may move the weights, and how far."""

from __future__ import annotations

import dataclasses
import math

from ..settings import TrainingConfig

_MEAN_DECAY = 0.99  # of the running means
_WARM_UP = 20  # batches before the running means are trusted


@dataclasses.dataclass
class Guard:
    """Decides whether a batch's gradient is applied, and at which norm it is clipped.

    With the recipe's clipping alone, a single exploding window can destroy a run. The guard skips a
    batch whose loss or gradient norm is not finite, or far above its running mean. ``mean_norm``
    and ``mean_loss`` are running means over the applied batches; the other fields count.

    >>> guard, config = Guard(), TrainingConfig()
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
        """Whether to apply a batch with this loss and unclipped gradient norm; count the batch."""
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
        # a norm enters as clipped: otherwise one outlier would let the next one pass
        entering = min(norm, self.limit(config)) if trusted else norm
        self.mean_norm = decay * self.mean_norm + (1 - decay) * entering
        self.mean_loss = decay * self.mean_loss + (1 - decay) * loss
        return True

    def limit(self, config: TrainingConfig) -> float:
        """The norm at which a gradient is clipped now."""
        if self.seen < _WARM_UP:
            return config.gradient_clip
        return min(config.gradient_clip, config.adaptive_clip * self.mean_norm)
