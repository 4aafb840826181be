"""Generated requests, right and wrong ones, against every route of the reading room: none may bring it to a failure.

    benchmarks/run hostile [EXAMPLES] [SEED]

So many of each for every operation of the API (Schemathesis, from the description that the application gives of
itself), as an administrator and as a physician. Each answer must be below 500, carry the headers that keep a page to
itself, and ask nobody who is signed in to sign in. The tests send a few of the same.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, figure, write

sys.path.insert(0, str(ROOT))


def main() -> None:
    from schemathesis import GenerationMode

    from tests.room.hostile_requests import Sweep, hostile_people

    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20_241_121
    figures = {}
    failures: list[str] = []
    for mode in GenerationMode:
        with tempfile.TemporaryDirectory() as folder:
            sweep = Sweep(hostile_people(Path(folder)), mode, examples, seed)
            started = time.perf_counter()
            sweep.run(failures)
            seconds = time.perf_counter() - started
        word = mode.value
        figures[f"{word}_operations"] = figure(len(sweep.called), "operations", of=len(sweep.callable))
        figures[f"{word}_requests"] = figure(sum(sweep.statuses.values()), "requests")
        for status, n in sorted(sweep.statuses.items()):
            figures[f"{word}_{status}"] = figure(n, "requests")
        figures[f"{word}_seconds"] = figure(seconds, "s")
    figures["failures"] = figure(len(failures), "operations", ask=0)
    write("hostile", figures, seeds=[seed], cohort=f"{examples} examples an operation and mode")
    if failures:
        sys.exit("\n\n".join(failures))


if __name__ == "__main__":
    main()
