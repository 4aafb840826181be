"""20,000 hostile files: each ends in a Study or in a DicomError that names it, within 2 s and 512 MB.

    benchmarks/run fuzz [COUNT] [SEED]

File i of seed s is the same whatever the number of processes: its generator is made from (s, i). Files that
broke something are kept in ``.cache/fuzz`` under their number.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from harness import ROOT, figure, write

sys.path.insert(0, str(ROOT))

SECONDS = 2.0
MEGABYTES = 512.0


def main() -> None:
    """Run all of it in this process, so that what leaks or lingers shows."""
    import warnings

    from tests.dicom.dicom_samples import seeds
    from tests.dicom.hostile import outcome_of
    from tests.dicom.mutate import mutated

    warnings.simplefilter("error")  # a warning that escapes is a failure too
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20_241_121
    samples = list(seeds().values())
    kept = ROOT / ".cache" / "fuzz"
    kept.mkdir(parents=True, exist_ok=True)
    kinds: Counter[str] = Counter()
    by_mutator: Counter[str] = Counter()
    seconds: list[float] = []
    tagged = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.dcm"
        for sample in samples:
            outcome_of(sample, path)
        before = _peak_mb()
        started = time.perf_counter()
        for i in range(count):
            rng = np.random.default_rng((seed, i))
            names, data = mutated(samples[i % len(samples)], rng)
            outcome = outcome_of(data, path)
            for _ in range(2):  # the machine may be busy with something else: slow is what is slow three times
                if outcome.seconds > SECONDS / 2:
                    outcome = min(outcome, outcome_of(data, path), key=lambda o: o.seconds)
            kinds[outcome.kind] += 1
            by_mutator[names.split("+")[0]] += 1
            tagged += outcome.kind == "refused" and outcome.tag != ""
            seconds.append(outcome.seconds)
            if outcome.kind == "escaped" or outcome.seconds > SECONDS:
                failures += 1
                (kept / f"{seed}-{i}.dcm").write_bytes(data)
                print(f"{i} {names} {outcome.seconds:.2f} s {outcome.message}", flush=True)
        elapsed = time.perf_counter() - started
    own, child = _peak_mb()
    figures = {
        "files": figure(count, "1"),
        "studies": figure(kinds["study"], "1"),
        "refused": figure(kinds["refused"], "1"),
        "refused_with_tag": figure(tagged, "1"),
        "escaped_or_too_slow": figure(failures, "1", limit=0),
        "seconds_per_file": figure(seconds, "s"),
        "slowest": figure(max(seconds), "s", limit=SECONDS),
        "peak_memory_growth": figure(own - before[0], "MB", limit=MEGABYTES),
        "peak_memory_decoder": figure(child, "MB", limit=MEGABYTES),
        "files_per_second": figure(count / elapsed, "1/s"),
    }
    figures |= {f"by_{name}": figure(n, "1") for name, n in sorted(by_mutator.items())}
    write("fuzz", figures, seeds=[seed])
    if failures:
        sys.exit(f"{failures} files broke something; they are in {kept.relative_to(ROOT)}")


def _peak_mb() -> tuple[float, float]:
    """Most memory this process, and any decoder that has ended, has held (the present one is ended first)."""
    from photopeak.dicom.decoder import DECODER

    DECODER.close()
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, child = (peak / scale for peak in peaks)
    return own, child
