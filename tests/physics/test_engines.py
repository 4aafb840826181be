"""One CPU target, one thread budget, one choice of device."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numba.core import config

from photopeak.core import PhotopeakError
from photopeak.physics import elementary_kernels, engines


def test_kernels_are_compiled_for_the_fixed_target():
    assert engines.cpu_target() in ("x86-64-v3", "x86-64", "generic")
    assert engines.cpu_target() == config.CPU_NAME == os.environ["NUMBA_CPU_NAME"]
    assert config.CPU_FEATURES == ""


FRESH = """
import numba
import numpy as np
from photopeak.physics.engines import cpu_target, kernel

@kernel
def dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total

dot(np.ones(9), np.ones(9))
text = "".join(dot.inspect_asm().values())
assert "zmm" not in text and "vfmadd" not in text and "fmla" not in text, "not the fixed target"
print(cpu_target())
"""


def test_even_where_numba_was_imported_first(tmp_path):
    script = tmp_path / "fresh.py"
    script.write_text(FRESH)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == engines.cpu_target()


def test_exp_and_log_are_right_to_the_last_places():
    x = np.concatenate([np.linspace(-690.0, 690.0, 4001), [0.0, -1e-12, 1e-300]])
    assert [elementary_kernels.exp(v) for v in x] == pytest.approx(np.exp(x), rel=1e-15 * 4)
    assert elementary_kernels.exp(-1e6) == 0.0
    assert elementary_kernels.exp(1e6) == pytest.approx(np.exp(700.0))
    y = np.exp(np.linspace(-600.0, 600.0, 4001))
    assert [elementary_kernels.log(v) for v in y] == pytest.approx(np.log(y), rel=4e-15, abs=1e-15)
    near = 1.0 + np.linspace(-1e-3, 1e-3, 101)
    assert [elementary_kernels.log(v) for v in near] == pytest.approx(np.log(near), rel=1e-12, abs=1e-18)


def test_threads_and_device():
    before = torch.get_num_threads()
    for n in (2, 1):
        engines.threads(n)
        assert torch.get_num_threads() == n
    engines.threads(before)
    assert engines.device("cpu").type == "cpu"
    assert engines.device().type in ("cpu", "cuda")
    with pytest.raises(PhotopeakError, match="at least 1"):
        engines.threads(0)
    with pytest.raises(PhotopeakError, match="auto, cpu or cuda"):
        engines.device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_cuda_device_is_said():
    with pytest.raises(PhotopeakError, match="no CUDA device"):
        engines.device("cuda")
