//! `modelyard deployment infer`: rows as people write them, or tensors as the
//! Open Inference Protocol has them.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{context::Context, document, output::cell};

#[derive(Debug, Args)]
pub(crate) struct Infer {
    /// The deployment.
    name: String,
    /// The input: one row as an object, rows as a list of them, or a whole
    /// request with `inputs`; JSON, @file, or - for standard input.
    #[arg(default_value = "-", value_name = "JSON")]
    input: String,
    /// Ask this version only.
    #[arg(long = "model-version", value_name = "N")]
    model_version: Option<u32>,
    /// A text that keeps its caller on one version.
    #[arg(long, value_name = "TEXT")]
    sticky: Option<String>,
    /// Whom the prediction is about: for erasure later.
    #[arg(long, value_name = "TEXT")]
    entity: Option<String>,
}

impl Infer {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let input = document::inline(&self.input)?;
        let mut request = match input {
            Value::Object(request) if request.contains_key("inputs") => request,
            Value::Object(row) => self.request(context, &[Value::Object(row)]).await?,
            Value::Array(rows) => self.request(context, &rows).await?,
            other => bail!(document::Usage::new(format!("{other} is neither rows nor a request"))),
        };
        for (name, value) in [("sticky", &self.sticky), ("entity", &self.entity)] {
            if let (Some(value), Value::Object(parameters)) =
                (value, request.entry("parameters").or_insert_with(|| json!({})))
            {
                parameters.insert(name.to_owned(), json!(value));
            }
        }
        let number = self.model_version.map(|number| number.to_string());
        let mut path = vec!["v2", "models", &self.name];
        if let Some(number) = &number {
            path.extend(["versions", number]);
        }
        path.push("infer");
        let answer = context.perform(&path, Some(&Value::Object(request)), false).await?;
        show(context, &answer)
    }

    /// Rows as tensors, by what the model takes.
    async fn request(&self, context: &Context, rows: &[Value]) -> Result<Map<String, Value>> {
        let described = context.client.get(&["v2", "models", &self.name], &[]).await?;
        let known = described.get("inputs").and_then(Value::as_array).context("the model names no inputs")?;
        let mut request = Map::new();
        request.insert("inputs".into(), Value::Array(tensors(known, rows)?));
        Ok(request)
    }
}

/// One tensor per input that a row names. Values that no input takes are sent
/// as well: they may be keys of a view, and if not the server says so.
fn tensors(known: &[Value], rows: &[Value]) -> Result<Vec<Value>> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let Value::Object(row) = row else {
            bail!(document::Usage::new(format!("{row} is no row; write {{\"column\": value}}")));
        };
        for name in row.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let tensor = |name: &&str| {
        let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
        let spec = known.iter().find(|spec| spec.get("name").and_then(Value::as_str) == Some(name));
        let datatype = spec.and_then(|spec| spec.get("datatype")?.as_str()).unwrap_or_else(|| guess(&values));
        let rank = spec.and_then(|spec| spec.get("shape")?.as_array()).map_or(1, Vec::len);
        let width = values.first().and_then(|value| value.as_array()).map_or(1, Vec::len);
        let mut shape = vec![rows.len()];
        if rank > 1 {
            shape.push(width);
        }
        let flat = |value: &&Value| match value {
            Value::Array(items) => items.clone(),
            value => vec![(*value).clone()],
        };
        let data: Vec<Value> = values.iter().flat_map(flat).collect();
        json!({"name": name, "shape": shape, "datatype": datatype, "data": data})
    };
    Ok(names.iter().map(tensor).collect())
}

/// The datatype of values that the model says nothing about.
fn guess(values: &[&Value]) -> &'static str {
    match values.iter().find(|value| !value.is_null()) {
        Some(Value::Bool(_)) => "BOOL",
        Some(Value::Number(number)) if number.is_i64() => "INT64",
        Some(Value::Number(_)) => "FP64",
        _ => "BYTES",
    }
}

fn show(context: &Context, answer: &Value) -> Result<()> {
    if context.output.is_json() {
        return context.output.json(answer);
    }
    let mut headings = Vec::new();
    let mut columns: Vec<Vec<String>> = Vec::new();
    let mut rows = 0;
    for output in answer.get("outputs").and_then(Value::as_array).into_iter().flatten() {
        let data: Vec<&Value> = output.get("data").and_then(Value::as_array).into_iter().flatten().collect();
        let count = output.get("shape").and_then(|shape| shape.get(0)?.as_u64()).unwrap_or(data.len() as u64);
        let count = usize::try_from(count).unwrap_or_default().max(1);
        let cells =
            |values: &[&Value]| values.iter().map(|value| cell(Some(value))).collect::<Vec<_>>().join(", ");
        headings.push(cell(output.get("name")));
        columns.push(data.chunks((data.len() / count).max(1)).map(cells).collect());
        rows = rows.max(count);
    }
    let row =
        |row: usize| columns.iter().map(|column| column.get(row).cloned().unwrap_or_default()).collect();
    context.output.rows(headings, (0..rows).map(row).collect())?;
    // Beside the table, so that the table can be piped.
    eprintln!(
        "version {}, prediction {}, {} us",
        cell(answer.get("model_version")),
        cell(answer.get("id")),
        cell(answer.pointer("/parameters/total_us"))
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn rows_become_tensors() {
        let known = [
            json!({"name": "x", "datatype": "FP64", "shape": [-1]}),
            json!({"name": "v", "datatype": "FP32", "shape": [-1, 2]}),
        ];
        let rows = [json!({"x": 1, "v": [1, 2], "origin": "JFK"}), json!({"x": 2.5, "v": [3, 4]})];
        let tensors = tensors(&known, &rows).unwrap();
        assert_eq!(tensors[0], json!({"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2.5]}));
        assert_eq!(
            tensors[1],
            json!({"name": "v", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]})
        );
        assert_eq!(
            tensors[2],
            json!({"name": "origin", "shape": [2], "datatype": "BYTES", "data": ["JFK", null]})
        );
        assert!(super::tensors(&known, &[json!(3)]).is_err());
    }
}
