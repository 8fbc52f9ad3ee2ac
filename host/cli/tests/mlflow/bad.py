"""What clients send that they shouldn't: each is told what is wrong, by MLflow's codes, never by 5xx."""

import json
import urllib.error
import urllib.parse
import urllib.request

from common import URL, done


def send(method, path, body=None, raw=None, kind="application/json"):
    data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
    headers = {"content-type": kind} if data is not None and kind else {}
    request = urllib.request.Request(f"{URL}/api/2.0/mlflow{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def bad(method, path, body=None, status=400, code="INVALID_PARAMETER_VALUE", words=(), **more):
    got, answer = send(method, path, body, **more)
    assert got == status and answer.get("error_code") == code, (method, path, body, got, answer)
    for word in [words] if isinstance(words, str) else words:
        assert word in answer["message"], (word, answer)
    return answer["message"]


def good(method, path, body=None):
    got, answer = send(method, path, body)
    assert got == 200, (path, got, answer)
    return answer


run = good("POST", "/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
experiment = good("POST", "/experiments/create", {"name": "bad"})["experiment_id"]

# Wrong types, missing and unknown fields.
bad("POST", "/experiments/create", {"name": 123}, words="Invalid value 123 for parameter 'name' supplied")
bad("POST", "/experiments/create", {}, words="Missing value for required parameter 'name'")
bad("POST", "/experiments/create", {"name": ""}, words="Missing value")
bad("POST", "/experiments/create", {"name": "x" * 501}, words="500")
bad("POST", "/experiments/create", {"name": "y", "tags": "no"}, words="'tags'")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "a", "value": "much", "timestamp": 1}, words="'value'")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "a", "timestamp": 1}, words="'value'")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": "now"}, words="'timestamp'")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1, "step": 1.5}, words="'step'")
bad("POST", "/runs/log-parameter", {"run_id": run, "key": "a", "value": {"b": 1}}, words="'value'")
bad("POST", "/runs/update", {"run_id": run, "status": "LATER"}, words="'status'")
bad("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"key": "b"}]}, words="metrics[1].value")
bad("POST", "/runs/log-batch", {"run_id": run, "params": [{"value": "b"}]}, words="params[0].key")
bad("POST", "/runs/log-batch", {"metrics": []}, words="'run_id'")
bad("POST", "/runs/search", {"experiment_ids": "0", "filter": 7}, words="'filter'")
bad("POST", "/runs/search", {"experiment_ids": ["0"], "order_by": [1]}, words="'order_by'")
bad("POST", "/runs/log-inputs", {"run_id": run, "datasets": [{"dataset": {"name": "a"}}]}, words="datasets[0]")
good("POST", "/runs/set-tag", {"run_id": run, "run_uuid": run, "key": "a", "value": "b", "surprise": [1, {"x": None}]})
bad("POST", "/runs/set-tag", {"run_id": run, "runId": run, "key": "a"}, words="both 'run_id' and 'runId'")
bad("POST", "/runs/create", raw=b"{", code="BAD_REQUEST", words="no JSON")
bad("POST", "/runs/create", raw=b"[1]", code="BAD_REQUEST", words="list")
bad("POST", "/runs/create", raw=b"{}", kind="text/plain", words="Content-Type must be one of")
# What protobuf's JSON allows.
good("POST", "/runs/log-metric", {"runUuid": run, "key": "n", "value": "NaN", "timestamp": "12", "step": "3"})
good("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": "n", "value": "-Infinity", "timestamp": "12", "step": 4}]})

# Too long, too many.
bad("POST", "/runs/set-tag", {"run_id": run, "key": "k" * 251, "value": "v"}, words="250")
bad("POST", "/runs/log-parameter", {"run_id": run, "key": "p", "value": "v" * 6001}, words="6000")
bad("POST", "/runs/set-tag", {"run_id": run, "key": "k", "value": "v" * 8001}, words="8000")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "k" * 251, "value": 1, "timestamp": 1}, words="250")
bad("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": n} for n in range(1001)]}, words="1000")
bad("POST", "/runs/log-batch", {"run_id": run, "params": [{"key": f"p{n}", "value": "1"} for n in range(101)]}, words="100")
bad("POST", "/runs/log-batch", {"run_id": run, "tags": [{"key": f"p{n}", "value": "1" * 7900} for n in range(130)]}, words="1000000 bytes")
bad("POST", "/runs/log-metric", {"run_id": run, "key": "../up", "value": 1, "timestamp": 1}, words="up")

# All or nothing, and parameters that have a value.
good("POST", "/runs/log-parameter", {"run_id": run, "key": "depth", "value": "3"})
good("POST", "/runs/log-parameter", {"run_id": run, "key": "depth", "value": "3"})
bad("POST", "/runs/log-parameter", {"run_id": run, "key": "depth", "value": "4"}, words="depth")
bad("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": "lost", "value": 1, "timestamp": 1}], "params": [{"key": "depth", "value": "4"}, {"key": "fresh", "value": "1"}]}, words="depth")
bad("POST", "/runs/log-batch", {"run_id": run, "params": [{"key": "twice", "value": "1"}, {"key": "twice", "value": "2"}]}, words="twice")
data = good("GET", f"/runs/get?run_id={run}")["run"]["data"]
assert {param["key"] for param in data["params"]} == {"depth"} and "lost" not in {metric["key"] for metric in data["metrics"]}, data

# Pages and filters.
for size in [-1, 0, 50001, 99999999999]:
    bad("POST", "/runs/search", {"experiment_ids": ["0"], "max_results": size}, words="max_results")
for size in ["-1", "1001", "many"]:
    bad("GET", f"/registered-models/search?max_results={size}", words="max_results")
bad("POST", "/runs/search", {"experiment_ids": ["0"], "page_token": "dGFtcGVyZWQ="}, words="token")
for filter in ["metrics.a >", "metrics.a > 1 AND", "params.a = 'x' OR params.b = 'y'", "tags.`a = 'b'", "'"]:
    message = bad("POST", "/runs/search", {"experiment_ids": ["0"], "filter": filter})
    assert "position" in message, message
bad("GET", f"/metrics/get-history?run_id={run}&metric_key=n&max_results=-5", words="positive")
bad("GET", "/metrics/get-history-bulk-interval?metric_key=n", words="run_id")
bad("GET", f"/metrics/get-history-bulk-interval?metric_key=n&run_ids={run}&start_step=5&end_step=2", words="end_step")

bad("PATCH", "/traces/tr-0/tags", {"key": "mlflow.trace.spansLocation", "value": "x"}, words="immutable")

# What isn't there.
gone = "0" * 32
bad("GET", f"/runs/get?run_id={gone}", status=404, code="RESOURCE_DOES_NOT_EXIST", words=gone)
bad("POST", "/runs/create", {"experiment_id": "987654"}, status=404, code="RESOURCE_DOES_NOT_EXIST")
bad("GET", "/experiments/get?experiment_id=%27;drop", words="valid integer")
bad("GET", "/experiments/get-by-name?experiment_name=nobody", status=404, code="RESOURCE_DOES_NOT_EXIST")
bad("GET", "/nothing/here", status=404, code="ENDPOINT_NOT_FOUND")
bad("PUT", "/runs/create", {}, status=405, code="ENDPOINT_NOT_FOUND")
good("POST", "/experiments/delete", {"experiment_id": experiment})
bad("POST", "/runs/create", {"experiment_id": experiment}, words="active")
bad("POST", "/experiments/create", {"name": "bad"}, code="RESOURCE_ALREADY_EXISTS")
status, answer = send("GET", "/../../3.0/mlflow/gateway/endpoints/list")
request = urllib.request.Request(f"{URL}/api/3.0/mlflow/gateway/endpoints/list")
try:
    urllib.request.urlopen(request)
    raise AssertionError("it isn't supported")
except urllib.error.HTTPError as error:
    assert error.code == 400 and json.loads(error.read())["error_code"] == "NOT_IMPLEMENTED"


# Paths that lead elsewhere.
def artifact(method, path, data=None):
    request = urllib.request.Request(f"{URL}/api/2.0/mlflow-artifacts/artifacts{path}", data, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


for path in ["/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/x", "/a/%252e%252e/%252e%252e/x", "/%2fetc/passwd", "/a%00b", "/a%5c..%5cb", "/C:%5cx", "/a%23b"]:
    for method in ["GET", "PUT", "DELETE"]:
        status, body = artifact(method, path, b"x" if method == "PUT" else None)
        assert status == 400 and json.loads(body)["message"] == "Invalid path", (method, path, status, body)
for path in ["..", "/etc", "a/../../b"]:
    status, body = artifact("GET", "?path=" + urllib.parse.quote(path))
    assert status == 400, (path, status, body)
assert artifact("GET", "/nothing/there")[0] == 404
assert artifact("PUT", "/0/file", b"1")[0] == 200
assert artifact("PUT", "/0/file/below", b"1")[0] == 400
assert artifact("PUT", "/0", b"1")[0] == 400
assert artifact("GET", "/0/file")[1] == b"1"
bad("GET", f"/artifacts/list?run_id={run}&path=..%2f..", words="Invalid path")
done()
