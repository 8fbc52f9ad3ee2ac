"""Triton's gRPC client against the server whose address is the argument; the
models are those of triton.py."""

import asyncio
import queue
import sys

import grpc
import ml_dtypes
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

address = sys.argv[1].removeprefix("grpc://")
client = triton.InferenceServerClient(address)
channel = grpc.insecure_channel(address)
stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(name, values, datatype, module=triton):
    given = module.InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values)
    return given


def pair(x1, x2, module=triton):
    return [tensor("x1", np.array(x1), "FP64", module), tensor("x2", np.array(x2), "FP64", module)]


def typed(model, **inputs):
    """A request whose elements are in their datatype's list: raw contents are the
    client's only way, but not the protocol's."""
    lists = {"FP64": "fp64_contents", "FP32": "fp32_contents", "INT64": "int64_contents",
             "INT8": "int_contents", "UINT8": "uint_contents", "BOOL": "bool_contents",
             "BYTES": "bytes_contents"}
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, (datatype, values) in inputs.items():
        given = request.inputs.add(name=name, datatype=datatype, shape=[len(values)])
        getattr(given.contents, lists[datatype]).extend(values)
    return request


def refused(words, code, call, *arguments, **options):
    """The call ends in the client's own exception, with the server's words."""
    try:
        answer = call(*arguments, **options)
    except InferenceServerException as error:
        assert words in error.message(), error
        assert error.status() == f"StatusCode.{code}", error
        return
    raise AssertionError(f"{words}: {answer}")


def broken(words, code, request):
    """The same for a request that the client would not make."""
    try:
        answer = stub.ModelInfer(request)
    except grpc.RpcError as error:
        assert words in error.details() and error.code().name == code, error
        told = dict(error.trailing_metadata())
        assert told["modelyard-code"], told
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
    assert server.name == "modelyard" and "statistics" in server.extensions, server
    model = client.get_model_metadata("side")
    assert list(model.versions) == ["1"], model
    assert [(one.name, one.datatype, list(one.shape)) for one in model.inputs] == [
        ("x1", "FP64", [-1]),
        ("x2", "FP64", [-1]),
    ], model
    assert [one.name for one in model.outputs] == ["probability", "label"], model
    assert client.get_model_metadata("side", "1") == model
    config = client.get_model_config("kinds", as_json=True)["config"]
    assert {one["name"]: one["data_type"] for one in config["input"]} == {
        "size": "TYPE_FP64",
        "kind": "TYPE_STRING",
    }, config
    refused("nobody", "NOT_FOUND", client.get_model_metadata, "nobody")
    refused("9", "NOT_FOUND", client.get_model_metadata, "side", "9")
    refused("nobody", "NOT_FOUND", client.get_model_config, "nobody")


def health_checks():
    health = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "inference.GRPCInferenceService", "grpc.health.v1.Health"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request).status == serving, service
        watched = health.Watch(request, timeout=30)
        assert next(watched).status == serving, service
        watched.cancel()
    request = health_pb2.HealthCheckRequest(service="nobody")
    try:
        raise AssertionError(health.Check(request))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    watched = health.Watch(request, timeout=30)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


def numbers():
    x1, x2 = [0.9, -0.9, 0.1], [0.8, -0.8, 0.2]
    inputs = pair(x1, x2)
    result = client.infer("side", inputs, request_id="mine")
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("mine", "side", "1"), response
    assert len(response.raw_output_contents) == 2, response
    told = response.parameters
    assert len(told["prediction_id"].string_param) == 36 and told["model"].string_param == "side", told
    assert told["total_us"].int64_param >= told["compute_us"].int64_param > 0, told
    expected = result.as_numpy("probability")
    assert expected.dtype == np.float64 and expected.shape == (3,)
    assert expected[0] > 0.5 > expected[1], expected
    assert result.as_numpy("label").shape == (3,)
    # However they were sent, they are the same to the last bit.
    request = typed("side", x1=("FP64", x1), x2=("FP64", x2))
    answer = stub.ModelInfer(request)
    assert not answer.raw_output_contents and [one.name for one in answer.outputs] == ["probability", "label"]
    assert list(answer.outputs[0].contents.fp64_contents) == list(expected), answer
    assert answer.outputs[0].datatype == "FP64" and list(answer.outputs[0].shape) == [3], answer
    assert list(answer.outputs[1].contents.bytes_contents) == list(result.as_numpy("label")), answer
    assert answer.id == answer.parameters["prediction_id"].string_param, answer
    request.parameters["binary_data_output"].bool_param = True
    assert np.frombuffer(stub.ModelInfer(request).raw_output_contents[0]).tolist() == list(expected)

    only = client.infer("side", inputs, outputs=[triton.InferRequestedOutput("label")])
    assert only.as_numpy("probability") is None and only.as_numpy("label").shape == (3,)
    versioned = client.infer("side", inputs, model_version="1")
    np.testing.assert_array_equal(versioned.as_numpy("probability"), expected)
    extra = {"entity": "ana", "sticky": "ana", "anything": 0.5}
    known = client.infer("side", inputs, priority=1, timeout=1000, sequence_id=3, parameters=extra)
    np.testing.assert_array_equal(known.as_numpy("probability"), expected)
    client.infer("side", inputs, headers={"modelyard-sticky": "ana"})


def missing_and_infinite_numbers():
    for wrong in (np.nan, np.inf, -np.inf):
        first = client.infer("side", pair([wrong, 0.5], [0.5, 0.5])).as_numpy("probability")
        request = typed("side", x1=("FP64", [wrong, 0.5]), x2=("FP64", [0.5, 0.5]))
        second = np.array(stub.ModelInfer(request).outputs[0].contents.fp64_contents)
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(first[1])


def texts():
    size = np.array([90, 90, 10])
    names = ["Käfer".encode(), b"ant", b"bee"]
    kind = tensor("kind", np.array(names, dtype=np.object_), "BYTES")
    expected = [b"large", b"small", b"small"]
    for dtype in (np.int64, np.int32, np.uint8, np.float32, np.float16):
        given = tensor("size", size.astype(dtype), np_to_triton_dtype(dtype))
        result = client.infer("kinds", [given, kind])
        assert list(result.as_numpy("label")) == expected, result.get_response()
    halves = tensor("size", size.astype(ml_dtypes.bfloat16), "BF16")
    assert list(client.infer("kinds", [halves, kind]).as_numpy("label")) == expected
    for datatype in ("INT64", "INT8", "UINT8", "FP32"):
        answer = stub.ModelInfer(typed("kinds", size=(datatype, size.tolist()), kind=("BYTES", names)))
        assert list(answer.outputs[1].contents.bytes_contents) == expected, answer
    column = triton.InferInput("size", [3, 1], "INT64").set_data_from_numpy(size.reshape(3, 1))
    assert list(client.infer("kinds", [column, kind]).as_numpy("label")) == expected


def compressed():
    size, kind = np.arange(2000) % 100, np.array([b"bee"] * 2000, dtype=np.object_)
    inputs = [tensor("size", size, "INT64"), tensor("kind", kind, "BYTES")]
    plain = client.infer("kinds", inputs)
    for coding in ("gzip", "deflate"):
        result = client.infer("kinds", inputs, compression_algorithm=coding)
        for name in ("probability", "label"):
            np.testing.assert_array_equal(result.as_numpy(name), plain.as_numpy(name))
    assert stub.ServerLive(service_pb2.ServerLiveRequest(), compression=grpc.Compression.Gzip).live


def many_at_once():
    inputs = pair([0.9], [0.8])
    expected = client.infer("side", inputs).as_numpy("probability")
    answers = queue.Queue()
    for _ in range(40):
        client.async_infer("side", inputs, lambda result, error: answers.put((result, error)))
    for _ in range(40):
        result, error = answers.get(timeout=60)
        assert error is None, error
        np.testing.assert_array_equal(result.as_numpy("probability"), expected)


def streamed():
    """Answers come in order; a request that fails ends nothing but itself."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), compression_algorithm="gzip")
    for index in range(60):
        inputs = pair([index / 30 - 1], [0.0])
        client.async_stream_infer("nobody" if index == 20 else "side", inputs, request_id=str(index))
    client.stop_stream()
    seen = []
    for index in range(60):
        result, error = answers.get(timeout=60)
        if index == 20:
            assert result is None and "nobody" in error.message(), error
            continue
        assert error is None and result.get_response().id == str(index), (index, error)
        seen.append(result.as_numpy("probability")[0])
    assert answers.empty() and seen == sorted(seen) and seen[0] < 0.5 < seen[-1], seen


async def asynchronous():
    async with triton_aio.InferenceServerClient(address) as other:
        assert await other.is_server_ready() and await other.is_model_ready("side")
        inputs = pair([0.9], [0.8], triton_aio)
        expected = (await other.infer("side", inputs)).as_numpy("probability")

        async def requests():
            for index in range(5):
                yield {"model_name": "side", "inputs": inputs, "request_id": str(index)}

        ids = []
        async for result, error in other.stream_infer(requests()):
            assert error is None, error
            np.testing.assert_array_equal(result.as_numpy("probability"), expected)
            ids.append(result.get_response().id)
        assert ids == list("01234"), ids


def errors():
    one, two = pair([0.5], [0.5])
    refused("nobody", "NOT_FOUND", client.infer, "nobody", [one, two])
    refused("9", "NOT_FOUND", client.infer, "side", [one, two], model_version="9")
    refused("latest", "NOT_FOUND", client.infer, "side", [one, two], model_version="latest")
    refused("x2", "INVALID_ARGUMENT", client.infer, "side", [one])
    refused("there twice", "INVALID_ARGUMENT", client.infer, "side", [one, two, one])
    flag = tensor("x2", np.array([True]), "BOOL")
    refused("x2", "INVALID_ARGUMENT", client.infer, "side", [one, flag])
    refused("5 rows", "RESOURCE_EXHAUSTED", client.infer, "side", pair(np.zeros(5), np.zeros(5)))
    ask = triton.InferRequestedOutput
    refused("probability", "INVALID_ARGUMENT", client.infer, "side", [one, two], outputs=[ask("odds")])
    refused("classification", "INVALID_ARGUMENT", client.infer, "side", [one, two],
            outputs=[ask("label", class_count=2)])
    shared = triton.InferInput("x2", [1], "FP64").set_shared_memory("region", 8)
    refused("\"x2\": shared memory", "INVALID_ARGUMENT", client.infer, "side", [one, shared])
    refused("GRPCInferenceService/LogSettings", "UNIMPLEMENTED", client.get_log_settings)
    refused("TraceSetting", "UNIMPLEMENTED", client.get_trace_settings)
    refused("SystemSharedMemoryStatus", "UNIMPLEMENTED", client.get_system_shared_memory_status)

    def request(datatype="FP64", shape=(1,), raw=(b"\0" * 8, b"\0" * 8), **more):
        asked = service_pb2.ModelInferRequest(model_name="side", raw_input_contents=raw)
        asked.inputs.add(name="x1", datatype=datatype, shape=shape, **more)
        asked.inputs.add(name="x2", datatype="FP64", shape=[1])
        return asked

    stub.ModelInfer(request())
    wrong = "INVALID_ARGUMENT"
    broken('"x2": it has none', wrong, request(raw=[b"\0" * 8]))
    broken("1 raw_input_contents too many", wrong, request(raw=[b"\0" * 8] * 3))
    broken('"x1": 1 elements of FP64 have 8 bytes each, its raw data 7', wrong, request(raw=[b"\0" * 7] * 2))
    broken('"x1": the datatype "FP8" is not known', wrong, request("FP8"))
    broken('"x1": the shape', wrong, request(shape=[2**62, 4]))
    broken("negative", wrong, request(shape=[-1]))
    broken('"x1": 1000000 elements', wrong, request(shape=[1_000_000]))
    broken('"x1": element 0 of BYTES', wrong, request("BYTES", raw=[b"\xff" * 4 + b"aaaa", b"\0" * 8]))
    contents = service_pb2.InferTensorContents(fp64_contents=[0.5])
    broken('"x1": it has contents', wrong, request(contents=contents))
    broken("no inputs", wrong, service_pb2.ModelInferRequest(model_name="side"))
    broken("deployment", "NOT_FOUND", service_pb2.ModelInferRequest(inputs=request().inputs,
                                                                     raw_input_contents=[b"\0" * 8] * 2))
    mismatched = typed("side", x1=("FP64", [1.0, 2.0]), x2=("FP64", [1.0]))
    mismatched.inputs[0].shape[0] = 1
    broken("1 elements, its data 2", wrong, mismatched)
    mixed = typed("side", x1=("FP64", [1.0]), x2=("FP64", [1.0]))
    mixed.inputs[1].datatype = "BOOL"
    broken("fp64_contents; elements of BOOL", wrong, mixed)
    garbage = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    try:
        raise AssertionError(garbage(b"\xff\xff\xff"))
    except grpc.RpcError as error:
        assert error.code().name == wrong and "can't be read" in error.details(), error
    client.infer("side", [one, two])


def repository_and_statistics():
    index = {(one.name, one.version): one.state for one in client.get_model_repository_index().models}
    assert index == {("kinds", "1"): "READY", ("side", "1"): "READY"}, index
    statistics = client.get_inference_statistics("side").model_stats[0]
    assert statistics.version == "1" and statistics.inference_count > 50, statistics
    assert statistics.inference_stats.success.ns > statistics.inference_stats.compute_infer.ns > 0
    assert statistics.inference_stats.success.count == statistics.inference_count, statistics
    every = client.get_inference_statistics().model_stats
    assert [one.name for one in every] == ["kinds", "side"], every
    refused("nobody", "NOT_FOUND", client.get_inference_statistics, "nobody")
    refused("9", "NOT_FOUND", client.get_inference_statistics, "side", "9")
    client.unload_model("side")
    assert not client.is_model_ready("side")
    assert client.is_model_ready("kinds")
    states = {one.name: one.state for one in client.get_model_repository_index().models}
    assert states == {"kinds": "READY", "side": "UNAVAILABLE"}, states
    inputs = pair([0.5], [0.5])
    refused("RepositoryModelLoad", "NOT_FOUND", client.infer, "side", inputs)
    client.load_model("side")
    assert client.is_model_ready("side")
    client.infer("side", inputs)
    refused("nobody", "NOT_FOUND", client.load_model, "nobody")
    refused("nobody", "NOT_FOUND", client.unload_model, "nobody")
    refused("config", "INVALID_ARGUMENT", client.load_model, "side", config="{}")


health_and_metadata()
health_checks()
numbers()
missing_and_infinite_numbers()
texts()
compressed()
many_at_once()
streamed()
asyncio.run(asynchronous())
errors()
repository_and_statistics()
print("all as it should be")
