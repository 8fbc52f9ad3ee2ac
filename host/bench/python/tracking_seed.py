"""Puts runs straight into the SQLite file of an `mlflow server`, since its interface would take
the better part of an hour: the same runs that seed.rs logs through ours.

Usage: tracking_seed.py FILE EXPERIMENT RUNS METRICS PARAMS
"""

import sqlite3
import sys
import uuid

TIME = 1_700_000_000_000


def value(number, key):
    return ((number * 7919 + key * 104_729) % 100_003) / 100_003


def main():
    file, experiment, runs, metrics, params = sys.argv[1], *map(int, sys.argv[2:])
    database = sqlite3.connect(file, timeout=60)
    ids = [uuid.uuid4().hex for _ in range(runs)]
    database.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
        " start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
        " VALUES (?, ?, 'UNKNOWN', '', '', '', 'RUNNING', ?, '', 'active', ?, ?)",
        (
            (run, f"run-{number}", number, f"mlflow-artifacts:/{experiment}/{run}/artifacts", experiment)
            for number, run in enumerate(ids)
        ),
    )
    for table in ("metrics", "latest_metrics"):
        database.executemany(
            f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, 0, 0, ?)",
            (
                (f"metric_{key}", value(number, key), TIME, run)
                for number, run in enumerate(ids)
                for key in range(metrics)
            ),
        )
    database.executemany(
        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        (
            (f"param_{key}", str((number + key) % 10), run)
            for number, run in enumerate(ids)
            for key in range(params)
        ),
    )
    database.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)",
        ((f"run-{number}", run) for number, run in enumerate(ids)),
    )
    database.execute("ANALYZE")
    database.commit()


main()
