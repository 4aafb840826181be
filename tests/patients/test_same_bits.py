"""The same patient, whatever the process, the thread count, and the vector unit numpy finds."""

import os
import subprocess
import sys

import pytest

from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic, counts_hash

pytestmark = pytest.mark.untraced

SCRIPT = """
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic, counts_hash
print(counts_hash(Clinic(BoneScan(), 5, 7)[4]))
"""


def elsewhere(**environment: str) -> str:
    """The hash of patient 4 from a fresh process with these settings."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    return run.stdout.strip()


def wide_units() -> str:
    """What numpy would use of this processor beyond AVX2."""
    from numpy._core._multiarray_umath import __cpu_features__

    return " ".join(name for name, there in __cpu_features__.items() if there and name in ("X86_V4", "AVX512_SKX"))


def test_one_thread_and_no_wide_vectors_in_another_process():
    here = counts_hash(Clinic(BoneScan(), 9, 7)[4])
    assert elsewhere(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", NPY_DISABLE_CPU_FEATURES=wide_units()) == here
