# %% [markdown]
# # How will diabetes progress?
# An XGBoost project with autologging, as it was written for MLflow's server. The
# one line that changed when it moved to Modelyard is the tracking URI.

# %%
import os

import mlflow
import numpy as np
import xgboost
from mlflow import MlflowClient
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:8080"))
mlflow.set_experiment("diabetes")
mlflow.xgboost.autolog(log_input_examples=True)

# %%
X, y = load_diabetes(return_X_y=True, as_frame=True)
train_X, test_X, train_y, test_y = train_test_split(X, y, random_state=0)
client = MlflowClient()


def train(depth):
    """A run with everything that autologging writes; its model becomes a version."""
    with mlflow.start_run(run_name=f"depth {depth}") as run:
        data, held_out = xgboost.DMatrix(train_X, train_y), xgboost.DMatrix(test_X, test_y)
        booster = xgboost.train(
            {"max_depth": depth, "eta": 0.1}, data, 50, evals=[(held_out, "test")], verbose_eval=False
        )
    model = client.get_run(run.info.run_id).outputs.model_outputs[0].model_id
    return booster, mlflow.register_model(f"models:/{model}", "diabetes").version


# %%
first, version = train(2)
client.set_registered_model_alias("diabetes", "champion", version)

# %% [markdown]
# ## Deploy it and call it

# %%
import requests

server = mlflow.get_tracking_uri()


def serve(rows):
    inputs = [{"name": name, "shape": [len(rows)], "datatype": "FP64", "data": list(rows[name])} for name in rows]
    answer = requests.post(f"{server}/v2/models/diabetes/infer", json={"inputs": inputs})
    answer.raise_for_status()
    return answer.json()["outputs"][0]["data"]


deployment = {"name": "diabetes", "model": "diabetes", "routes": [{"version": "champion"}]}
requests.put(f"{server}/api/v1/deployment", json=deployment).raise_for_status()
rows = test_X.head(5)
assert np.allclose(serve(rows), first.predict(xgboost.DMatrix(rows)), rtol=1e-5)

# %% [markdown]
# ## A better one
# From now on the alias says what serves: it asks the policies, rolls the version out
# and is written down.

# %%
second, version = train(4)
client.set_registered_model_alias("diabetes", "champion", version)
assert np.allclose(serve(rows), second.predict(xgboost.DMatrix(rows)), rtol=1e-5)
history = requests.get(f"{server}/api/v1/deployment/diabetes/revisions").json()["items"]
for revision in reversed(history):
    print("served from", revision["from"], "version", revision["spec"]["routes"][0]["version"])
assert len(history) == 2
