"""KServe's gRPC client against the server whose address is the argument; the
models are those of triton.py."""

import asyncio
import sys

import grpc
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

address = sys.argv[1].removeprefix("grpc://")


def tensor(name, values, datatype, binary):
    given = InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


async def refused(words, code, call):
    try:
        answer = await call
    except grpc.RpcError as error:
        assert error.code().name == code and words in error.details(), error
        return
    raise AssertionError(f"{words}: {answer}")


async def main():
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready("side") is True
        assert await client.is_model_ready("nobody") is False

        size = np.array([90, 90, 10])
        kind = np.array(["Käfer".encode(), b"ant", b"bee"], dtype=np.object_)
        probabilities = []
        for binary in (True, False):
            inputs = [tensor("size", size, "INT64", binary), tensor("kind", kind, "BYTES", binary)]
            asked = InferRequest("kinds", inputs, request_id="mine", parameters={"sticky": "ana"})
            answer = await client.infer(asked, headers=(("modelyard-sticky", "ana"),))
            assert answer.id == "mine" and answer.model_name == "kinds", answer
            assert answer.model_version == "1" and answer.parameters["prediction_id"].string_param, answer
            label = answer.get_output_by_name("label")
            # What came raw is answered raw.
            assert (label._raw_data is not None) == binary, answer
            assert [str(one, "utf-8") if isinstance(one, bytes) else one
                    for one in label.as_numpy().tolist()] == ["large", "small", "small"], answer
            probabilities.append(answer.get_output_by_name("probability").as_numpy())
        np.testing.assert_array_equal(*probabilities)

        def side(x1, x2):
            columns = {"x1": x1, "x2": x2}
            return [tensor(name, np.array(column), "FP64", True) for name, column in columns.items()]

        answer = await client.infer(InferRequest("side", side([float("nan")], [0.5])))
        assert len(answer.get_output_by_name("label").as_numpy()) == 1, answer
        await refused("nobody", "NOT_FOUND", client.infer(InferRequest("nobody", side([1.0], [1.0]))))
        await refused("x2", "INVALID_ARGUMENT", client.infer(InferRequest("side", side([1.0], [1.0])[:1])))
        await refused("rows", "INVALID_ARGUMENT", client.infer(InferRequest("side", side([1.0, 2.0], [1.0]))))
        mixed = [side([1.0], [1.0])[0], tensor("x2", np.array([1.0]), "FP64", False)]
        await refused("raw_input_contents", "INVALID_ARGUMENT", client.infer(InferRequest("side", mixed)))

    # Its messages for the repository number the model's name otherwise than Triton's.
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        unloaded = await stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="side"))
        assert (unloaded.model_name, unloaded.isUnloaded) == ("side", True), unloaded
        assert not (await stub.ModelReady(messages.ModelReadyRequest(name="side"))).ready
        loaded = await stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="side"))
        assert (loaded.model_name, loaded.isLoaded) == ("side", True), loaded
        assert (await stub.ModelReady(messages.ModelReadyRequest(name="side"))).ready


asyncio.run(main())
print("all as it should be")
