"""Who may do what: a token as a password, or as a bearer's."""

import os
import sys

from common import URL, done, mlflow, refused

from mlflow import MlflowClient

VIEWER, DEVELOPER, ADMIN = sys.argv[2:5]


def as_user(password=None, token=None):
    for name in ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"]:
        os.environ.pop(name, None)
    if password:
        os.environ["MLFLOW_TRACKING_USERNAME"] = "anyone"
        os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    if token:
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
    return MlflowClient()


refused(lambda: as_user().search_experiments(), "UNAUTHENTICATED")
refused(lambda: as_user(password="my_wrong").search_experiments(), "UNAUTHENTICATED", "not valid")
refused(lambda: as_user(password=VIEWER).create_experiment("mine"), "PERMISSION_DENIED", "Developer")
refused(lambda: as_user(password=VIEWER).create_registered_model("mine"), "PERMISSION_DENIED")
assert [found.name for found in as_user(password=VIEWER).search_experiments()] == ["side", "Default"]
assert as_user(token=VIEWER).search_runs(["0"]) == []

client = as_user(password=DEVELOPER)
run = client.create_run("0").info.run_id
client.log_text(run, "x", "a/b.txt")
client.create_registered_model("mine")
client.create_model_version("mine", f"runs:/{run}/a", run)
client.set_registered_model_alias("mine", "mine", "1")
refused(lambda: client.set_registered_model_alias("mine", "champion", "1"), "PERMISSION_DENIED", "Operator")
refused(lambda: client.create_webhook("hook", "https://example.com/", ["registered_model.created"]), "PERMISSION_DENIED", "Operator")
as_user(token=ADMIN).set_registered_model_alias("mine", "champion", "1")
# Parts go to signed addresses, without a token.
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1"
client = as_user(token=DEVELOPER)
with open("parts.bin", "wb") as file:
    file.write(os.urandom(100_000))
client.log_artifact(run, "parts.bin")
with open(client.download_artifacts(run, "parts.bin", "."), "rb") as file:
    assert len(file.read()) == 100_000
done()
