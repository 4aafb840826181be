"""The detector: boxes survive the way into a grid of cells and back, mirrored or not, and it learns to draw one."""

import numpy as np
import pytest
import torch

from photopeak.networks.detector import CELL, BoxDetector, decoded, detector_loss, encoded, mirrored

BOXES = np.array([[3.0, 5.0, 9.0, 15.0], [20.0, 24.0, 27.0, 30.0]])
SIZE = (32, 40)


def said(target: np.ndarray) -> np.ndarray:
    """What a network says that is right about everything."""
    out = np.zeros((5, *target.shape[1:]))
    out[0] = np.where(target[0] > 0, 9.0, -9.0)
    inside = np.clip(target[2:4], 1e-6, 1 - 1e-6)
    out[1:3] = np.log(inside / (1 - inside))
    out[3:] = target[4:]
    return out


def test_boxes_come_back() -> None:
    boxes, p = decoded(said(encoded(BOXES, SIZE)), 0.5)
    np.testing.assert_allclose(boxes, BOXES, atol=1e-3)
    assert (p > 0.99).all()


def test_mirrored_targets_are_those_of_mirrored_boxes() -> None:
    turned = np.stack((BOXES[:, 0], SIZE[1] - BOXES[:, 3], BOXES[:, 2], SIZE[1] - BOXES[:, 1]), 1)
    target = mirrored(torch.from_numpy(encoded(BOXES, SIZE))[None])[0].numpy()
    np.testing.assert_allclose(target, encoded(turned, SIZE), atol=1e-6)


def test_other_cells_of_a_lesion_weigh_nothing() -> None:
    target = encoded(BOXES[:1], SIZE)
    assert target[0].sum() == 1
    assert target[1, 6 // CELL, 10 // CELL] > 1
    assert target[1, 2, 1] == 0  # within the box, not its middle
    assert target[1, 6, 6] == 1


def test_it_learns_where_a_spot_lies() -> None:
    torch.manual_seed(0)
    images, targets = torch.zeros(4, 1, 32, 32), []
    for i, (y, x) in enumerate(((6, 8), (20, 10), (9, 22), (24, 25))):
        images[i, 0, y - 3 : y + 3, x - 3 : x + 3] = 2.0
        targets.append(encoded(np.array([[y - 3.0, x - 3.0, y + 3.0, x + 3.0]]), (32, 32)))
    target = torch.from_numpy(np.stack(targets))
    network = BoxDetector()
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        adam.zero_grad()
        loss = detector_loss(network(images), target)
        torch.autograd.backward(loss)
        adam.step()
    boxes, p = decoded(network(images)[0].detach().double().numpy(), 0.5)
    assert boxes[p.argmax()] == pytest.approx([3, 5, 9, 11], abs=1.0)
