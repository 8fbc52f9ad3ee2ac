"""Sixteen threads that log to the same runs at once: no point is lost, no call fails."""

from concurrent.futures import ThreadPoolExecutor

from common import done, mlflow

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

THREADS, BATCHES, POINTS = 16, 12, 50
client = MlflowClient()
experiment = client.create_experiment("threads")
shared = [client.create_run(experiment).info.run_id for _ in range(2)]


def work(thread):
    mine = MlflowClient()
    own = mine.create_run(experiment, run_name=f"own {thread}").info.run_id
    for batch in range(BATCHES):
        steps = range(batch * POINTS, (batch + 1) * POINTS)
        points = [Metric(f"thread {thread}", step, step, step) for step in steps]
        both = [Metric("together", thread, thread * 10_000 + step, step) for step in steps]
        mine.log_batch(shared[batch % 2], points + both, [Param(f"p{thread}-{batch}", "x")], [RunTag("last", str(thread))])
        mine.log_metric(own, "alone", batch, step=batch)
    mine.set_terminated(own)
    return own


with ThreadPoolExecutor(THREADS) as pool:
    own = list(pool.map(work, range(THREADS)))
for at, run in enumerate(shared):
    read = client.get_run(run)
    assert len(read.data.params) == THREADS * BATCHES // 2, len(read.data.params)
    for thread in range(THREADS):
        history = client.get_metric_history(run, f"thread {thread}")
        assert len(history) == BATCHES // 2 * POINTS, (thread, len(history))
    assert len(client.get_metric_history(run, "together")) == THREADS * BATCHES // 2 * POINTS
for run in own:
    assert len(client.get_metric_history(run, "alone")) == BATCHES
assert len(client.search_runs([experiment], "attributes.status = 'FINISHED'")) == THREADS
done()
