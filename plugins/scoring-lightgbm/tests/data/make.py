"""Trains models with LightGBM and writes their files and predictions beside this script.

pip install lightgbm scikit-learn pandas; python make.py
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd
import sklearn
from sklearn import datasets

here = pathlib.Path(__file__).parent
penguins_csv = here / "../../../../examples/penguins/penguins-raw.csv"
rng = np.random.RandomState(7)
tables, cases = {}, []


def column(values):
    """A column for JSON: null for what is missing."""
    return [None if pd.isna(v) else v if isinstance(v, str) else float(v) for v in values]


def keep(name, frame, rows):
    """Keeps the rows of a frame, that predictions are made for."""
    shown = frame.iloc[rows]
    tables[name] = {str(c).replace(" ", "_"): column(shown[c].astype(object)) for c in shown.columns}
    return shown


def case(file, table, booster, shown):
    booster.save_model(here / f"{file}.txt")
    # What is in the file, and not what is in memory.
    read = lgb.Booster(model_file=here / f"{file}.txt")
    cases.append(dict(file=f"{file}.txt", table=table, values=np.asarray(read.predict(shown)).tolist()))


def train(params, data, rounds=6, **more):
    params = dict(num_leaves=7, verbose=-1, num_threads=1, deterministic=True, seed=3, learning_rate=0.3) | params
    return lgb.train(params, data, rounds, **more)


def holes(frame, share):
    return frame.mask(rng.rand(*frame.shape) < share)


# Numbers, some of them missing and some 0.
cancer = datasets.load_breast_cancer(as_frame=True)
cancer_x, cancer_y = holes(cancer.data.iloc[:, :10], 0.05), cancer.target
cancer_x = cancer_x.mask(rng.rand(*cancer_x.shape) < 0.05, 0.0)
cancer_shown = keep("cancer", cancer_x, rng.choice(len(cancer_x), 40, replace=False))
cancer_data = lambda **more: lgb.Dataset(cancer_x, cancer_y, **more)
case("binary", "cancer", train(dict(objective="binary"), cancer_data()), cancer_shown)
case("binary-sigmoid-dart", "cancer", train(dict(objective="binary", sigmoid=0.7, boosting="dart", drop_rate=0.5, skip_drop=0.0), cancer_data()), cancer_shown)
case("zero-as-missing", "cancer", train(dict(objective="binary", zero_as_missing=True), cancer_data(params=dict(zero_as_missing=True))), cancer_shown)
case("no-missing", "cancer", train(dict(objective="binary", use_missing=False), cancer_data(params=dict(use_missing=False))), cancer_shown)
case("binary-forest", "cancer", train(dict(objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.6), cancer_data()), cancer_shown)
case("cross-entropy", "cancer", train(dict(objective="cross_entropy"), cancer_data()), cancer_shown)
case("cross-entropy-lambda", "cancer", train(dict(objective="cross_entropy_lambda"), cancer_data()), cancer_shown)
custom = lambda scores, data: (scores - data.get_label(), np.ones_like(scores))
case("custom", "cancer", train(dict(objective=custom), cancer_data()), cancer_shown)
train_x, valid_x = cancer_x.iloc[:300], cancer_x.iloc[300:]
stopped_data = lgb.Dataset(train_x, cancer_y[:300])
stopped = train(dict(objective="binary", learning_rate=0.9), stopped_data, 60, valid_sets=[lgb.Dataset(valid_x, cancer_y[300:], reference=stopped_data)], callbacks=[lgb.early_stopping(3, verbose=False)])
assert stopped.best_iteration < 57
case("stopped", "cancer", stopped, cancer_shown)

iris = datasets.load_iris(as_frame=True)
iris_x = iris.data.rename(columns=lambda c: c.removesuffix(" (cm)"))
iris_shown = keep("iris", iris_x, np.arange(0, 150, 5))
for objective in ("multiclass", "multiclassova"):
    params = dict(objective=objective, num_class=3) | (dict(sigmoid=1.5) if objective == "multiclassova" else {})
    case(objective, "iris", train(params, lgb.Dataset(iris_x, iris.target), 4), iris_shown)

diabetes = datasets.load_diabetes(as_frame=True)
diabetes_shown = keep("diabetes", diabetes.data, rng.choice(442, 30, replace=False))
for name, params in {
    "regression": dict(objective="regression"),
    "regression-sqrt": dict(objective="regression", reg_sqrt=True),
    "quantile": dict(objective="quantile", alpha=0.8),
    "poisson": dict(objective="poisson"),
    "gamma": dict(objective="gamma"),
    "tweedie": dict(objective="tweedie"),
    "forest": dict(objective="regression", boosting="rf", bagging_freq=1, bagging_fraction=0.6),
}.items():
    case(name, "diabetes", train(params, lgb.Dataset(diabetes.data, diabetes.target)), diabetes_shown)
ranks = np.minimum(diabetes.target // 70, 4)
ranked = lgb.Dataset(diabetes.data, ranks, group=[34] * 13)
case("lambdarank", "diabetes", train(dict(objective="lambdarank"), ranked), diabetes_shown)

# Categories as texts that are not in alphabetical order, whole numbers as categories, and missing values.
raw = pd.read_csv(penguins_csv)
penguins = pd.DataFrame({
    "Species": raw["Species"].str.split().str[0].astype(pd.CategoricalDtype(["Gentoo", "Adelie", "Chinstrap"])),
    "Culmen Length (mm)": raw["Culmen Length (mm)"],
    "Island": raw["Island"].astype(pd.CategoricalDtype(["Torgersen", "Biscoe", "Dream"])),
    "Year": raw["Date Egg"].str[:4].astype(int).astype("category"),
    "Flipper Length (mm)": raw["Flipper Length (mm)"],
    "Day": raw["Date Egg"].astype("category"),
    "Sex": raw["Sex"].where(raw["Sex"].isin(["MALE", "FEMALE"])).astype("category"),
})
weighed = raw["Body Mass (g)"].notna()
penguins, mass = penguins[weighed], raw["Body Mass (g)"][weighed]
for c in ("Species", "Island", "Day"):
    penguins[c] = penguins[c].mask(rng.rand(len(penguins)) < 0.08)
picked = np.unique(np.concatenate([rng.choice(len(penguins), 40, replace=False), np.flatnonzero(penguins["Sex"].isna())[:4]]))
shown = penguins.iloc[picked]
keep("penguins", penguins.assign(Year=penguins["Year"].astype(str)), picked)
few = dict(min_data_per_group=5, cat_smooth=1, min_data_in_leaf=5)
case("categories", "penguins", train(dict(objective="regression") | few, lgb.Dataset(penguins, mass)), shown)
case("categories-one-hot", "penguins", train(dict(objective="regression", max_cat_to_onehot=100) | few, lgb.Dataset(penguins, mass)), shown)

# The same as codes in a matrix, and codes that training has not seen.
codes = penguins.apply(lambda c: c.cat.codes.where(c.cat.codes >= 0).astype(float) if c.dtype == "category" else c)
odd = codes.iloc[picked].copy()
odd.iloc[0, 0], odd.iloc[1, 0], odd.iloc[2, 0], odd.iloc[3, 5], odd.iloc[4, 5] = 77, -1, -0.5, 1e12, 3.7
odd = keep("codes", odd, np.arange(len(odd)))
case("codes", "codes", train(dict(objective="regression") | few, lgb.Dataset(codes.to_numpy(), mass, feature_name=list(codes.columns), categorical_feature=[0, 2, 3, 5, 6])), odd.to_numpy())

# What is refused, by name.
train(dict(objective="regression", linear_tree=True), lgb.Dataset(diabetes.data, diabetes.target, params=dict(linear_tree=True)), 1).save_model(here / "linear-tree.txt")
ordered = penguins.assign(Year=penguins["Year"].cat.as_ordered())
train(dict(objective="regression"), lgb.Dataset(ordered, mass), 1).save_model(here / "ordered.txt")

(here / "expected.json").write_text(json.dumps(dict(lightgbm=lgb.__version__, sklearn=sklearn.__version__, tables=tables, cases=cases)) + "\n")
