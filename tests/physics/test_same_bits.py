"""The same patient is the same counts, whatever the threads and the process."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.untraced

CODE = """
import hashlib
import numpy as np
from photopeak.physics import engines
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.planar import PlanarCamera, expected_counts

engines.threads(THREADS)
rng = np.random.Generator(np.random.Philox(key=20261121))
shape = (60, 24, 50)
activity = np.float32(rng.random(shape) * (rng.random(shape) > 0.5))
mu = np.float32(rng.random(shape) * 0.2)
camera = PlanarCamera(matrix=(120, 80))
mean = expected_counts(activity, mu, camera.place(mu, 3.3, (-80.0, 5.0, 0.0)), camera, 0.05)
counts = as_uint16(poisson_counts(mean, rng))
print(hashlib.sha256(counts.tobytes()).hexdigest(), hashlib.sha256(mean.tobytes()).hexdigest())
"""


def digests(threads: int, **environment: str) -> str:
    code = CODE.replace("THREADS", str(threads))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def reference() -> str:
    return digests(1)


def test_threads_do_not_matter(reference):
    assert digests(2) == reference


def test_what_numpy_finds_in_the_processor_does_not_matter(reference):
    """numpy picks its loops by CPU; none of what it picks may reach the counts."""
    assert digests(1, NPY_DISABLE_CPU_FEATURES="AVX512F AVX512CD AVX512_SKX") == reference


def test_the_compiled_target_does_not_matter(reference, tmp_path):
    """Not even the baseline CPU without AVX2: only the written order of operations decides."""
    code = "import photopeak.physics.engines as e; e.cpu_target = lambda: 'x86-64'; e._fix_cpu_target()\n" + CODE
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("only x86-64 has a second target to compare with")
    done = subprocess.run(
        [sys.executable, "-c", code.replace("THREADS", "1")],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == reference
