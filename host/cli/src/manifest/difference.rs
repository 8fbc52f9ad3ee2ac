//! What is different between what is wanted and what there is.

use serde_json::Value;

/// One field that is different.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// Its dotted path.
    pub(crate) path: String,
    pub(crate) from: Value,
    pub(crate) to: Value,
}

/// The fields of `wanted` that `there` has otherwise. What only the server
/// knows of a record (its dates, its counts) is left out.
pub(crate) fn fields(wanted: &Value, there: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    compare("", wanted, there, true, &mut found);
    found
}

fn compare(path: &str, wanted: &Value, there: &Value, top: bool, found: &mut Vec<Field>) {
    if same(wanted, there) {
        return;
    }
    if let (Value::Object(wanted), Value::Object(there)) = (wanted, there) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, value) in wanted {
            compare(&below(name), value, there.get(name).unwrap_or(&Value::Null), false, found);
        }
        // Below the record itself, what isn't wanted is to go.
        for (name, value) in there.iter().filter(|(name, _)| !top && !wanted.contains_key(*name)) {
            compare(&below(name), &Value::Null, value, false, found);
        }
        return;
    }
    found.push(Field { path: path.to_owned(), from: there.clone(), to: wanted.clone() });
}

/// Whether two values mean the same: absent and empty do, and 1 and 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, other) | (other, Value::Null) => match other {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        },
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            let null = Value::Null;
            a.iter().all(|(name, value)| same(value, b.get(name).unwrap_or(&null)))
                && b.iter().all(|(name, value)| a.contains_key(name) || same(&null, value))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_compared_one_by_one() {
        let there = json!({"name": "s", "rows": 7, "cursor": "x", "tags": [], "seed": 1.0,
            "parameters": {"url": "a", "sep": ";"}, "schedule": "0 3 * * *"});
        let wanted = json!({"name": "s", "tags": null, "seed": 1, "parameters": {"url": "b", "sep": ";"}, "schedule": null});
        let found: Vec<_> =
            fields(&wanted, &there).into_iter().map(|field| (field.path, field.from, field.to)).collect();
        assert_eq!(
            found,
            [
                ("parameters.url".to_owned(), json!("a"), json!("b")),
                ("schedule".to_owned(), json!("0 3 * * *"), json!(null)),
            ]
        );
        assert!(fields(&there, &there).is_empty());
        assert_eq!(fields(&json!({"p": {}}), &json!({"p": {"gone": 1}})).len(), 1);
    }
}
