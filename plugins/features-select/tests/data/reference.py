"""Writes reference.json: scikit-learn's and SciPy's scores of a fixed table.

python3 reference.py > reference.json   (scikit-learn 1.9.1, scipy 1.17.1)
"""

import json

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_selection import VarianceThreshold, chi2, f_classif, mutual_info_classif
from sklearn.preprocessing import OneHotEncoder

random = np.random.default_rng(11)
n = 300
y = random.integers(0, 3, n)
close = np.round(y + random.normal(0, 0.5, n) + 3, 4)
loose = np.round(y + random.normal(0, 3, n) + 15, 4)
noise = np.round(random.exponential(2, n), 4)
ties = random.integers(0, 4, n).astype(float) + (y == 2)
same = np.full(n, 0.1)
word = np.array(["a", "b", "c"])[np.where(random.random(n) < 0.6, y, random.integers(0, 3, n))]
columns = {"close": close, "loose": loose, "noise": noise, "ties": ties, "same": same}
matrix = np.column_stack(list(columns.values()))
discrete = np.column_stack([ties, np.unique(word, return_inverse=True)[1]])
moving = [name for name in columns if name != "same"]
named = lambda scores: {name: float(score) for name, score in zip(columns, scores)}
word_chi2 = chi2(OneHotEncoder(sparse_output=False).fit_transform(word.reshape(-1, 1)), y)[0].sum()
print(json.dumps({
    "input": {**{name: values.tolist() for name, values in columns.items()}, "word": word.tolist(), "y": y.tolist()},
    "variance": named(VarianceThreshold().fit(np.column_stack([matrix])).variances_),
    "pearson": {name: abs(float(pearsonr(columns[name], y)[0])) for name in moving},
    "spearman": {name: abs(float(spearmanr(columns[name], y)[0])) for name in moving},
    "chi2": {**named(chi2(matrix, y)[0]), "word": float(word_chi2)},
    "anova-f": {name: float(score) for name, score in zip(moving, f_classif(matrix[:, :4], y)[0])},
    "mutual-information": dict(zip(
        ["ties", "word"], mutual_info_classif(discrete, y, discrete_features=True).tolist())),
}))
