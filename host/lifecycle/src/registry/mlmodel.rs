//! A model as MLflow writes it: a directory with a file `MLmodel`.
//!
//! `MLmodel` is YAML of one shape: at the margin `flavors:` and below it the
//! flavors with their fields, and `signature:` with `inputs:`, whose value is JSON
//! in a text. No more of YAML is read than that, and nothing of the model itself:
//! that is done by a scoring plugin, in its sandbox.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::scalar;

/// The description's name in its directory.
pub const FILE: &str = "MLmodel";

/// The largest description that is read, in bytes.
const MOST: u64 = 4 << 20;

/// Flavors whose file, which their field `data` names, can be imported.
const FLAVORS: [&str; 3] = ["onnx", "xgboost", "lightgbm"];

type Flavors = BTreeMap<String, BTreeMap<String, String>>;

/// What an `MLmodel` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mlmodel {
    /// The flavors with their plain fields.
    flavors: Flavors,
    /// What the model takes, as its signature says; none: it has no signature.
    pub inputs: Option<Vec<Input>>,
    /// Whether an example of its input was kept, from which MLflow makes a
    /// signature unless that fails.
    pub example: bool,
}

/// One input that a signature names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A column.
    Column {
        /// Its name, if it has one.
        name: Option<String>,
        /// Whether it may be left out.
        optional: bool,
    },
    /// A tensor.
    Tensor {
        /// Its name, if it has one.
        name: Option<String>,
        /// Its shape; -1: any.
        shape: Vec<i64>,
    },
}

impl Mlmodel {
    /// Reads the description of a directory.
    ///
    /// # Errors
    /// Says in words why the directory is no MLflow model.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let mut text = String::new();
        fs::File::open(directory.join(FILE))
            .and_then(|file| file.take(MOST).read_to_string(&mut text))
            .map_err(|error| {
                format!("a directory is imported if it is an MLflow model: it has no readable file MLmodel ({error})")
            })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let inputs = match scalar::below(text, "signature", "inputs") {
            Some(json) => Some(inputs(&json)?),
            None => None,
        };
        let example = text.lines().any(|line| {
            line.strip_prefix("saved_input_example_info:").is_some_and(|rest| rest.trim() != "null")
        });
        Ok(Self { flavors: flavors(text), inputs, example })
    }

    /// The names of its flavors but `python_function`, which all have.
    pub fn flavors(&self) -> Vec<String> {
        self.flavors.keys().filter(|flavor| *flavor != "python_function").cloned().collect()
    }

    /// The file in its directory that can be imported: that of a known flavor,
    /// or an ONNX file that lies beside the model.
    ///
    /// # Errors
    /// Says in words why there is none and what to do about it.
    pub fn file(&self, directory: &Path) -> Result<PathBuf, String> {
        match self.of_flavor(directory) {
            Ok(file) => Ok(file),
            Err(reason) => beside(directory).ok_or(reason),
        }
    }

    fn of_flavor(&self, directory: &Path) -> Result<PathBuf, String> {
        let named = FLAVORS.iter().find_map(|flavor| self.flavors.get(*flavor)?.get("data"));
        let Some(named) = named else {
            let found = self.flavors();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            return Err(format!(
                "its flavors are {found}; onnx, xgboost and lightgbm can be imported. A pickle is a program rather \
                 than a model: export it to ONNX (skl2onnx for scikit-learn, torch.onnx for PyTorch) and import that, \
                 or put model.onnx beside it"
            ));
        };
        let outside = || format!("MLmodel names the file {named:?}, which is not inside the directory");
        let relative = Path::new(named);
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside());
        }
        let mut file = directory.join(relative);
        // MLflow puts some models in a directory of their own.
        if file.is_dir() {
            file = only_file(&file)?;
        }
        let unreadable = |error: std::io::Error| format!("{named}: {error}");
        let inside = file.canonicalize().map_err(unreadable)?;
        if !inside.starts_with(directory.canonicalize().map_err(unreadable)?) {
            return Err(outside());
        }
        if is_pickle(&inside).map_err(unreadable)? {
            return Err(format!(
                "its model {named:?} is a Python pickle, which is a program rather than a model: save the booster \
                 itself (booster.save_model) or export it to ONNX, and import that, or put model.onnx beside it"
            ));
        }
        Ok(file)
    }
}

/// The one ONNX file at the top of a directory or of its directory `onnx`.
fn beside(directory: &Path) -> Option<PathBuf> {
    let mut found = Vec::new();
    for place in [directory.to_owned(), directory.join("onnx")] {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let path = entry.path();
            // A link may lead anywhere; MLflow writes none.
            let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
            if plain && path.extension().is_some_and(|extension| extension == "onnx") {
                found.push(path);
            }
        }
    }
    match found.as_slice() {
        [file] => Some(file.clone()),
        _ => None,
    }
}

fn only_file(directory: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()
    });
    match entries.map_err(|error| format!("{}: {error}", directory.display()))?.as_slice() {
        [file] if file.is_file() => Ok(file.clone()),
        _ => Err(format!(
            "{} holds more than the one file of a model; import the file by its name",
            directory.display()
        )),
    }
}

/// Whether a file begins as a pickle of protocol 2 or later.
fn is_pickle(file: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(file)?.take(2).read_to_end(&mut head)?;
    Ok(matches!(head.as_slice(), [0x80, 2..=5]))
}

/// The inputs of a signature, which is JSON.
fn inputs(json: &str) -> Result<Vec<Input>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the signature in MLmodel can't be read: {error}");
    let entries: Vec<Value> = serde_json::from_str(json).map_err(|error| wrong(&error))?;
    entries
        .iter()
        .map(|entry| {
            let name = entry.get("name").and_then(Value::as_str).map(str::to_owned);
            if entry.get("type").and_then(Value::as_str) != Some("tensor") {
                let optional = entry.get("required").and_then(Value::as_bool) == Some(false)
                    || entry.get("optional").and_then(Value::as_bool) == Some(true);
                return Ok(Input::Column { name, optional });
            }
            let shape = entry.pointer("/tensor-spec/shape").and_then(Value::as_array);
            let shape = shape.ok_or_else(|| wrong(&"a tensor has no shape"))?;
            Ok(Input::Tensor { name, shape: shape.iter().map(|size| size.as_i64().unwrap_or(-1)).collect() })
        })
        .collect()
}

/// The flavors of an `MLmodel` with their plain fields.
fn flavors(description: &str) -> Flavors {
    let mut flavors = Flavors::new();
    let mut inside = false;
    let mut flavor: Option<(usize, String)> = None;
    for line in description.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if indent == 0 {
            inside = text.trim_end() == "flavors:";
            flavor = None;
            continue;
        }
        let Some((name, value)) = text.split_once(':').filter(|_| inside) else { continue };
        match &flavor {
            Some((column, known)) if indent > *column => {
                let fields = flavors.entry(known.clone()).or_default();
                let value = unquoted(value.trim());
                if !value.is_empty() && value != "null" {
                    // A nested field of the same name comes later and is not meant.
                    fields.entry(name.to_owned()).or_insert_with(|| value.to_owned());
                }
            }
            _ => {
                flavors.entry(name.to_owned()).or_default();
                flavor = Some((indent, name.to_owned()));
            }
        }
    }
    flavors
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIGHTGBM: &str = "artifact_path: model\nflavors:\n  lightgbm:\n    code: null\n    data: model.lgb\n    \
        lgb_version: 4.5.0\n    model_class: lightgbm.basic.Booster\n  python_function:\n    data: model.lgb\n    \
        env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n    loader_module: mlflow.lightgbm\n\
        mlflow_version: 2.17.0\nsignature:\n  data: other\n";

    fn model(description: &str, files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("MLmodel"), description).unwrap();
        for (name, bytes) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        directory
    }

    fn file(directory: &Path) -> Result<PathBuf, String> {
        Mlmodel::read(directory)?.file(directory)
    }

    fn refused(directory: &Path) -> String {
        file(directory).unwrap_err()
    }

    #[test]
    fn the_file_of_a_known_flavor_is_found() {
        let directory = model(LIGHTGBM, &[("model.lgb", b"tree\n")]);
        assert_eq!(file(directory.path()).unwrap(), directory.path().join("model.lgb"));
        // Two spaces or four, quoted or not, in a directory of its own.
        let xgboost = "flavors:\n    python_function:\n        loader_module: mlflow.xgboost\n    xgboost:\n        \
            data: 'data/model.ubj'\n        model_format: ubj\n";
        let directory = model(xgboost, &[("data/model.ubj/model.ubj", b"{L")]);
        assert!(file(directory.path()).unwrap().ends_with("data/model.ubj/model.ubj"));
    }

    #[test]
    fn what_is_no_model_file_is_refused() {
        let sklearn = "flavors:\n  python_function:\n    model_path: model.pkl\n  sklearn:\n    pickled_model: model.pkl\n";
        let directory = model(sklearn, &[("model.pkl", b"\x80\x04")]);
        let told = refused(directory.path());
        assert!(told.contains("sklearn") && told.contains("export it to ONNX"), "{told}");
        assert!(!told.contains("python_function"), "{told}");

        let pickled = LIGHTGBM.replace("model.lgb", "model.pkl");
        let directory = model(&pickled, &[("model.pkl", b"\x80\x05...")]);
        assert!(refused(directory.path()).contains("pickle"));

        let empty = tempfile::tempdir().unwrap();
        assert!(refused(empty.path()).contains("MLmodel"));
        assert!(refused(model("", &[]).path()).contains("its flavors are none"));
        assert!(refused(model(LIGHTGBM, &[]).path()).contains("model.lgb"));
    }

    #[test]
    fn nothing_outside_the_directory_is_sent() {
        for path in ["../MLmodel", "/etc/hostname", "a/../../b"] {
            let directory = model(&LIGHTGBM.replace("model.lgb", path), &[]);
            assert!(refused(directory.path()).contains("not inside"), "{path}");
        }
        let directory = model(LIGHTGBM, &[]);
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("model.lgb")).unwrap();
        assert!(refused(directory.path()).contains("not inside"));
    }

    #[test]
    fn an_onnx_file_beside_a_pickle_is_taken() {
        let sklearn = "flavors:\n  sklearn:\n    pickled_model: model.pkl\n";
        let directory = model(sklearn, &[("model.pkl", b"\x80\x04"), ("model.onnx", b"\x08\x09")]);
        assert!(file(directory.path()).unwrap().ends_with("model.onnx"));
        let directory = model(sklearn, &[("onnx/net.onnx", b"\x08\x09")]);
        assert!(file(directory.path()).unwrap().ends_with("onnx/net.onnx"));
        let two = model(sklearn, &[("a.onnx", b"\x08\x09"), ("b.onnx", b"\x08\x09")]);
        assert!(refused(two.path()).contains("sklearn"));
    }

    #[test]
    fn a_signature_is_read_however_yaml_wraps_it() {
        let text = "saved_input_example_info:\n  artifact_path: input_example.json\nsignature:\n  inputs: '[{\"type\": \
            \"double\", \"name\": \"it''s a\n    length\", \"required\": true}, {\"type\": \"long\", \"required\":\n    \
            false}]'\n  outputs: '[]'\n";
        let read = Mlmodel::parse(text).unwrap();
        assert!(read.example);
        let column = |name: Option<&str>, optional| Input::Column { name: name.map(str::to_owned), optional };
        assert_eq!(read.inputs.unwrap(), [column(Some("it's a length"), false), column(None, true)]);
        let tensor = "signature:\n  inputs: '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1, 4]}}]'\n";
        let read = Mlmodel::parse(tensor).unwrap();
        assert_eq!(read.inputs.unwrap(), [Input::Tensor { name: None, shape: vec![-1, 4] }]);
        let none = Mlmodel::parse("flavors:\n  onnx:\n    data: model.onnx\n").unwrap();
        assert!(none.inputs.is_none() && !none.example);
        assert!(Mlmodel::parse("signature:\n  inputs: 'nonsense'\n").unwrap_err().contains("signature"));
    }
}
