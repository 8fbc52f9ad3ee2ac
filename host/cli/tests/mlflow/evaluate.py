"""mlflow.evaluate on a registered model, with the dataset as an input of the run."""

from common import done, mlflow

from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True, as_frame=True)
mlflow.set_experiment("evaluate")
with mlflow.start_run():
    model = LogisticRegression(max_iter=500).fit(X, y)
    mlflow.sklearn.log_model(model, name="flowers", input_example=X.head(1), registered_model_name="flowers")
frame = X.assign(target=y)
with mlflow.start_run() as run:
    result = mlflow.models.evaluate("models:/flowers/1", frame, targets="target", model_type="classifier", evaluator_config={"log_explainer": False})
assert result.metrics["accuracy_score"] > 0.9
read = MlflowClient().get_run(run.info.run_id)
assert read.data.metrics["accuracy_score"] == result.metrics["accuracy_score"]
assert read.inputs.dataset_inputs[0].dataset.digest
assert {"confusion_matrix.png"} <= {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
done()
