"""Deleting and restoring, nested runs, and what stays the same when it is said again."""

from common import done, mlflow, refused

from mlflow import MlflowClient
from mlflow.entities import ViewType

client = MlflowClient()
assert client.get_experiment("0").name == "Default"
experiment = client.create_experiment("life", artifact_location=None, tags={"a": "1"})
refused(lambda: client.create_experiment("life"), "RESOURCE_ALREADY_EXISTS", "life")
client.rename_experiment(experiment, "life again")
assert client.get_experiment_by_name("life") is None
client.set_experiment_tag(experiment, "a", "2")
assert client.get_experiment(experiment).tags == {"a": "2"}
client.delete_experiment_tag(experiment, "a")

mlflow.set_experiment(experiment_id=experiment)
with mlflow.start_run(run_name="parent") as parent:
    for number in range(3):
        with mlflow.start_run(run_name=f"child {number}", nested=True) as child:
            mlflow.log_param("number", number)
            with mlflow.start_run(nested=True) as grandchild:
                pass
    assert mlflow.active_run().info.run_id == parent.info.run_id
assert client.get_run(grandchild.info.run_id).data.tags["mlflow.parentRunId"] == child.info.run_id
assert len(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")) == 3

run = child.info.run_id
client.log_param(run, "number", 2)
refused(lambda: client.log_param(run, "number", 3), "INVALID_PARAMETER_VALUE", "number")
client.set_tag(run, "t", "x")
client.delete_tag(run, "t")
refused(lambda: client.delete_tag(run, "t"), "RESOURCE_DOES_NOT_EXIST", "t")
client.update_run(run, status="RUNNING", name="renamed")
assert client.get_run(run).info.run_name == "renamed" and client.get_run(run).info.status == "RUNNING"
client.set_terminated(run, "KILLED")

client.delete_run(run)
assert client.get_run(run).info.lifecycle_stage == "deleted"
refused(lambda: client.log_metric(run, "m", 1), "INVALID_PARAMETER_VALUE", "active")
refused(lambda: client.log_param(run, "m", 1), "INVALID_PARAMETER_VALUE")
assert run not in [found.info.run_id for found in client.search_runs([experiment])]
assert run in [found.info.run_id for found in client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)]
client.restore_run(run)
client.log_metric(run, "m", 1)

client.delete_experiment(experiment)
assert client.get_experiment(experiment).lifecycle_stage == "deleted"
refused(lambda: client.create_run(experiment), "INVALID_PARAMETER_VALUE", "active")
client.restore_experiment(experiment)
assert client.get_run(run).info.lifecycle_stage == "active"
client.create_run(experiment)
for call in [lambda: client.get_run("0" * 32), lambda: client.log_metric("0" * 32, "a", 1), lambda: client.get_experiment("987"), lambda: client.delete_run("0" * 32), lambda: mlflow.get_logged_model("m-" + "0" * 32)]:
    refused(call, "RESOURCE_DOES_NOT_EXIST")

dataset = mlflow.data.from_numpy(__import__("numpy").eye(3), targets=__import__("numpy").ones(3), name="eye")
with mlflow.start_run() as logged:
    mlflow.log_input(dataset, context="training", tags={"k": "v"})
inputs = client.get_run(logged.info.run_id).inputs.dataset_inputs
assert inputs[0].dataset.name == "eye" and inputs[0].dataset.digest == dataset.digest
assert {tag.key: tag.value for tag in inputs[0].tags} == {"k": "v", "mlflow.data.context": "training"}
assert len(client.search_runs([experiment], "datasets.name = 'eye' AND dataset.context = 'training'")) == 1
done()
