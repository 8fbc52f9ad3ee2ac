"""Traces from MLflow's decorators and by OTLP, tags, search, assessments."""

import json
import urllib.request

from common import URL, done, mlflow, refused

from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback

client = MlflowClient()
experiment = mlflow.set_experiment("traces").experiment_id


@mlflow.trace(span_type="TOOL", attributes={"k": "v"})
def double(x):
    return 2 * x


@mlflow.trace(name="ask")
def ask(x):
    return double(x) + double(x + 1)


assert ask(3) == 14
mlflow.flush_trace_async_logging()
trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
assert trace.info.state == "OK" and trace.info.experiment_id == experiment, trace.info
assert sorted(span.name for span in trace.data.spans) == ["ask", "double", "double"] or len(trace.data.spans) == 3
root = next(span for span in trace.data.spans if span.parent_id is None)
assert root.name == "ask" and root.inputs == {"x": 3} and root.outputs == 14, root
tool = next(span for span in trace.data.spans if span.parent_id == root.span_id)
assert tool.span_type == "TOOL" and tool.attributes["k"] == "v"


@mlflow.trace
def fail():
    raise ValueError("not today")


try:
    fail()
except ValueError:
    pass
mlflow.flush_trace_async_logging()
failed = mlflow.search_traces(locations=[experiment], filter_string="trace.status = 'ERROR'", return_type="list")
assert len(failed) == 1 and failed[0].info.state == "ERROR"
assert len(mlflow.search_traces(locations=[experiment], return_type="list")) == 2

id = trace.info.trace_id
client.set_trace_tag(id, "color", "red")
assert [found.info.trace_id for found in mlflow.search_traces(locations=[experiment], filter_string="tags.color = 'red'", return_type="list")] == [id]
client.delete_trace_tag(id, "color")
assert "color" not in mlflow.get_trace(id).info.tags

feedback = mlflow.log_feedback(trace_id=id, name="correct", value=True, rationale="it is", source=AssessmentSource("HUMAN", "ann"), metadata={"a": "b"})
mlflow.log_expectation(trace_id=id, name="expected", value={"answer": 14}, source=AssessmentSource("HUMAN", "ann"))
read = mlflow.get_assessment(id, feedback.assessment_id)
assert read.value is True and read.rationale == "it is" and read.metadata["a"] == "b", read
mlflow.update_assessment(id, feedback.assessment_id, Feedback(name="correct", value=False))
assert mlflow.get_assessment(id, feedback.assessment_id).value is False
assert {one.name: one.value for one in mlflow.get_trace(id).info.assessments} == {"correct": False, "expected": {"answer": 14}}
mlflow.delete_assessment(id, feedback.assessment_id)
assert [one.name for one in mlflow.get_trace(id).info.assessments] == ["expected"]

# Any exporter's JSON.
span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "elsewhere", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000500000000", "status": {"code": 1}}
body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
request = urllib.request.Request(f"{URL}/v1/traces", body, {"content-type": "application/json", "x-mlflow-experiment-id": experiment})
assert urllib.request.urlopen(request).status == 200
foreign = mlflow.get_trace("tr-" + span["traceId"])
assert foreign.data.spans[0].name == "elsewhere" and foreign.info.execution_duration == 500, foreign.info

assert client.delete_traces(experiment, trace_ids=[id]) == 1
done()
