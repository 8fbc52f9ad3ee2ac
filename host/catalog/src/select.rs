//! From a [`Query`] to SurrealQL. Every value is bound, none is part of the text.

use serde_json::Value;
use surrealdb::types::Value as Db;

use crate::{
    Error, Order, Query, Result,
    catalog::path,
    cursor::Cursor,
    encode,
    query::{Filter, Op},
    store::{Binds, quoted, record_id},
};

/// A query's text and parameters.
pub(crate) struct Select {
    pub(crate) text: String,
    pub(crate) binds: Binds,
}

/// Selects `limit` rows (`id`, `doc`) of the query's page.
pub(crate) fn page(table: &str, query: &Query, limit: usize) -> Result<Select> {
    let mut binds = Binds::default();
    let cursor = match &query.after {
        Some(text) => Some(Cursor::read(text, table, query)?),
        None => None,
    };
    let mut conditions = conditions(table, query, &mut binds)?;
    let mut target = quoted(table)?;
    let mut fields = vec!["id".to_owned(), "doc".to_owned()];
    let mut order = Vec::new();
    for (field, way) in &query.order {
        let path = path(field)?;
        if !fields.contains(&path) {
            fields.push(path.clone());
        }
        order.push(format!("{path} {}", word(*way)));
    }
    order.push(format!("id {}", word(id_order(query))));
    let mut sorted = true;
    if let Some(cursor) = &cursor {
        if query.order.is_empty() && query.filters.is_empty() {
            target = behind_id(table, &cursor.id, &mut binds);
            sorted = false;
        } else {
            conditions.push(behind(table, query, cursor, &mut binds)?);
        }
    }
    let filter = filter(&conditions);
    let order = if sorted { format!(" ORDER BY {}", order.join(", ")) } else { String::new() };
    let text = format!("SELECT {} FROM {target}{filter}{order} LIMIT {limit}", fields.join(", "));
    Ok(Select { text, binds })
}

/// Counts the query's rows, whatever its order, limit and cursor.
pub(crate) fn count(table: &str, query: &Query) -> Result<Select> {
    let mut binds = Binds::default();
    let conditions = conditions(table, query, &mut binds)?;
    let text = format!("SELECT count() FROM {}{} GROUP ALL", quoted(table)?, filter(&conditions));
    Ok(Select { text, binds })
}

/// Deletes the query's rows, whatever its order, limit and cursor; gives their revisions.
pub(crate) fn delete(table: &str, query: &Query) -> Result<Select> {
    let mut binds = Binds::default();
    let conditions = conditions(table, query, &mut binds)?;
    let text = format!("DELETE {}{} RETURN VALUE $before.rev", quoted(table)?, filter(&conditions));
    Ok(Select { text, binds })
}

fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Asc => "ASC",
        Order::Desc => "DESC",
    }
}

/// Ties are ordered by id, in the direction of the last field.
fn id_order(query: &Query) -> Order {
    query.order.last().map_or(Order::Asc, |(_, order)| *order)
}

/// The target of a selection of the records behind an id. A range of ids is a range of keys,
/// which is read from where it starts and in order, as far as the limit goes. That is so for this
/// way of writing it only: others, and asking for an order, read the range to its end first.
pub(crate) fn behind_id(table: &str, id: &str, binds: &mut Binds) -> String {
    binds.set("table", Db::String(table.to_owned()));
    binds.set("after", Db::String(id.to_owned()));
    "type::record($table, $after>..)".to_owned()
}

/// The condition that a row comes behind the cursor's: greater in the first field, or the
/// same there and greater in the second, … and at last by id.
fn behind(table: &str, query: &Query, cursor: &Cursor, binds: &mut Binds) -> Result<String> {
    binds.set("cursor_id", record_id(table, &cursor.id));
    let mut condition = format!("id {} $cursor_id", sign(id_order(query)));
    for (index, ((field, order), value)) in query.order.iter().zip(&cursor.values).enumerate().rev() {
        let (path, sign) = (path(field)?, sign(*order));
        binds.set(format!("cursor{index}"), if value.is_null() { Db::None } else { encode::to_db(value) });
        // The first half is implied by the second; it lets an index of this field start here.
        condition =
            format!("({path} {sign}= $cursor{index} AND ({path} {sign} $cursor{index} OR {condition}))");
    }
    Ok(condition)
}

fn sign(order: Order) -> &'static str {
    match order {
        Order::Asc => ">",
        Order::Desc => "<",
    }
}

fn conditions(table: &str, query: &Query, binds: &mut Binds) -> Result<Vec<String>> {
    query
        .filters
        .iter()
        .enumerate()
        .map(|(index, filter)| {
            let value = filter.value.as_ref().map_err(|reason| bad(table, filter, reason.clone()))?;
            let name = format!("p{index}");
            let condition = condition(table, filter, value, &name)?;
            if !value.is_null() {
                binds.set(name, encode::to_db(value));
            }
            Ok(condition)
        })
        .collect()
}

fn condition(table: &str, filter: &Filter, value: &Value, name: &str) -> Result<String> {
    let path = path(&filter.field)?;
    let compare = |sign: &str| -> Result<String> {
        // All types have an order in SurrealDB, nothing being the smallest.
        let guard = match value {
            Value::Number(_) => "type::is_number",
            Value::String(_) => "type::is_string",
            Value::Bool(_) => "type::is_bool",
            _ => {
                return Err(bad(
                    table,
                    filter,
                    "only a number, a text or a boolean can be compared".to_owned(),
                ));
            }
        };
        Ok(format!("{path} {sign} ${name} AND {guard}({path})"))
    };
    Ok(match filter.op {
        Op::Eq if value.is_null() => format!("{path} = NONE"),
        Op::Ne if value.is_null() => format!("{path} != NONE"),
        Op::Eq => format!("{path} = ${name}"),
        Op::Ne => format!("{path} != ${name}"),
        Op::Lt => compare("<")?,
        Op::Le => compare("<=")?,
        Op::Gt => compare(">")?,
        Op::Ge => compare(">=")?,
        Op::AnyOf if value.as_array().is_some_and(|list| list.contains(&Value::Null)) => {
            format!("({path} IN ${name} OR {path} = NONE)")
        }
        Op::AnyOf => format!("{path} IN ${name}"),
        Op::Contains if value.is_null() => format!("{path} CONTAINS NULL"),
        Op::Contains => format!("{path} CONTAINS ${name}"),
    })
}

fn bad(table: &str, filter: &Filter, reason: String) -> Error {
    Error::BadValue { what: format!("the condition on {} of {table}", filter.field), reason }
}
