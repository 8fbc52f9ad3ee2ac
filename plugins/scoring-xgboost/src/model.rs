//! A model file.

use modelyard_sdk::Error;
use modelyard_sdk::learn::trees::{Builder, Ensemble, Precision};
use modelyard_sdk::learn::{MAX_CLASSES, MAX_INPUTS};

use crate::value::{Value, whole};
use crate::{categories, json, objective, tree, ubjson};

/// Reads a file, or says where and why it can't be scored.
pub(crate) fn read(bytes: &[u8]) -> Result<Ensemble, Error> {
    let fault = |error: String| Error::invalid(format!("XGBoost model file: {error}"));
    ensemble(&document(bytes).map_err(fault)?).map_err(fault)
}

fn document(bytes: &[u8]) -> Result<Value, String> {
    let mut marks = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    match (marks.next(), marks.next()) {
        // A UBJSON object goes on with the type of a length.
        (Some(b'{'), Some(b'"' | b'}')) => json::read(bytes),
        (Some(b'{'), _) => ubjson::read(bytes),
        _ => {
            let front: Vec<u8> = bytes.iter().take(16).copied().collect();
            Err(format!(
                "JSON or UBJSON is expected, as save_model writes it to a .json or .ubj file; this begins \
                 with {:?} (the binary format that XGBoost has given up has to be saved again)",
                String::from_utf8_lossy(&front)
            ))
        }
    }
}

fn ensemble(document: &Value) -> Result<Ensemble, String> {
    let learner = document.get("learner")?;
    let param = learner.get("learner_model_param")?;
    let name = learner.get("objective")?.text("name")?;
    let scores = param.count_or("num_class", 0)?.max(param.count_or("num_target", 1)?).max(1);
    if scores > MAX_CLASSES {
        return Err(format!("{scores} classes or targets; {MAX_CLASSES} is the most"));
    }
    let answer = objective::answer(name, scores)?;

    let booster = Boosted::find(learner.get("gradient_booster")?)?;
    let names = learner.texts("feature_names")?;
    let features = match param.count_or("num_feature", 0)? {
        0 => names.len(),
        features => features,
    };
    if features > MAX_INPUTS {
        return Err(format!("{features} features; {MAX_INPUTS} is the most"));
    }
    if !names.is_empty() && names.len() != features {
        return Err(format!("{} names for {features} features", names.len()));
    }
    let mut builder = Builder::new(features, base(param, name, scores)?, Precision::Single)?;
    booster.add(&mut builder, learner, scores)?;

    let name = |at: usize| names.get(at).map_or_else(|| format!("f{at}"), |name| (*name).to_owned());
    let codings = categories::read(booster.model, features)?;
    let columns = codings.into_iter().enumerate().map(|(at, coding)| (name(at), coding)).collect();
    Ensemble::new(columns, Precision::Single, builder.finish(), answer)
}

/// The scores before any tree. The file has one base score or one per score, as
/// the text of a number or of a list.
fn base(param: &Value, objective: &str, scores: usize) -> Result<Vec<f64>, String> {
    let text = if param.find("base_score").is_some() { param.text("base_score")? } else { "0.5" };
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let mut base = Vec::new();
    for number in bare.split(',') {
        let number: f32 =
            number.trim().parse().map_err(|_| format!("the base score {text:?} is no number"))?;
        base.push(f64::from(objective::margin(objective, number)?));
    }
    match base.as_slice() {
        [one] => Ok(vec![*one; scores]),
        several if several.len() == scores => Ok(base),
        several => Err(format!("{} base scores for {scores} scores", several.len())),
    }
}

/// The trees of a booster.
struct Boosted<'a> {
    model: &'a Value,
    /// How much each tree counts; empty where all count once.
    weights: &'a [f64],
}

impl<'a> Boosted<'a> {
    fn find(booster: &'a Value) -> Result<Self, String> {
        let (trees, beside) = match booster.text("name")? {
            "gbtree" => (booster, None),
            "dart" => (booster.get("gbtree")?, Some(booster)),
            name => {
                return Err(format!("the booster `{name}` is not supported; gbtree and dart are"));
            }
        };
        let model = trees.get("model")?;
        // Until XGBoost 3.3 the weights lay beside the model.
        let holder = beside.into_iter().chain([model]).find(|at| at.find("weight_drop").is_some());
        let weights = match holder {
            Some(holder) => holder.numbers("weight_drop")?,
            None => &[],
        };
        Ok(Self { model, weights })
    }

    fn add(&self, builder: &mut Builder, learner: &Value, scores: usize) -> Result<(), String> {
        let trees = self.model.list("trees")?;
        let groups = self.model.numbers("tree_info")?;
        let announced = match self.model.find("gbtree_model_param") {
            Some(param) => param.count_or("num_trees", trees.len())?,
            None => trees.len(),
        };
        if announced != trees.len() || groups.len() != trees.len() {
            return Err(format!(
                "it announces {announced} trees, holds {} and says of {} what they add to",
                trees.len(),
                groups.len()
            ));
        }
        if self.weights.len() > trees.len() {
            return Err(format!("{} weights for {} trees", self.weights.len(), trees.len()));
        }
        let used = self.used(learner, scores)?.unwrap_or(trees.len());
        for (at, (tree, group)) in trees.iter().zip(groups).take(used).enumerate() {
            let weight = self.weights.get(at).copied().unwrap_or(1.0) as f32;
            let score = whole(*group, u32::MAX as usize);
            let score = score.ok_or_else(|| format!("tree {at} adds to the score {group}"))?;
            tree::add(builder, tree, score, weight).map_err(|error| format!("tree {at}: {error}"))?;
        }
        Ok(())
    }

    /// How many trees belong to the iterations up to the best one, where
    /// training stopped early.
    fn used(&self, learner: &Value, scores: usize) -> Result<Option<usize>, String> {
        let Some(attributes) = learner.find("attributes") else { return Ok(None) };
        if attributes.find("best_iteration").is_none() {
            return Ok(None);
        }
        let iterations = attributes.count("best_iteration")?.saturating_add(1);
        if self.model.find("iteration_indptr").is_some() {
            let ends = self.model.numbers("iteration_indptr")?;
            return Ok(ends.get(iterations).and_then(|end| whole(*end, u32::MAX as usize)));
        }
        let parallel = match self.model.find("gbtree_model_param") {
            Some(param) => param.count_or("num_parallel_tree", 1)?.max(1),
            None => 1,
        };
        Ok(Some(iterations.saturating_mul(parallel).saturating_mul(scores)))
    }
}
