"""Writes significance.json: paired bootstraps by SciPy and McNemar's tests by statsmodels.

python3 significance.py > significance.json   (scipy 1.17.1, statsmodels 0.15.0, scikit-learn 1.9.1)

Every bootstrap has the same draws. Of each it is kept how often each row came, a digit per row, so that others can
measure the same draws.
"""

import json

import numpy as np
from scipy.stats import bootstrap
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from statsmodels.stats.contingency_tables import mcnemar

random = np.random.default_rng(7)
n, draws, confidence = 40, 200, 0.9
truth = random.integers(0, 2, n)
left = np.round(np.clip(0.3 + 0.4 * truth + random.normal(0, 0.25, n), 0.02, 0.98), 2)
right = np.round(np.clip(0.35 + 0.3 * truth + random.normal(0, 0.3, n), 0.02, 0.98), 2)
value = np.round(random.normal(10, 3, n), 3)
said = [np.round(value + random.normal(0, 1, n), 3), np.round(value + random.normal(0.3, 1.2, n), 3)]
rows = np.random.default_rng(3).integers(0, n, (draws, n))


def paired(metric, truth, left, right):
    """SciPy's percentile interval."""
    statistic = lambda t, a, b: metric(t, a) - metric(t, b)
    found = bootstrap((truth, left, right), statistic, paired=True, vectorized=False, n_resamples=draws,
                      confidence_level=confidence, method="percentile", rng=np.random.default_rng(3))
    assert np.allclose([statistic(truth[r], left[r], right[r]) for r in rows], found.bootstrap_distribution)
    return {"difference": float(statistic(truth, left, right)), "low": float(found.confidence_interval.low),
            "high": float(found.confidence_interval.high)}


tables = [(0, 0), (1, 0), (3, 9), (10, 10), (5, 19), (7, 18), (25, 0), (40, 60), (200, 150), (3000, 1)]
tests = []
for b, c in tables:
    exact = b + c < 25
    found = mcnemar([[0, b], [c, 0]], exact=exact, correction=False) if b + c else None
    tests.append({"first_only": b, "second_only": c, "exact": exact,
                  "statistic": float(found.statistic) if found else 0.0, "p_value": float(found.pvalue) if found else 1.0})
print(json.dumps({
    "confidence": confidence,
    "draws": ["".join(map(str, np.bincount(row, minlength=n))) for row in rows],
    "binary": {"truth": [bool(t) for t in truth], "left": left.tolist(), "right": right.tolist()},
    "regression": {"truth": value.tolist(), "left": said[0].tolist(), "right": said[1].tolist()},
    "bootstrap": {
        "roc_auc": paired(roc_auc_score, truth, left, right),
        "log_loss": paired(lambda t, p: log_loss(t, p, labels=[0, 1]), truth, left, right),
        "accuracy": paired(lambda t, p: float(np.mean((p >= 0.5) == t)), truth, left, right),
        "rmse": paired(root_mean_squared_error, value, *said),
    },
    "mcnemar": tests,
}))
