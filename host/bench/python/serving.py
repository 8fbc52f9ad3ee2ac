"""What the servers in Python share: a request's bytes in, an answer's bytes out."""

import os

import lightgbm
import numpy as np
import orjson

booster = lightgbm.Booster(model_file=os.environ["MODEL"])


def answer(body: bytes) -> bytes:
    tensor = orjson.loads(body)["inputs"][0]
    x = np.array(tensor["data"], dtype=np.float64).reshape(tensor["shape"])
    said = booster.predict(x, num_threads=1)
    output = {"name": "probability", "shape": said.shape, "datatype": "FP64", "data": said.tolist()}
    return orjson.dumps({"model_name": "flights", "outputs": [output]})
