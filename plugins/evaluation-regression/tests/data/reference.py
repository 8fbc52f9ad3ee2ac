"""Makes reference.json with scikit-learn: `python reference.py > reference.json`."""
import json
import numpy as np, sklearn
from sklearn import metrics as m
rng = np.random.RandomState(3)
n = 300
truth = np.round(50 + 20 * rng.randn(n), 2)
predicted = np.round(truth * 0.9 + 6 * rng.randn(n), 2)
group = rng.choice(["a", "b"], n)
def measure(t, p):
    return dict(mse=m.mean_squared_error(t, p), rmse=m.root_mean_squared_error(t, p), mae=m.mean_absolute_error(t, p),
                mape=m.mean_absolute_percentage_error(t, p), median_ae=m.median_absolute_error(t, p), r2=m.r2_score(t, p),
                explained_variance=m.explained_variance_score(t, p), max_error=m.max_error(t, p))
print(json.dumps(dict(sklearn=sklearn.__version__, truth=truth.tolist(), predicted=predicted.tolist(), group=group.tolist(),
                      metrics=measure(truth, predicted),
                      slices={g: measure(truth[group == g], predicted[group == g]) for g in ("a", "b")})))
