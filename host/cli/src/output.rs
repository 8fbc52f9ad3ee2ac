//! Answers on standard output: tables for people, JSON for programs.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables; without lines when standard output is no terminal.
    #[default]
    Table,
    /// The server's JSON.
    Json,
}

/// A column of a table: its heading and the dotted path of its cells.
pub(crate) type Column = (&'static str, &'static str);

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    terminal: bool,
}

/// The longest text in a record's cell.
const LONGEST: usize = 400;

impl Output {
    /// Standard output.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, terminal: std::io::stdout().is_terminal() }
    }

    /// Whether programs read this.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// A list of records.
    pub(crate) fn table(self, items: &[Value], columns: &[Column]) -> Result<()> {
        if self.is_json() {
            return self.json(&Value::Array(items.to_vec()));
        }
        if items.is_empty() {
            if self.terminal {
                print("nothing there\n")?;
            }
            return Ok(());
        }
        let rows = items.iter().map(|item| columns.iter().map(|(_, path)| cell(at(item, path))).collect());
        self.rows(columns.iter().map(|(heading, _)| (*heading).to_owned()).collect(), rows.collect())
    }

    /// Rows under headings.
    pub(crate) fn rows(self, headings: Vec<String>, rows: Vec<Vec<String>>) -> Result<()> {
        let mut table = self.empty();
        table.set_header(headings);
        table.add_rows(rows);
        print(&format!("{}\n", trimmed(&table)))
    }

    /// An answer of columns and rows.
    pub(crate) fn answered(self, answer: &Value) -> Result<()> {
        if self.is_json() {
            return self.json(answer);
        }
        let array = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
        let headings = array("columns").map(|column| cell(column.get("name"))).collect();
        let row = |row: &Value| row.as_array().into_iter().flatten().map(|value| cell(Some(value))).collect();
        self.rows(headings, array("rows").map(row).collect())
    }

    fn empty(self) -> Table {
        let mut table = Table::new();
        if self.terminal {
            table
                .load_preset(presets::UTF8_FULL_CONDENSED)
                .set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.load_preset(presets::NOTHING);
        }
        table
    }

    /// Whatever it is: a list as a table, a record field by field.
    pub(crate) fn value(self, value: &Value) -> Result<()> {
        if self.is_json() {
            return self.json(value);
        }
        match value {
            Value::Null => Ok(()),
            Value::Object(members) => match (members.get("items"), members.len()) {
                (Some(items @ Value::Array(_)), 1 | 2) => self.value(items),
                _ => self.record(members),
            },
            Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty() => {
                let mut headings: Vec<String> = Vec::new();
                for key in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
                    if !headings.contains(key) {
                        headings.push(key.clone());
                    }
                }
                let row = |item: &Value| headings.iter().map(|key| short(&cell(item.get(key)), 80)).collect();
                let rows = items.iter().map(row).collect();
                self.rows(headings, rows)
            }
            Value::Array(items) => {
                print(&items.iter().map(|item| cell(Some(item)) + "\n").collect::<String>())
            }
            other => print(&(cell(Some(other)) + "\n")),
        }
    }

    fn record(self, members: &Map<String, Value>) -> Result<()> {
        let mut table = self.empty();
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            table.add_row([name.clone(), short(&cell(Some(value)), LONGEST)]);
        }
        print(&format!("{}\n", trimmed(&table)))
    }

    /// Something was done: a sentence for people, the record for programs.
    pub(crate) fn done(self, record: &Value, sentence: &str) -> Result<()> {
        if self.is_json() { self.json(record) } else { print(&format!("{}\n", sentence.trim())) }
    }

    /// A sentence for people only.
    pub(crate) fn say(self, sentence: &str) -> Result<()> {
        if self.is_json() { Ok(()) } else { print(&format!("{sentence}\n")) }
    }

    /// JSON, indented.
    pub(crate) fn json(self, value: &Value) -> Result<()> {
        print(&format!("{value:#}\n"))
    }
}

/// Writes to standard output. That nobody reads any more (`| head`) is no
/// failure.
pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// The table without spaces at the ends of its lines.
fn trimmed(table: &Table) -> String {
    table.trim_fmt().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What a dotted path leads to.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

fn short(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest).collect::<String>() + "…"
}

/// A value as people read it.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => moment(text).unwrap_or_else(|| text.clone()),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(float) if number.is_f64() && float.abs() < 1e15 => {
                let text = format!("{float:.6}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                if float != 0.0 && text.parse() == Ok(0.0) { format!("{float:e}") } else { text.to_owned() }
            }
            _ => number.to_string(),
        },
        Some(Value::Array(items)) => items.iter().map(element).collect::<Vec<_>>().join(", "),
        Some(Value::Object(members)) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            members.map(|(name, value)| format!("{name}={}", nested(value))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// An item of a list: a metric as `name=value`, else like any value.
fn element(item: &Value) -> String {
    match (item.get("name").and_then(Value::as_str), item.get("value")) {
        (Some(name), Some(value)) => {
            let slice = item.get("slice").filter(|slice| !slice.is_null());
            let slice = slice.map(|slice| format!("[{}]", cell(Some(slice)))).unwrap_or_default();
            format!("{name}{slice}={}", cell(Some(value)))
        }
        _ => nested(item),
    }
}

fn nested(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => value.to_string(),
        other => cell(Some(other)),
    }
}

/// A moment to the second, if the text is one as the server writes it.
fn moment(text: &str) -> Option<String> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let shaped = date.len() == 10 && time.len() == 15 && time.get(8..9) == Some(".");
    shaped.then(|| format!("{date} {}", time.get(..8).unwrap_or(time)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_read_by_people() {
        let text = |value: Value| cell(Some(&value));
        assert_eq!(text(json!("2013-04-01T12:30:00.000000Z")), "2013-04-01 12:30:00");
        assert_eq!(text(json!("TZ")), "TZ");
        assert_eq!(text(json!(0.25)), "0.25");
        assert_eq!(text(json!(3.0)), "3");
        assert_eq!(text(json!(1e-9)), "1e-9");
        assert_eq!(text(json!(null)), "");
        assert_eq!(
            text(json!([{"name": "auc", "value": 0.9}, {"name": "auc", "slice": "jfk", "value": 1.0}])),
            "auc=0.9, auc[jfk]=1"
        );
        assert_eq!(text(json!({"a": 1, "b": null, "c": [1]})), "a=1, c=[1]");
        assert_eq!(cell(at(&json!({"a": {"b": 2}}), "a.b")), "2");
        assert_eq!(cell(at(&json!({"a": 1}), "a.b")), "");
    }
}
