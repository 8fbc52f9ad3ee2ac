"""Writes reference.json: scikit-learn's metrics of fixed rows.

pip install scikit-learn==1.9.1 numpy
python reference.py

The rows are those of the Rust test: x' = (1103515245 x + 12345) mod 2^31.
"""
import json
import pathlib

import numpy as np
from sklearn import metrics


def uniform(seed, rows):
    x, out = seed, []
    for _ in range(rows):
        x = (1103515245 * x + 12345) % 2**31
        out.append(x / 2**31)
    return np.array(out)


def binary(seed, rows, noise, offset):
    p, u, v = uniform(seed, rows), uniform(seed + 1000, rows), uniform(seed + 2000, rows)
    return np.where(v < noise, u < 0.5, u < p), np.clip(p + offset, 0, 1)


def numeric(seed, rows, noise, offset):
    y, e = uniform(seed, rows), uniform(seed + 1000, rows)
    return 10 * y, 10 * y + noise * (e - 0.5) + offset


truth, score = binary(5, 700, 0.3, 0.1)
y, predicted = numeric(5, 700, 5.0, 0.5)
reference = {
    "binary": {
        "roc_auc": metrics.roc_auc_score(truth, score),
        "log_loss": metrics.log_loss(truth, score),
        "brier": metrics.brier_score_loss(truth, score),
        "accuracy": metrics.accuracy_score(truth, score >= 0.5),
        "f1": metrics.f1_score(truth, score >= 0.5),
        "calibration_gap": float(score.mean() - truth.mean()),
    },
    "regression": {
        "rmse": metrics.root_mean_squared_error(y, predicted),
        "mae": metrics.mean_absolute_error(y, predicted),
        "r2": metrics.r2_score(y, predicted),
    },
}
path = pathlib.Path(__file__).with_name("reference.json")
path.write_text(json.dumps(reference, indent=1) + "\n")
