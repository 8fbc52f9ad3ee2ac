"""Searches of everything that can be searched, page by page."""

from common import done, mlflow, refused

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType

client = MlflowClient()
experiments = [client.create_experiment(f"search-{number}", tags={"team": "a" if number % 2 else "b"}) for number in range(5)]
first = experiments[0]
runs = []
for number in range(30):
    run = client.create_run(first, run_name=f"run-{number:02}", tags={"kind": "even" if number % 2 == 0 else "odd"})
    client.log_batch(
        run.info.run_id,
        metrics=[Metric("score", number / 10, 1000 + number, 0), Metric("f 1/b", -number, 1, 0)],
        params=[Param("depth", str(number % 4)), Param("a.b", "x")],
        tags=[RunTag("note", "it's so" if number == 7 else "plain")],
    )
    client.set_terminated(run.info.run_id, "FINISHED" if number % 3 else "FAILED")
    runs.append(run.info.run_id)


def found(filter="", **more):
    return [int(run.info.run_name[-2:]) for run in client.search_runs([first], filter, **more)]


assert sorted(found()) == list(range(30))
for filter, numbers in [
    ("metrics.score > 2.5", range(26, 30)),
    ("metric.score >= 2.5 AND params.depth = '1'", [25, 29]),
    ("metrics.`f 1/b` < -27", [28, 29]),
    ('metrics."f 1/b" = -3', [3]),
    ("tags.kind = 'odd' and metrics.score < 0.6", [1, 3, 5]),
    ('tags.note = "it\'s so"', [7]),
    ("tags.note != 'plain'", [7]),
    ("params.`a.b` = 'x' and attributes.run_name = 'run-03'", [3]),
    ("attributes.status = 'FAILED' and metrics.score < 1", [0, 3, 6, 9]),
    ("run_name LIKE 'run-1%'", range(10, 20)),
    ("run_name ILIKE 'RUN-2_'", range(20, 30)),
    (f"run_id IN ('{runs[2]}', '{runs[4]}')", [2, 4]),
    (f"attributes.run_id NOT IN ('{runs[2]}') and metrics.score < 0.4", [0, 1, 3]),
    ("params.nothing = 'x'", []),
    ("attribute.start_time > 0 and metrics.score = 0.5", [5]),
]:
    assert sorted(found(filter)) == list(numbers), (filter, found(filter))
assert found(order_by=["metrics.score DESC"])[:3] == [29, 28, 27]
assert found(order_by=["params.depth ASC", "metrics.`f 1/b` ASC"])[:2] == [28, 24]
assert found("tags.kind = 'even'", order_by=["attributes.run_name"])[:2] == [0, 2]

pages, token = [], None
while True:
    page = client.search_runs([first], "", order_by=["metrics.score ASC"], max_results=7, page_token=token)
    pages.append([run.info.run_name for run in page])
    token = page.token
    if not token:
        break
assert [len(page) for page in pages] == [7, 7, 7, 7, 2] and sorted(sum(pages, [])) == sum(pages, [])

for filter, word in [("metrics.score >", "position"), ("params.depth = 1", "quoted"), ("nonsense", ""), ("foo.bar = 'x'", "foo"), ("metrics.score = 'x'", ""), ("tags.a ~ 'b'", "")]:
    refused(lambda: client.search_runs([first], filter), "INVALID_PARAMETER_VALUE", word)
page = client.search_runs([first], "", max_results=3)
for token in [page.token[:-2] + "AA", "nonsense", page.token + "x"]:
    refused(lambda: client.search_runs([first], "", max_results=3, page_token=token), "INVALID_PARAMETER_VALUE")
refused(lambda: client.search_runs([first], "metrics.score > 1", max_results=3, page_token=page.token), "INVALID_PARAMETER_VALUE")
refused(lambda: client.search_runs([first], "", max_results=50001), "INVALID_PARAMETER_VALUE")

names = [experiment.name for experiment in client.search_experiments(filter_string="name LIKE 'search-%'", order_by=["name DESC"])]
assert names == [f"search-{number}" for number in reversed(range(5))], names
teams = client.search_experiments(filter_string="tags.team = 'a' AND name ILIKE 'SEARCH%'")
assert {experiment.name for experiment in teams} == {"search-1", "search-3"}
client.delete_experiment(experiments[4])
assert [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)] == ["search-4"]
assert len(client.search_experiments(view_type=ViewType.ALL, filter_string="name LIKE 'search-%'")) == 5
page = client.search_experiments(max_results=2, filter_string="name LIKE 'search-%'")
assert len(page) == 2 and len(client.search_experiments(max_results=2, filter_string="name LIKE 'search-%'", page_token=page.token)) == 2

models = [client.create_logged_model(first, name=f"m{number}", source_run_id=runs[0], params={"p": str(number)}, tags={"t": "x"}) for number in range(4)]
for number, model in enumerate(models):
    client.log_metric(runs[0], "auc", number / 10, model_id=model.model_id)
    client.finalize_logged_model(model.model_id, "READY")
best = mlflow.search_logged_models([first], "metrics.auc > 0.05", order_by=[{"field_name": "metrics.auc", "ascending": False}], output_format="list")
assert [model.name for model in best] == ["m3", "m2", "m1"], [model.name for model in best]
assert len(mlflow.search_logged_models([first], "params.p = '2' AND name LIKE 'm%'", output_format="list")) == 1
frame = mlflow.search_runs([first], "metrics.score > 2.85")
assert list(frame["metrics.score"]) == [2.9] and frame["tags.kind"][0] == "odd"
done()
