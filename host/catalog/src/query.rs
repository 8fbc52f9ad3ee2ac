use serde::Serialize;
use serde_json::Value;

use crate::encode;

/// Most records on a page that sets no limit.
pub(crate) const DEFAULT_LIMIT: usize = 100;

/// Which way a field is ordered. Absent values come before all others when ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// One page of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// The records, in order.
    pub items: Vec<R>,
    /// Pass it to [`Query::after`] for the next page; `None`: this was the last.
    pub next: Option<String>,
}

/// Which records of a table, in which order, how many.
///
/// Fields of nested objects are written with dots (`metrics.auc`). All
/// conditions must hold. Without an order records come by id.
#[derive(Clone, Debug, Default)]
#[must_use = "a query does nothing until a table runs it"]
pub struct Query {
    pub(crate) filters: Vec<Filter>,
    pub(crate) order: Vec<(String, Order)>,
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) field: String,
    pub(crate) op: Op,
    /// The operand, or why it can't be one; reported when the query is run.
    pub(crate) value: Result<Value, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    AnyOf,
    Contains,
}

impl Query {
    /// All records.
    pub fn new() -> Self {
        Self::default()
    }

    fn filter(mut self, field: &str, op: Op, value: impl Serialize) -> Self {
        let value = encode::to_json(&value);
        self.filters.push(Filter { field: field.to_owned(), op, value });
        self
    }

    /// Only records whose `field` equals `value`; `None` matches absent and null.
    pub fn eq(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Eq, value)
    }

    /// Only records whose `field` does not equal `value`, records without the field included
    /// (unless `value` is `None`).
    pub fn ne(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Ne, value)
    }

    /// Only records whose `field` is of the operand's type (number, text, boolean) and smaller.
    pub fn lt(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Lt, value)
    }

    /// Only records whose `field` is of the operand's type and smaller or equal.
    pub fn le(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Le, value)
    }

    /// Only records whose `field` is of the operand's type and greater.
    pub fn gt(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Gt, value)
    }

    /// Only records whose `field` is of the operand's type and greater or equal.
    pub fn ge(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Ge, value)
    }

    /// Only records whose `field` equals one of `values`; none do if the list is empty.
    pub fn any_of<V: Serialize>(self, field: &str, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<V> = values.into_iter().collect();
        self.filter(field, Op::AnyOf, values)
    }

    /// Only records whose `field` is an array that holds `value`, or a text that holds it.
    pub fn contains(self, field: &str, value: impl Serialize) -> Self {
        self.filter(field, Op::Contains, value)
    }

    /// Orders by `field`, after the fields named in earlier calls; ties are ordered by id.
    pub fn order(mut self, field: &str, order: Order) -> Self {
        self.order.push((field.to_owned(), order));
        self
    }

    /// At most `n` records per page; 100 if never called.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = Some(n);
        self
    }

    /// Continues after the page whose `next` this is. The query must otherwise be the same.
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.after = cursor;
        self
    }
}
