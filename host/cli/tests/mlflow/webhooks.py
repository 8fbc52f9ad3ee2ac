"""Webhooks of the model registry, checked as MLflow's documentation says to check them."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from common import done, mlflow, refused

from mlflow import MlflowClient

SECRET = "a secret of any text"
received = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        received.append((dict(self.headers), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/hook"


def next_event(number):
    for _ in range(200):
        if len(received) > number:
            break
        time.sleep(0.05)
    headers, body = received[number]
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{body}"
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    assert headers["x-mlflow-signature"] == f"v1,{expected}", headers
    assert abs(time.time() - int(headers["x-mlflow-timestamp"])) < 60
    sent = json.loads(body)
    assert set(sent) == {"entity", "action", "timestamp", "data"}, sent
    return f"{sent['entity']}.{sent['action']}", sent["data"]


client = MlflowClient()
names = ["registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted"]
webhook = client.create_webhook("hook", url, names, description="tells", secret=SECRET)
assert webhook.status == "ACTIVE" and {str(event) for event in webhook.events} == set(names)
assert [found.webhook_id for found in client.list_webhooks()] == [webhook.webhook_id]
result = client.test_webhook(webhook.webhook_id)
assert result.success and result.response_status == 200, result
assert next_event(0)[0] == "registered_model.created"

client.create_registered_model("told", tags={"a": "b"}, description="d")
assert next_event(1) == ("registered_model.created", {"name": "told", "tags": {"a": "b"}, "description": "d"})
client.create_model_version("told", "s3://bucket/model", tags={"x": "y"})
name, data = next_event(2)
assert name == "model_version.created" and data == {"name": "told", "version": "1", "source": "s3://bucket/model", "run_id": None, "tags": {"x": "y"}, "description": None}, data
client.set_model_version_tag("told", "1", "k", "v")
assert next_event(3) == ("model_version_tag.set", {"name": "told", "version": "1", "key": "k", "value": "v"})
client.delete_model_version_tag("told", "1", "k")
assert next_event(4) == ("model_version_tag.deleted", {"name": "told", "version": "1", "key": "k"})
client.set_registered_model_alias("told", "best", "1")
assert next_event(5) == ("model_version_alias.created", {"name": "told", "alias": "best", "version": "1"})
client.delete_registered_model_alias("told", "best")
assert next_event(6) == ("model_version_alias.deleted", {"name": "told", "alias": "best"})

client.update_webhook(webhook.webhook_id, events=["model_version.created"], description="tells less")
assert client.get_webhook(webhook.webhook_id).description == "tells less"
client.create_registered_model("quiet")
client.create_model_version("told", "s3://bucket/model")
assert next_event(7)[0] == "model_version.created" and next_event(7)[1]["version"] == "2"
client.update_webhook(webhook.webhook_id, status="DISABLED")
client.create_model_version("told", "s3://bucket/model")
time.sleep(1)
assert len(received) == 8, received[8:]
for wrong, word in [(dict(name="-bad"), "name"), (dict(url="ftp://x/"), ""), (dict(url="not a url"), "")]:
    refused(lambda: client.create_webhook(**{"name": "x", "url": url, "events": names, **wrong}), "INVALID_PARAMETER_VALUE", word)
client.delete_webhook(webhook.webhook_id)
refused(lambda: client.get_webhook(webhook.webhook_id), "RESOURCE_DOES_NOT_EXIST", webhook.webhook_id)
done()
