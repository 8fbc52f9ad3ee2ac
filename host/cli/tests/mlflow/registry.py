"""Registered models, versions, stages, aliases, tags and prompts."""

from common import URL, done, mlflow, refused

from mlflow import MlflowClient

client = MlflowClient()
client.create_registered_model("plain", tags={"team": "a"}, description="what it is")
refused(lambda: client.create_registered_model("plain"), "RESOURCE_ALREADY_EXISTS", "Registered Model (name=plain) already exists.")
for name in ["a/b", "a:b"]:
    refused(lambda: client.create_registered_model(name), "INVALID_PARAMETER_VALUE", "Names cannot contain '/' or ':'")
client.create_registered_model("Größe & more (2)")
model = client.get_registered_model("plain")
assert model.tags == {"team": "a"} and model.description == "what it is" and model.aliases == {}
client.update_registered_model("plain", "something else")
client.set_registered_model_tag("plain", "team", "b")
client.set_registered_model_tag("plain", "x", "y")
client.delete_registered_model_tag("plain", "x")
model = client.get_registered_model("plain")
assert model.tags == {"team": "b"} and model.description == "something else"
refused(lambda: client.get_registered_model("nobody"), "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nobody not found")

run = client.create_run("0").info.run_id
client.log_text(run, "flavors: {}", "model/MLmodel")
source = f"runs:/{run}/model"
for number in range(1, 4):
    version = client.create_model_version("plain", source, run, tags={"n": str(number)}, description=f"version {number}")
    assert int(version.version) == number and version.current_stage == "None" and version.run_id == run
refused(lambda: client.create_model_version("plain", "/etc/passwd"), "INVALID_PARAMETER_VALUE", "local path")
refused(lambda: client.create_model_version("plain", "mlflow-artifacts:/../../etc"), "INVALID_PARAMETER_VALUE")
refused(lambda: client.create_model_version("plain", f"mlflow-artifacts:/1/{'0' * 32}/artifacts/model", run), "INVALID_PARAMETER_VALUE", "must identify the resource")
refused(lambda: client.create_model_version("nobody", source, run), "RESOURCE_DOES_NOT_EXIST", "nobody")
elsewhere = client.create_model_version("plain", "s3://bucket/model")
assert "does not read" in elsewhere.status_message

version = client.get_model_version("plain", "2")
assert version.tags == {"n": "2"} and version.description == "version 2" and version.source == source
client.update_model_version("plain", "2", "better")
client.set_model_version_tag("plain", "2", "checked", "yes")
client.delete_model_version_tag("plain", "2", "n")
version = client.get_model_version("plain", "2")
assert version.tags == {"checked": "yes"} and version.description == "better"
refused(lambda: client.get_model_version("plain", "99"), "RESOURCE_DOES_NOT_EXIST", "Model Version (name=plain, version=99) not found")
refused(lambda: client.get_model_version("plain", "x"), "INVALID_PARAMETER_VALUE", "integer")

client.transition_model_version_stage("plain", "1", "Production")
client.transition_model_version_stage("plain", "2", "production", archive_existing_versions=True)
assert client.get_model_version("plain", "1").current_stage == "Archived"
latest = {version.current_stage: int(version.version) for version in client.get_latest_versions("plain")}
assert latest == {"None": 4, "Production": 2, "Archived": 1}, latest
assert [int(version.version) for version in client.get_latest_versions("plain", ["Production"])] == [2]
refused(lambda: client.transition_model_version_stage("plain", "1", "Nowhere"), "INVALID_PARAMETER_VALUE", "Nowhere")

client.set_registered_model_alias("plain", "best", "2")
client.set_registered_model_alias("plain", "new", "3")
client.set_registered_model_alias("plain", "best", "3")
assert client.get_registered_model("plain").aliases == {"best": "3", "new": "3"}
assert sorted(client.get_model_version("plain", "3").aliases) == ["best", "new"]
assert int(client.get_model_version_by_alias("plain", "best").version) == 3
client.delete_registered_model_alias("plain", "new")
refused(lambda: client.get_model_version_by_alias("plain", "new"), "INVALID_PARAMETER_VALUE", "alias new not found")
for alias in ["latest", "v1", "a b"]:
    refused(lambda: client.set_registered_model_alias("plain", alias, "1"), "INVALID_PARAMETER_VALUE")
refused(lambda: client.set_registered_model_alias("plain", "best", "77"), "RESOURCE_DOES_NOT_EXIST")

for number in range(6):
    client.create_registered_model(f"many-{number}", tags={"even": str(number % 2 == 0)})
assert [model.name for model in client.search_registered_models("name LIKE 'many-%'", order_by=["name DESC"])] == [f"many-{n}" for n in range(5, -1, -1)]
assert {model.name for model in client.search_registered_models("tags.even = 'True'")} == {"many-0", "many-2", "many-4"}
assert [model.name for model in client.search_registered_models("name = 'plain'")] == ["plain"]
pages, token = [], None
while not pages or token:
    page = client.search_registered_models(max_results=3, page_token=token)
    pages.append([model.name for model in page])
    token = page.token
everything = sum(pages, [])
assert all(len(page) == 3 for page in pages[:-1]) and everything == sorted(set(everything)), pages
assert {"plain", "Größe & more (2)", "many-0", "many-5"} <= set(everything)
assert [int(version.version) for version in client.search_model_versions("name = 'plain'", order_by=["version_number DESC"])] == [4, 3, 2, 1]
assert {int(version.version) for version in client.search_model_versions(f"run_id = '{run}'")} == {1, 2, 3}
assert [int(version.version) for version in client.search_model_versions("name='plain' and tags.checked = 'yes'")] == [2]
refused(lambda: client.search_registered_models("nonsense = 'x'"), "INVALID_PARAMETER_VALUE")
refused(lambda: client.search_model_versions("name ="), "INVALID_PARAMETER_VALUE")

client.rename_registered_model("plain", "renamed")
assert client.get_registered_model("renamed").aliases == {"best": "3"}
assert client.get_model_version("renamed", "2").tags == {"checked": "yes"}
refused(lambda: client.get_registered_model("plain"), "RESOURCE_DOES_NOT_EXIST")
refused(lambda: client.rename_registered_model("renamed", "many-1"), "RESOURCE_ALREADY_EXISTS")
client.delete_model_version("renamed", "3")
refused(lambda: client.get_model_version("renamed", "3"), "RESOURCE_DOES_NOT_EXIST")
assert client.get_registered_model("renamed").aliases == {}
assert int(client.create_model_version("renamed", source, run).version) == 5
client.delete_registered_model("many-5")
refused(lambda: client.get_registered_model("many-5"), "RESOURCE_DOES_NOT_EXIST")
client.create_registered_model("many-5")

prompt = mlflow.genai.register_prompt("greeting", template="Hello {{name}}", tags={"tone": "kind"})
mlflow.genai.register_prompt("greeting", template="Hi {{name}}", commit_message="shorter")
mlflow.genai.set_prompt_alias("greeting", alias="live", version=1)
assert mlflow.genai.load_prompt("prompts:/greeting@live").format(name="you") == "Hello you"
assert mlflow.genai.load_prompt("prompts:/greeting/2").template == "Hi {{name}}"
assert [found.name for found in mlflow.genai.search_prompts()] == ["greeting"]
assert "greeting" not in [model.name for model in client.search_registered_models(max_results=100)]
done()
