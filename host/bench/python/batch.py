"""Predicts the first rows of a file with LightGBM on one thread, and prints what it took as JSON.

    python batch.py MODEL ROWS.f64 COUNT
"""

import json
import sys
import time

import lightgbm as lgb
import numpy as np

model, rows, count = sys.argv[1:]
booster = lgb.Booster(model_file=model)
x = np.fromfile(rows, dtype="<f8").reshape(-1, booster.num_feature())[: int(count)]
booster.predict(x[:1000], num_threads=1)
started = time.perf_counter()
said = booster.predict(x, num_threads=1)
print(json.dumps(dict(seconds=time.perf_counter() - started, sum=float(said.sum()))))
