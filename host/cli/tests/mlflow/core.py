"""From a run to a loaded model by MLflow's own calls: the flow that everybody starts with."""

from common import URL, done, mlflow

import numpy as np
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True, as_frame=True)
experiment = mlflow.set_experiment("core")
assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
with mlflow.start_run(run_name="first") as run:
    mlflow.log_param("C", 0.5)
    mlflow.log_params({"solver": "lbfgs", "size": 3})
    for step in range(5):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"accuracy": 0.9, "nan": float("nan"), "inf": float("inf"), "minus": float("-inf")})
    mlflow.set_tag("stage", "trying")
    mlflow.set_tags({"a": "1", "b": "ü"})
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"x": [1, 2]}, "config.json")
    model = LogisticRegression(C=0.5, max_iter=500).fit(X, y)
    signature = infer_signature(X, model.predict(X))
    info = mlflow.sklearn.log_model(model, name="model", signature=signature, input_example=X.head(2))

client = MlflowClient()
read = client.get_run(run.info.run_id)
assert read.info.status == "FINISHED" and read.info.end_time >= read.info.start_time
assert read.info.run_name == "first" and read.data.tags["mlflow.runName"] == "first"
assert read.data.params == {"C": "0.5", "solver": "lbfgs", "size": "3"}, read.data.params
assert read.data.metrics["loss"] == 0.2 and read.data.metrics["accuracy"] == 0.9
assert np.isnan(read.data.metrics["nan"])
assert read.data.metrics["inf"] == 1.7976931348623157e308 and read.data.metrics["minus"] == -1.7976931348623157e308
assert read.data.tags["b"] == "ü"
history = client.get_metric_history(run.info.run_id, "loss")
assert [(point.step, point.value) for point in history] == [(step, 1.0 / (step + 1)) for step in range(5)]
assert [output.model_id for output in read.outputs.model_outputs] == [info.model_id]
files = {file.path: file.file_size for file in client.list_artifacts(run.info.run_id)}
assert files == {"config.json": files["config.json"], "notes": None}, files
assert [file.path for file in client.list_artifacts(run.info.run_id, "notes")] == ["notes/hello.txt"]
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(read.info.artifact_uri + "/config.json") == {"x": [1, 2]}

logged = mlflow.get_logged_model(info.model_id)
assert logged.status.name == "READY" and logged.source_run_id == run.info.run_id
version = mlflow.register_model(info.model_uri, "iris")
assert version.version in ("1", 1) and version.status == "READY", version
assert version.run_id == run.info.run_id
assert "not deployable" in version.status_message and "ONNX" in version.status_message, version.status_message
client.set_registered_model_alias("iris", "champion", "1")
assert client.get_model_version_by_alias("iris", "champion").version in ("1", 1)
uri = client.get_model_version_download_uri("iris", "1")
assert uri == f"mlflow-artifacts:/{experiment.experiment_id}/models/{info.model_id}/artifacts", uri
for name in ["models:/iris@champion", "models:/iris/1", "models:/iris/latest", info.model_uri]:
    loaded = mlflow.sklearn.load_model(name)
    assert (loaded.predict(X) == model.predict(X)).all(), name
pyfunc = mlflow.pyfunc.load_model("models:/iris@champion")
assert pyfunc.metadata.signature == signature
assert (pyfunc.predict(X) == model.predict(X)).all()

# By the older way: a run's path.
with mlflow.start_run() as second:
    old = mlflow.sklearn.log_model(model, artifact_path="model")
again = mlflow.register_model(f"runs:/{second.info.run_id}/model", "iris")
assert again.version in ("2", 2)
assert (mlflow.pyfunc.load_model("models:/iris/2").predict(X) == model.predict(X)).all()
assert (mlflow.pyfunc.load_model(f"runs:/{second.info.run_id}/model").predict(X) == model.predict(X)).all()
done()
