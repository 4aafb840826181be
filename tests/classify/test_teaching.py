import pytest
import torch

from photopeak.classify.teaching import (
    TeachReader,
    covered,
    mirror_of,
    mirrored,
    moved,
    spoilt,
    teach_all,
    thinned,
)
from photopeak.networks.reader import Reader

NAMES = ("skull", "left ribs", "right ribs")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 64) -> dict[str, torch.Tensor]:
    """The same body from both sides: the back is the front as in a mirror."""
    front = torch.zeros(n, 64, 32)
    front[:, 8:50, 6:18] = 40.0
    front[:, 20:26, 8:12] = 400.0
    lesions, regions = (front > 100).to(torch.uint8), (front > 0).to(torch.uint8) * 2

    def both(x: torch.Tensor) -> torch.Tensor:
        return torch.stack((x, x.flip(-1)), 1)

    return {
        "counts": both(front).to(torch.int16),
        "lesions": both(lesions),
        "regions": both(regions),
        "labels": torch.tensor([[1.0, 0.0]]).repeat(n, 1),
        "sex": torch.full((n,), float("nan")),
        "age": torch.zeros(n),
    }


def test_both_views_move_as_one_body_and_truth_with_them() -> None:
    out = moved(batch(), TeachReader(1), rng())
    front, back = out["counts"][:, 0], out["counts"][:, 1].flip(-1)
    assert torch.allclose(front, back, atol=0.5)
    inside = out["lesions"] > 0
    assert float(out["counts"][inside].mean()) > 300
    assert not torch.equal(out["counts"], batch()["counts"].float())


def test_the_mirror_exchanges_left_and_right() -> None:
    table = torch.tensor(mirror_of(NAMES))
    before = batch()
    out = mirrored(before, table, rng())
    flipped = (out["counts"] != before["counts"]).flatten(1).any(1)
    assert 20 < int(flipped.sum()) < 44
    assert set(out["regions"][flipped].unique().tolist()) == {0, 3}  # right ribs
    assert set(out["regions"][~flipped].unique().tolist()) == {0, 2}
    assert torch.equal(out["counts"][flipped], before["counts"][flipped].flip(-1))


def test_thinned_counts_are_fewer_and_still_poisson() -> None:
    counts = torch.poisson(torch.full((400, 2, 16, 16), 100.0), generator=rng(1))
    out = thinned(counts, 0.25, rng(2))
    share = out.flatten(1).mean(1) / counts.flatten(1).mean(1)
    kept = share > 0.999
    assert 140 < int(kept.sum()) < 260
    assert float(share.min()) > 0.2
    thin = out[~kept].flatten(1)
    assert float((thin.var(1) / thin.mean(1)).mean()) == pytest.approx(1.0, abs=0.05)
    assert bool((out <= counts).all())


def test_spoilt_scans_are_marked_and_not_taught_as_sound() -> None:
    out = spoilt(batch(200), 0.3, rng())
    exchanged = out["wrong"][:, 0] == 1
    turned = out["wrong"][:, 1] == 1
    assert 35 < int(exchanged.sum()) < 85
    before = batch(200)["counts"]
    only = exchanged & ~turned
    assert torch.equal(out["counts"][only], before[only].flip(1))
    only = turned & ~exchanged
    assert torch.equal(out["counts"][only], before[only].flip((-2, -1)))


def test_some_scans_lose_one_view_and_none_loses_both() -> None:
    out = covered(batch(400)["counts"].float(), 0.3, rng())
    there = out.flatten(2).amax(2) > 0
    assert 80 < int((there.sum(1) == 1).sum()) < 160
    assert int((there.sum(1) == 0).sum()) == 0


def test_the_loss_is_finite_without_sex_and_age_and_falls_when_taught() -> None:
    torch.manual_seed(0)
    network = Reader(3)
    plan = TeachReader(1, mirrored=mirror_of(NAMES))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for step in range(12):
        loss = teach_all(network, plan.augment(batch(8), rng(step)))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < 0.7 * losses[0]
