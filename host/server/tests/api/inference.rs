//! The Open Inference Protocol over a real connection, on a model that takes
//! text, numbers and booleans.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, read::ZlibDecoder, write::GzEncoder, write::ZlibEncoder};
use modelyard_clock::Clock;
use modelyard_server::Options;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::Server;

const JSON_LENGTH: &str = "inference-header-content-length";
const INFER: &str = "/v2/models/things/infer";

/// A server with the deployment `things`.
async fn serving(options: Options) -> Server {
    let server = Server::with(Clock::system(), options).await;
    let mut csv = "x,n,flag,kind,label\n".to_owned();
    for row in 0..200 {
        let (x, n) = (f64::from(row * 37 % 101) / 50.0, row * 7 % 11);
        let (flag, kind) = (row % 3 == 0, ["a", "b", "ü"][row as usize % 3]);
        let label = if x + f64::from(n) / 10.0 > 1.5 { "yes" } else { "no" };
        csv.push_str(&format!("{x},{n},{flag},{kind},{label}\n"));
    }
    let done = |(status, body): (reqwest::StatusCode, Value)| {
        assert!(status.is_success(), "{body}");
        body
    };
    done(server.text(Method::POST, "/ingestion/datasets/things/rows", "text/csv", &csv).await);
    let experiment = json!({"name": "things", "task": "binary_classification", "target": "label",
        "spine": {"sql": "SELECT x, n, flag, kind, label FROM things"},
        "features": {"plugin": "features-standard", "parameters": {"rest": "keep", "steps": [
            {"do": "one-hot", "columns": ["kind"]}]}},
        "training": {"plugin": "training-linear"}});
    done(server.put("/experiments", experiment).await);
    let run = done(server.post("/experiments/things/runs?wait=true", json!({})).await);
    done(server.post("/registry/models/things/versions", json!({"run": run["id"]})).await);
    let deployment = json!({"name": "things", "model": "things", "routes": [{"version": 1}],
        "limits": {"deadline_ms": 20_000}});
    done(server.put("/deployment", deployment).await);
    server
}

fn tensor(name: &str, datatype: &str, data: Value) -> Value {
    json!({"name": name, "shape": [data.as_array().unwrap().len()], "datatype": datatype, "data": data})
}

/// Two rows as JSON.
fn inputs() -> Vec<Value> {
    vec![
        tensor("x", "FP64", json!([1, 2])),
        tensor("n", "INT64", json!([3, 0])),
        tensor("flag", "BOOL", json!([true, false])),
        tensor("kind", "BYTES", json!(["ü", "a"])),
    ]
}

/// The same two rows with one input sent otherwise.
fn with(input: Value) -> Vec<Value> {
    let replace = |known: Value| if known["name"] == input["name"] { input.clone() } else { known };
    inputs().into_iter().map(replace).collect()
}

/// A tensor whose data follow the JSON.
fn raw(name: &str, datatype: &str, shape: &[i64], bytes: usize) -> Value {
    json!({"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": bytes}})
}

impl Server {
    fn infer(&self, request: &Value) -> RequestBuilder {
        self.request(Method::POST, INFER).json(request)
    }

    /// A request with raw data after its JSON.
    fn infer_raw(&self, request: &Value, raw: &[u8]) -> RequestBuilder {
        let json = request.to_string();
        let body = [json.as_bytes(), raw].concat();
        self.request(Method::POST, INFER).header(JSON_LENGTH, json.len()).body(body)
    }

    async fn outputs(&self, inputs: Vec<Value>) -> Value {
        done(self.infer(&json!({"inputs": inputs}))).await["outputs"].clone()
    }
}

async fn done(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The protocol's error, which is a problem as well.
async fn fault(request: RequestBuilder, code: u16, words: &str) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    let text = response.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).expect(&text);
    assert_eq!(status, code, "{body}");
    let error = body["error"].as_str().unwrap();
    assert!(error.contains(words), "{words:?} is not in {error:?}");
    assert_eq!((&body["status"], body["detail"].is_string()), (&json!(code), true), "{body}");
}

/// The JSON and the raw data of an answer.
async fn parts(response: Response) -> (Value, Vec<u8>) {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let length: usize = response.headers()[JSON_LENGTH].to_str().unwrap().parse().unwrap();
    let body = response.bytes().await.unwrap();
    (serde_json::from_slice(&body[..length]).unwrap(), body[length..].to_vec())
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_described_called_and_unloaded() {
    let server = serving(Options::default()).await;
    describes(&server).await;
    reads_every_datatype(&server).await;
    answers_as_asked(&server).await;
    compresses(&server).await;
    counts_and_unloads(&server).await;
    only_operators_unload(&server).await;
}

async fn describes(server: &Server) {
    let get = |path: &str| done(server.request(Method::GET, path));
    let named = get("/v2").await;
    assert_eq!(named["name"], "modelyard");
    assert!(named["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
    assert_eq!(get("/v2/health/live").await, json!({"live": true}));
    assert_eq!(get("/v2/health/ready").await, json!({"live": true, "ready": true}));
    let model = get("/v2/models/things").await;
    assert_eq!((&model["name"], &model["versions"]), (&json!("things"), &json!(["1"])));
    let types = |list: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["datatype"]))).collect()
    };
    let pair = |name: &str, datatype: &str| (name.to_owned(), datatype.to_owned());
    // A column of CSV may be empty: NaN says so, also of whole numbers and booleans.
    assert_eq!(
        types(&model["inputs"]),
        [pair("x", "FP64"), pair("n", "FP64"), pair("flag", "FP64"), pair("kind", "BYTES")]
    );
    assert_eq!(types(&model["outputs"]), [pair("probability", "FP64"), pair("label", "BYTES")]);
    assert_eq!(get("/v2/models/things/versions/1").await, model);
    assert_eq!(get("/v2/models/things/ready").await["ready"], true);
    assert_eq!(get("/v2/models/things/versions/1/ready").await["ready"], true);
    let config = get("/v2/models/things/config").await;
    assert_eq!(config["input"][3], json!({"name": "kind", "data_type": "TYPE_STRING", "dims": [-1]}));
    assert_eq!(get("/v2/models/things/versions/1/config").await, config);
    let index = done(server.request(Method::POST, "/v2/repository/index")).await;
    assert_eq!(index, json!([{"name": "things", "version": "1", "state": "READY", "reason": ""}]));
}

async fn reads_every_datatype(server: &Server) {
    let expected = server.outputs(inputs()).await;
    assert_eq!(expected[1]["data"], json!(["no", "yes"]).clone(), "{expected}");
    for datatype in
        ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
    {
        for name in ["x", "n"] {
            let data = if name == "x" { json!([1, 2]) } else { json!([3, 0]) };
            assert_eq!(server.outputs(with(tensor(name, datatype, data))).await, expected, "{datatype}");
        }
    }
    for (datatype, one_two) in [
        ("UINT8", vec![1, 2]),
        ("INT8", vec![1, 2]),
        ("UINT16", vec![1, 0, 2, 0]),
        ("INT16", vec![1, 0, 2, 0]),
        ("UINT32", [1u32.to_le_bytes(), 2u32.to_le_bytes()].concat()),
        ("INT32", [1i32.to_le_bytes(), 2i32.to_le_bytes()].concat()),
        ("UINT64", [1u64.to_le_bytes(), 2u64.to_le_bytes()].concat()),
        ("INT64", [1i64.to_le_bytes(), 2i64.to_le_bytes()].concat()),
        ("FP16", vec![0, 0x3c, 0, 0x40]),
        ("FP32", [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat()),
        ("FP64", [1f64.to_le_bytes(), 2f64.to_le_bytes()].concat()),
    ] {
        let request = json!({"inputs": with(raw("x", datatype, &[2], one_two.len()))});
        assert_eq!(done(server.infer_raw(&request, &one_two)).await["outputs"], expected, "{datatype}");
    }
    // Several raw inputs beside one in JSON, in the order of the inputs.
    let mixed = json!({"inputs": [
        raw("kind", "BYTES", &[2, 1], 11), tensor("x", "FP64", json!([1, 2])),
        raw("flag", "BOOL", &[2], 2), raw("n", "UINT8", &[2], 2)]});
    let bytes = [&[2, 0, 0, 0][..], "ü".as_bytes(), &[1, 0, 0, 0, b'a'], &[1, 0], &[3, 0]].concat();
    assert_eq!(done(server.infer_raw(&mixed, &bytes)).await["outputs"], expected);
    // Nested, and as a column.
    let nested = json!({"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [[1], [2]]});
    assert_eq!(server.outputs(with(nested)).await, expected);
    // Missing values, in JSON's word and in Python's.
    let missing = server.outputs(with(tensor("x", "FP64", json!([null, 2])))).await;
    let python = json!({"inputs": with(tensor("x", "FP64", json!(["NaN", 2])))}).to_string();
    let request = server.request(Method::POST, INFER).body(python.replace("\"NaN\"", "NaN"));
    assert_eq!(done(request).await["outputs"][0]["data"], missing[0]["data"]);
}

async fn answers_as_asked(server: &Server) {
    let all = done(server.infer(&json!({"inputs": inputs()}))).await;
    let probability: Vec<f64> =
        all["outputs"][0]["data"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
    assert_eq!(all["id"], all["parameters"]["prediction_id"]);
    let mut request = json!({"inputs": inputs(), "id": "mine", "parameters": {
        "entity": "ana", "sticky": "ana", "priority": 3, "custom": "harmless", "binary_data_output": true}});
    let (json, bytes) = parts(server.infer(&request).send().await.unwrap()).await;
    assert_eq!((&json["id"], &json["model_version"]), (&json!("mine"), &json!("1")));
    let outputs = json["outputs"].as_array().unwrap();
    assert!(outputs.iter().all(|output| output.get("data").is_none()), "{json}");
    assert_eq!(outputs[0]["parameters"]["binary_data_size"], 16);
    assert_eq!(doubles(&bytes[..16]), probability);
    assert_eq!(&bytes[16..], b"\x02\0\0\0no\x03\0\0\0yes");
    // An output that says something itself is heard.
    request["outputs"] =
        json!([{"name": "label", "parameters": {"binary_data": false}}, {"name": "probability"}]);
    let (json, bytes) = parts(server.infer(&request).send().await.unwrap()).await;
    assert_eq!(json["outputs"][1]["data"], json!(["no", "yes"]));
    assert_eq!(doubles(&bytes), probability);
    let one = json!({"inputs": inputs(), "outputs": [{"name": "label"}]});
    let one = done(server.infer(&one)).await;
    assert_eq!(one["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(one["outputs"][0]["name"], "label");
    let request = server.request(Method::POST, "/v2/models/things/versions/1/infer");
    assert_eq!(done(request.json(&json!({"inputs": inputs()}))).await["outputs"], all["outputs"]);
}

async fn compresses(server: &Server) {
    let plain = reqwest::Client::builder().no_gzip().build().unwrap();
    let many = 2000;
    let column = |name: &str, datatype: &str, value: Value| tensor(name, datatype, json!(vec![value; many]));
    let request = json!({"inputs": [column("x", "FP64", json!(1)), column("n", "INT64", json!(3)),
        column("flag", "BOOL", json!(true)), column("kind", "BYTES", json!("a"))]});
    let expected = done(server.infer(&request)).await["outputs"].clone();
    let json = request.to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(json.as_bytes()).unwrap();
    for (coding, body) in [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap())] {
        let request = plain.post(format!("{}{INFER}", server.base)).header("content-encoding", coding);
        // The border is counted in what is decompressed.
        let request = request.header("accept-encoding", coding).header(JSON_LENGTH, json.len()).body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], coding);
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        match coding {
            "gzip" => GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
            _ => ZlibDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        };
        let answered: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answered["outputs"], expected);
    }
}

async fn counts_and_unloads(server: &Server) {
    let get = |path: &str| server.request(Method::GET, path);
    let post = |path: &str| server.request(Method::POST, path);
    let count = |stats: &Value| stats["model_stats"][0]["inference_count"].as_u64().unwrap();
    let before = done(get("/v2/models/things/stats")).await;
    server.outputs(inputs()).await;
    let after = done(get("/v2/models/things/stats")).await;
    assert_eq!(count(&after), count(&before) + 1);
    let success = &after["model_stats"][0]["inference_stats"]["success"];
    assert_eq!(success["count"], count(&after));
    assert_eq!(
        success["ns"].as_u64().unwrap(),
        after["deployment"]["total"]["sum_us"].as_u64().unwrap() * 1000
    );
    assert_eq!(done(get("/v2/models/stats")).await["model_stats"], after["model_stats"]);
    assert_eq!(done(get("/v2/models/things/versions/1/stats")).await, after);

    let load = "/v2/repository/models/things/load";
    let unload = "/v2/repository/models/things/unload";
    let config = json!({"parameters": {"config": "{}"}});
    fault(post(load).json(&config), 400, "config").await;
    done(post(unload).json(&json!({"parameters": {"unload_dependents": false}}))).await;
    let status = get("/v2/models/things/ready").send().await.unwrap().status();
    assert_eq!(status, 404);
    assert_eq!(get("/v2/models/things/versions/1/ready").send().await.unwrap().status(), 404);
    fault(server.infer(&json!({"inputs": inputs()})), 404, load).await;
    fault(get("/v2/models/things/stats"), 404, "things").await;
    let index = done(post("/v2/repository/index").body("")).await;
    assert_eq!(index[0]["state"], "UNAVAILABLE");
    assert_eq!(done(post("/v2/repository/index").json(&json!({"ready": true}))).await, json!([]));
    // Twice is once.
    done(post(unload)).await;
    done(post(load)).await;
    done(post(load).body("{}")).await;
    assert_eq!(done(get("/v2/models/things/ready")).await["ready"], true);
    server.outputs(inputs()).await;
}

async fn only_operators_unload(server: &Server) {
    let token = |name: &'static str, bearer: String| {
        let body = json!({"name": name, "role": name});
        let request = server.request(Method::POST, "/governance/tokens").bearer_auth(bearer).json(&body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["token"].clone() }
    };
    let admin =
        server.request(Method::POST, "/governance/tokens").json(&json!({"name": "a", "role": "admin"}));
    let admin =
        admin.send().await.unwrap().json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    let (viewer, operator) = (token("viewer", admin.clone()).await, token("operator", admin).await);
    let post = |path: &str, token: &Value| {
        server.request(Method::POST, path).bearer_auth(token.as_str().unwrap()).json(&json!({}))
    };
    for path in ["/v2/repository/models/things/unload", "/v2/repository/models/things/load"] {
        fault(post(path, &viewer), 403, "Operator").await;
        done(post(path, &operator)).await;
    }
    done(post("/v2/repository/index", &viewer)).await;
    // What is refused before it reaches the protocol is said in its words, too.
    fault(server.request(Method::GET, "/v2/models/things"), 401, "token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_inference_requests_say_what_is_wrong() {
    let server = serving(Options { max_body_bytes: 100_000, ..Options::default() }).await;
    refuses_bodies(&server).await;
    refuses_tensors(&server).await;
    refuses_raw_data(&server).await;
    // After all that it answers.
    server.outputs(inputs()).await;
}

async fn refuses_bodies(server: &Server) {
    let post = |body: &str| server.request(Method::POST, INFER).body(body.to_owned());
    for body in ["{\"inputs\": [", "[]", "", "null", "{}", "{\"inputs\": {}}", "\u{feff}{\"inputs\": []}"] {
        fault(post(body), 400, "can't be read").await;
    }
    fault(post("{\"inputs\": []}"), 400, "no inputs").await;
    let good = json!({"inputs": inputs()}).to_string();
    done(post(&good)).await;
    done(post(&good).header("content-type", "application/octet-stream")).await;
    fault(post(&good).header("content-type", "text/csv"), 415, "text/csv").await;
    fault(post(&good).header("content-encoding", "br"), 415, "gzip and deflate").await;
    fault(post(&good).header("content-encoding", "gzip"), 400, "decompressed").await;
    fault(post(&" ".repeat(100_001)), 413, "can't be read").await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 10 << 20]).unwrap();
    let bomb = server.request(Method::POST, INFER).body(bomb.finish().unwrap());
    fault(bomb.header("content-encoding", "gzip"), 413, "when decompressed").await;

    let request = |path: &str| server.request(Method::POST, path).body(good.clone());
    fault(request("/v2/models/nobody/infer"), 404, "nobody").await;
    fault(request("/v2/models/things/versions/9/infer"), 404, "9").await;
    fault(request("/v2/models/things/versions/latest/infer"), 404, "no version number").await;
    fault(request("/v2/repository/models/nobody/load"), 404, "nobody").await;
    fault(request("/v2/repository/models/nobody/unload"), 404, "nobody").await;
    fault(server.request(Method::POST, "/v2/repository/index").body("{"), 400, "can't be read").await;
    fault(server.request(Method::GET, "/v2/models/nobody"), 404, "nobody").await;
    fault(server.request(Method::GET, "/v2/models/things/versions/9"), 404, "9").await;
    fault(server.request(Method::GET, "/v2/models/things/versions/9/stats"), 404, "9").await;
    fault(server.request(Method::GET, INFER), 405, "GET").await;
    fault(server.request(Method::GET, "/v2/nothing"), 404, "/v2/nothing").await;
    // Whoever asks for problem details gets them, `error` among them.
    let asked = request("/v2/models/nobody/infer").header("accept", "application/problem+json");
    let response = asked.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "not_found");
}

async fn refuses_tensors(server: &Server) {
    let post = |inputs: Vec<Value>| server.infer(&json!({"inputs": inputs}));
    let x = |shape: Value, data: Value| {
        post(with(json!({"name": "x", "shape": shape, "datatype": "FP64", "data": data})))
    };
    fault(x(json!([3]), json!([1, 2])), 400, "\"x\": the shape [3] has 3 elements").await;
    fault(x(json!([1_000_000]), json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), 400, "its data 10").await;
    fault(x(json!([4_611_686_018_427_387_904i64, 4]), json!([1, 2])), 400, "too large").await;
    fault(x(json!([-1]), json!([1, 2])), 400, "negative").await;
    fault(x(json!([-1, -2]), json!([1, 2])), 400, "negative").await;
    fault(x(json!([2.5]), json!([1, 2])), 400, "can't be read").await;
    fault(x(json!([2, 2]), json!([[1, 2], [3]])), 400, "lists of 2 and of 1").await;
    fault(x(json!([2]), json!([1, {"a": 1}])), 400, "object").await;
    fault(x(json!([2]), json!([1, "2"])), 400, "\"2\" is no FP64").await;
    fault(x(json!([1]), json!([1])), 400, "rows").await;
    fault(x(json!([0]), json!([])), 400, "rows").await;
    fault(post(with(tensor("x", "FLOAT", json!([1, 2])))), 400, "\"FLOAT\" is not known").await;
    fault(post(with(tensor("n", "INT8", json!([1, 128])))), 400, "128 is no INT8").await;
    fault(post(with(tensor("kind", "FP64", json!([1, 2])))), 400, "BYTES").await;
    let twice = inputs().into_iter().chain(inputs()).collect();
    fault(post(twice), 400, "\"x\" is there twice").await;
    fault(post(inputs().split_off(1)), 400, "\"x\"").await;
    let stranger = inputs().into_iter().chain([tensor("y", "FP64", json!([1, 2]))]).collect();
    fault(post(stranger), 400, "\"y\"").await;
    // Python's words are numbers only where numbers are.
    let infinite = |datatype: &str| {
        let request = json!({"inputs": with(tensor("x", datatype, json!(["@", 2])))}).to_string();
        server.request(Method::POST, INFER).body(request.replace("\"@\"", "-Infinity"))
    };
    fault(infinite("INT32"), 400, "-inf is no INT32").await;
    done(infinite("FP32")).await;

    let asks = |outputs: Value| server.infer(&json!({"inputs": inputs(), "outputs": outputs}));
    fault(asks(json!([{"name": "odds"}])), 400, "probability, label").await;
    fault(asks(json!([{"name": "label", "parameters": {"classification": 2}}])), 400, "classification").await;
    fault(asks(json!([{"name": "label", "parameters": {"binary_data": 1}}])), 400, "binary_data").await;
}

async fn refuses_raw_data(server: &Server) {
    let two = [1f64.to_le_bytes(), 2f64.to_le_bytes()].concat();
    let x = |size: Value| {
        let mut tensor = raw("x", "FP64", &[2], 0);
        tensor["parameters"]["binary_data_size"] = size;
        json!({"inputs": with(tensor)})
    };
    done(server.infer_raw(&x(json!(16)), &two)).await;
    for (size, words) in [
        (json!(8), "its raw data 8"),
        (json!(15), "its raw data 15"),
        (json!(17), "16 bytes left"),
        (json!(u64::MAX), "16 bytes left"),
        (json!(-16), "a number of bytes"),
        (json!("16"), "a number of bytes"),
    ] {
        fault(server.infer_raw(&x(size), &two), 400, words).await;
    }
    fault(server.infer_raw(&x(json!(16)), &[&two[..], b"more"].concat()), 400, "4 bytes follow").await;
    fault(server.infer(&x(json!(16))), 400, "Inference-Header-Content-Length").await;
    let overlong = x(json!(16)).to_string();
    let post = |length: &str| {
        let body = [overlong.as_bytes(), &two].concat();
        server.request(Method::POST, INFER).header(JSON_LENGTH, length).body(body)
    };
    fault(post(&(overlong.len() + 17).to_string()), 400, "but the body has").await;
    fault(post(&(overlong.len() + 1).to_string()), 400, "can't be read").await;
    fault(post(&(overlong.len() - 1).to_string()), 400, "can't be read").await;
    fault(post("0"), 400, "can't be read").await;
    fault(post("-1"), 400, "a number of bytes").await;
    let both = json!({"inputs": with(json!({"name": "x", "shape": [2], "datatype": "FP64",
        "parameters": {"binary_data_size": 16}, "data": [1, 2]}))});
    fault(server.infer_raw(&both, &two), 400, "both").await;
    let huge = json!({"inputs": with(raw("x", "FP64", &[i64::MAX], 16))});
    fault(server.infer_raw(&huge, &two), 400, "\"x\"").await;
    let lying = json!({"inputs": with(raw("kind", "BYTES", &[2], 5))});
    fault(server.infer_raw(&lying, b"\xff\xff\xff\xffa"), 400, "4294967295").await;
}
