//! TOML with places: `${ENV}` and relative `file:` URLs filled in, and every
//! error with the file and line it stands at.

use std::{borrow::Cow, ops::Range, path::Path};

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer, ValueDeserializer},
};

use crate::document::absolute;

/// A TOML text and where it is from.
pub(crate) struct Toml<'t> {
    name: &'t str,
    text: &'t str,
    directory: &'t Path,
}

impl<'t> Toml<'t> {
    /// A text, the name of its file, and the directory that paths in it are
    /// relative to.
    pub(crate) fn new(name: &'t str, text: &'t str, directory: &'t Path) -> Self {
        Self { name, text, directory }
    }

    /// The whole as JSON.
    pub(crate) fn value(&self) -> Result<Value> {
        json(&DeValue::Table(self.table()?.into_inner())).map_err(|message| self.error(None, &message))
    }

    /// The whole as its tables, texts filled in.
    pub(crate) fn table(&self) -> Result<Spanned<DeTable<'t>>> {
        let mut table = DeTable::parse(self.text).map_err(|error| self.wrong(&error))?;
        for (_, value) in table.get_mut().iter_mut() {
            self.fill(value)?;
        }
        Ok(table)
    }

    /// The whole, or what is left of it, as a type.
    pub(crate) fn read<T: DeserializeOwned>(&self, table: Spanned<DeTable<'t>>) -> Result<T> {
        T::deserialize(Deserializer::from(table)).map_err(|error| self.wrong(&error))
    }

    /// A part as a type.
    pub(crate) fn part<T: DeserializeOwned>(&self, value: Spanned<DeValue<'t>>) -> Result<T> {
        let span = value.span();
        // Faults within untagged or tagged parts know no place of their own.
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.error(Some(error.span().unwrap_or(span)), error.message().trim()))
    }

    /// An error at a place.
    pub(crate) fn error(&self, span: Option<Range<usize>>, message: &str) -> anyhow::Error {
        let Some(before) = span.and_then(|span| self.text.get(..span.start)) else {
            return anyhow!("{}: {message}", self.name);
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let shown = self.text.lines().nth(line - 1).unwrap_or_default().trim_end();
        anyhow!("{}:{line}:{column}: {message}\n  | {shown}", self.name)
    }

    fn wrong(&self, error: &toml::de::Error) -> anyhow::Error {
        self.error(error.span(), error.message().trim())
    }

    fn fill(&self, value: &mut Spanned<DeValue<'t>>) -> Result<()> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) => {
                let filled = environment(text).map_err(|message| self.error(Some(span), &message))?;
                *text = Cow::Owned(absolute(&filled, self.directory));
            }
            DeValue::Array(items) => {
                for item in items.iter_mut() {
                    self.fill(item)?;
                }
            }
            DeValue::Table(members) => {
                for (_, member) in members.iter_mut() {
                    self.fill(member)?;
                }
            }
            // JSON has no times: they are texts there.
            other @ DeValue::Datetime(_) => {
                if let DeValue::Datetime(time) = &*other {
                    *other = DeValue::String(Cow::Owned(time.to_string()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A value as JSON.
pub(crate) fn json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let radix = number.radix();
            i64::from_str_radix(number.as_str(), radix).map_err(|_| format!("{number} is too large"))?.into()
        }
        DeValue::Float(number) => {
            let float: f64 = number.as_str().parse().map_err(|_| format!("{number} is no number"))?;
            serde_json::Number::from_f64(float)
                .map(Value::Number)
                .ok_or_else(|| format!("{number} is no JSON number"))?
        }
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(members) => {
            let member = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Ok::<_, String>((key.get_ref().to_string(), json(value.get_ref())?))
            };
            Value::Object(members.iter().map(member).collect::<Result<Map<_, _>, _>>()?)
        }
    })
}

/// `${NAME}` by the variable's value, `$$` by one `$`.
fn environment(text: &str) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or("`${` has no `}`; write $$ for a dollar sign")?;
            let value =
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?;
            filled.push_str(&value);
            rest = after;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_filled_in() {
        let home = std::env::var("PATH").unwrap();
        let text =
            "a = \"${PATH}\"\nb = [1, 0x10, 2.5, 2013-01-01]\nc = { d = \"file://./x.csv\", e = \"$5, $$\" }";
        let value = Toml::new("t.toml", text, Path::new("/srv")).value().unwrap();
        let wanted = json!({"a": home, "b": [1, 16, 2.5, "2013-01-01"], "c": {"d": "file:///srv/x.csv", "e": "$5, $"}});
        assert_eq!(value, wanted);
    }

    #[test]
    fn errors_say_where() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[expect(dead_code)]
            a: u8,
        }
        let read = |text: &str| {
            let toml = Toml::new("t.toml", text, Path::new(""));
            toml.table().and_then(|table| toml.read::<One>(table)).unwrap_err().to_string()
        };
        assert!(read("a = 1\nbee = 2").starts_with("t.toml:2:1: unknown field `bee`"));
        assert!(read("\na = \"x\"").starts_with("t.toml:2:5: invalid type"));
        assert!(read("a = ").starts_with("t.toml:1:"));
        let told = read("a = 1\nb = \"${NO_SUCH_VARIABLE_HERE}\"");
        assert!(
            told.starts_with("t.toml:2:5: the environment variable NO_SUCH_VARIABLE_HERE is not set"),
            "{told}"
        );
    }
}
