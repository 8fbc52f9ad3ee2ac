//! A model file.

use modelyard_sdk::Error;
use modelyard_sdk::learn::trees::{Builder, Ensemble, Link, Precision};
use modelyard_sdk::learn::{MAX_CLASSES, MAX_INPUTS};

use crate::text::{File, Section};
use crate::{categories, objective, tree};

/// The formats that are known, by the LightGBM releases that write them.
const VERSIONS: [&str; 3] = ["v2", "v3", "v4"];

/// Reads a file, or says where and why it can't be scored.
pub(crate) fn read(bytes: &[u8]) -> Result<Ensemble, Error> {
    ensemble(bytes).map_err(|error| Error::invalid(format!("LightGBM model file: {error}")))
}

fn ensemble(bytes: &[u8]) -> Result<Ensemble, String> {
    let mut file = File::new(bytes)?;
    let head = file.section()?;
    let version = head.find("version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(format!("the version {version:?} is not known; {} are", VERSIONS.join(", ")));
    }
    let names = names(&head)?;
    let scores = head.count_or("num_tree_per_iteration", 1)?;
    if scores == 0 || scores > MAX_CLASSES {
        return Err(format!("{scores} trees for an iteration; 1 to {MAX_CLASSES} are accepted"));
    }
    let mut answer = objective::answer(head.find("objective"), scores)?;
    let mut builder = Builder::new(names.len(), vec![0.0; scores], Precision::Double)?;

    let mut trees = 0;
    while let Some(section) = file.tree(trees)? {
        tree::add(&mut builder, &section, trees % scores)
            .map_err(|error| format!("tree {trees}: {error}"))?;
        trees += 1;
    }
    if trees == 0 || trees % scores != 0 {
        return Err(format!("{trees} trees for {scores} scores: a multiple and at least one are needed"));
    }
    if let Some(sizes) = head.find("tree_sizes") {
        let announced = sizes.split_ascii_whitespace().count();
        if announced != trees {
            return Err(format!("{announced} trees are announced, {trees} are there"));
        }
    }
    if head.find("average_output").is_some() {
        // The same format held other leaves before LightGBM 2.2: probabilities
        // for `binary`, and so on.
        if version == "v2" && answer.link() != Link::Identity {
            return Err("a random forest of version v2 does not say whether its leaves are scores or, as \
                        before LightGBM 2.2, predictions; train it with a newer release"
                .to_owned());
        }
        answer = answer.divided((trees / scores) as f64);
    }
    let tail = file.tail()?;
    let codings = categories::read(&head, &tail, names.len())?;
    let columns = names.into_iter().map(str::to_owned).zip(codings).collect();
    Ensemble::new(columns, Precision::Double, builder.finish(), answer)
}

/// The features' names, as many as announced.
fn names<'a>(head: &Section<'a>) -> Result<Vec<&'a str>, String> {
    let features = head.count("max_feature_idx")?.saturating_add(1);
    if features > MAX_INPUTS {
        return Err(format!("{features} features; {MAX_INPUTS} is the most"));
    }
    let names = head.find("feature_names").ok_or("`feature_names` is missing")?;
    let names: Vec<&str> = names.split_ascii_whitespace().collect();
    if names.len() == features {
        Ok(names)
    } else {
        Err(format!("{} names for {features} features", names.len()))
    }
}
