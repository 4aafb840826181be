"""Compartments against differential equations and their limits; frames are means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from photopeak.core import PhotopeakError
from photopeak.physics.kinetics import TwoTissue, convolved, feng_input, frame_means, integral

TIME = np.concatenate([np.arange(0, 2, 0.01), np.arange(2, 10, 0.05), np.arange(10, 90.01, 0.25)])
BRAIN = TwoTissue(0.102, 0.130, 0.062, 0.0068, 0.05)


@pytest.mark.parametrize("model", [BRAIN, TwoTissue(0.1, 0.2), TwoTissue(0.088, 0.125, 0.043), TwoTissue(0.3, 0.0)])
def test_the_response_solves_the_differential_equations(model):
    plasma = feng_input(TIME)

    def change(t, c):
        p = np.interp(t, TIME, plasma)
        return [model.k1 * p - (model.k2 + model.k3) * c[0] + model.k4 * c[1], model.k3 * c[0] - model.k4 * c[1]]

    solved = solve_ivp(change, (0, 90), [0.0, 0.0], t_eval=[1.0, 5.0, 30.0, 90.0], rtol=1e-8, atol=1e-9, max_step=0.02)
    tissue = (1 - model.blood) * solved.y.sum(0) + model.blood * np.interp(solved.t, TIME, plasma)
    assert np.interp(solved.t, TIME, model.response(TIME, plasma)) == pytest.approx(tissue, rel=2e-4)


def test_the_published_bolus_peaks_at_a_third_of_a_minute():
    curve = feng_input(TIME)
    assert TIME[np.argmax(curve)] == pytest.approx(0.28, abs=0.02)
    assert np.interp(60.0, TIME, integral(TIME, curve)) == pytest.approx(1151, rel=0.01)
    assert curve.min() == 0.0


def test_a_constant_input_ends_at_the_volume_of_distribution():
    model, time = TwoTissue(0.2, 0.1, 0.05, 0.05), np.linspace(0, 2000, 20001)
    assert model.volume == pytest.approx(4.0)
    assert model.response(time, np.ones_like(time))[-1] == pytest.approx(4.0, rel=1e-4)
    trapped = TwoTissue(0.1, 0.2, 0.05)
    late = trapped.response(time, np.ones_like(time))
    assert (late[-1] - late[-101]) / (time[-1] - time[-101]) == pytest.approx(trapped.net_influx, rel=1e-5)
    assert np.isinf(trapped.volume)


def test_convolution_with_an_exponential_has_known_answers():
    time = np.linspace(0, 5, 11)
    assert convolved(time, np.ones(11), 0.7) == pytest.approx((1 - np.exp(-0.7 * time)) / 0.7, rel=1e-12)
    assert convolved(time, np.ones(11), 0.0) == pytest.approx(time)
    assert convolved(time, time, 1e-9) == pytest.approx(0.5 * time**2, rel=1e-6)
    assert convolved(time, time, 1.0) == pytest.approx(time - 1 + np.exp(-time), rel=1e-9, abs=1e-12)


def test_frames_are_means_whatever_their_length():
    starts, lasts = np.array([0.0, 1.0, 3.5, 40.0]), np.array([1.0, 2.5, 1.0, 20.0])
    assert frame_means(TIME, 3.0 * TIME + 1.0, starts, lasts) == pytest.approx(3.0 * (starts + lasts / 2) + 1.0)
    with pytest.raises(PhotopeakError, match="covers all frames"):
        frame_means(TIME, TIME, np.array([80.0]), np.array([20.0]))


def test_what_cannot_be_is_refused():
    with pytest.raises(PhotopeakError, match="rates"):
        TwoTissue(-0.1, 0.1)
    with pytest.raises(PhotopeakError, match="times of a curve"):
        convolved(np.array([0.0, 1.0, 1.0]), np.ones(3), 0.1)
