"""Makes reference.json with scikit-learn, rouge_score and SQuAD's official
functions: `python reference.py > reference.json`."""
import collections, json, re, string
import numpy as np, sklearn
from rouge_score import rouge_scorer
from sklearn.feature_extraction.text import TfidfVectorizer

truth = ["The cat sat on the mat.", "Flights from Newark were delayed by snow!", "a", "", "It rained all day, all night.",
         "Denver Broncos", "the 1,024 passengers' bags", "une journée naïve à Paris", "one two three four five six"]
predicted = ["A cat sat on a mat", "Snow delayed the flights from Newark", "the", "", "All night it rained; all day, too.",
             "Carolina Panthers", "1024 passengers bags", "une journee naïve à paris", "six five four three two one"]

def normal(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())

def f1(t, p):
    t, p = normal(t).split(), normal(p).split()
    if not t or not p:
        return float(t == p)
    same = sum((collections.Counter(t) & collections.Counter(p)).values())
    return 2 * same / (len(t) + len(p)) if same else 0.0

vectors = TfidfVectorizer().fit(truth + predicted)
cosine = np.asarray(vectors.transform(truth).multiply(vectors.transform(predicted)).sum(1)).ravel()
words = vectors.build_analyzer()
def jaccard(t, p):
    t, p = set(words(t)), set(words(p))
    return len(t & p) / len(t | p) if t | p else 1.0
rouge = rouge_scorer.RougeScorer(["rougeL"])
pairs = list(zip(truth, predicted))
print(json.dumps(dict(sklearn=sklearn.__version__, truth=truth, predicted=predicted, metrics=dict(
    tfidf_cosine=float(cosine.mean()),
    token_f1=float(np.mean([f1(t, p) for t, p in pairs])),
    jaccard=float(np.mean([jaccard(t, p) for t, p in pairs])),
    exact_match=float(np.mean([normal(t) == normal(p) for t, p in pairs])),
    rouge_l=float(np.mean([rouge.score(t, p)["rougeL"].fmeasure for t, p in pairs])))), ensure_ascii=False))
