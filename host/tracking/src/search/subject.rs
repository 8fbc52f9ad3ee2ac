//! What a filter and an order look at.

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

/// Something that can be searched. Keys are the canonical ones, as [`super::Clause::key`] gives
/// them: aliases are resolved before.
pub trait Subject {
    /// The attribute called `key`.
    fn attribute(&self, key: &str) -> Field<'_>;

    /// The latest value of the metric `key`.
    fn metric(&self, _key: &str) -> Option<f64> {
        None
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
}
