"""Trains what is served and writes the rows that it is asked about.

    python models.py FLIGHTS_CSV_GZ DIRECTORY

flights.txt: 200 trees that say whether a flight of 2013 arrives more than half an hour late.
rows.json: rows to ask about, and what the model in flights.txt says of them.
cold-N.txt: models whose file has about N megabytes.
many/NNNN.txt: small models, each trained on rows of its own.
batch.f64: a million rows, row by row, as little-endian doubles.
"""

import json
import pathlib
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd

source, directory = sys.argv[1], pathlib.Path(sys.argv[2])
(directory / "many").mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)

flights = pd.read_csv(source)
flights = flights[flights["arr_delay"].notna()]
texts = ["carrier", "origin", "dest"]
names = ["month", "day", "sched_dep_time", "dep_delay", "sched_arr_time", *texts, "distance", "hour", "minute"]
# Codes, so that one matrix holds a row: servers in Python read that fastest.
x = flights[names].apply(lambda c: c.astype("category").cat.codes if c.name in texts else c)
x = x.to_numpy(dtype=np.float64)
y = (flights["arr_delay"] > 30).to_numpy(dtype=np.float64)


def train(rows, rounds, **parameters):
    parameters = dict(objective="binary", verbose=-1, num_threads=2, seed=1, deterministic=True) | parameters
    data = lgb.Dataset(x[rows], y[rows], feature_name=names, categorical_feature=texts, params={"verbose": -1})
    return lgb.train(parameters, data, rounds)


def sample(count):
    return rng.choice(len(x), count, replace=False)


booster = train(np.arange(len(x)), 200)
booster.save_model(directory / "flights.txt")
shown = x[sample(256)]
said = lgb.Booster(model_file=directory / "flights.txt").predict(shown, num_threads=1)
rows = dict(names=names, rows=shown.tolist(), probabilities=said.tolist())
(directory / "rows.json").write_text(json.dumps(rows))

# Large ones: many leaves on a part of the rows, cut where the size is right.
large = dict(num_leaves=255, min_data_in_leaf=5, max_bin=63, learning_rate=0.02)
part = sample(40_000)
per_tree = len(train(part, 20, **large).model_to_string()) / 20
booster = train(part, int(63.5e6 / per_tree), **large)
per_tree = len(booster.model_to_string()) / booster.num_trees()
for size in (1, 16, 64):
    trees = max(1, min(booster.num_trees(), int(size * 1e6 / per_tree)))
    text = booster.model_to_string(num_iteration=trees)
    # A file has at most 64 MiB.
    while len(text) > 66e6:
        trees -= 20
        text = booster.model_to_string(num_iteration=trees)
    (directory / f"cold-{size}.txt").write_text(text)

for number in range(1000):
    small = train(sample(2_000), 20, num_leaves=15, num_threads=1)
    small.save_model(directory / "many" / f"{number:04}.txt")

np.resize(x, (1_000_000, x.shape[1])).astype("<f8").tofile(directory / "batch.f64")
