"""Makes reference.json with scikit-learn: `python reference.py > reference.json`.

Numbers are imputed by their mean, standardised, and indicated where missing;
texts are one-hot encoded with missing as one more category; as training-linear
does."""
import json
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression, Ridge
rng = np.random.RandomState(11)
n = 240
a = np.round(10 + 4 * rng.randn(n), 3)
b = np.round(1000 * rng.rand(n), 1)
b[rng.rand(n) < 0.15] = np.nan
flag = rng.rand(n) < 0.4
c = rng.choice(["red", "green", "blue", ""], n, p=[0.4, 0.3, 0.2, 0.1])

filled = np.where(np.isnan(b), np.nanmean(b), b)
def standard(x, there):
    return (x - x[there].mean()) / x[there].std()
everywhere = np.ones(n, bool)
X = np.column_stack([standard(a, everywhere), standard(filled, ~np.isnan(b)), np.isnan(b),
                     standard(flag.astype(float), everywhere)] + [c == k for k in ["blue", "green", "red", ""]])
latent = 0.4 * (a - 10) - 0.002 * filled + flag + 1.2 * (c == "red") - 0.8 * np.isnan(b) + rng.randn(n)
binary = latent > np.median(latent)
three = np.digitize(latent, np.quantile(latent, [0.3, 0.7]))
number = np.round(100 + 12 * latent + 3 * rng.randn(n), 2)
out = dict(sklearn=sklearn.__version__, a=a.tolist(), b=[None if np.isnan(v) else v for v in b], flag=flag.tolist(), c=c.tolist(),
           binary=binary.tolist(), three=["low", "mid", "zenith"], number=number.tolist(), fits=[])
out["three"] = [out["three"][i] for i in three]
options = dict(tol=1e-12, max_iter=20000)
for l2 in (0.01, 1.0, 30.0):
    p2 = LogisticRegression(C=1 / l2, **options).fit(X, binary).predict_proba(X)[:, 1]
    p3 = LogisticRegression(C=1 / l2, **options).fit(X, three).predict_proba(X)
    y = Ridge(alpha=l2, solver="cholesky").fit(X, number).predict(X)
    out["fits"].append(dict(l2=l2, binary=p2.tolist(), three=p3.ravel().tolist(), number=y.tolist()))
print(json.dumps(out))
