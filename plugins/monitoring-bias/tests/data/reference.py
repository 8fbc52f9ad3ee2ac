"""Writes rows.csv and reference.json: what fairlearn gives for fixed rows.

pip install fairlearn==0.15.0 numpy pandas
python reference.py
"""
import json
import pathlib

import numpy as np
import pandas as pd
from fairlearn import metrics

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(20260101)
rows = 1500
group = rng.choice(["a", "b", "c", "d"], rows, p=[0.5, 0.3, 0.17, 0.03])
truth = rng.random(rows) < np.select([group == "a", group == "b"], [0.4, 0.3], 0.55)
score = np.clip(rng.normal(0.35 + 0.25 * truth + 0.1 * (group == "a"), 0.2), 0, 1).round(4)
sex = rng.choice(["f", "m"], rows)
data = pd.DataFrame({"group": group, "sex": sex, "truth": truth.astype(int), "score": score})
data.to_csv(here / "rows.csv", index=False)

predicted = (score >= 0.5).astype(int)
expected = {}
for column in ("group", "sex"):
    arguments = dict(y_true=data.truth, y_pred=predicted, sensitive_features=data[column])
    frame = metrics.MetricFrame(
        metrics={
            "selection_rate": metrics.selection_rate,
            "true_positive_rate": metrics.true_positive_rate,
            "false_positive_rate": metrics.false_positive_rate,
            "group_rows": metrics.count,
        },
        **arguments,
    )
    expected[column] = {
        "demographic_parity_difference": metrics.demographic_parity_difference(**arguments),
        "disparate_impact": metrics.demographic_parity_ratio(**arguments),
        "equal_opportunity_difference": metrics.equal_opportunity_difference(**arguments),
        "equalized_odds_difference": metrics.equalized_odds_difference(**arguments),
        "equalized_odds_ratio": metrics.equalized_odds_ratio(**arguments),
        "groups": {str(name): {k: float(v) for k, v in row.items()} for name, row in frame.by_group.iterrows()},
    }
(here / "reference.json").write_text(json.dumps(expected, indent=1) + "\n")
