"""Training steps of the authors' code: loss, gradients and RAdam from the published weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dynamix import DynaMix, TrainingConfig
from dynamix.engine.training import loss_and_gradient
from dynamix.model import Batch
from dynamix.model.checkpoints import to_published
from dynamix.training import training_loss

CASES: dict[str, dict[str, Any]] = {
    "stf": {"forcing_interval": 10},
    "gtf": {"forcing": "generalised", "forcing_strength": 0.3},
    "tau1": {"forcing_interval": 1},
}


@pytest.fixture(scope="module")
def golden(upstream: Path) -> dict[str, np.ndarray]:
    path = upstream / "golden_training.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the folder of published files")
    return dict(np.load(path))


def batch_of(golden: dict[str, np.ndarray], dtype: torch.dtype) -> Batch:
    context, x, y = (torch.from_numpy(golden[name]).to(dtype) for name in ("context", "x", "y"))
    return Batch(context, x, y, torch.zeros_like(x), None)


def gradients(model: DynaMix) -> dict[str, np.ndarray]:
    """Gradients under the published names, by way of a model that has them as its weights."""
    holder = DynaMix(model.config)
    with torch.no_grad():
        for (_, own), (_, other) in zip(
            holder.named_parameters(), model.named_parameters(), strict=True
        ):
            own.copy_(torch.zeros_like(own) if other.grad is None else other.grad)
    return to_published(holder)


def compared(name: str, found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    if name == "B":  # its first N columns are the identity, which is not trained
        found, wanted = found[:, len(found) :], wanted[:, len(wanted) :]
    scale = max(np.abs(wanted).max(), 1.0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_are_the_authors(golden, published, case, engine):
    config = TrainingConfig(**CASES[case])
    model = DynaMix(published.config)
    model.load_state_dict(published.state_dict())
    if engine == "torch":
        model.double()
        loss = training_loss(model, batch_of(golden, torch.float64), config)
        loss.backward()
        found = loss.item()
    else:
        found, _ = loss_and_gradient(model, batch_of(golden, torch.float32), config)
    assert found == pytest.approx(float(golden[f"{case}/loss"]), abs=1e-5)
    published_gradients = gradients(model)
    wanted = {k.split("grad/")[1]: v for k, v in golden.items() if k.startswith(f"{case}/grad/")}
    assert len(wanted) > 30
    for name, value in wanted.items():
        compared(name, published_gradients[name], value, 1e-5)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_thirty_steps_of_radam_are_the_authors(golden, published, engine):
    config = TrainingConfig(**CASES["stf"])
    model = DynaMix(published.config)
    model.load_state_dict(published.state_dict())
    optimizer = torch.optim.RAdam(model.parameters(), lr=config.learning_rate)
    batch, losses = batch_of(golden, torch.float32), []
    for _ in range(30):
        optimizer.zero_grad()
        if engine == "torch":
            loss = training_loss(model, batch, config)
            loss.backward()
            losses.append(loss.item())
        else:
            losses.append(loss_and_gradient(model, batch, config)[0])
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizer.step()
    np.testing.assert_allclose(losses, golden["radam30/losses"], rtol=0, atol=1e-4)
    for name, value in to_published(model).items():
        compared(name, value, golden[f"radam30/weights/{name}"], 1e-4)
