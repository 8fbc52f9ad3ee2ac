"""Trains models with XGBoost and writes their files and predictions beside this script.

pip install xgboost scikit-learn pandas; python make.py
"""
import json
import pathlib

import numpy as np
import pandas as pd
import sklearn
import xgboost as xgb
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
    tables[name] = {str(c): column(shown[c].astype(object)) for c in shown.columns}
    return shown


def case(file, table, booster, shown, **more):
    booster.save_model(here / file)
    check(file, table, shown, **more)


def check(file, table, shown, until=None, **more):
    """What the file predicts, and not what is in memory."""
    read = xgb.Booster(model_file=here / file)
    options = {} if until is None else dict(iteration_range=(0, until))
    values = read.predict(xgb.DMatrix(shown, enable_categorical=True), **options)
    cases.append(dict(file=file, table=table, values=np.asarray(values, dtype=float).tolist(), **more))


def train(params, data, rounds=5, **more):
    params = dict(max_depth=3, nthread=1, seed=3, tree_method="hist", verbosity=0) | params
    return xgb.train(params, data, rounds, **more)


def edit(old, new, change):
    """Writes another file of a model, as older releases would have."""
    model = json.loads((here / old).read_text())
    change(model["learner"])
    (here / new).write_text(json.dumps(model, separators=(",", ":")))


# Numbers, some of them missing.
cancer = datasets.load_breast_cancer(as_frame=True)
cancer_x = cancer.data.iloc[:, :10].mask(rng.rand(569, 10) < 0.08)
cancer_shown = keep("cancer", cancer_x, rng.choice(569, 40, replace=False))
cancer_data = xgb.DMatrix(cancer_x, cancer.target)
for objective in ("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"):
    case(objective.replace(":", "-") + ".ubj", "cancer", train(dict(objective=objective), cancer_data), cancer_shown)
case("binary-logistic.json", "cancer", train(dict(objective="binary:logistic"), cancer_data), cancer_shown)
dart = dict(objective="binary:logistic", booster="dart", rate_drop=0.5, one_drop=1)
case("dart.json", "cancer", train(dart, cancer_data, 8), cancer_shown)
case("forest.ubj", "cancer", train(dict(objective="binary:logistic", num_parallel_tree=4, subsample=0.7, learning_rate=1, max_depth=2), cancer_data, 2), cancer_shown)
stopped = train(dict(objective="binary:logistic", learning_rate=1.5, num_parallel_tree=2), xgb.DMatrix(cancer_x[:300], cancer.target[:300]), 40, evals=[(xgb.DMatrix(cancer_x[300:], cancer.target[300:]), "valid")], early_stopping_rounds=2, verbose_eval=False)
assert stopped.best_iteration + 1 < stopped.num_boosted_rounds()
case("stopped.ubj", "cancer", stopped, cancer_shown, until=stopped.best_iteration + 1)

# One base score as a bare number, no names, no ends of iterations, booleans, and the weights of dart
# beside the model: as of older releases.
def older(learner):
    learner["learner_model_param"]["base_score"] = learner["learner_model_param"]["base_score"].strip("[]")
    booster = learner["gradient_booster"]
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    weights = booster.pop("weight_drop", None) or model.pop("weight_drop", None)
    model.pop("iteration_indptr", None), model.pop("cats", None)
    for tree in model["trees"]:
        tree["default_left"] = [bool(left) for left in tree["default_left"]]
    if weights:
        learner["gradient_booster"] = dict(name="dart", gbtree=dict(name="gbtree", model=model), weight_drop=weights)
for old in ("binary-logistic", "dart"):
    edit(f"{old}.json", f"{old}-older.json", older)
    check(f"{old}-older.json", "cancer", cancer_shown)

iris = datasets.load_iris(as_frame=True)
iris_shown = keep("iris", iris.data, np.arange(0, 150, 5))
iris_data = xgb.DMatrix(iris.data, iris.target)
case("multi-softprob.ubj", "iris", train(dict(objective="multi:softprob", num_class=3), iris_data, 4), iris_shown)
case("multi-softprob.json", "iris", train(dict(objective="multi:softprob", num_class=3, max_depth=2), iris_data, 2), iris_shown)
case("multi-softmax.ubj", "iris", train(dict(objective="multi:softmax", num_class=3), iris_data, 4), iris_shown)
nameless = train(dict(objective="multi:softprob", num_class=3, max_depth=2), xgb.DMatrix(iris.data.to_numpy(), iris.target), 2)
keep("nameless", iris.data.set_axis(["f0", "f1", "f2", "f3"], axis=1), np.arange(0, 150, 5))
case("nameless.ubj", "nameless", nameless, iris_shown.to_numpy())

diabetes = datasets.load_diabetes(as_frame=True)
diabetes_shown = keep("diabetes", diabetes.data, rng.choice(442, 30, replace=False))
for objective in ("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"):
    case(objective.replace(":", "-") + ".ubj", "diabetes", train(dict(objective=objective), xgb.DMatrix(diabetes.data, diabetes.target)), diabetes_shown)
case("reg-quantileerror.ubj", "diabetes", train(dict(objective="reg:quantileerror", quantile_alpha=[0.5, 0.1, 0.9]), xgb.DMatrix(diabetes.data, diabetes.target)), diabetes_shown)
aft = xgb.DMatrix(diabetes.data, label_lower_bound=diabetes.target, label_upper_bound=diabetes.target * 1.5)
case("survival-aft.ubj", "diabetes", train(dict(objective="survival:aft"), aft), diabetes_shown)
ranked = xgb.DMatrix(diabetes.data, np.minimum(diabetes.target // 70, 4))
ranked.set_group([34] * 13)
for objective in ("rank:ndcg", "rank:pairwise"):
    case(objective.replace(":", "-") + ".ubj", "diabetes", train(dict(objective=objective), ranked), diabetes_shown)
targets = np.stack([diabetes.target, -diabetes.target, diabetes.data["bmi"] * 100], axis=1)
case("several.ubj", "diabetes", train(dict(objective="reg:squarederror"), xgb.DMatrix(diabetes.data, targets), 3), diabetes_shown)

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
data = xgb.DMatrix(penguins, mass, enable_categorical=True)
case("categories.ubj", "penguins", train(dict(max_cat_to_onehot=1), data), shown)
case("categories.json", "penguins", train(dict(max_cat_to_onehot=100), data), shown)

# The same as codes in a matrix, and codes that training has not seen.
codes = penguins.apply(lambda c: c.cat.codes.where(c.cat.codes >= 0).astype(float) if c.dtype == "category" else c)
types = ["c" if c.dtype == "category" else "float" for _, c in penguins.items()]
names = list(penguins.columns)
coded = train(dict(max_cat_to_onehot=1), xgb.DMatrix(codes.to_numpy(), mass, feature_names=names, feature_types=types, enable_categorical=True))
coded.save_model(here / "codes.ubj")
odd = codes.iloc[picked].copy()
odd.iloc[0, 0], odd.iloc[1, 0], odd.iloc[2, 0], odd.iloc[3, 5] = 77, 63, 64, 3.7
odd = keep("codes", odd, np.arange(len(odd)))
values = xgb.Booster(model_file=here / "codes.ubj").predict(xgb.DMatrix(odd.to_numpy(), feature_names=names, feature_types=types, enable_categorical=True))
cases.append(dict(file="codes.ubj", table="codes", values=values.astype(float).tolist()))

# What is refused, by name.
xgb.train(dict(booster="gblinear", verbosity=0), xgb.DMatrix(diabetes.data, diabetes.target), 1).save_model(here / "gblinear.json")
train(dict(multi_strategy="multi_output_tree"), xgb.DMatrix(diabetes.data, targets), 1).save_model(here / "vector-leaves.ubj")

(here / "expected.json").write_text(json.dumps(dict(xgboost=xgb.__version__, sklearn=sklearn.__version__, tables=tables, cases=cases)) + "\n")
