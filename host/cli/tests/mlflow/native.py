"""A sweep that the server trains itself, seen by MLflow's own client while it runs and after."""

import json
import time
import urllib.request

from common import URL, done, mlflow

from mlflow import MlflowClient

client = MlflowClient()


def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{URL}/api/v1{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def eventually(what, so):
    begun = time.monotonic()
    while not (found := so()):
        assert time.monotonic() - begun < 120, f"{what} did not come to be"
        time.sleep(0.05)
    return found


# What the server trained before is there, and is the run of the version that came of it.
experiment = client.get_experiment_by_name("side")
version = client.get_model_version("side", "1")
run = client.get_run(version.run_id)
assert run.info.experiment_id == experiment.experiment_id and run.info.status == "FINISHED"
assert run.data.params["plugin"] == "training-linear", run.data.params
assert 0.5 < run.data.metrics["roc_auc"] <= 1.0, run.data.metrics
assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["points"]
assert client.list_artifacts(version.run_id) == []

TRIALS = 4
sweep = call("POST", "/experiments/side/sweeps", {
    "metric": "log_loss", "maximize": False, "strategy": "random", "max_runs": TRIALS, "parallel": 2, "seed": 5,
    "trainers": [{"plugin": "training-gbdt", "parameters": {"rounds": 10_000, "min_data_in_leaf": 1, "max_leaves": 64},
                  "search": {"learning_rate": {"low": 0.0001, "high": 0.001, "log": True}}}],
})["sweep"]
parent = sweep["id"].replace("-", "")
of_sweep = f"tags.\"mlflow.parentRunId\" = '{parent}'"


def children(more=""):
    return client.search_runs([experiment.experiment_id], of_sweep + more)


def live():
    """A trial under way, with what it has shown."""
    for child in children(" AND attributes.status = 'RUNNING'"):
        points = client.get_metric_history(child.info.run_id, "train_log_loss")
        if points:
            return child, points
    return None


child, points = eventually("a trial under way with live metrics", live)
assert client.get_run(parent).info.status == "RUNNING"
assert child.data.params["rounds"] == "10000" and 0.0001 <= float(child.data.params["learning_rate"]) <= 0.001
assert child.data.tags["modelyard.sweep"] == sweep["id"] and child.info.run_name.startswith("trial-")
grown = eventually("more of it", lambda: len(client.get_metric_history(child.info.run_id, "train_log_loss")) > len(points))
eventually("the sweep's end", lambda: client.get_run(parent).info.status != "RUNNING")

found = client.get_run(parent)
assert found.info.status == "FINISHED" and found.info.end_time, found.info
assert found.data.tags["modelyard.strategy"] == "random" and found.data.tags["modelyard.metric"] == "log_loss"
ranked = client.search_runs([experiment.experiment_id], of_sweep, order_by=["metrics.log_loss ASC"])
assert len(ranked) == TRIALS and {trial.info.status for trial in ranked} == {"FINISHED"}
best = min(trial.data.metrics["log_loss"] for trial in ranked)
assert ranked[0].data.metrics["log_loss"] == best == found.data.metrics["best_log_loss"]
assert client.get_run(found.data.tags["modelyard.best_run"]).data.metrics["log_loss"] == best
native = {item["id"].replace("-", ""): item for item in call("GET", "/experiments/runs?experiment=side&limit=100")["items"]}
for trial in ranked:
    history = client.get_metric_history(trial.info.run_id, "train_log_loss")
    own = [point for point in native[trial.info.run_id]["history"] if point["name"] == "train_log_loss"]
    assert [(point.step, point.value) for point in history] == [(point["step"], point["value"]) for point in own]
frame = mlflow.search_runs(experiment_names=["side"], filter_string=of_sweep)
assert len(frame) == TRIALS and set(frame["params.plugin"]) == {"training-gbdt"}

# A client may log to it as to any other run.
client.set_tag(ranked[0].info.run_id, "looked at", "yes")
client.log_metric(ranked[0].info.run_id, "by hand", 1.0)
assert client.get_run(ranked[0].info.run_id).data.metrics["by hand"] == 1.0
done()
