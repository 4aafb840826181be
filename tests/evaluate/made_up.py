"""Made-up predictions."""

import numpy as np

from photopeak.evaluate.predictions import Predictions


def some(n: int = 200, seed: int = 0, skill: float = 2.0) -> Predictions:
    """Two views a patient; scores that know the label as well as ``skill`` says."""
    labels = np.random.default_rng(99).choice(["N", "M", "A", "M&A"], n // 2, p=[0.4, 0.25, 0.25, 0.1])
    truth = np.array([[c in str(x).split("&") for c in "NMA"] for x in np.repeat(labels, 2)])
    logits = np.random.default_rng(seed).normal(size=(n, 3)) + skill * truth
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    patients = tuple(f"P{i // 2}" for i in range(n))
    views = tuple(("anterior", "posterior")[i % 2] for i in range(n))
    words = tuple(str(x) for x in np.repeat(labels, 2))
    return Predictions(patients, views, ("0",) * n, words, ("N", "M", "A"), scores)
