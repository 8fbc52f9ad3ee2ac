//! The YAML front matter of a Hugging Face model card.

use crate::facts::{Facts, Measured};

/// Licence identifiers of the Hugging Face Hub that are SPDX identifiers in
/// lower case.
const LICENCES: [&str; 23] = [
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "artistic-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsl-1.0",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "ecl-2.0",
    "epl-2.0",
    "eupl-1.1",
    "gpl-2.0",
    "gpl-3.0",
    "isc",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
    "ncsa",
    "unlicense",
    "zlib",
];

/// A text as a YAML double-quoted scalar: JSON's escapes, and those of the
/// characters that JSON leaves and YAML does not take or breaks lines at.
#[must_use]
pub fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// The front matter, with both `---` lines.
#[must_use]
pub fn front_matter(facts: &Facts, language: &str) -> String {
    let model = facts.model.clone().unwrap_or_default();
    let mut out = String::from("---\n");
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("language: {}", quoted(language)));
    if let Some(licence) = model.licence.as_deref().map(str::trim).filter(|l| !l.is_empty()) {
        let id = licence.to_lowercase();
        let id = id.trim_end_matches("-only").trim_end_matches("-or-later");
        if LICENCES.contains(&id) {
            line(format!("license: {}", quoted(id)));
        } else {
            line("license: \"other\"".to_owned());
            line(format!("license_name: {}", quoted(licence)));
        }
    }
    line("library_name: \"modelyard\"".to_owned());
    let pipeline = pipeline(model.task.as_deref());
    if let Some(pipeline) = pipeline {
        line(format!("pipeline_tag: {}", quoted(pipeline)));
    }
    let mut list = |name: &str, items: &[&str]| {
        if !items.is_empty() {
            line(format!("{name}:"));
            items.iter().for_each(|item| line(format!("- {}", quoted(item))));
        }
    };
    let tags = model.tags.unwrap_or_default();
    list("tags", &tags.iter().map(String::as_str).collect::<Vec<_>>());
    let data = facts.data.as_ref().and_then(|d| d.name.as_deref());
    list("datasets", data.as_slice());
    let measured = measured(facts);
    let mut names: Vec<&str> = Vec::new();
    for metric in &measured {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    list("metrics", &names);
    if !measured.is_empty() {
        let name = model.name.as_deref().unwrap_or("model");
        out.push_str(&index(name, pipeline, data, &measured));
    }
    out.push_str("---\n");
    out
}

fn pipeline(task: Option<&str>) -> Option<&'static str> {
    match task? {
        "binary-classification" | "multiclass-classification" => Some("tabular-classification"),
        "regression" => Some("tabular-regression"),
        _ => None,
    }
}

/// Metrics with a number, those of the whole first, then slice by slice.
fn measured(facts: &Facts) -> Vec<&Measured> {
    let metrics = facts.evaluation.iter().flat_map(|e| e.metrics.iter().flatten());
    let mut all: Vec<&Measured> = metrics.filter(|m| m.value.is_some_and(f64::is_finite)).collect();
    all.sort_by_key(|m| m.slice.clone());
    all
}

/// `model-index`: one result for the whole and one for each slice, which stands
/// as the data set's configuration.
fn index(name: &str, pipeline: Option<&str>, data: Option<&str>, metrics: &[&Measured]) -> String {
    let mut out = format!("model-index:\n- name: {}\n  results:\n", quoted(name));
    let mut slice: Option<&Option<String>> = None;
    for metric in metrics {
        if slice != Some(&metric.slice) {
            slice = Some(&metric.slice);
            let task = quoted(pipeline.unwrap_or("other"));
            let data = quoted(data.unwrap_or("not recorded"));
            out.push_str(&format!(
                "  - task:\n      type: {task}\n    dataset:\n      type: {data}\n      name: {data}\n"
            ));
            if let Some(slice) = &metric.slice {
                out.push_str(&format!("      config: {}\n", quoted(slice)));
            }
            out.push_str("    metrics:\n");
        }
        let value = serde_json::Value::from(metric.value);
        out.push_str(&format!("    - type: {}\n      value: {value}\n", quoted(&metric.name)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_inside_their_quotes() {
        assert_eq!(quoted("a: \"b\"\n---\\"), r#""a: \"b\"\n---\\""#);
        assert_eq!(quoted("\u{85}\u{2028}\u{feff}é"), "\"\\u0085\\u2028\\ufeffé\"");
    }
}
