//! What a filter and an order look at.

use super::Clause;

/// An attribute's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// There is none.
    Missing,
    /// Text.
    Text(&'a str),
    /// A whole number: times, versions.
    Integer(i64),
    /// Any number.
    Number(f64),
}

/// Something that can be searched. Keys are the canonical ones, as [`Clause::key`] gives them:
/// aliases are resolved before.
pub trait Subject {
    /// The attribute called `key`.
    fn attribute(&self, key: &str) -> Field<'_>;

    /// The latest value of the metric `key`.
    fn metric(&self, _key: &str) -> Option<f64> {
        None
    }

    /// Whether some value of the metric `key` satisfies `test`; the latest alone, unless the
    /// subject keeps several.
    fn any_metric(&self, key: &str, test: &dyn Fn(f64) -> bool) -> bool {
        self.metric(key).is_some_and(test)
    }

    /// The value of the parameter `key`.
    fn param(&self, _key: &str) -> Option<&str> {
        None
    }

    /// The value of the tag `key`.
    fn tag(&self, _key: &str) -> Option<&str> {
        None
    }

    /// Whether some data set's attribute `key` (`name`, `digest`, `context`) satisfies `test`.
    fn any_dataset(&self, _key: &str, _test: &dyn Fn(&str) -> bool) -> bool {
        false
    }

    /// A trace's metadata.
    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    /// Whether some run that a trace belongs to satisfies `test`.
    fn any_run(&self, _test: &dyn Fn(&str) -> bool) -> bool {
        false
    }

    /// Whether a trace has one span for which all of `clauses` hold.
    fn any_span(&self, _clauses: &[&Clause]) -> bool {
        false
    }

    /// Whether `clause` holds for a trace's assessments.
    fn assessment(&self, _clause: &Clause) -> bool {
        false
    }
}
