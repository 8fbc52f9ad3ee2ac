"""KServe's REST client against the server whose address is the argument; the
models are those of triton.py."""

import asyncio
import sys

import httpx
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig

url = sys.argv[1]


def tensor(name, values, datatype, binary):
    given = InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


async def refused(words, status, call):
    """The call ends in an HTTP error, and the client finds the server's words."""
    try:
        answer = await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status and words in str(error), error
        return
    raise AssertionError(f"{words}: {answer}")


async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, "side") is True
        assert await client.is_model_ready(url, "nobody") is False

        size = np.array([90, 90, 10])
        kind = np.array(["Käfer".encode(), b"ant", b"bee"], dtype=np.object_)
        probabilities = []
        for binary_in in (True, False):
            for binary_out in (True, False):
                inputs = [tensor("size", size, "INT64", binary_in), tensor("kind", kind, "BYTES", binary_in)]
                asked = InferRequest(
                    "kinds", inputs, request_id="mine", parameters={"binary_data_output": binary_out}
                )
                headers = {}
                answer = await client.infer(url, asked, model_name="kinds", response_headers=headers)
                assert answer.id == "mine" and answer.model_name == "kinds", answer
                assert ("inference-header-content-length" in headers) == binary_out, headers
                label = [str(one) for one in answer.get_output_by_name("label").data]
                assert label == ["large", "small", "small"], answer
                probabilities.append(answer.get_output_by_name("probability").as_numpy())
        for probability in probabilities[1:]:
            np.testing.assert_array_equal(probability, probabilities[0])

        # Many rows, so that the answer comes compressed: httpx asks for that.
        many = [
            tensor("size", np.arange(3000) % 100, "INT64", True),
            tensor("kind", np.array([b"bee"] * 3000, dtype=np.object_), "BYTES", True),
        ]
        headers = {}
        answer = await client.infer(url, InferRequest("kinds", many), model_name="kinds", response_headers=headers)
        assert headers["content-encoding"] in ("gzip", "deflate"), headers
        assert answer.get_output_by_name("probability").as_numpy().shape == (3000,)

        # A plain dictionary is JSON; NaN is null there.
        row = {"inputs": [
            {"name": "x1", "shape": [1], "datatype": "FP64", "data": [float("nan")]},
            {"name": "x2", "shape": [1], "datatype": "FP64", "data": [0.5]},
        ]}
        answer = await client.infer(url, row, model_name="side")
        assert len(answer.get_output_by_name("label").data) == 1, answer

        await refused("nobody", 404, client.infer(url, row, model_name="nobody"))
        await refused("x2", 400, client.infer(url, {"inputs": row["inputs"][:1]}, model_name="side"))
        wrong = {"inputs": [row["inputs"][0] | {"shape": [2]}, row["inputs"][1]]}
        await refused("2 elements, its data 1", 400, client.infer(url, wrong, model_name="side"))


asyncio.run(main())
print("all as it should be")
