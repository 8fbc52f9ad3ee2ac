//! The model file in a directory that MLflow wrote.
//!
//! Its `MLmodel` is YAML of one shape: at the margin `flavors:`, below it the
//! flavors, and below each its fields. No more of YAML is read than that.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// Flavors whose file, which their field `data` names, can be imported.
const FLAVORS: [&str; 3] = ["onnx", "xgboost", "lightgbm"];

type Flavors = BTreeMap<String, BTreeMap<String, String>>;

/// The file of an MLflow model that can be imported.
///
/// # Errors
/// The directory is no MLflow model, or its model is a pickle or of a flavor
/// that is not known.
pub(super) fn file(directory: &Path) -> Result<PathBuf> {
    let description = fs::read_to_string(directory.join("MLmodel"))
        .context("a directory is imported if it is an MLflow model: it has no readable file MLmodel")?;
    let flavors = flavors(&description);
    let named = FLAVORS.iter().find_map(|flavor| flavors.get(*flavor)?.get("data"));
    let Some(named) = named else {
        let found: Vec<_> =
            flavors.keys().map(String::as_str).filter(|flavor| *flavor != "python_function").collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        bail!(
            "its flavors are {found}; onnx, xgboost and lightgbm can be imported. A pickle is a program rather than \
             a model: export it to ONNX (skl2onnx for scikit-learn, torch.onnx for PyTorch) and import that"
        );
    };
    let relative = Path::new(named);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        bail!("MLmodel names the file {named:?}, which is not inside the directory");
    }
    let mut file = directory.join(relative);
    // MLflow puts some models in a directory of their own.
    if file.is_dir() {
        file = only_file(&file)?;
    }
    let inside = file.canonicalize().with_context(|| file.display().to_string())?;
    if !inside.starts_with(directory.canonicalize()?) {
        bail!("MLmodel names the file {named:?}, which is not inside the directory");
    }
    if is_pickle(&inside)? {
        bail!(
            "its model {named:?} is a Python pickle, which is a program rather than a model: save the booster itself \
             (booster.save_model) or export it to ONNX, and import that"
        );
    }
    Ok(file)
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    match files.as_slice() {
        [file] if file.is_file() => Ok(file.clone()),
        _ => bail!(
            "{} holds more than the one file of a model; import the file by its name",
            directory.display()
        ),
    }
}

/// Whether a file begins as a pickle of protocol 2 or later.
fn is_pickle(file: &Path) -> Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    fs::File::open(file)?.take(2).read_to_end(&mut head)?;
    Ok(matches!(head.as_slice(), [0x80, 2..=5]))
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

    fn refused(directory: &Path) -> String {
        format!("{:#}", file(directory).unwrap_err())
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
}
