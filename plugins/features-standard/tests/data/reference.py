"""Writes reference.json: what scikit-learn makes of a fixed table.

python3 reference.py > reference.json   (scikit-learn 1.9.1, numpy 2.4)
"""

import json

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler,
)

random = np.random.default_rng(7)
n = 200
x = np.round(random.normal(50, 12, n), 3)
skewed = np.round(random.exponential(3, n), 4)
same = np.full(n, 4.2)
holes = x.copy()
holes[::9] = np.nan
steps = np.repeat([1.0, 1.0, 1.0, 2.0, 5.0], n // 5)
word = random.choice(["red", "green", "blue", "rare"], n, p=[0.5, 0.3, 0.19, 0.01])
number = random.integers(8, 12, n)
col = lambda values: np.asarray(values).reshape(-1, 1)
flat = lambda array: np.asarray(array, dtype=float).ravel().tolist()

out = {
    "input": {
        "x": x.tolist(), "skewed": skewed.tolist(), "same": same.tolist(), "steps": steps.tolist(),
        "holes": [None if np.isnan(v) else v for v in holes.tolist()],
        "word": word.tolist(), "number": number.tolist(),
    },
}
for name, scaler in [("standard", StandardScaler), ("min-max", MinMaxScaler), ("robust", RobustScaler)]:
    for key, values in [("x", x), ("skewed", skewed), ("same", same)]:
        out[f"{name} {key}"] = flat(scaler().fit_transform(col(values)))
out["mean holes"] = flat(SimpleImputer(strategy="mean").fit_transform(col(holes)))
out["median holes"] = flat(SimpleImputer(strategy="median").fit_transform(col(holes)))
out["mode steps"] = flat(SimpleImputer(strategy="most_frequent").fit(col(steps)).statistics_)
one = OneHotEncoder(sparse_output=False).fit(col(word))
out["one-hot word"] = {str(c): flat(v) for c, v in zip(one.categories_[0], one.transform(col(word)).T)}
rare = OneHotEncoder(sparse_output=False, min_frequency=10, handle_unknown="infrequent_if_exist").fit(col(word))
names = [name.split("_", 1)[1].replace("infrequent_sklearn", "infrequent") for name in rare.get_feature_names_out()]
out["one-hot rare"] = {name: flat(v) for name, v in zip(names, rare.transform(col(word)).T)}
out["ordinal word"] = flat(OrdinalEncoder().fit_transform(col(word)))
out["ordinal number"] = flat(OrdinalEncoder().fit_transform(col(number)))
for strategy in ["quantile", "uniform"]:
    for key, values in [("x", x), ("skewed", skewed), ("steps", steps)]:
        kwargs = {"quantile_method": "linear"} if strategy == "quantile" else {}
        bins = KBinsDiscretizer(n_bins=6, encode="ordinal", strategy=strategy, subsample=None, **kwargs)
        out[f"{strategy} {key}"] = flat(bins.fit_transform(col(values)))
print(json.dumps(out))
