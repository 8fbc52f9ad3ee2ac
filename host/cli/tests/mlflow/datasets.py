"""Evaluation datasets and their records."""

from common import done, mlflow, refused

from mlflow.genai.datasets import create_dataset, delete_dataset, get_dataset, search_datasets, set_dataset_tags

experiment = mlflow.set_experiment("datasets").experiment_id
dataset = create_dataset(name="questions", experiment_id=[experiment], tags={"owner": "ann"})
assert dataset.dataset_id.startswith("d-") and dataset.tags["owner"] == "ann"
records = [{"inputs": {"question": f"what is {n}?"}, "expectations": {"answer": str(n)}, "tags": {"n": str(n)}} for n in range(5)]
dataset.merge_records(records)
dataset.merge_records([{"inputs": {"question": "what is 2?"}, "expectations": {"answer": "two"}}])
frame = get_dataset(dataset_id=dataset.dataset_id).to_df()
assert len(frame) == 5, frame
answers = {row["inputs"]["question"]: row["expectations"]["answer"] for _, row in frame.iterrows()}
assert answers["what is 2?"] == "two" and answers["what is 3?"] == "3"
set_dataset_tags(dataset_id=dataset.dataset_id, tags={"owner": "bob", "new": "x"})
assert get_dataset(dataset_id=dataset.dataset_id).tags["owner"] == "bob"
assert [found.name for found in search_datasets(experiment_ids=[experiment], filter_string="name = 'questions'")] == ["questions"]
assert list(search_datasets(experiment_ids=[experiment], filter_string="name = 'nothing'")) == []
delete_dataset(dataset_id=dataset.dataset_id)
refused(lambda: get_dataset(dataset_id=dataset.dataset_id), "RESOURCE_DOES_NOT_EXIST")
done()
