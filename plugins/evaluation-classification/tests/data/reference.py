"""Makes reference.json with scikit-learn: `python reference.py > reference.json`."""
import json, warnings
import numpy as np, sklearn
from sklearn import metrics as m
from sklearn.calibration import calibration_curve
warnings.simplefilter("ignore")
rng = np.random.RandomState(7)

def labels(truth, predicted, binary):
    out = dict(accuracy=m.accuracy_score(truth, predicted),
               balanced_accuracy=m.balanced_accuracy_score(truth, predicted),
               matthews_correlation=m.matthews_corrcoef(truth, predicted))
    for name, f in dict(precision=m.precision_score, recall=m.recall_score, f1=m.f1_score, jaccard=m.jaccard_score).items():
        if binary:
            out[name] = f(truth, predicted)
        for average in ("macro", "micro", "weighted"):
            out[f"{name}_{average}"] = f(truth, predicted, average=average)
    return out

def binary(truth, score, threshold, bins=10):
    out = labels(truth, (score >= threshold).astype(int), True)
    p, r, _ = m.precision_recall_curve(truth, score)
    out.update(roc_auc=m.roc_auc_score(truth, score), average_precision=m.average_precision_score(truth, score),
               pr_auc=m.auc(r, p), log_loss=m.log_loss(truth, score), brier=m.brier_score_loss(truth, score))
    observed, predicted = calibration_curve(truth, score, n_bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], score), minlength=bins)
    counts = counts[counts > 0]
    out["expected_calibration_error"] = float(np.sum(counts / len(score) * np.abs(observed - predicted)))
    return out, list(predicted), list(observed)

n = 400
truth = (rng.rand(n) < 0.3).astype(int)
score = np.round(np.clip(0.3 + 0.35 * (truth - 0.3) + 0.25 * rng.randn(n), 0, 1), 2)  # many ties, 0 and 1 among them
group = rng.choice(["a", "b"], n)
whole, predicted, observed = binary(truth, score, 0.4)
slices = {g: binary(truth[group == g], score[group == g], 0.4)[0] for g in ("a", "b")}

classes = ["high", "low", "mid"]
t3 = rng.choice(3, 300, p=[0.2, 0.5, 0.3])
raw = rng.rand(300, 3) + 1.2 * np.eye(3)[t3] * rng.rand(300, 1)
p3 = np.round(raw / raw.sum(1, keepdims=True), 3)
p3[:, 2] = 1 - p3[:, 0] - p3[:, 1]
p3 = np.abs(p3)
multi = labels(t3, p3.argmax(1), False)
multi.update(roc_auc_ovr_macro=m.roc_auc_score(np.eye(3)[t3], p3, average="macro"),
             roc_auc_ovr_weighted=m.roc_auc_score(np.eye(3)[t3], p3, average="weighted"),
             average_precision_macro=m.average_precision_score(np.eye(3)[t3], p3, average="macro"),
             log_loss=m.log_loss(t3, p3 / p3.sum(1, keepdims=True)),
             brier=float(((p3 - np.eye(3)[t3]) ** 2).sum(1).mean()))
print(json.dumps(dict(
    sklearn=sklearn.__version__,
    binary=dict(truth=truth.tolist(), score=score.tolist(), group=group.tolist(), threshold=0.4, metrics=whole,
                slices=slices, calibration=dict(predicted=predicted, observed=observed),
                confusion=m.confusion_matrix(truth, (score >= 0.4).astype(int)).ravel().tolist()),
    multiclass=dict(classes=classes, truth=[classes[i] for i in t3], probabilities=p3.T.tolist(), metrics=multi,
                    confusion=m.confusion_matrix(t3, p3.argmax(1)).ravel().tolist()))))
