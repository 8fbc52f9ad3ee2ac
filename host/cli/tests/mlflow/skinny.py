"""mlflow-skinny alone: tracking, artifacts and the registry without numpy and pandas."""

import importlib.util

from common import done, mlflow

from mlflow import MlflowClient

assert importlib.util.find_spec("numpy") is None and importlib.util.find_spec("pandas") is None
mlflow.set_experiment("skinny")
with mlflow.start_run() as run:
    mlflow.log_param("a", 1)
    mlflow.log_metrics({"x": 1.5, "y": 2}, step=3)
    mlflow.log_text("hello", "a/b.txt")
    mlflow.set_tag("t", "u")
client = MlflowClient()
assert client.get_run(run.info.run_id).data.metrics == {"x": 1.5, "y": 2}
assert [found.info.run_id for found in client.search_runs([run.info.experiment_id], "tags.t = 'u' and metrics.x > 1")] == [run.info.run_id]
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a/b.txt") == "hello"
client.create_registered_model("small")
client.create_model_version("small", f"runs:/{run.info.run_id}/a", run.info.run_id)
client.set_registered_model_alias("small", "champion", "1")
assert int(client.get_model_version_by_alias("small", "champion").version) == 1
done()
