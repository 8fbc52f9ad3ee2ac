"""From MLflow to an endpoint: registered, deployed in one call, and rolled out by the alias champion."""

import json
import os
import urllib.error
import urllib.request

from common import URL, done, mlflow, refused, scratch

import lightgbm
import numpy as np
import xgboost
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

client = MlflowClient()
X, y = load_diabetes(return_X_y=True, as_frame=True)


def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError((path, error.code, error.read())) from None


def predict(name, rows):
    inputs = [{"name": column, "shape": [len(rows)], "datatype": "FP64", "data": list(rows[column])} for column in rows]
    return np.array(call("POST", f"/v2/models/{name}/infer", {"inputs": inputs})["outputs"][0]["data"])


mlflow.set_experiment("deploy")
dataset = mlflow.data.from_pandas(X, name="diabetes")
os.environ["MLFLOW_RUN_CONTEXT"] = "[]"
boosters = []
for rounds in [5, 20]:
    with mlflow.start_run(tags={"mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567"}) as run:
        mlflow.log_input(dataset, context="training")
        booster = xgboost.train({"max_depth": 3}, xgboost.DMatrix(X, y), rounds)
        mlflow.log_metric("rmse", float(np.sqrt(np.mean((booster.predict(xgboost.DMatrix(X)) - y) ** 2))))
        signature = infer_signature(X, booster.predict(xgboost.DMatrix(X)))
        info = mlflow.xgboost.log_model(booster, name="booster", signature=signature, registered_model_name="diabetes")
        boosters.append(booster)
for number in "12":
    version = client.get_model_version("diabetes", number)
    assert not version.status_message, version.status_message

call("PUT", "/api/v1/deployment", {"name": "diabetes", "model": "diabetes", "routes": [{"version": 1}], "limits": {"deadline_ms": 20_000}})
rows = X.head(8)
expected = [booster.predict(xgboost.DMatrix(rows)) for booster in boosters]
assert np.allclose(predict("diabetes", rows), expected[0], rtol=1e-5)

# The alias asks the policies: denied, nothing moves. A metric of the run is one of the version.
def gate(least):
    bounds = {"metrics": [{"metric": "rmse", "min": least}], "card": None, "lineage": ["dataset"], "bias": []}
    call("PUT", "/api/v1/governance/policies", {"name": "gate", "plugin": "governance-promotion", "models": ["diabetes"], "parameters": bounds})


gate(1_000_000)
refused(lambda: client.set_registered_model_alias("diabetes", "champion", "2"), "PERMISSION_DENIED", "rmse")
assert client.get_registered_model("diabetes").aliases == {}
assert np.allclose(predict("diabetes", rows), expected[0], rtol=1e-5)
gate(0)

# The alias moves what serves, and what served when is written down.
client.set_registered_model_alias("diabetes", "champion", "2")
assert np.allclose(predict("diabetes", rows), expected[1], rtol=1e-5)
history = call("GET", "/api/v1/deployment/diabetes/revisions")["items"]
assert [revision["spec"]["routes"][0]["version"] for revision in history] == ["2", "1"], history
moves = call("GET", "/api/v1/registry/models/diabetes/aliases/champion/history")["items"]
assert moves[0]["version"] == 2 and moves[0]["deployment"] == "diabetes", moves
lineage = call("GET", "/api/v1/registry/models/diabetes/versions/2/lineage")["items"]
edges = {(edge["kind"], edge["to"]["table"], edge["to"]["id"]) for edge in lineage}
assert ("trained-by", "tracked_run", run.info.run_id) in edges, edges
assert ("trained-on", "tracked_dataset", f"diabetes@{dataset.digest}") in edges, edges
assert ("coded-in", "commit", "0123456789abcdef0123456789abcdef01234567") in edges, edges
assert any(kind == "needs" for kind, _, _ in edges), edges
audit = [entry["action"] for entry in call("GET", "/api/v1/governance/audit?limit=100")["items"]]
for action in ["registry.model.put", "registry.version.created", "registry.alias.changed", "deployment.deployed"]:
    assert action in audit, (action, audit)
call("POST", "/api/v1/deployment/diabetes/rollback")
assert np.allclose(predict("diabetes", rows), expected[0], rtol=1e-5)

# What serves can't be deleted.
refused(lambda: client.delete_model_version("diabetes", "1"), "RESOURCE_CONFLICT", "deployed")
refused(lambda: client.delete_registered_model("diabetes"), "RESOURCE_CONFLICT", "deployed")


# LightGBM's file, and scikit-learn with an ONNX file beside it.
with mlflow.start_run():
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, y), 5)
    mlflow.lightgbm.log_model(booster, name="lgb", signature=infer_signature(X, booster.predict(X)), registered_model_name="lgb")
assert not client.get_model_version("lgb", "1").status_message
call("PUT", "/api/v1/deployment", {"name": "lgb", "model": "lgb", "routes": [{"version": 1}], "limits": {"deadline_ms": 20_000}})
assert np.allclose(predict("lgb", rows), booster.predict(rows))

from skl2onnx import to_onnx  # noqa: E402

with mlflow.start_run():
    linear = LinearRegression().fit(X.to_numpy(np.float32), y)
    info = mlflow.sklearn.log_model(linear, name="linear")
    with scratch() as place:
        with open(os.path.join(place, "model.onnx"), "wb") as file:
            file.write(to_onnx(linear, X.to_numpy(np.float32)[:1]).SerializeToString())
        client.log_model_artifact(info.model_id, os.path.join(place, "model.onnx"))
version = mlflow.register_model(info.model_uri, "linear")
assert not version.status_message, version.status_message
call("PUT", "/api/v1/deployment", {"name": "linear", "model": "linear", "routes": [{"version": 1}], "limits": {"deadline_ms": 20_000}})
sample = rows.to_numpy(np.float32)
body = {"inputs": [{"name": "X", "shape": list(sample.shape), "datatype": "FP32", "data": sample.ravel().tolist()}]}
answered = call("POST", "/v2/models/linear/infer", body)["outputs"][0]["data"]
assert np.allclose(answered, linear.predict(sample), rtol=1e-4)

# A pickle is kept, can be loaded, and says why it isn't deployed; no alias deploys it.
with mlflow.start_run():
    info = mlflow.sklearn.log_model(linear, name="pickle", registered_model_name="diabetes")
version = client.get_model_version("diabetes", "3")
assert "pickle" in version.status_message and "ONNX" in version.status_message
assert np.allclose(mlflow.sklearn.load_model("models:/diabetes/3").predict(sample), linear.predict(sample))
refused(lambda: client.set_registered_model_alias("diabetes", "champion", "3"), "INVALID_PARAMETER_VALUE", "can't be", "ONNX")

# A signature that was dropped, or is another's, is told at registration.
with mlflow.start_run():
    booster = boosters[0]
    wrong = infer_signature(X.drop(columns=["bmi"]), booster.predict(xgboost.DMatrix(X)))
    info = mlflow.xgboost.log_model(booster, name="wrong", signature=wrong)
    refused(lambda: client.create_model_version("diabetes", info.model_uri, model_id=info.model_id), "INVALID_PARAMETER_VALUE", "signature", "9 columns")
    renamed = infer_signature(X.rename(columns={"bmi": "BMI"}), booster.predict(xgboost.DMatrix(X)))
    info = mlflow.xgboost.log_model(booster, name="renamed", signature=renamed)
    refused(lambda: client.create_model_version("diabetes", info.model_uri, model_id=info.model_id), "INVALID_PARAMETER_VALUE", "bmi")
    info = mlflow.xgboost.log_model(booster, name="dropped", input_example=X.head(1))
    with scratch() as place:
        path = mlflow.artifacts.download_artifacts(info.model_uri, dst_path=place)
        with open(os.path.join(path, "MLmodel")) as file:
            lines = file.read().split("signature:")[0]
        with open(os.path.join(place, "MLmodel"), "w") as file:
            file.write(lines)
        client.log_model_artifact(info.model_id, os.path.join(place, "MLmodel"))
    refused(lambda: client.create_model_version("diabetes", info.model_uri, model_id=info.model_id), "INVALID_PARAMETER_VALUE", "signature", "dropped")
assert len(client.search_model_versions("name = 'diabetes'")) == 3
done()
