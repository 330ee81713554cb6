"""Defaults of chapter 7: what counts as a failure, and the controlled transformer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..errors import InputError, whole_number
from ..settings import setting


@dataclass(frozen=True)
class FailureConfig:
    """From where on a measured property of a forecast counts as a failure, and how it is measured.

    The thresholds are conventions: they turn measures into rates. The measures are stored, too.
    """

    stretch: int = setting(30, "steps that a copied stretch has at least")
    parroting: float = setting(0.5, "a parroting index above this is a failure")
    amplitude: float = setting(
        0.1, "a deviation in the last tenth below this share of the context's is a failure"
    )
    chaos: float = setting(
        0.25, "an exponent below this share of the truth's is a failure, where the truth is chaotic"
    )
    least_exponent: float = setting(
        1e-3, "estimated exponents per step below this do not count as chaos"
    )
    spectral_ratio: float = setting(
        0.1, "a frequency is lost where less than this share of the truth's power is left"
    )
    spectral_mass: float = setting(0.25, "lost or invented power above this share is a failure")
    margin: float = setting(0.1, "of the range of context and truth: what is beyond is outside")
    outside: float = setting(0.01, "a larger share of steps outside is a failure")
    smoothing: int = setting(20, "width in frequency bins of the spectra's smoothing")

    def __post_init__(self) -> None:
        whole_number("stretch", self.stretch, least=2)
        whole_number("smoothing", self.smoothing, least=0)
        for f in dataclasses.fields(self):
            if isinstance(f.default, float) and not 0.0 <= getattr(self, f.name) <= 1.0:
                raise InputError(f"{f.name} must lie in [0, 1], found {getattr(self, f.name)!r}.")
