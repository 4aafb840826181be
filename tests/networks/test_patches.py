"""Branches of patches: each sees its own patch, and all are weighed together."""

import torch

from photopeak.networks.patches import PatchBranches


def test_every_branch_counts_and_sees_one_patch() -> None:
    torch.manual_seed(0)
    network = PatchBranches().eval()
    images = torch.rand(1, 5, 16, 16)
    before = network(images)
    assert before.shape == (1, 2)
    for k in range(5):
        changed = images.clone()
        changed[:, k] = 0
        assert not torch.equal(network(changed), before)
        others = [b for i, b in enumerate(network.branches) if i != k]
        same = [torch.equal(b(changed[:, [i]]), b(images[:, [i]])) for i, b in enumerate(network.branches) if i != k]
        assert len(others) == 4
        assert all(same)
