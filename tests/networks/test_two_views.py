"""The network for both views: one sub-network for either, and an aggregation that has both."""

import torch

from photopeak.networks.two_views import TwoViews


def test_both_views_go_through_the_same_features_and_both_decide() -> None:
    torch.manual_seed(0)
    two, one = TwoViews(2).eval(), TwoViews(1).eval()
    images = torch.rand(2, 2, 64, 32)
    assert two(images).shape == (2, 2)
    assert one(images[:, :1]).shape == (2, 2)
    features = [sum(p.numel() for p in n.features.parameters()) for n in (two, one)]
    assert features[0] == features[1]
    for view in (0, 1):
        changed = images.clone()
        changed[:, view] = 0
        assert not torch.allclose(two(changed), two(images))
