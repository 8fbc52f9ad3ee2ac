"""Triton's HTTP client against the server whose address is the argument.

The server has two models: `side` takes x1 and x2, FP64, at most four rows;
`kinds` takes size, INT64, and kind, BYTES. Both answer probability and label.
"""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = triton.InferenceServerClient(sys.argv[1].removeprefix("http://"), network_timeout=60)


def tensor(name, values, datatype, binary=True):
    given = triton.InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


def refused(words, status, call, *arguments, **options):
    """The call ends in the client's own exception, with the server's words."""
    try:
        answer = call(*arguments, **options)
    except InferenceServerException as error:
        assert words in error.message(), error
        assert error.status() == str(status), error
        return
    raise AssertionError(f"{words}: {answer}")


def health_and_metadata():
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("side")
    assert client.is_model_ready("side", "1")
    assert not client.is_model_ready("side", "9")
    assert not client.is_model_ready("nobody")
    server = client.get_server_metadata()
    assert server["name"] == "modelyard" and "binary_tensor_data" in server["extensions"], server
    model = client.get_model_metadata("side")
    assert model["versions"] == ["1"], model
    assert [(one["name"], one["datatype"]) for one in model["inputs"]] == [("x1", "FP64"), ("x2", "FP64")]
    assert [one["name"] for one in model["outputs"]] == ["probability", "label"], model
    assert client.get_model_metadata("side", "1") == model
    config = client.get_model_config("kinds")
    assert {one["name"]: one["data_type"] for one in config["input"]} == {
        "size": "TYPE_FP64",
        "kind": "TYPE_STRING",
    }, config
    refused("nobody", 404, client.get_model_metadata, "nobody")
    refused("9", 404, client.get_model_metadata, "side", "9")


def numbers():
    x1, x2 = np.array([0.9, -0.9, 0.1]), np.array([0.8, -0.8, 0.2])
    answers = []
    for binary_in in (True, False):
        for binary_out in (True, False, None):
            inputs = [tensor("x1", x1, "FP64", binary_in), tensor("x2", x2, "FP64", binary_in)]
            names = ("probability", "label")
            outputs = binary_out is not None and [
                triton.InferRequestedOutput(name, binary_data=binary_out) for name in names
            ]
            result = client.infer("side", inputs, outputs=outputs or None, request_id="mine")
            response = result.get_response()
            assert response["id"] == "mine" and response["model_version"] == "1", response
            raw = "binary_data_size" in response["outputs"][0].get("parameters", {})
            assert raw == (binary_out is not False), response
            answers.append(result.as_numpy("probability"))
            assert result.as_numpy("label").shape == (3,)
    assert answers[0].dtype == np.float64 and answers[0].shape == (3,)
    assert answers[0][0] > 0.5 > answers[0][1], answers
    # However they were sent, they are the same to the last bit.
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
    inputs = [tensor("x1", x1, "FP64"), tensor("x2", x2, "FP64")]
    only = client.infer("side", inputs, outputs=[triton.InferRequestedOutput("label")])
    assert only.as_numpy("probability") is None
    versioned = client.infer("side", inputs, model_version="1")
    np.testing.assert_array_equal(versioned.as_numpy("probability"), answers[0])
    extra = {"entity": "ana", "anything": 7}
    known = client.infer("side", inputs, priority=1, timeout=1000, parameters=extra)
    np.testing.assert_array_equal(known.as_numpy("probability"), answers[0])


def missing_and_infinite_numbers():
    for wrong in (np.nan, np.inf, -np.inf):
        x1, x2 = np.array([wrong, 0.5]), np.array([0.5, 0.5])
        answers = [
            client.infer("side", [tensor("x1", x1, "FP64", binary), tensor("x2", x2, "FP64", binary)])
            for binary in (True, False)
        ]
        first, second = (answer.as_numpy("probability") for answer in answers)
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(first[1])


def texts():
    size = np.array([90, 90, 10])
    kind = np.array(["Käfer".encode(), b"ant", b"bee"], dtype=np.object_)
    expected = [b"large", b"small", b"small"]
    for binary in (True, False):
        for dtype in (np.int64, np.int32, np.uint8, np.float32, np.float16):
            datatype = np_to_triton_dtype(dtype)
            inputs = [
                tensor("size", size.astype(dtype), datatype, binary),
                tensor("kind", kind, "BYTES", binary),
            ]
            result = client.infer("kinds", inputs)
            assert list(result.as_numpy("label")) == expected, result.get_response()
            as_text = [triton.InferRequestedOutput("label", binary_data=False)]
            label = client.infer("kinds", inputs, outputs=as_text).as_numpy("label")
            assert [str(one) for one in label] == [one.decode() for one in expected], label


def compressed():
    size, kind = np.arange(2000) % 100, np.array([b"bee"] * 2000, dtype=np.object_)
    inputs = [tensor("size", size, "INT64"), tensor("kind", kind, "BYTES")]
    plain = client.infer("kinds", inputs)
    for coding in ("gzip", "deflate"):
        result = client.infer(
            "kinds",
            inputs,
            request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        )
        for name in ("probability", "label"):
            np.testing.assert_array_equal(result.as_numpy(name), plain.as_numpy(name))


def many_at_once():
    inputs = [tensor("x1", np.array([0.9]), "FP64"), tensor("x2", np.array([0.8]), "FP64")]
    expected = client.infer("side", inputs).as_numpy("probability")
    with triton.InferenceServerClient(sys.argv[1].removeprefix("http://"), concurrency=4) as pool:
        asked = [pool.async_infer("side", inputs) for _ in range(40)]
        for one in asked:
            np.testing.assert_array_equal(one.get_result().as_numpy("probability"), expected)


def errors():
    x1, x2 = np.array([0.5]), np.array([0.5])
    one, two = tensor("x1", x1, "FP64"), tensor("x2", x2, "FP64")
    refused("nobody", 404, client.infer, "nobody", [one, two])
    refused("9", 404, client.infer, "side", [one, two], model_version="9")
    refused("x2", 400, client.infer, "side", [one])
    refused("there twice", 400, client.infer, "side", [one, two, one])
    refused("x2", 400, client.infer, "side", [one, tensor("x2", np.array([True]), "BOOL")])
    refused("5 rows", 413, client.infer, "side",
            [tensor(name, np.zeros(5), "FP64") for name in ("x1", "x2")])
    refused("probability", 400, client.infer, "side", [one, two],
            outputs=[triton.InferRequestedOutput("odds")])
    refused("classification", 400, client.infer, "side", [one, two],
            outputs=[triton.InferRequestedOutput("label", class_count=2)])
    shared = triton.InferInput("x2", [1], "FP64")
    shared.set_shared_memory("region", 8)
    refused("shared memory", 400, client.infer, "side", [one, shared])
    refused("/v2/logging", 404, client.get_log_settings)


def repository_and_statistics():
    index = {(one["name"], one["version"]): one["state"] for one in client.get_model_repository_index()}
    assert index == {("kinds", "1"): "READY", ("side", "1"): "READY"}, index
    statistics = client.get_inference_statistics("side")["model_stats"][0]
    assert statistics["version"] == "1" and statistics["inference_count"] > 50, statistics
    assert statistics["inference_stats"]["success"]["ns"] > 0, statistics
    every = client.get_inference_statistics()["model_stats"]
    assert [one["name"] for one in every] == ["kinds", "side"], every
    client.unload_model("side")
    assert not client.is_model_ready("side")
    assert client.is_model_ready("kinds")
    states = {one["name"]: one["state"] for one in client.get_model_repository_index()}
    assert states == {"kinds": "READY", "side": "UNAVAILABLE"}, states
    inputs = [tensor(name, np.array([0.5]), "FP64") for name in ("x1", "x2")]
    refused("/v2/repository/models/side/load", 404, client.infer, "side", inputs)
    client.load_model("side")
    assert client.is_model_ready("side")
    client.infer("side", inputs)
    refused("nobody", 404, client.load_model, "nobody")
    refused("nobody", 404, client.unload_model, "nobody")
    refused("config", 400, client.load_model, "side", config="{}")


health_and_metadata()
numbers()
missing_and_infinite_numbers()
texts()
compressed()
many_at_once()
errors()
repository_and_statistics()
print("all as it should be")
