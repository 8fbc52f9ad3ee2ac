"""Triton's gRPC client against the server whose address is the first argument,
and which needs a token: those of a viewer and an operator follow."""

import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1].removeprefix("grpc://"))
viewer, operator = ({"authorization": f"Bearer {token}"} for token in sys.argv[2:])


def refused(words, code, call, *arguments, **options):
    try:
        answer = call(*arguments, **options)
    except InferenceServerException as error:
        assert words in error.message() and error.status() == f"StatusCode.{code}", error
        return
    raise AssertionError(f"{words}: {answer}")


inputs = []
for name in ("x1", "x2"):
    inputs.append(triton.InferInput(name, [1], "FP64").set_data_from_numpy(np.array([0.5])))

# Probes come without a token.
assert client.is_server_live() and client.is_server_ready()
assert client.get_server_metadata().name == "modelyard"
wrong = {"authorization": "Bearer my_wrong"}
basic = {"authorization": "Basic eDp5"}
for call, arguments in (
    (client.infer, ("side", inputs)),
    (client.is_model_ready, ("side",)),
    (client.get_model_metadata, ("side",)),
    (client.get_model_config, ("side",)),
    (client.get_inference_statistics, ()),
    (client.get_model_repository_index, ()),
    (client.unload_model, ("side",)),
    (client.load_model, ("side",)),
):
    refused("token", "UNAUTHENTICATED", call, *arguments)
    refused("token", "UNAUTHENTICATED", call, *arguments, headers=wrong)
    refused("Bearer", "UNAUTHENTICATED", call, *arguments, headers=basic)
    if call in (client.unload_model, client.load_model):
        refused("Operator", "PERMISSION_DENIED", call, *arguments, headers=viewer)
    else:
        assert call(*arguments, headers=viewer)

errors = []
client.start_stream(lambda result, error: errors.append(error), headers=wrong)
try:
    client.async_stream_infer("side", inputs)
except InferenceServerException:
    pass  # The stream was refused before the first request.
client.stop_stream()
assert len(errors) == 1 and errors[0].status() == "StatusCode.UNAUTHENTICATED", errors

client.unload_model("side", headers=operator)
assert not client.is_model_ready("side", headers=viewer)
client.load_model("side", headers=operator)
assert client.infer("side", inputs, headers=operator).as_numpy("probability").shape == (1,)
print("all as it should be")
