"""The loop that teaches a network, in one file that can be read.

    fit(networks, regime, examples, plan)

``examples`` are tensors with one row an example. Everything random in epoch *e* comes from streams seeded with
(seed, e): a run that was cut and taken up again ends with the weights of one that was not.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from photopeak.core import PhotopeakError
from photopeak.learning.checkpoint import load_checkpoint, save_checkpoint
from photopeak.learning.devices import fast_bfloat16
from photopeak.learning.plan import Batch, Plan
from photopeak.learning.regimes import Networks, Optimisers, Regime

Score = Callable[[], float]
"""A figure of the network as it stands on examples it is not taught with; more is better."""


def fit(
    networks: nn.Module | Networks,
    regime: Regime,
    examples: Mapping[str, torch.Tensor],
    plan: Plan,
    score: Score | None = None,
    folder: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Teach ``networks`` in place, on the device they are on.

    With ``score`` the weights that scored best are kept, and ``plan.patience`` can end the training early. With
    ``folder`` each epoch ends with a line in ``log.csv`` and a checkpoint; called again, it goes on from there.
    ``tell`` is told in words how each epoch went, how long the rest may take, and why the training ends.
    """
    named = {"network": networks} if isinstance(networks, nn.Module) else networks
    device = next(next(iter(named.values())).parameters()).device
    data = _on(examples, device)
    optimisers = regime.optimisers(named, plan.learning_rate)
    log = Log(folder)
    best = Best(named)
    first = 0 if folder is None else load_checkpoint(folder, named, optimisers, best.state)
    steps_an_epoch = math.ceil(_count(data) / plan.batch)
    for epoch in range(first, plan.epochs):
        if best.waited(epoch, plan.patience):
            _say(tell, f"stopped early: {plan.patience} epochs without a better score")
            break
        started = time.monotonic()
        losses = _epoch(named, regime, optimisers, data, plan, epoch, steps_an_epoch)
        figure = None if score is None else score()
        best.see(figure, epoch)
        seconds = time.monotonic() - started
        log.write(epoch, losses, figure, seconds)
        _say(tell, _epoch_in_words(plan, epoch, losses, figure, seconds))
        if folder is not None:
            save_checkpoint(folder, named, optimisers, best.state, epoch + 1)
    best.restore()
    if "score" in best.state:
        _say(tell, f"kept: epoch {int(best.state['epoch']) + 1}, score {float(best.state['score']):.4g}")


def _say(tell: Callable[[str], None] | None, words: str) -> None:
    if tell is not None:
        tell(words)


def _epoch_in_words(plan: Plan, epoch: int, losses: Mapping[str, float], score: float | None, seconds: float) -> str:
    """One line: how far, how well, and at most how long it still takes."""
    loss = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
    held = "" if score is None else f", score {score:.4g}"
    left = seconds * (plan.epochs - epoch - 1)
    rest = f"{left:.0f} s" if left < 120 else f"{left / 60:.0f} min"
    return f"epoch {epoch + 1} of {plan.epochs}: loss {loss}{held}, {seconds:.1f} s, at most {rest} left"


def _epoch(
    networks: Networks,
    regime: Regime,
    optimisers: Optimisers,
    data: Batch,
    plan: Plan,
    epoch: int,
    steps_an_epoch: int,
) -> dict[str, float]:
    """One pass over the examples in random order; gives the mean of each loss."""
    device = next(iter(data.values())).device
    rng, order = _streams(plan.seed, epoch, device)
    for network in networks.values():
        network.train()
    totals: dict[str, torch.Tensor] = {}
    bf16 = fast_bfloat16(device.type) if plan.bf16 is None else plan.bf16
    for i, batch in enumerate(_batches(data, plan.batch, order)):
        rate = plan.learning_rate * _course(plan, (epoch * steps_an_epoch + i) / (plan.epochs * steps_an_epoch))
        batch = plan.augment(batch, rng)
        for name, loss in _turns(regime, networks, batch, rng, device, bf16):
            _step(optimisers[name], loss, rate)
            totals[name] = totals.get(name, loss.new_zeros(())) + loss.detach()
    means = {name: float(total) / steps_an_epoch for name, total in totals.items()}
    if not all(math.isfinite(m) for m in means.values()):
        raise PhotopeakError(
            f"epoch {epoch + 1}: the loss is {means}, not a number. The checkpoint of the epoch before is kept. "
            "Remedy: lower the learning rate, and look for images that are not finite."
        )
    return means


def _turns(
    regime: Regime, networks: Networks, batch: Batch, rng: torch.Generator, device: torch.device, bf16: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """The regime's turns, in bfloat16 where ``bf16`` says so; the caller steps between two."""
    turns = iter(regime.steps(networks, batch, rng))
    while True:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            turn = next(turns, None)
        if turn is None:
            return
        yield turn[0], turn[1].float()


def _step(optimiser: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


def _course(plan: Plan, done: float) -> float:
    """What the learning rate is multiplied with when the share ``done`` of all steps is behind."""
    if plan.course == "constant":
        return 1.0
    rise = 0.03
    return done / rise if done < rise else 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))


def _streams(seed: int, epoch: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
    """Generators of one epoch: on the device for augmentation, on the CPU for the order of the examples.

    Dropout draws from torch's own stream, which is seeded as well.
    """
    mixed = (seed * 1_000_003 + epoch) % 2**63
    torch.manual_seed(mixed)
    return torch.Generator(device).manual_seed(mixed), torch.Generator().manual_seed(mixed + 1)


def _batches(data: Batch, size: int, order: torch.Generator) -> Iterator[Batch]:
    n = _count(data)
    indices = torch.randperm(n, generator=order)
    for start in range(0, n, size):
        chosen = indices[start : start + size].to(next(iter(data.values())).device)
        yield {name: values[chosen] for name, values in data.items()}


def _on(examples: Mapping[str, torch.Tensor], device: torch.device) -> Batch:
    counts = {name: len(values) for name, values in examples.items()}
    if len(set(counts.values())) != 1 or not min(counts.values(), default=0):
        raise PhotopeakError(f"examples need as many rows in every tensor, and at least one; here {counts}.")
    return {name: values.to(device) for name, values in examples.items()}


def _count(data: Batch) -> int:
    return len(next(iter(data.values())))


class Best:
    """The best weights so far by a score."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.state: dict[str, torch.Tensor] = {}

    def see(self, score: float | None, epoch: int) -> None:
        if score is None or ("score" in self.state and score <= float(self.state["score"])):
            return
        for name, network in self.networks.items():
            self.state |= {f"{name}.{k}": v.detach().clone() for k, v in network.state_dict().items()}
        self.state |= {"score": torch.tensor(score, dtype=torch.float64), "epoch": torch.tensor(epoch)}

    def waited(self, epoch: int, patience: int | None) -> bool:
        return patience is not None and "epoch" in self.state and epoch - int(self.state["epoch"]) > patience

    def restore(self) -> None:
        if "score" in self.state:
            for name, network in self.networks.items():
                prefix = f"{name}."
                weights = {k.removeprefix(prefix): v for k, v in self.state.items() if k.startswith(prefix)}
                network.load_state_dict(weights)


class Log:
    """``log.csv``: one line an epoch, written as it ends."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "log.csv"

    def write(self, epoch: int, losses: Mapping[str, float], score: float | None, seconds: float) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"epoch": epoch + 1, **{f"loss_{k}": f"{v:.6g}" for k, v in losses.items()}}
        row |= {"score": "" if score is None else f"{score:.6g}", "seconds": f"{seconds:.1f}"}
        new = epoch == 0 or not self.path.exists()
        with self.path.open("w" if new else "a", newline="", encoding="utf-8") as f:
            table = csv.DictWriter(f, row, lineterminator="\n")
            if new:
                table.writeheader()
            table.writerow(row)
