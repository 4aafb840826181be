import torch

from photopeak.networks.reader import BRIGHTEST, Reader, evidence, standardised


def test_the_network_is_small_and_answers_everything() -> None:
    network = Reader(30).eval()
    assert sum(p.numel() for p in network.parameters()) < 5e6
    with torch.inference_mode():
        reading = network(torch.poisson(torch.full((2, 2, 128, 64), 20.0)))
    assert reading.regions.shape == (2, 2, 31, 128, 64)
    assert reading.lesions.shape == (2, 2, 2, 128, 64)
    assert reading.diagnoses.shape == reading.wrong.shape == (2, 2)
    assert reading.sex.shape == reading.age.shape == (2,)


def test_the_number_of_counts_does_not_matter_and_an_absent_view_stays_nothing() -> None:
    counts = torch.poisson(torch.rand(1, 2, 32, 16) * 50)
    counts[:, 1] = 0
    x = standardised(counts)
    assert torch.allclose(standardised(9 * counts), x)
    assert (x[:, 1] == 0).all()
    assert 0.7 < float(x[:, 0][counts[:, 0] > counts[:, 0].mean()].mean()) < 1.3


def test_one_hot_spot_does_not_set_the_scale() -> None:
    counts = torch.full((1, 2, 64, 32), 20.0)
    counts[:, :, :32] = 5.0
    hot = counts.clone()
    hot[0, 0, 40, 10] = 2_000.0  # a hundred times bone
    body = torch.ones_like(hot, dtype=torch.bool)
    body[0, 0, 40, 10] = False
    ratio = standardised(hot)[body] / standardised(counts)[body]
    assert (ratio > 0.9).all()
    assert float(standardised(hot).max()) == BRIGHTEST


def test_the_views_are_read_as_one_body() -> None:
    torch.manual_seed(0)
    network = Reader(3).eval()
    counts = torch.poisson(torch.rand(1, 1, 64, 32) * 30)
    both = torch.cat((counts, counts.flip(-1)), 1)  # the back as in a mirror: the same picture twice
    with torch.inference_mode():
        mirrored = network(both)
        same = network(torch.cat((counts, counts), 1))
    assert not torch.allclose(mirrored.diagnoses, same.diagnoses)


def test_evidence_grows_with_a_lesion() -> None:
    maps = torch.full((2, 2, 2, 16, 16), -6.0)
    maps[1, 0, 1, 4:8, 4:8] = 3.0
    quiet, loud = evidence(maps)
    assert (loud >= quiet).all()
    assert (loud > quiet).sum() == 3  # highest, mean of the best, extent: of one view and kind
