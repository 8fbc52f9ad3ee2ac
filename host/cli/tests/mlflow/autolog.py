"""Autologging of scikit-learn, XGBoost and LightGBM."""

from common import done, mlflow

import lightgbm
import xgboost
from mlflow import MlflowClient
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split

client = MlflowClient()
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X.columns = [column.replace(" ", "_") for column in X.columns]
train_X, test_X, train_y, test_y = train_test_split(X, y, random_state=0)

mlflow.set_experiment("autolog")
mlflow.sklearn.autolog(log_input_examples=True)
with mlflow.start_run() as run:
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(train_X, train_y)
    forest.score(test_X, test_y)
read = client.get_run(run.info.run_id)
assert read.data.params["n_estimators"] == "5"
assert "training_accuracy_score" in read.data.metrics and any("score" in name and "test_X" in name for name in read.data.metrics)
assert read.inputs.dataset_inputs and read.inputs.dataset_inputs[0].dataset.digest
assert len(read.outputs.model_outputs) == 1
assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"estimator.html", "training_confusion_matrix.png"}

with mlflow.start_run() as run:
    GridSearchCV(RandomForestClassifier(random_state=0), {"n_estimators": [2, 3, 4]}, cv=2).fit(train_X, train_y)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'", output_format="list")
assert len(children) == 3, len(children)
mlflow.sklearn.autolog(disable=True)

mlflow.xgboost.autolog()
with mlflow.start_run() as run:
    data = xgboost.DMatrix(train_X, train_y)
    booster = xgboost.train({"objective": "binary:logistic", "eval_metric": "logloss"}, data, 8, evals=[(data, "train")], verbose_eval=False)
history = client.get_metric_history(run.info.run_id, "train-logloss")
assert [point.step for point in history] == list(range(8)), history
xgb = client.get_run(run.info.run_id).outputs.model_outputs[0].model_id
mlflow.xgboost.autolog(disable=True)

mlflow.lightgbm.autolog()
with mlflow.start_run() as run:
    data = lightgbm.Dataset(train_X, train_y)
    lightgbm.train({"objective": "binary", "metric": "binary_logloss", "verbose": -1}, data, 8, valid_sets=[data], valid_names=["train"])
assert len(client.get_metric_history(run.info.run_id, "train-binary_logloss")) == 8
lgb = client.get_run(run.info.run_id).outputs.model_outputs[0].model_id
mlflow.lightgbm.autolog(disable=True)

# Both formats can be deployed as they are.
for name, model in [("xgb", xgb), ("lgb", lgb)]:
    version = mlflow.register_model(f"models:/{model}", name)
    assert not version.status_message, version.status_message
    predicted = mlflow.pyfunc.load_model(f"models:/{name}/1").predict(test_X)
    assert len(predicted) == len(test_X)
done()
