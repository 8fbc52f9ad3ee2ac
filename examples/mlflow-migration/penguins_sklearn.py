# %% [markdown]
# # Which penguin is it?
# A scikit-learn project as it was written for MLflow's server. The one line that
# changed when it moved to Modelyard is the tracking URI.

# %%
import os
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:8080"))
mlflow.set_experiment("penguins")

# %%
path = Path(__file__).parent.parent / "penguins" / "penguins-raw.csv"
columns = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]
penguins = pd.read_csv(path)[["Species", *columns]].dropna()
X, y = penguins[columns], penguins["Species"].str.split().str[0]
train_X, test_X, train_y, test_y = train_test_split(X, y, random_state=0, stratify=y)

# %% [markdown]
# ## Try a few
# A parent run with one child for each strength of the regularisation.

# %%
with mlflow.start_run(run_name="regularisation") as parent:
    mlflow.log_input(mlflow.data.from_pandas(penguins, source=str(path), name="penguins"), context="training")
    for strength in [0.01, 0.1, 1.0]:
        with mlflow.start_run(run_name=f"C={strength}", nested=True):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
            model.fit(train_X.to_numpy(np.float32), train_y)
            predicted = model.predict(test_X.to_numpy(np.float32))
            mlflow.log_param("C", strength)
            mlflow.log_metric("accuracy", accuracy_score(test_y, predicted))
            mlflow.sklearn.log_model(model, name="model", signature=infer_signature(test_X.to_numpy(np.float32), predicted))

# %% [markdown]
# ## Take the best

# %%
best = mlflow.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
    order_by=["metrics.accuracy DESC"],
    max_results=1,
    output_format="list",
)[0]
client = MlflowClient()
model_id = client.get_run(best.info.run_id).outputs.model_outputs[0].model_id
model = mlflow.sklearn.load_model(f"models:/{model_id}")
print(f"the best is C={best.data.params['C']} with an accuracy of {best.data.metrics['accuracy']:.3f}")

# %% [markdown]
# scikit-learn keeps its models as pickles, which are programs. What serves is ONNX:
# put beside the model, it makes the version deployable.

# %%
from skl2onnx import to_onnx

onnx = to_onnx(model, train_X.to_numpy(np.float32)[:1], options={"zipmap": False})
Path("model.onnx").write_bytes(onnx.SerializeToString())
client.log_model_artifact(model_id, "model.onnx")
version = mlflow.register_model(f"models:/{model_id}", "penguins")
client.set_registered_model_alias("penguins", "champion", version.version)
assert (mlflow.sklearn.load_model("models:/penguins@champion").predict(test_X) == model.predict(test_X)).all()

# %% [markdown]
# ## Deploy it and call it
# This is what MLflow's server doesn't do.

# %%
import requests

server = mlflow.get_tracking_uri()
deployment = {"name": "penguins", "model": "penguins", "routes": [{"version": "champion"}]}
requests.put(f"{server}/api/v1/deployment", json=deployment).raise_for_status()
sample = test_X.to_numpy(np.float32)[:5]
tensor = {"name": "X", "shape": list(sample.shape), "datatype": "FP32", "data": sample.ravel().tolist()}
answer = requests.post(f"{server}/v2/models/penguins/infer", json={"inputs": [tensor]})
answer.raise_for_status()
species = next(output["data"] for output in answer.json()["outputs"] if output["datatype"] == "BYTES")
print("served:", species)
assert species == list(model.predict(sample))
