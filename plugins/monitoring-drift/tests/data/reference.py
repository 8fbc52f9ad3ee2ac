"""Writes reference.json: what SciPy and Evidently give for fixed samples.

pip install evidently==0.7.23 scipy==1.17.1 numpy "pandas<3"
python reference.py

Samples come from a linear congruential generator, so that the Rust test makes
the same ones: x' = (1103515245 x + 12345) mod 2^31, u = x / 2^31.
"""
import json
import math
import pathlib
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from scipy.stats import distributions

from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.calculations.stattests.chisquare_stattest import _chi_stat_test
from evidently.legacy.calculations.stattests.jensenshannon import _jensenshannon
from evidently.legacy.calculations.stattests.ks_stattest import _ks_stat_test
from evidently.legacy.calculations.stattests.psi import _psi
from evidently.legacy.calculations.stattests.wasserstein_distance_norm import _wasserstein_distance_norm
from evidently.legacy.calculations.stattests.z_stattest import _z_stat_test
from evidently.legacy.core import ColumnType

warnings.filterwarnings("ignore")


def sample(case, side):
    x, out = case[f"{side}_seed"], []
    for _ in range(case[f"{side}_rows"]):
        x = (1103515245 * x + 12345) % 2**31
        u = x / 2**31
        value = u * u * case["scale"] + (case["shift"] if side == "current" else 0.0)
        out.append(math.floor(value) if case["type"] != "f64" else value)
    return out


CASES = [
    # type, reference rows, current rows, scale, shift
    ("f64", 400, 300, 10.0, 0.0),
    ("f64", 400, 300, 10.0, 0.7),
    ("f64", 500, 500, 1.0, 0.02),
    ("f64", 1000, 7919, 1.0, 0.03),
    ("f64", 9000, 10000, 1.0, 0.005),
    ("f64", 1001, 400, 3.0, 0.5),
    ("f64", 12000, 11000, 5.0, 0.05),
    ("f64", 30000, 40000, 5.0, 0.01),
    ("f64", 20000, 60, 5.0, 0.6),
    ("f64", 50, 15000, 5.0, 1.0),
    ("s64", 800, 600, 60.0, 0.0),
    ("s64", 800, 600, 60.0, 2.0),
    ("s64", 5000, 4000, 1000.0, 30.0),
    ("s64", 900, 700, 4.0, 0.0),
    ("s64", 900, 700, 4.0, 1.0),
    ("s64", 900, 700, 2.0, 0.2),
    ("s64", 3000, 2500, 5.0, 0.3),
    ("s64", 3000, 2500, 15.0, 1.0),
    ("text", 900, 700, 4.0, 0.3),
    ("text", 900, 700, 2.0, 0.1),
    ("text", 5000, 4000, 40.0, 1.0),
    ("text", 30000, 200, 600.0, 3.0),
    ("s64", 900, 700, 1.9, 0.05),
    ("s64", 3000, 2500, 1.9, 0.05),
    ("text", 900, 700, 1.9, 0.02),
    ("text", 900, 700, 3.5, 0.2),
    ("s64", 900, 700, 3.5, 0.01),
]


def measure(case):
    a, b = pd.Series(sample(case, "reference")), pd.Series(sample(case, "current"))
    kind = ColumnType.Categorical if case["type"] == "text" else ColumnType.Numerical
    default = get_stattest(a, b, kind, None)
    out = {
        "auto": default.name,
        "auto_drift": bool(default(a, b, kind, None).drifted),
        "auto_score": float(default(a, b, kind, None).drift_score),
        "psi": float(_psi(a, b, kind, 0.1)[0]),
        "jensen_shannon": float(_jensenshannon(a, b, kind, 0.1)[0]),
    }
    distinct = pd.concat([a, b]).nunique()
    if kind == ColumnType.Numerical:
        ks = stats.ks_2samp(a, b)
        assert ks.pvalue == _ks_stat_test(a, b, kind, 0.05)[0]
        out["ks_statistic"], out["ks_p_value"] = float(ks.statistic), float(ks.pvalue)
        out["wasserstein"] = float(stats.wasserstein_distance(a, b))
        out["wasserstein_normed"] = float(_wasserstein_distance_norm(a, b, kind, 0.1)[0])
    if distinct <= 2:
        out["two_proportion_z_p_value"] = float(_z_stat_test(a, b, kind, 0.05)[0])
    if distinct <= 1000:
        out["chi_square_p_value"] = float(_chi_stat_test(a, b, kind, 0.05)[0])
    return {**case, "expected": out}


def asymptotic():
    grid = []
    for n in (20_000, 200_000, 2_000_000):
        for m in (1, 2, 10, 60, 139, 200, 1000, 5000, 20_000, 200_000, 2_000_000):
            rows = np.round(n * m / (n + m))
            for square in (0.05, 0.2, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 12.0, 40.0):
                d = math.sqrt(square / rows)
                if m <= n and d <= 1.0:
                    grid.append([d, n, m, float(distributions.kstwo.sf(d, rows))])
    return grid


cases = [
    measure(dict(type=t, reference_rows=r, current_rows=c, scale=s, shift=h, reference_seed=11 + i, current_seed=7001 + i))
    for i, (t, r, c, s, h) in enumerate(CASES)
]
path = pathlib.Path(__file__).with_name("reference.json")
path.write_text(json.dumps({"cases": cases, "asymptotic": asymptotic()}, indent=1) + "\n")
