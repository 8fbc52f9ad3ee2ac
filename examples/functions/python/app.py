"""Lets a deployed model be asked with one row as a JSON object.

`MODEL` is the model's URL, `http://127.0.0.1:8080/v2/models/late`, and `TOKEN`,
if there is one, an access token; both come from the function's record. The rest
is standard `wasi:http`, with the event loop that componentize-py brings along.
"""

import asyncio
import json
from urllib.parse import urlsplit

import poll_loop
from componentize_py_types import Err, Ok
from poll_loop import PollLoop, Sink, Stream
from wit_world import exports
from wit_world.imports import environment
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Post,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Http,
    Scheme_Https,
)


class Refused(Exception):
    """What the caller is told, and with which status."""

    def __init__(self, status: int, told: str):
        super().__init__(told)
        self.status = status


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, out: ResponseOutparam) -> None:
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(request, out))


async def answer(request: IncomingRequest, out: ResponseOutparam) -> None:
    try:
        if not isinstance(request.method(), Method_Post):
            raise Refused(405, "POST a row: a JSON object of numbers, texts and booleans")
        body = await whole(Stream(request.consume()))
        status, told = 200, await predicted(row(body))
    except Refused as refused:
        status, told = refused.status, {"error": str(refused)}
    response = OutgoingResponse(Fields.from_list([("content-type", b"application/json")]))
    response.set_status_code(status)
    sink = Sink(response.body())
    ResponseOutparam.set(out, Ok(response))
    await sink.send(json.dumps(told).encode())
    sink.close()


def row(body: bytes) -> dict:
    """The row that was asked for, as tensors of the Open Inference Protocol."""
    try:
        cells = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from error
    if not isinstance(cells, dict):
        raise Refused(400, "the body is no JSON object")
    inputs = []
    for name, value in cells.items():
        kinds = [(bool, "BOOL"), (int, "FP64"), (float, "FP64"), (str, "BYTES")]
        kind = next((kind for known, kind in kinds if isinstance(value, known)), None)
        if kind is None:
            raise Refused(400, f"{name} is no number, text or boolean")
        inputs.append({"name": name, "shape": [1], "datatype": kind, "data": [value]})
    return {"inputs": inputs}


async def predicted(row: dict) -> dict:
    """What the model says of a row: the first value of each of its outputs."""
    variables = dict(environment.get_environment())
    if "MODEL" not in variables:
        raise Refused(500, "the function's record names no MODEL")
    url = urlsplit(variables["MODEL"])
    headers = [("content-type", b"application/json")]
    if "TOKEN" in variables:
        headers.append(("authorization", f"Bearer {variables['TOKEN']}".encode()))
    request = OutgoingRequest(Fields.from_list(headers))
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Https() if url.scheme == "https" else Scheme_Http())
    request.set_authority(url.netloc)
    request.set_path_with_query(f"{url.path}/infer")
    sink = Sink(request.body())
    sending = asyncio.ensure_future(poll_loop.send(request))
    await sink.send(json.dumps(row).encode())
    sink.close()
    try:
        response = await sending
    except Err as error:
        raise Refused(502, f"{variables['MODEL']} can't be asked: {error.value}") from error
    said = json.loads(await whole(Stream(response.consume())))
    if response.status() != 200:
        raise Refused(response.status(), said.get("error", "the model failed"))
    return {output["name"]: output["data"][0] for output in said["outputs"]}


async def whole(stream: Stream) -> bytes:
    pieces = []
    while (piece := await stream.next()) is not None:
        pieces.append(piece)
    return b"".join(pieces)
