"""The stages of R1. Each leaves files in a work folder and is skipped where they are, so a cut run goes on.

teaching.npz, calibration.npz, published.npz     the cohorts
<way>-<seed>.safetensors                         what was taught; readers in half precision, as they are shipped
fresh.npz                                        the cohort whose seed is in the first reader's weights
<way>-<seed>.npz                                 probabilities of N, M and A for every fresh patient
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import nn

from photopeak.classify.scans import load_scans, save_scans
from photopeak.classify.views import SIZE
from photopeak.core.writing import whole_file
from photopeak.learning.devices import placed
from photopeak.networks.dspic import Dspic
from photopeak.networks.reader import Reader
from photopeak.patients.difficulty import Difficulty
from photopeak.recipes import reader as r1
from photopeak.recipes.difficulty import COHORT_SEED, published_scans
from photopeak.recipes.outcome import Outcome, hardware

READER, LABELS_ONLY, SAME, PUBLISHED = "reader", "reader-labels-only", "dspic-same-patients", "dspic-as-published"
WAYS: Final = (READER, SAME, PUBLISHED, LABELS_ONLY)


@dataclass(frozen=True)
class Task:
    """One network to teach, or to ask."""

    way: str
    seed: int
    preset: r1.Preset
    work: Path
    device: str

    @property
    def weights(self) -> Path:
        return self.work / f"{self.way}-{self.seed}.safetensors"

    @property
    def scores(self) -> Path:
        return self.work / f"{self.way}-{self.seed}.npz"


def run(preset: r1.Preset, work: Path, device: str, jobs: int, say: Callable[[str], None]) -> None:
    """Every stage; ``jobs`` networks are taught at a time, each in a process of its own."""
    prepare(preset, work)
    say("teaching")
    for ways in (WAYS[:3], WAYS[3:]):
        tasks = [Task(way, seed, preset, work, device) for way in ways for seed in preset.seeds]
        _each(teach, [t for t in tasks if not t.weights.exists()], jobs, say)
        if not (work / "fresh.npz").exists():
            seed = fresh_seed(tasks[0].weights)
            say(f"fresh cohort, seed {seed}")
            save_scans(r1.cohort(r1.FRESH_MIX, preset.fresh, seed), work / "fresh.npz")
        _each(ask, [t for t in tasks if not t.scores.exists()], jobs, say)


def prepare(preset: r1.Preset, work: Path) -> None:
    """The cohorts that networks are taught with."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "calibration.npz").exists():
        teaching, calibration = r1.apart(r1.cohort(r1.TEACHING_MIX, preset.patients, r1.TEACHING_SEED))
        save_scans(teaching, work / "teaching.npz")
        save_scans(calibration, work / "calibration.npz")
    published_scans(Difficulty.frozen(), COHORT_SEED, work / "published.npz", preset.published)


def _each(job: Callable[[Task], str], tasks: list[Task], jobs: int, say: Callable[[str], None]) -> None:
    if jobs == 1:
        for task in tasks:
            say(job(task))
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for done in pool.map(job, tasks):
            say(done)


def teach(task: Task) -> str:
    """Teach one network and keep its weights."""
    where, started = torch.device(task.device), time.monotonic()
    scans = load_scans(task.work / ("published.npz" if task.way == PUBLISHED else "teaching.npz"))
    log = task.work / "log" / task.weights.stem
    if task.way in (READER, LABELS_ONLY):
        network: nn.Module = r1.teach_reader(scans, task.preset, task.seed, task.way == READER, where, log)
        weights = {k: half(v) for k, v in network.state_dict().items()}
    else:
        entered = r1.published_teaching(scans, task.seed) if task.way == PUBLISHED else r1.same_teaching(scans)
        network = r1.teach_dspic(scans, entered, task.preset, task.seed, where, log)
        weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with whole_file(task.weights) as part:
        save_file(weights, part)
    where_taught = json.dumps({**hardware(where), "seconds": round(time.monotonic() - started)})
    task.weights.with_suffix(".json").write_text(where_taught, encoding="utf-8")
    return f"taught {task.weights.stem}"


def ask(task: Task) -> str:
    """What one network says of the fresh cohort."""
    fresh = load_scans(task.work / "fresh.npz")
    is_reader = task.way in (READER, LABELS_ONLY)
    network: nn.Module = Reader(len(fresh.region_names)) if is_reader else Dspic("dspic-am", SIZE, "adaptive")
    network.load_state_dict(load_file(task.weights))
    placed(network, torch.device(task.device))
    scores: Float[np.ndarray, "n 3"] = (r1.reader_scores if is_reader else r1.dspic_scores)(network, fresh)
    with whole_file(task.scores) as part:
        np.savez_compressed(part, scores=scores)
    return f"asked {task.scores.stem}"


def half(values: torch.Tensor) -> torch.Tensor:
    """As shipped: half precision; whole numbers stay whole."""
    values = values.detach().cpu().contiguous()
    return values.half() if values.is_floating_point() else values


def fresh_seed(weights: Path) -> int:
    """The first 8 hex digits of the sha256 of the weights."""
    return int(hashlib.sha256(weights.read_bytes()).hexdigest()[:8], 16)


def outcome(preset: r1.Preset, name: str, work: Path, where: torch.device, results: Path) -> Outcome:
    """The figures of R1, from what the stages left; the bundle that could be shipped goes to ``work/bundle``."""
    from photopeak.recipes import reader_measure, reader_report
    from photopeak.recipes.reader_card import write_bundle

    calibration, fresh = load_scans(work / "calibration.npz"), load_scans(work / "fresh.npz")
    first = Task(READER, preset.seeds[0], preset, work, where.type)
    network = Reader(len(fresh.region_names))
    network.load_state_dict(load_file(first.weights))
    placed(network, where)
    calibrated = reader_measure.calibrate(network, reader_measure.measure(network, calibration), calibration)
    cohort = {"protocol": "bone-scan", "mix": r1.FRESH_MIX, "patients": len(fresh), "difficulty": "frozen"}
    done = Outcome("R1", name, preset.seeds, cohort | {"seed": fresh_seed(first.weights)})
    done.notes = {"weights_sha256": hashlib.sha256(first.weights.read_bytes()).hexdigest(), "calibration": calibrated}
    taught_on = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(work.glob("*-[0-9].json"))}
    done.notes |= {"taught_on": taught_on}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a smoke run may lack a class, whose figures are left out
        done.figures = reader_report.comparison(fresh, work, WAYS, preset.seeds, results / "R1" / name)
        measured = reader_measure.measure(network, fresh)
        done.figures |= reader_report.reader_figures(network, measured, calibrated, fresh)
    taught = {"patients": len(load_scans(work / "teaching.npz")), "mix": r1.TEACHING_MIX}
    taught |= {"seed": r1.TEACHING_SEED, "epochs": preset.epochs}
    write_bundle(done, first.weights, fresh.region_names, taught, work / "bundle")
    return done
