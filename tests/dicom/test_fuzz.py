"""A few hundred hostile files: each ends in a Study or in a DicomError that names it.

``benchmarks/run fuzz`` has twenty thousand, and the figures.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dicom.dicom_samples import seeds
from tests.dicom.hostile import outcome_of
from tests.dicom.mutate import MUTATORS, elements, mutated

pytestmark = pytest.mark.untraced

SAMPLES = seeds()
SLOW_S = 8.0  # four times the promise: tests share their machine, the benchmark has the figure


@pytest.mark.parametrize("name", SAMPLES)
def test_the_seeds_are_sound(name, tmp_path):
    assert outcome_of(SAMPLES[name], tmp_path / "seed.dcm").kind == "study"


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda m: m.__name__.strip("_"))
def test_each_mutation(mutator, tmp_path):
    refused = 0
    for i, data in enumerate([*SAMPLES.values()][::2]):
        outcome = outcome_of(mutator(data, np.random.default_rng((3, i))), tmp_path / "hostile.dcm")
        assert outcome.kind in ("study", "refused"), outcome.message
        assert outcome.seconds < SLOW_S, outcome.message
        refused += outcome.kind == "refused"
    assert refused or mutator.__name__ in ("_broken_stream", "_lost"), "a mutation that harms nothing tests nothing"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SAMPLES)), seed=st.integers(0, 2**32 - 1))
def test_any_mutation(name, seed, tmp_path: Path):
    _, data = mutated(SAMPLES[name], np.random.default_rng(seed))
    outcome = outcome_of(data, tmp_path / "hostile.dcm")
    assert outcome.kind in ("study", "refused"), outcome.message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=400), prefix=st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\0\x05\0CS\x0a\0ISO_IR 100"])
)
def test_any_bytes(data, prefix, tmp_path: Path):
    outcome = outcome_of(prefix + data, tmp_path / "hostile.dcm")
    assert outcome.kind in ("study", "refused"), outcome.message


def test_mutations_repeat():
    data = SAMPLES["pt"]
    first, second = (mutated(data, np.random.default_rng((1, 2))) for _ in range(2))
    assert first == second
    assert elements(data)[0][0] == 0x00020000
