"""A file of so many megabytes up and down, as one stream and in parts."""

import hashlib
import os
import sys
import time

from common import done, mlflow, scratch

from mlflow import MlflowClient

MEGABYTES = int(sys.argv[2])
client = MlflowClient()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


with scratch() as place:
    path = os.path.join(place, "large.bin")
    with open(path, "wb") as file:
        for _ in range(MEGABYTES // 16):
            file.write(os.urandom(16 << 20))
    expected = digest(path)
    run = client.create_run("0").info.run_id
    for parts in ["false", "true"]:
        os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = parts
        os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = parts
        begun = time.monotonic()
        client.log_artifact(run, path, f"parts-{parts}")
        sent = time.monotonic()
        listed = client.list_artifacts(run, f"parts-{parts}")
        assert [(file.path, file.file_size) for file in listed] == [(f"parts-{parts}/large.bin", MEGABYTES << 20)], listed
        down = os.path.join(place, f"down-{parts}")
        os.makedirs(down)
        got = client.download_artifacts(run, f"parts-{parts}/large.bin", down)
        fetched = time.monotonic()
        assert digest(got) == expected
        os.remove(got)
        print(f"in parts: {parts}; {MEGABYTES} MiB up in {sent - begun:.2f} s, down in {fetched - sent:.2f} s")
done()
