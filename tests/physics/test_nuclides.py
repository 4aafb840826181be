"""Half-lives and lines against a second, independent set of values."""

import math

import pytest

from photopeak.core import PhotopeakError
from photopeak.physics.nuclides import NUCLIDES, decay_factor, nuclide

H, D, MIN = 3600.0, 86400.0, 60.0
#: half-life, and (energy, photons per decay) of the strongest imaging lines, as ICRP 107 has them
SECOND = {
    "Tc-99m": (6.015 * H, {140.5: 0.891}),
    "I-131": (8.0207 * D, {364.5: 0.817, 637.0: 0.072, 284.3: 0.061}),
    "Lu-177": (6.647 * D, {208.4: 0.110, 113.0: 0.064}),
    "Y-90": (64.10 * H, {}),
    "I-123": (13.27 * H, {159.0: 0.833, 529.0: 0.014}),
    "F-18": (109.77 * MIN, {511.0: 1.935}),
    "Ga-68": (67.71 * MIN, {511.0: 1.778}),
    "In-111": (2.8047 * D, {171.3: 0.907, 245.4: 0.941}),
    "Tl-201": (72.91 * H, {70.8: 0.73, 167.4: 0.100}),
    "Ac-225": (10.0 * D, {}),
}


@pytest.mark.parametrize("name", SECOND)
def test_a_second_source_agrees(name):
    half_life_s, lines = SECOND[name]
    assert nuclide(name).half_life_s == pytest.approx(half_life_s, rel=0.01)
    for energy_kev, share in lines.items():
        tolerance = 0.07 if name == "Lu-177" else 0.03
        assert nuclide(name).photons_per_decay(energy_kev) == pytest.approx(share, rel=tolerance)


def test_radioactivedecay_agrees_where_it_is_installed():
    rd = pytest.importorskip("radioactivedecay", reason="radioactivedecay is not installed")
    for name, n in NUCLIDES.items():
        assert n.half_life_s == pytest.approx(rd.Nuclide(name).half_life("s"), rel=0.015), name


def test_twenty_nuclides_with_sensible_lines():
    assert len(NUCLIDES) == 20
    for n in NUCLIDES.values():
        assert n.half_life_s > 0
        assert 0 <= n.positrons <= 1
        assert all(0 < share <= 2.0 and energy > 10 for energy, share in n.lines)
        assert [s for _, s in n.lines] == sorted((s for _, s in n.lines), reverse=True)


def test_decay():
    t = nuclide("Tc-99m").half_life_s
    assert decay_factor("Tc-99m", 0.0) == 1.0
    assert decay_factor("Tc-99m", t) == pytest.approx(0.5)
    assert decay_factor("Tc-99m", -t) == pytest.approx(2.0)
    assert 740 * decay_factor("Tc-99m", 3 * H) == pytest.approx(523.7, rel=1e-3)
    ln2 = math.log(2.0)
    assert decay_factor("F-18", 100.0) == pytest.approx(math.exp(-ln2 * 100.0 / nuclide("F-18").half_life_s))


def test_refusals_name_the_remedy():
    with pytest.raises(PhotopeakError, match=r"Tc99m.*Remedy.*Tc-99m"):
        nuclide("Tc99m")
    with pytest.raises(PhotopeakError, match=r"Y-90 has no line at 140"):
        nuclide("Y-90").photons_per_decay(140.0)
