"""The harness of the benchmarks, and the results that are committed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = sorted((ROOT / "results" / "bench").glob("*.json"))
_spec = importlib.util.spec_from_file_location("harness", ROOT / "benchmarks" / "harness.py")
assert _spec is not None
assert _spec.loader is not None
harness = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(harness)


def test_few_values_give_their_range_and_many_their_percentiles() -> None:
    assert harness.figure([3.0, 1.0, 2.0], "ms", floor=0.5) == {
        "value": 2.0,
        "low": 1.0,
        "high": 3.0,
        "unit": "ms",
        "n": 3,
        "floor": 0.5,
    }
    many = harness.figure(np.arange(1001.0), "ms")
    assert (many["low"], many["value"], many["high"], many["n"]) == (25.0, 500.0, 975.0, 1001)
    assert harness.figure(7, "patients")["value"] == 7.0


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_a_figure_is_finite(values) -> None:
    with pytest.raises(ValueError, match="finite"):
        harness.figure(values, "ms")


def test_rounds_do_not_count_the_warm_up() -> None:
    calls = []
    ticks = iter(range(100))
    seconds = harness.rounds(lambda: calls.append(1), n=3, warmup=2, clock=lambda: float(next(ticks)))
    assert (len(calls), seconds) == (5, [1.0, 1.0, 1.0])


def test_a_result_says_how_to_make_it_again(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/speed.py", "--quick"])
    figures = {"both_views": harness.figure([1.0, 2.0, 3.0], "ms", floor=0.5)}
    path = harness.write("speed", figures, preset="quick", seeds=[7], cohort="bone-scan, 3 patients")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "results" / "bench" / "speed-quick.json"
    assert record["command"] == "benchmarks/run speed --quick"
    assert record["figures"] == figures
    assert record["seeds"] == [7]
    assert "both_views: 2 ms (1 to 3, n=3) floor 0.5" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_known_ones() -> None:
    done = subprocess.run([ROOT / "benchmarks" / "run", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert (script.stem in done.stderr) == (script.stem != "harness")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_committed_results_are_whole(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    wanted = {"id", "preset", "command", "commit", "seeds", "cohort", "hardware", "wall_s", "figures"}
    assert wanted <= set(record)
    script = record["command"].split()[1]
    assert (ROOT / "benchmarks" / f"{script}.py").exists(), f"{path} was made by a benchmark that is not there"
    assert record["figures"]
    for name, figure in record["figures"].items():
        assert figure["low"] <= figure["value"] <= figure["high"], name
        assert figure["unit"], name
        assert figure["n"] >= 1, name
