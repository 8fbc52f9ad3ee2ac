"""Trains the LightGBM model that the README imports: iris by its petals.

    pip install lightgbm==4.6.0 scikit-learn==1.9.1
    python examples/iris/train.py
"""

from pathlib import Path

import lightgbm
from sklearn.datasets import load_iris

NAMES = ["petal_length", "petal_width"]

iris = load_iris()
rows = lightgbm.Dataset(iris.data[:, 2:], iris.target, feature_name=NAMES)
parameters = {
    "objective": "multiclass",
    "num_class": 3,
    "num_leaves": 4,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}
booster = lightgbm.train(parameters, rows, num_boost_round=12)
booster.save_model(Path(__file__).with_name("iris.txt"))
