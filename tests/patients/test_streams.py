"""Streams depend on seed, patient and purpose, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from photopeak.patients.streams import stream

seeds = st.integers(0, 2**40)


@given(seeds, st.integers(0, 10_000), st.sampled_from(["anatomy", "counts", "disease"]))
def test_a_stream_repeats_itself(seed, patient, purpose):
    a, b = stream(seed, patient, purpose), stream(seed, patient, purpose)
    assert (a.integers(2**63, size=4) == b.integers(2**63, size=4)).all()


@given(seeds, st.integers(0, 10_000))
def test_neighbours_and_purposes_differ(seed, patient):
    first = {int(stream(seed, patient + i, p).integers(2**63)) for i in (0, 1) for p in ("anatomy", "counts")}
    assert len(first) == 4
