"""Writes the models, inputs and ONNX Runtime's outputs that the tests read.

    pip install onnx onnxruntime skl2onnx scikit-learn pandas
    python make.py PENGUINS_CSV

PENGUINS_CSV is examples/penguins/penguins-raw.csv of this repository.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas
from onnx import TensorProto as T, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(7)
TYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32", "bool": "BOOL", "uint8": "UINT8"}


def tensor(name, array):
    """A tensor as JSON; null is NaN."""
    if isinstance(array, list):  # What ZipMap gives.
        array = np.array([[row[k] for k in row] for row in array], dtype=np.float32)
    array = np.asarray(array)
    flat = array.reshape(-1)
    if array.dtype.name in TYPES:
        kind = TYPES[array.dtype.name]
        if array.dtype.kind == "f":
            data = [None if np.isnan(x) else float(str(x)) for x in flat]
        else:
            data = [x.item() for x in flat]
    else:
        kind, data = "BYTES", [str(x) for x in flat]
    return {"name": name, "type": kind, "shape": list(array.shape), "data": data}


def run(model, inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [tensor(n, a) for n, a in zip(names, session.run(None, inputs))]


def save(name, model, inputs, **more):
    model = model.SerializeToString()
    case = {"inputs": [tensor(n, a) for n, a in inputs.items()], "outputs": run(model, inputs), **more}
    (HERE / f"{name}.onnx").write_bytes(model)
    (HERE / f"{name}.json").write_text(json.dumps(case, separators=(",", ":")) + "\n")


def pipelines():
    def fit(name, model, data, rows=16, **options):
        x, y = data.data.astype(np.float32), data.target
        model.fit(x, y)
        save(name, to_onnx(model, x[:1], target_opset={"": 17, "ai.onnx.ml": 3}, **options), {"X": x[:: len(x) // rows][:rows]})

    iris, cancer, diabetes = datasets.load_iris(), datasets.load_breast_cancer(), datasets.load_diabetes()
    plain = {"options": {"zipmap": False}}
    fit("iris-logistic", make_pipeline(StandardScaler(), LogisticRegression()), iris)
    fit("iris-forest", RandomForestClassifier(12, random_state=1), iris, **plain)
    fit("iris-boosting", GradientBoostingClassifier(n_estimators=8, random_state=1), iris, **plain)
    fit("iris-svc", make_pipeline(MinMaxScaler(), SVC(probability=True, random_state=1)), iris, **plain)
    fit("iris-mlp", make_pipeline(StandardScaler(), MLPClassifier((12, 8), max_iter=800, random_state=1)), iris, **plain)
    fit("cancer-forest", RandomForestClassifier(14, max_depth=6, random_state=1), cancer, **plain)
    fit("cancer-boosting", GradientBoostingClassifier(n_estimators=30, random_state=1), cancer, **plain)
    fit("cancer-logistic", make_pipeline(StandardScaler(), LogisticRegression()), cancer, **plain)
    fit("cancer-svc", make_pipeline(StandardScaler(), SVC(probability=True, kernel="linear", random_state=1)), cancer, **plain)
    fit("cancer-svc-margin", make_pipeline(StandardScaler(), SVC(kernel="poly")), cancer, **plain)
    fit("cancer-mlp", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=400, random_state=1)), cancer, **plain)
    fit("diabetes-linear", make_pipeline(Normalizer(), LinearRegression()), diabetes)
    fit("diabetes-forest", RandomForestRegressor(10, max_depth=5, random_state=1), diabetes)
    fit("diabetes-boosting", GradientBoostingRegressor(n_estimators=40, random_state=1), diabetes)
    fit("diabetes-svr", make_pipeline(StandardScaler(), SVR(C=50.0)), diabetes)


def penguins(path):
    table = pandas.read_csv(path)
    numbers = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]
    texts = ["Island", "Sex"]
    x = table[numbers + texts].copy()
    x[texts] = x[texts].fillna("")
    y = table["Species"].str.split().str[0]
    names = {name: name.split(" (")[0].replace(" ", "_").lower() for name in x.columns}
    x = x.rename(columns=names)
    numbers, texts = [names[n] for n in numbers], [names[n] for n in texts]
    types = [(n, FloatTensorType([None, 1])) for n in numbers] + [(n, StringTensorType([None, 1])) for n in texts]
    # With the birds that lack measurements.
    rows = pandas.concat([x[x.isna().any(axis=1)], x[::20]])
    inputs = {n: rows[[n]].to_numpy(dtype=np.float32) for n in numbers}
    inputs |= {n: rows[[n]].to_numpy(dtype=str) for n in texts}
    for name, model in [("logistic", LogisticRegression(max_iter=500)), ("forest", RandomForestClassifier(10, random_state=1))]:
        prepare = ColumnTransformer([
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ])
        model = make_pipeline(prepare, model).fit(x, y)
        save(f"penguins-{name}", to_onnx(model, initial_types=types, target_opset={"": 15, "ai.onnx.ml": 3}, options={"zipmap": name == "forest"}), inputs)


def digits():
    """A small convolutional network, trained here by plain gradient descent."""
    data = datasets.load_digits()
    x, test_x, y, test_y = train_test_split(data.data.astype(np.float32), data.target, test_size=0.2, random_state=3)
    maps = 12
    w = {
        "kernel": RNG.normal(0, 0.3, (maps, 9)), "bias": np.zeros(maps),
        "weights": RNG.normal(0, 0.1, (maps * 9, 10)), "shift": np.zeros(10),
    }
    velocity = {k: np.zeros_like(v) for k, v in w.items()}

    def patches(x):
        image = x.reshape(-1, 8, 8) / 16
        return np.stack([image[:, i:i + 6, j:j + 6] for i in range(3) for j in range(3)], -1)

    for epoch in range(40):
        order = RNG.permutation(len(x))
        for at in range(0, len(x), 32):
            pick = order[at:at + 32]
            p = patches(x[pick])
            a = p @ w["kernel"].T + w["bias"]
            r = np.maximum(a, 0)
            blocks = r.reshape(-1, 3, 2, 3, 2, maps).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 3, 3, maps, 4)
            best = blocks.argmax(-1)
            pooled = blocks.max(-1)
            flat = pooled.transpose(0, 3, 1, 2).reshape(len(pick), -1)
            z = flat @ w["weights"] + w["shift"]
            e = np.exp(z - z.max(1, keepdims=True))
            d = e / e.sum(1, keepdims=True)
            d[np.arange(len(pick)), y[pick]] -= 1
            d /= len(pick)
            back = (d @ w["weights"].T).reshape(-1, maps, 3, 3).transpose(0, 2, 3, 1)
            spread = (np.arange(4) == best[..., None]) * back[..., None]
            spread = spread.reshape(-1, 3, 3, maps, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 6, 6, maps) * (a > 0)
            gradient = {
                "weights": flat.T @ d, "shift": d.sum(0),
                "kernel": np.einsum("nijm,nijk->mk", spread, p), "bias": spread.sum((0, 1, 2)),
            }
            for k in w:
                velocity[k] = 0.9 * velocity[k] - 0.1 * gradient[k]
                w[k] += velocity[k]
    init = [
        numpy_helper.from_array(w["kernel"].reshape(maps, 1, 3, 3).astype(np.float32), "kernel"),
        numpy_helper.from_array(w["bias"].astype(np.float32), "bias"),
        numpy_helper.from_array(w["weights"].astype(np.float32), "weights"),
        numpy_helper.from_array(w["shift"].astype(np.float32), "shift"),
        numpy_helper.from_array(np.float32(16), "sixteen"),
        numpy_helper.from_array(np.array([-1, 1, 8, 8]), "image"),
    ]
    nodes = [
        helper.make_node("Div", ["pixels", "sixteen"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "image"], ["images"]),
        helper.make_node("Conv", ["images", "kernel", "bias"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "shift"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probability"], axis=1),
        helper.make_node("ArgMax", ["probability"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("pixels", T.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("probability", T.FLOAT, ["n", 10]), helper.make_tensor_value_info("label", T.INT64, ["n"])],
        init,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save("digits-cnn", model, {"pixels": test_x[:120]}, truth=test_y[:120].tolist())


CASES = []


def case(name, op, inputs, opset=13, ml=3, outputs=1, constants=None, domain="", order=None, **attributes):
    """One operator, its inputs in order, those in `constants` as initializers."""
    constants = constants or {}
    names = order or [*inputs, *constants]
    outs = [f"out{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, name=name, domain=domain, **attributes)
    kinds = {"U": T.STRING, "O": T.STRING}
    code = lambda a: kinds.get(a.dtype.kind) or helper.np_dtype_to_tensor_dtype(a.dtype)
    init = []
    for n, a in constants.items():
        init.append(helper.make_tensor(n, T.STRING, a.shape, [s.encode() for s in a.reshape(-1)]) if a.dtype.kind == "U" else numpy_helper.from_array(a, n))
    infos = [helper.make_tensor_value_info(n, code(a), [None, *a.shape[1:]]) for n, a in inputs.items()]

    def model(results):
        graph = helper.make_graph([node], name, infos, results, init)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()

    first = model([helper.make_empty_tensor_value_info(n) for n in outs])
    try:
        expected = run(first, inputs)
    except Exception as refused:  # the reference itself does not run it
        print(f"left out, since onnxruntime refuses it: {name}: {str(refused)[:160]}")
        return
    known = {"FP32": T.FLOAT, "FP64": T.DOUBLE, "INT64": T.INT64, "INT32": T.INT32, "BOOL": T.BOOL, "UINT8": T.UINT8, "BYTES": T.STRING}
    final = model([helper.make_tensor_value_info(t["name"], known[t["type"]], None) for t in expected])
    CASES.append({"name": name, "model": final.hex(), "inputs": [tensor(n, a) for n, a in inputs.items()], "outputs": expected})


def f(*shape):
    return RNG.normal(0, 1.5, shape).astype(np.float32)


def i64(*values):
    return np.array(values, dtype=np.int64)


def arithmetic():
    x = f(2, 3, 4)
    for op in ["Relu", "Sigmoid", "Tanh", "Exp", "Erf", "Floor", "Ceil", "Neg", "Abs", "Sign", "LeakyRelu", "Elu", "Selu", "HardSigmoid", "Softplus", "Reciprocal", "Identity"]:
        case(op, op, {"x": x})
    case("LeakyRelu alpha", "LeakyRelu", {"x": x}, alpha=0.3)
    case("Elu alpha", "Elu", {"x": x}, alpha=0.7)
    case("Log", "Log", {"x": np.abs(x) + 0.1})
    case("Sqrt", "Sqrt", {"x": np.abs(x)})
    case("Neg int", "Neg", {"x": np.array([[1, -2]], dtype=np.int64)})
    case("Abs int", "Abs", {"x": np.array([[1, -2]], dtype=np.int32)})
    case("Erf double", "Erf", {"x": x}) 
    for kind in ["none", "tanh"]:
        case(f"Gelu {kind}", "Gelu", {"x": x}, opset=20, approximate=kind)
    for op in ["Add", "Sub", "Mul", "Div"]:
        case(f"{op} suffix", op, {"a": x, "b": f(4)})
        case(f"{op} both", op, {"a": f(3, 1), "b": f(1, 4)})
        case(f"{op} first", op, {"b": f(2, 4)}, constants={"a": f()}, order=["a", "b"])
        case(f"{op} middle", op, {"a": x, "b": f(2, 1, 4)})
        case(f"{op} double", op, {"a": x.astype(np.float64), "b": f(4).astype(np.float64)})
        case(f"{op} int", op, {"a": i64(7, -7, 9), "b": i64(2, 2, -4)})
    case("Pow", "Pow", {"a": np.abs(x), "b": f(4)})
    case("Pow square", "Pow", {"a": x}, constants={"b": np.float32(2)})
    case("Pow int exponent", "Pow", {"a": x}, constants={"b": np.array([3], dtype=np.int64)})
    for op in ["Sum", "Min", "Max", "Mean"]:
        case(op, op, {"a": x, "b": f(4), "c": f(2, 1, 1)})
    case("Clip", "Clip", {"x": x}, constants={"low": np.float32(-0.5), "high": np.float32(0.7)})
    case("Clip low", "Clip", {"x": x}, constants={"low": np.float32(-0.5)})
    case("Clip 6", "Clip", {"x": x}, opset=10, min=-0.4, max=0.9)
    y = np.array([[0.5, -1, 2], [np.nan, 3, 0]], dtype=np.float32)
    z = np.array([0.5, 0, np.nan], dtype=np.float32)
    for op in ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]:
        case(op, op, {"a": y, "b": z})
        case(f"{op} int", op, {"a": i64(1, 2, 3), "b": i64(3, 2, 1)})
    a, b = np.array([[True, False], [True, True]]), np.array([True, False])
    for op in ["And", "Or", "Xor"]:
        case(op, op, {"a": a, "b": b})
    case("Not", "Not", {"a": a})
    case("IsNaN", "IsNaN", {"x": y})
    case("Where", "Where", {"c": np.array([[True], [False]]), "a": y, "b": f(3)})
    case("Where text", "Where", {"c": b, "a": np.array(["x", "y"]), "b": np.array(["z"])})


def shapes():
    x = f(2, 3, 4)
    case("Reshape", "Reshape", {"x": x}, constants={"s": i64(0, -1)})
    case("Reshape turned", "Reshape", {"x": x}, constants={"s": i64(4, -1, 2)})
    for axis in [0, 1, 2, -1]:
        case(f"Flatten {axis}", "Flatten", {"x": x}, axis=axis)
    case("Transpose", "Transpose", {"x": x})
    case("Transpose perm", "Transpose", {"x": x}, perm=[1, 0, 2])
    one = f(2, 1, 3, 1)
    case("Squeeze", "Squeeze", {"x": one})
    case("Squeeze 11", "Squeeze", {"x": one}, opset=11, axes=[-1])
    case("Squeeze 13", "Squeeze", {"x": one}, constants={"a": i64(1)})
    case("Unsqueeze 11", "Unsqueeze", {"x": x}, opset=11, axes=[0, 2])
    case("Unsqueeze 13", "Unsqueeze", {"x": x}, constants={"a": i64(-1, 1)})
    case("Expand", "Expand", {"x": one}, constants={"s": i64(2, 5, 1, 2)})
    case("Shape", "Shape", {"x": x})
    case("Shape 15", "Shape", {"x": x}, opset=15, start=-2)
    case("ConstantOfShape", "ConstantOfShape", {"s": i64(2, 3)}, value=helper.make_tensor("v", T.INT64, [1], [7]))
    case("Cast int", "Cast", {"x": x}, to=T.INT64)
    case("Cast bool", "Cast", {"x": np.array([0, 0.2, 3], dtype=np.float32)}, to=T.BOOL)
    case("Cast double", "Cast", {"x": x}, to=T.DOUBLE)
    case("Cast from text", "Cast", {"x": np.array(["1.5", "-2"])}, to=T.FLOAT)
    case("Cast to text", "Cast", {"x": i64(4, -5)}, to=T.STRING)
    case("Dropout", "Dropout", {"x": x})
    for axis in [0, 1, -1]:
        case(f"Concat {axis}", "Concat", {"a": x, "b": x + 1, "c": -x}, axis=axis)
    case("Concat uneven", "Concat", {"a": f(2, 1, 3), "b": f(2, 4, 3)}, axis=1)
    case("Concat text", "Concat", {"a": np.array([["a"], ["b"]]), "b": np.array([["c", "d"], ["e", "f"]])}, axis=1)
    case("Split 11", "Split", {"x": x}, opset=11, outputs=2, axis=2, split=[1, 3])
    case("Split 13", "Split", {"x": x}, outputs=3, axis=1, constants={"s": i64(1, 1, 1)})
    case("Split even", "Split", {"x": x}, outputs=2, axis=-1)
    case("Split 18", "Split", {"x": x}, opset=18, outputs=3, axis=2, num_outputs=3) if False else None
    case("Slice 9", "Slice", {"x": x}, opset=9, starts=[1, -2], ends=[2, 1000], axes=[0, 2])
    case("Slice", "Slice", {"x": x}, constants={"s": i64(0, 1), "e": i64(2, 4), "a": i64(1, 2)})
    case("Slice steps", "Slice", {"x": x}, constants={"s": i64(-1, 3), "e": i64(-1000, 0), "a": i64(1, -1), "t": i64(-1, -2)})
    case("Slice none", "Slice", {"x": x}, constants={"s": i64(2), "e": i64(1), "a": i64(1)})
    case("Gather", "Gather", {"x": x}, constants={"i": i64(2, -3, 0)}, axis=1)
    case("Gather table", "Gather", {"i": np.array([[0, 2], [1, 1]])}, constants={"x": f(3, 4)}, order=["x", "i"])
    case("TopK", "TopK", {"x": x}, constants={"k": i64(2)}, outputs=2)
    case("TopK least", "TopK", {"x": x}, constants={"k": i64(2)}, outputs=2, axis=1, largest=0)
    case("TopK 9", "TopK", {"x": x}, opset=9, outputs=2, k=3)
    ties = np.array([[1, 3, 3], [2, 2, 0]], dtype=np.float32)
    for op in ["ArgMax", "ArgMin"]:
        case(op, op, {"x": x}, axis=1)
        case(f"{op} flat", op, {"x": ties}, axis=-1, keepdims=0)
        case(f"{op} last", op, {"x": ties}, axis=1, select_last_index=1)
    case("ArrayFeatureExtractor", "ArrayFeatureExtractor", {"x": x[0]}, constants={"i": i64(2, 0)}, domain="ai.onnx.ml")
    case("ArrayFeatureExtractor text", "ArrayFeatureExtractor", {"i": i64(1, 0, 1)}, constants={"x": np.array(["no", "yes"])}, order=["x", "i"], domain="ai.onnx.ml")
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceProd", "ReduceSumSquare"]:
        case(f"{op} 11", op, {"x": x}, opset=11, axes=[1])
        case(f"{op} flat", op, {"x": x}, opset=11, axes=[0, -1], keepdims=0)
        case(f"{op} all", op, {"x": x}, opset=11)
        case(f"{op} 18", op, {"x": x}, opset=18, constants={"a": i64(2)})


def networks():
    for ta, tb in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        a, b = (f(5, 3) if ta else f(3, 5)), (f(4, 5) if tb else f(5, 4))
        case(f"Gemm {ta}{tb}", "Gemm", {"a": a, "b": b, "c": f(4)}, transA=ta, transB=tb, alpha=0.5, beta=1.5)
    case("Gemm plain", "Gemm", {"a": f(3, 5), "b": f(5, 4)})
    case("Gemm column", "Gemm", {"a": f(3, 5), "b": f(5, 4), "c": f(3, 1)})
    for a, b in [((3, 5), (5, 4)), ((2, 3, 5), (5, 4)), ((2, 3, 5), (2, 5, 4)), ((2, 1, 3, 5), (4, 5, 2)), ((5,), (5, 4)), ((3, 5), (5,))]:
        case(f"MatMul {a} {b}", "MatMul", {"a": f(*a), "b": f(*b)})
    image, line = f(2, 4, 7, 6), f(2, 4, 9)
    case("Conv", "Conv", {"x": image}, constants={"w": f(3, 4, 3, 3), "b": f(3)})
    case("Conv pads", "Conv", {"x": image}, constants={"w": f(3, 4, 3, 2)}, pads=[1, 0, 2, 1], strides=[2, 1])
    case("Conv dilated", "Conv", {"x": image}, constants={"w": f(2, 4, 2, 2)}, dilations=[2, 3], pads=[1, 1, 1, 1], strides=[1, 2])
    case("Conv groups", "Conv", {"x": image}, constants={"w": f(6, 2, 3, 3), "b": f(6)}, group=2)
    case("Conv depthwise", "Conv", {"x": image}, constants={"w": f(4, 1, 3, 3)}, group=4, pads=[1, 1, 1, 1])
    case("Conv one", "Conv", {"x": line}, constants={"w": f(3, 4, 3), "b": f(3)}, pads=[2, 1], strides=[2])
    for pad in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        case(f"Conv {pad}", "Conv", {"x": image}, constants={"w": f(2, 4, 4, 3)}, auto_pad=pad, strides=[2, 2])
        case(f"MaxPool {pad}", "MaxPool", {"x": image}, kernel_shape=[3, 2], strides=[2, 2], auto_pad=pad)
    case("MaxPool", "MaxPool", {"x": image}, kernel_shape=[2, 2])
    case("MaxPool pads", "MaxPool", {"x": image}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("MaxPool ceil", "MaxPool", {"x": image}, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    case("MaxPool dilated", "MaxPool", {"x": image}, kernel_shape=[2, 2], dilations=[2, 2])
    case("MaxPool one", "MaxPool", {"x": line}, kernel_shape=[3], strides=[2])
    case("AveragePool", "AveragePool", {"x": image}, kernel_shape=[3, 2], strides=[2, 1])
    case("AveragePool pads", "AveragePool", {"x": image}, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    case("AveragePool included", "AveragePool", {"x": image}, kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1)
    case("AveragePool one", "AveragePool", {"x": line}, kernel_shape=[2], strides=[2])
    case("GlobalAveragePool", "GlobalAveragePool", {"x": image})
    case("GlobalMaxPool", "GlobalMaxPool", {"x": image})
    case("BatchNormalization", "BatchNormalization", {"x": image}, opset=15, constants={"s": f(4), "b": f(4), "m": f(4), "v": np.abs(f(4)) + 0.1}, epsilon=1e-3)
    for op in ["Softmax", "LogSoftmax"]:
        case(f"{op} 11", op, {"x": f(2, 3, 4)}, opset=11)
        case(f"{op} 13", op, {"x": f(2, 3, 4)})
        case(f"{op} middle", op, {"x": f(2, 3, 4)}, axis=1)


ML = {"domain": "ai.onnx.ml"}


def tree(prefix, ids, weights, modes=("BRANCH_LEQ", "BRANCH_LEQ"), missing=None, trees=2):
    """Two trees of three leaves each, the second one shifted."""
    a = dict(nodes_treeids=[], nodes_nodeids=[], nodes_featureids=[], nodes_modes=[], nodes_values=[], nodes_truenodeids=[], nodes_falsenodeids=[])
    w = {f"{prefix}_{k}": [] for k in ["treeids", "nodeids", "ids", "weights"]}
    for t in range(trees):
        for row in [(0, 0, modes[0], 0.3 * t, 1, 2), (1, 1, modes[1], -0.5, 3, 4), (2, 0, "LEAF", 0, 0, 0), (3, 0, "LEAF", 0, 0, 0), (4, 0, "LEAF", 0, 0, 0)]:
            a["nodes_treeids"].append(t)
            for k, v in zip(["nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids", "nodes_falsenodeids"], row):
                a[k].append(v)
        for n in [2, 3, 4]:
            for i in ids:
                w[f"{prefix}_treeids"].append(t)
                w[f"{prefix}_nodeids"].append(n)
                w[f"{prefix}_ids"].append(i)
                w[f"{prefix}_weights"].append(float(weights(t, n, i)))
    if missing is not None:
        a["nodes_missing_value_tracks_true"] = [missing] * len(a["nodes_treeids"])
    return a | w


def classical():
    x = f(6, 3)
    x[0, 0], x[1, 1] = 0.0, -0.5
    gaps = x.copy()
    gaps[2, 0] = gaps[3, 1] = np.nan
    weight = lambda t, n, i: 0.3 * t - 0.7 * (n - 3) + 0.45 * i
    for mode in ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"]:
        for missing in [None, 1]:
            case(f"trees {mode} {missing}", "TreeEnsembleRegressor", {"x": gaps}, **ML, n_targets=1, **tree("target", [0], weight, (f"BRANCH_{mode}", "BRANCH_LEQ"), missing))
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
        case(f"trees {aggregate} 1", "TreeEnsembleRegressor", {"x": x}, **ML, n_targets=1, aggregate_function=aggregate, base_values=[0.25], **tree("target", [0], weight))
        case(f"trees {aggregate} 2", "TreeEnsembleRegressor", {"x": x}, **ML, n_targets=2, aggregate_function=aggregate, base_values=[0.25, -1.0], **tree("target", [0, 1], weight))
    transforms = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]
    for transform in transforms:
        case(f"trees {transform} 1", "TreeEnsembleRegressor", {"x": x}, **ML, n_targets=1, post_transform=transform, **tree("target", [0], weight))
        case(f"trees {transform} 3", "TreeEnsembleRegressor", {"x": x}, **ML, n_targets=3, post_transform=transform, **tree("target", [0, 1, 2], weight))
        for name, w in [("margins", weight), ("probabilities", lambda t, n, i: 0.05 * t + 0.1 * n)]:
            for base in [[], [0.2]]:
                more = {"base_values": base} if base else {}
                case(f"two classes {name} {transform} {base}", "TreeEnsembleClassifier", {"x": x}, **ML, outputs=2, classlabels_int64s=[0, 1], post_transform=transform, **more, **tree("class", [0], w))
        case(f"classes {transform}", "TreeEnsembleClassifier", {"x": x}, **ML, outputs=2, classlabels_strings=["a", "b", "c"], post_transform=transform, base_values=[0.1, 0.4, -0.2], **tree("class", [0, 1, 2], weight))
        case(f"linear classes {transform}", "LinearClassifier", {"x": x}, **ML, outputs=2, classlabels_strings=["a", "b", "c"], post_transform=transform, coefficients=f(9).tolist(), intercepts=[0.1, -0.2, 0.3])
        case(f"linear two {transform}", "LinearClassifier", {"x": x}, **ML, outputs=2, classlabels_ints=[4, 7], post_transform=transform, coefficients=f(6).tolist(), intercepts=[0.1, -0.2])
    case("two classes both", "TreeEnsembleClassifier", {"x": x}, **ML, outputs=2, classlabels_int64s=[0, 1], **tree("class", [0, 1], lambda t, n, i: 0.1 * n if i else 0.5 - 0.1 * n))
    case("trees probit", "TreeEnsembleRegressor", {"x": x}, **ML, n_targets=1, post_transform="PROBIT", **tree("target", [0], lambda t, n, i: 0.05 * t + 0.1 * n))
    case("trees of doubles in", "TreeEnsembleRegressor", {"x": x.astype(np.float64)}, **ML, n_targets=1, **tree("target", [0], weight))
    case("linear one", "LinearRegressor", {"x": x}, **ML, coefficients=f(3).tolist(), intercepts=[0.4])
    case("linear targets", "LinearRegressor", {"x": x}, **ML, coefficients=f(6).tolist(), targets=2)
    for kernel in ["LINEAR", "POLY", "RBF", "SIGMOID"]:
        svm = dict(kernel_type=kernel, kernel_params=[0.3, 0.2, 3.0])
        case(f"SVMRegressor {kernel}", "SVMRegressor", {"x": x}, **ML, **svm, coefficients=f(4).tolist(), n_supports=4, rho=[0.3], support_vectors=f(12).tolist())
        for labels in [2, 3]:
            pairs, total = labels * (labels - 1) // 2, 2 * labels
            model = dict(svm, classlabels_ints=list(range(labels)), vectors_per_class=[2] * labels, rho=f(pairs).tolist(), support_vectors=f(total * 3).tolist(), coefficients=f((labels - 1) * total).tolist())
            case(f"SVMClassifier {kernel} {labels}", "SVMClassifier", {"x": x}, **ML, outputs=2, **model)
            case(f"SVMClassifier {kernel} {labels} probabilities", "SVMClassifier", {"x": x}, **ML, outputs=2, **model, prob_a=(-np.abs(f(pairs))).tolist(), prob_b=f(pairs).tolist())
    case("SVMRegressor one class", "SVMRegressor", {"x": x}, **ML, kernel_type="RBF", kernel_params=[0.3, 0.0, 3.0], coefficients=f(4).tolist(), n_supports=4, rho=[-0.3], support_vectors=f(12).tolist(), one_class=1)
    case("SVMRegressor linear", "SVMRegressor", {"x": x}, **ML, coefficients=f(3).tolist(), n_supports=0, rho=[0.3])


def preprocessing():
    x = f(4, 3)
    gaps = x.copy()
    gaps[1, 0] = gaps[2, 2] = np.nan
    zeros = x.copy()
    zeros[0] = 0
    case("Scaler", "Scaler", {"x": x}, **ML, offset=[0.1, 0.2, 0.3], scale=[2.0, 3.0, 4.0])
    case("Scaler one", "Scaler", {"x": x}, **ML, offset=[0.1], scale=[2.0])
    case("Scaler int", "Scaler", {"x": np.array([[1, 2]], dtype=np.int64)}, **ML, offset=[0.5, 1.0], scale=[2.0, 0.1])
    for norm in ["MAX", "L1", "L2"]:
        case(f"Normalizer {norm}", "Normalizer", {"x": zeros}, **ML, norm=norm)
    case("Imputer", "Imputer", {"x": gaps}, **ML, imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan"))
    case("Imputer one", "Imputer", {"x": zeros}, **ML, imputed_value_floats=[9.0], replaced_value_float=0.0)
    case("Imputer int", "Imputer", {"x": np.array([[1, -1], [-1, 2]], dtype=np.int64)}, **ML, imputed_value_int64s=[5, 6], replaced_value_int64=-1)
    case("Binarizer", "Binarizer", {"x": x}, **ML, threshold=0.25)
    case("FeatureVectorizer", "FeatureVectorizer", {"a": f(4, 2), "b": f(4, 3)}, **ML, inputdimensions=[2, 3])
    case("OneHotEncoder text", "OneHotEncoder", {"x": np.array([["a"], ["c"], ["?"]])}, **ML, cats_strings=["a", "b", "c"])
    case("OneHotEncoder int", "OneHotEncoder", {"x": np.array([[1, 5], [2, 9]], dtype=np.int64)}, **ML, cats_int64s=[1, 2, 5])
    case("LabelEncoder 1", "LabelEncoder", {"x": np.array(["b", "?", "a"])}, ml=1, **ML, classes_strings=["a", "b"])
    case("LabelEncoder 1 back", "LabelEncoder", {"x": i64(1, 0, 7)}, ml=1, **ML, classes_strings=["a", "b"])
    case("LabelEncoder texts", "LabelEncoder", {"x": np.array(["b", "?", "a"])}, **ML, keys_strings=["a", "b"], values_strings=["x", "y"], default_string="none")
    case("LabelEncoder ints", "LabelEncoder", {"x": i64(3, 4, 5)}, **ML, keys_int64s=[3, 4], values_floats=[0.5, 1.5], default_float=-2.0)
    case("LabelEncoder floats", "LabelEncoder", {"x": np.array([1.5, np.nan, 2], dtype=np.float32)}, **{**ML, "ml": 4}, keys_floats=[1.5, float("nan")], values_int64s=[7, 8], default_int64=9)


if __name__ == "__main__":
    pipelines()
    penguins(sys.argv[1])
    digits()
    for group in [arithmetic, shapes, networks, classical, preprocessing]:
        group()
    (HERE / "operators.json").write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
    print(len(CASES), "operators,", sum(p.stat().st_size for p in HERE.iterdir()), "bytes")
