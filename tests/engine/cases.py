"""Models, contexts and sizes for the tests of the kernels."""

import torch

from dynamix.model import DynaMix
from dynamix.settings import ModelConfig

SIZES = [(3, 30, 10, 2), (3, 30, 10, 0), (3, 12, 17, 12), (1, 1, 1, 0), (2, 9, 3, 4), (6, 33, 5, 2)]
TEMPERATURES = [0.005, 0.06, 1.0, 50.0]


def make_model(N, M, J, P, *, tau=None, seed=0, **other):
    """A random model whose experts differ, with weights large enough for the state to move."""
    sizes = {"observed_dims": N, "latent_dims": M, "experts": J, "relu_units": P}
    model = DynaMix(ModelConfig(**sizes, **other), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.experts.named_parameters():
            if name != "A":
                parameter.normal_(0.0, 0.3 / M**0.5, generator=generator)
        if tau is not None:
            model.gate.tau_att.fill_(tau)
    return model


def make_context(T_C, S, N, *, smooth, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if not smooth:
        return torch.randn(T_C, S, N, generator=generator)
    t = torch.arange(T_C)[:, None, None]
    rate, phase = torch.rand(2, S, N, generator=generator)
    return 1.4 * torch.sin(0.2 * rate * t + 6 * phase)
