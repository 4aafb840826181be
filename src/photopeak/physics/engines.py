"""The engines that do the arithmetic: one CPU target, one thread budget, one choice of device.

Simulated counts must be the same bits on every machine. Kernels therefore come from ``kernel`` (this
module's ``njit``) and never from numba directly: it fixes the CPU target before anything is compiled, so
that no wider vector unit regroups a sum, and leaves fast-math and Intel's SVML off. LLVM then keeps the
written order of every float operation; what remains platform-dependent is libm, and the kernels that
must repeat use ``elementary_kernels`` instead.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numba
import numpy as np
from numba.core import config
from numpy.typing import NDArray

from photopeak.core import PhotopeakError

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
R = TypeVar("R")
Array = NDArray[Any]
"""An array in a kernel's signature: which dtypes it takes is decided by who calls it."""


def cpu_target() -> str:
    """LLVM's name of the CPU that kernels are compiled for on this machine.

    x86-64-v3 (AVX2) where the machine has it, else the architecture's baseline. The written order of
    operations decides the bits, not the target; the target is fixed so that nothing else can.
    """
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "generic"
    return "x86-64-v3" if llvm.get_host_cpu_features().get("avx2", False) else "x86-64"


def _fix_cpu_target() -> None:
    # Both the environment (numba re-reads it, and spawned processes inherit it) and the live settings.
    settings = {"CPU_NAME": cpu_target(), "CPU_FEATURES": "", "DISABLE_INTEL_SVML": 1}
    for name, value in settings.items():
        os.environ[f"NUMBA_{name}"] = str(value)
        setattr(config, name, value)


_fix_cpu_target()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for the fixed CPU target, cached on disk, without the interpreter lock and without fast-math."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def parallel_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As ``kernel``, its ``prange`` loops shared out over the thread budget; threads must not add to one number."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, parallel=True, error_model="numpy")(function)
    return compiled


def single(values: torch.Tensor) -> NDArray[np.float32]:
    """A tensor as kernels take it: in single precision, in order, on the processor."""
    return np.ascontiguousarray(values.detach().cpu().numpy(), np.float32)


def threads(n: int) -> None:
    """Give numba's and torch's kernels ``n`` threads in this process."""
    import torch

    most = int(config.__dict__["NUMBA_NUM_THREADS"])
    if n < 1:
        raise PhotopeakError(f"a thread budget of {n} leaves nothing to compute with. Remedy: give at least 1.")
    numba.set_num_threads(min(n, most))
    torch.set_num_threads(n)


def device(name: str = "auto") -> torch.device:
    """The torch device called ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise PhotopeakError(f"unknown device {name!r}. Remedy: use auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise PhotopeakError("no CUDA device is visible to torch. Remedy: use --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
