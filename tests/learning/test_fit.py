import csv
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from photopeak.core import PhotopeakError
from photopeak.learning.devices import fast_bfloat16
from photopeak.learning.fit import fit
from photopeak.learning.plan import Batch, Plan
from photopeak.learning.regimes import Adversarial, Supervised


def squares(network: nn.Module, batch: Batch) -> torch.Tensor:
    return functional.mse_loss(network(batch["x"]), batch["y"])


def line(n: int = 256) -> Batch:
    x = torch.linspace(-1, 1, n)[:, None]
    return {"x": x, "y": 3 * x - 1}


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Linear(8, 1))


class Noisy(Plan):
    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:
        return {**batch, "x": batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=rng)}


def test_a_line_is_learnt() -> None:
    torch.manual_seed(0)
    network = nn.Linear(1, 1)
    fit(network, Supervised(squares), line(), Plan(60, 16, 0.05, "cosine", bf16=False))
    assert network.weight.item() == pytest.approx(3, abs=0.01)
    assert network.bias.item() == pytest.approx(-1, abs=0.01)


def test_a_run_that_was_cut_ends_as_one_that_was_not(tmp_path: Path) -> None:
    plan = Noisy(6, 16, 0.01)
    whole, cut = linear(), linear()
    fit(whole, Supervised(squares), line(), plan, folder=tmp_path / "whole")
    calls = 0

    def stopped(network: nn.Module, batch: Batch) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > 3 * 16 + 5:  # in the fourth epoch
            raise KeyboardInterrupt
        return squares(network, batch)

    with pytest.raises(KeyboardInterrupt):
        fit(cut, Supervised(stopped), line(), plan, folder=tmp_path / "cut")
    again = linear(seed=7)  # another beginning: everything comes from the checkpoint
    fit(again, Supervised(squares), line(), plan, folder=tmp_path / "cut")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    logs = [(tmp_path / f / "log.csv").read_text().splitlines() for f in ("whole", "cut")]
    one, other = ([row[:2] for row in csv.reader(lines)] for lines in logs)
    assert one == other


def test_the_best_weights_are_kept_and_patience_ends(tmp_path: Path) -> None:
    network = linear()
    scores = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2, 0.1])
    seen = []

    def score() -> float:
        seen.append([p.clone() for p in network.parameters()])
        return next(scores)

    fit(network, Supervised(squares), line(), Plan(7, 16, 0.01, patience=2), score, tmp_path)
    assert len(seen) == 4  # the best, and two epochs of waiting
    for a, b in zip(network.parameters(), seen[1], strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_no_number_stops_and_says_where() -> None:
    def broken(network: nn.Module, batch: Batch) -> torch.Tensor:
        return squares(network, batch) * float("nan")

    with pytest.raises(PhotopeakError, match=r"epoch 1: .*not a number"):
        fit(linear(), Supervised(broken), line(), Plan(1))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    fit(linear(), Supervised(squares), line(), Plan(1), folder=tmp_path)
    with pytest.raises(PhotopeakError, match="another network"):
        fit(nn.Linear(1, 1), Supervised(squares), line(), Plan(2), folder=tmp_path)


def test_examples_of_unequal_number_are_refused() -> None:
    with pytest.raises(PhotopeakError, match="as many rows"):
        fit(linear(), Supervised(squares), {"x": torch.zeros(3, 1), "y": torch.zeros(2, 1)}, Plan(1))


def test_turns_of_a_regime_see_what_the_turn_before_changed() -> None:
    @dataclasses.dataclass(frozen=True)
    class TwoTurns:
        def optimisers(
            self, networks: Mapping[str, nn.Module], learning_rate: float
        ) -> dict[str, torch.optim.Optimizer]:
            return {n: torch.optim.SGD(networks["network"].parameters(), lr=learning_rate) for n in ("a", "b")}

        def steps(
            self, networks: Mapping[str, nn.Module], batch: Batch, rng: torch.Generator
        ) -> Iterator[tuple[str, torch.Tensor]]:
            (weight,) = networks["network"].parameters()
            before = weight.detach().clone()
            yield "a", weight.sum()
            assert torch.allclose(weight, before - 0.5)
            yield "b", weight.sum()

    network = nn.Linear(1, 1, bias=False)
    start = float(network.weight.detach())
    fit(network, TwoTurns(), {"x": torch.zeros(1, 1)}, Plan(1, 1, 0.5, bf16=False))
    assert float(network.weight.detach()) == pytest.approx(start - 1.0)


def test_an_adversary_teaches_a_generator_the_mean_and_spread() -> None:
    torch.manual_seed(0)
    data = 4 + 0.5 * torch.randn(512, 1)
    networks = {
        "generator": nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)),
        "discriminator": nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)),
    }
    fit(networks, Adversarial(2), {"images": data}, Plan(60, 64, 5e-3, bf16=False))
    made = networks["generator"](torch.randn(2000, 2)).detach()
    assert float(made.mean()) == pytest.approx(4, abs=0.5)
    assert 0.1 < float(made.std()) < 1.5


def test_half_precision_is_taken_where_it_pays() -> None:
    """A network says by its output's type which precision it ran in."""
    seen = []

    def noted(network: nn.Module, batch: Batch) -> torch.Tensor:
        out = network(batch["x"])
        seen.append(out.dtype)
        return functional.mse_loss(out, batch["y"])

    for bf16 in (None, True, False):
        fit(linear(), Supervised(noted), line(16), Plan(1, 16, 0.01, bf16=bf16))
    pays = fast_bfloat16("cpu")
    assert seen == [torch.bfloat16 if pays else torch.float32, torch.bfloat16, torch.float32]
