"""Trains models on real data with their own libraries, imports them, and holds
what the server whose address is the argument answers to what the library says.

The second argument is examples/penguins/penguins-raw.csv of this repository.
"""

import json
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import pandas
import tritonclient.http as triton
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

SERVER, PENGUINS = sys.argv[1], sys.argv[2]
client = triton.InferenceServerClient(SERVER.removeprefix("http://"), network_timeout=120)
directory = Path(tempfile.mkdtemp())
done = []


def ask(method, path, body, kind):
    request = urllib.request.Request(f"{SERVER}/api/v1{path}", body, {"content-type": kind}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error


def deploy(name, file):
    file = Path(file)
    kind = "application/octet-stream"
    ask("POST", f"/registry/models/{name}/versions?file={file.name}", file.read_bytes(), kind)
    record = {"name": name, "model": name, "routes": [{"version": 1}], "limits": {"deadline_ms": 20000}}
    ask("PUT", "/deployment", json.dumps(record).encode(), "application/json")
    return client.get_model_metadata(name)["inputs"]


def infer(name, values):
    """Asks with one array for each input, of the datatype that the model takes."""
    inputs = []
    for described in client.get_model_metadata(name)["inputs"]:
        array = values[described["name"]]
        if described["datatype"] == "BYTES":
            array = np.array([str(value).encode() for value in array.reshape(-1)], object).reshape(array.shape)
        else:
            array = array.astype(triton.triton_to_np_dtype(described["datatype"]))
        tensor = triton.InferInput(described["name"], list(array.shape), described["datatype"])
        inputs.append(tensor.set_data_from_numpy(array))
    return client.infer(name, inputs)


def close(name, found, wanted, tolerance=1e-5):
    found, wanted = np.asarray(found, float).reshape(-1), np.asarray(wanted, float).reshape(-1)
    assert found.shape == wanted.shape and len(found) > 0, (name, found.shape, wanted.shape)
    worst = np.max(np.abs(found - wanted) / np.maximum(np.abs(wanted), 1e-3))
    assert worst <= tolerance, f"{name}: {worst}"
    done.append(name)


def columns(frame):
    """A column as the tensor of its name; a category as its own text."""
    return {name: np.asarray(frame[name]) for name in frame.columns}


def penguins():
    """Measures with gaps, and categories."""
    frame = pandas.read_csv(PENGUINS)
    frame = frame[frame["Body Mass (g)"].notna()].reset_index(drop=True)
    taken = frame[["Species", "Island", "Sex", "Culmen Length (mm)", "Flipper Length (mm)"]].copy()
    taken.columns = ["species", "island", "sex", "culmen", "flipper"]
    for name in ["species", "island", "sex"]:
        taken[name] = taken[name].astype("category")
    taken.loc[taken.index % 7 == 0, "culmen"] = np.nan
    return taken, frame["Body Mass (g)"]


def missing_as_text(frame):
    """Categories as texts; nothing is an empty one."""
    texts = frame.copy()
    for name in texts.columns:
        if isinstance(texts[name].dtype, pandas.CategoricalDtype):
            texts[name] = texts[name].astype(object).where(texts[name].notna(), "")
    return texts


def of_lightgbm():
    parameters = {"verbose": -1, "num_threads": 1, "deterministic": True}
    iris, cancer = load_iris(as_frame=True), load_breast_cancer(as_frame=True)
    taken, mass = penguins()
    for name, objective, frame, target in [
        ("lgb-iris", {"objective": "multiclass", "num_class": 3}, iris.data, iris.target),
        ("lgb-cancer", {"objective": "binary"}, cancer.data, cancer.target),
        ("lgb-penguins", {"objective": "regression"}, taken, mass),
    ]:
        frame = frame.rename(columns=lambda column: column.replace(" ", "_"))
        booster = lightgbm.train(parameters | objective, lightgbm.Dataset(frame, target), 30)
        booster.save_model(directory / f"{name}.txt")
        deploy(name, directory / f"{name}.txt")
        answer = infer(name, columns(missing_as_text(frame)))
        close(name, answer.as_numpy(answer.get_response()["outputs"][0]["name"]), booster.predict(frame))


def of_xgboost():
    iris, cancer = load_iris(as_frame=True), load_breast_cancer(as_frame=True)
    taken, mass = penguins()
    for name, objective, frame, target, ending in [
        ("xgb-iris", {"objective": "multi:softprob", "num_class": 3}, iris.data, iris.target, "json"),
        ("xgb-cancer", {"objective": "binary:logistic"}, cancer.data, cancer.target, "ubj"),
        ("xgb-penguins", {"objective": "reg:squarederror"}, taken, mass, "ubj"),
    ]:
        rows = xgboost.DMatrix(frame, target, enable_categorical=True)
        booster = xgboost.train({"max_depth": 4, "nthread": 1} | objective, rows, 30)
        booster.save_model(directory / f"{name}.{ending}")
        deploy(name, directory / f"{name}.{ending}")
        answer = infer(name, columns(missing_as_text(frame)))
        close(name, answer.as_numpy(answer.get_response()["outputs"][0]["name"]), booster.predict(rows))


def of_onnx(name, model, inputs, types, wanted, tolerance=1e-4):
    """scikit-learn's model through ONNX: as ONNX Runtime and scikit-learn say."""
    options = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    converted = to_onnx(model, initial_types=types, options={id(model): options} if options else None)
    file = directory / f"{name}.onnx"
    file.write_bytes(converted.SerializeToString())
    deploy(name, file)
    answer = infer(name, inputs)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for output, says in zip(names, session.run(names, inputs)):
        close(f"{name} {output}", answer.as_numpy(output), says, tolerance)
    close(f"{name} scikit-learn", answer.as_numpy(names[-1]), wanted, 1e-3)


def of_sklearn():
    iris, cancer, diabetes, digits = load_iris(), load_breast_cancer(), load_diabetes(), load_digits()
    wide = lambda data: ([("X", FloatTensorType([None, data.shape[1]]))], {"X": data.astype(np.float32)})
    types, inputs = wide(iris.data)
    for name, model in [
        ("skl-logistic", make_pipeline(StandardScaler(), LogisticRegression())),
        ("skl-svc", SVC(probability=True, random_state=1)),
        ("skl-boosting", GradientBoostingClassifier(n_estimators=20, random_state=1)),
    ]:
        model.fit(iris.data.astype(np.float32), iris.target)
        of_onnx(name, model, inputs, types, model.predict_proba(inputs["X"]))
    types, inputs = wide(digits.data)
    model = MLPClassifier((32,), max_iter=60, random_state=1).fit(inputs["X"], digits.target)
    of_onnx("skl-mlp", model, inputs, types, model.predict_proba(inputs["X"]))
    types, inputs = wide(diabetes.data)
    model = RandomForestRegressor(n_estimators=20, random_state=1).fit(inputs["X"], diabetes.target)
    of_onnx("skl-forest", model, inputs, types, model.predict(inputs["X"]))
    # A pipeline over columns of both kinds, with what is missing filled in.
    taken, mass = penguins()
    texts = missing_as_text(taken)
    model = make_pipeline(
        ColumnTransformer(
            [
                ("texts", OneHotEncoder(handle_unknown="ignore"), ["species", "island"]),
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["culmen", "flipper"]),
            ]
        ),
        LogisticRegression(max_iter=1000),
    )
    model.fit(texts, mass > 4200)
    each = {"species": StringTensorType, "island": StringTensorType, "culmen": FloatTensorType, "flipper": FloatTensorType}
    types = [(name, kind([None, 1])) for name, kind in each.items()]
    inputs = {
        name: np.asarray(texts[name]).reshape(-1, 1).astype(object if kind is StringTensorType else np.float32)
        for name, kind in each.items()
    }
    of_onnx("skl-pipeline", model, inputs, types, model.predict_proba(texts), 1e-3)


of_lightgbm()
of_xgboost()
of_sklearn()
print(f"{len(done)} comparisons, all as it should be")
