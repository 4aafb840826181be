"""dSPIC-AM (adaptive head, 1024 × 256), images a second: our form against the plain ones and against ONNX Runtime.

    benchmarks/run dspic [rounds]

One process, batches of 16, every form once a round and then the next round, so that a busy machine is busy for all of
them; ratios are formed within a round. Training is one step of SGD with momentum. Our form in float32 is compared with
the plain one, and ONNX Runtime's answer with torch's, before anything is timed.
"""

# peer: onnxruntime==1.30.0 onnx==1.23.2 onnxscript==0.7.2 onnx-ir==1.1.0
# peer: ml_dtypes==0.6.0 protobuf==7.36.2 flatbuffers==25.12.19 packaging==26.4

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from harness import figure, write
from torch.nn import functional

from photopeak.networks.dspic import Dspic, Options

BATCH, SIZE, ROUNDS = 16, (1024, 256), 7
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BF16 = {"device_type": "cpu", "dtype": torch.bfloat16}


def network(fast: bool) -> Dspic:
    torch.manual_seed(7)
    return Dspic("dspic-am", SIZE, "adaptive", Options(fast=fast))


def training(fast: bool, bf16: bool) -> Callable[[], None]:
    """One step: forward, cross-entropy, backward, update."""
    ours, x = network(fast).train(), images()
    if bf16:
        ours, x = ours.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    classes = torch.arange(BATCH) % 3
    optimiser = torch.optim.SGD(ours.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(**BF16, enabled=bf16):
            logits = ours(x)
        functional.cross_entropy(logits.float(), classes).backward()
        optimiser.step()

    return step


def inference(fast: bool, bf16: bool, compiled: bool = False) -> Callable[[], np.ndarray]:
    """The logits of one batch; in bfloat16 the weights are converted once, not at every call."""
    ours, x = network(fast).eval(), images()
    if bf16:
        ours = ours.to(torch.bfloat16).to(memory_format=torch.channels_last)
        x = x.to(torch.bfloat16).to(memory_format=torch.channels_last)
    run = torch.compile(ours) if compiled else ours

    def answer() -> np.ndarray:
        with torch.inference_mode():
            return run(x).float().numpy()

    return answer


def onnx_runtime() -> Callable[[], np.ndarray]:
    """The plain network in float32, exported by torch and run by ONNX Runtime with as many threads."""
    import onnxruntime

    x = images()
    program = torch.onnx.export(network(fast=False).eval(), (x,), dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, feed)[0]


def images() -> torch.Tensor:
    return torch.rand((BATCH, 1, *SIZE), generator=torch.Generator().manual_seed(7))


def in_turn(forms: dict[str, Callable[[], object]], n: int) -> dict[str, np.ndarray]:
    """Images a second of every form in every round, after one uncounted round."""
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(n + 1):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            seconds[name].append(time.perf_counter() - start)
    return {name: BATCH / np.array(s[1:]) for name, s in seconds.items()}


def ratios(speed: dict[str, np.ndarray], ours: str, targets: dict[str, float]) -> dict[str, dict]:
    return {
        f"{ours}_over_{other.partition('_')[2]}": figure((speed[ours] / speed[other]).tolist(), "1", target=target)
        for other, target in targets.items()
    }


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    torch.set_num_threads(THREADS)
    plain, peer = inference(fast=False, bf16=False), onnx_runtime()
    exact = plain()
    same = {
        "fast_form_relative_difference_fp32": relative(inference(fast=True, bf16=False)(), exact),
        "onnxruntime_relative_difference_fp32": relative(peer(), exact),
        "fast_form_relative_difference_bf16": relative(inference(fast=True, bf16=True)(), exact),
    }
    assert max(list(same.values())[:2]) < 1e-4, same
    train = in_turn(
        {
            "train_ours": training(fast=True, bf16=True),
            "train_plain_bf16": training(fast=False, bf16=True),
            "train_plain_fp32": training(fast=False, bf16=False),
        },
        n,
    )
    infer = in_turn(
        {
            "infer_ours": inference(fast=True, bf16=True),
            "infer_ours_compiled": inference(fast=True, bf16=True, compiled=True),
            "infer_plain_bf16": inference(fast=False, bf16=True),
            "infer_plain_fp32": plain,
            "infer_onnxruntime_fp32": peer,
        },
        n,
    )
    figures = {name: figure(values.tolist(), "{images}/s") for name, values in (train | infer).items()}
    figures |= ratios(train, "train_ours", {"train_plain_bf16": 1.5, "train_plain_fp32": 3.0})
    figures |= ratios(infer, "infer_ours", {"infer_onnxruntime_fp32": 3.0})
    figures |= ratios(infer, "infer_ours_compiled", {"infer_onnxruntime_fp32": 3.0})
    figures |= {name: figure(value, "1") for name, value in same.items()}
    amx = torch.cpu._is_amx_tile_supported()  # decides how much bfloat16 gains, and is not in the processor's name
    write("dspic", figures, seeds=[7], cohort={"batch": BATCH, "size": list(SIZE), "threads": THREADS, "amx": amx})


if __name__ == "__main__":
    main()
