//! Which type the values of a column have.

use super::time;
use super::value;
use crate::ColumnType;

/// What the values seen so far could all be.
#[derive(Debug, Clone)]
pub struct Inference {
    expected: Option<ColumnType>,
    seen: u64,
    fitting: u64,
    s64: bool,
    f64: bool,
    boolean: bool,
    timestamp: bool,
}

impl Inference {
    /// Nothing seen. `expected` is the type that the column has had elsewhere:
    /// it is counted how many values fit it.
    pub fn new(expected: Option<ColumnType>) -> Inference {
        Inference { expected, seen: 0, fitting: 0, s64: true, f64: true, boolean: true, timestamp: true }
    }

    /// Looks at a value that is written as text and isn't null. Integers with
    /// leading zeros are text (postal codes), and only `true` and `false` are
    /// truth values.
    pub fn observe(&mut self, text: &[u8]) {
        let trimmed = value::trim(text);
        let zero = value::has_leading_zero(trimmed);
        self.note(trimmed);
        self.s64 = self.s64 && !zero && value::s64(trimmed).is_some();
        self.f64 =
            self.f64 && (self.s64 || value::f64(trimmed).is_some_and(|_| !zero || trimmed.contains(&b'.')));
        self.boolean =
            self.boolean && (trimmed.eq_ignore_ascii_case(b"true") || trimmed.eq_ignore_ascii_case(b"false"));
        self.timestamp = self.timestamp && time::iso(trimmed).is_some();
    }

    /// Looks at a JSON string: a timestamp or text, never a number.
    pub fn observe_string(&mut self, text: &str) {
        self.note(text.as_bytes());
        self.s64 = false;
        self.f64 = false;
        self.boolean = false;
        self.timestamp = self.timestamp && time::iso(text.as_bytes()).is_some();
    }

    /// Looks at a JSON number.
    pub fn observe_number(&mut self, number: &serde_json::Number) {
        let whole = number.is_i64();
        let fits = match self.expected {
            Some(ColumnType::F64 | ColumnType::Utf8) => true,
            Some(ColumnType::S64) => whole,
            _ => false,
        };
        self.count(fits);
        self.s64 = self.s64 && whole;
        self.boolean = false;
        self.timestamp = false;
    }

    /// Looks at a JSON truth value.
    pub fn observe_boolean(&mut self) {
        self.count(matches!(self.expected, Some(ColumnType::Boolean | ColumnType::Utf8)));
        self.s64 = false;
        self.f64 = false;
        self.timestamp = false;
    }

    fn count(&mut self, fits: bool) {
        self.seen += 1;
        self.fitting += u64::from(fits);
    }

    fn note(&mut self, text: &[u8]) {
        let fits = match self.expected {
            None => false,
            Some(ColumnType::F64) => value::f64(text).is_some(),
            Some(ColumnType::S64) => value::s64(text).is_some(),
            Some(ColumnType::Boolean) => value::boolean(text).is_some(),
            Some(ColumnType::Utf8) => true,
            Some(ColumnType::Timestamp) => time::iso(text).is_some(),
        };
        self.count(fits);
    }

    /// The number of values that were looked at.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The narrowest type that holds every value; text where there was none.
    pub fn inferred(&self) -> ColumnType {
        if self.seen == 0 {
            ColumnType::Utf8
        } else if self.boolean {
            ColumnType::Boolean
        } else if self.s64 {
            ColumnType::S64
        } else if self.f64 {
            ColumnType::F64
        } else if self.timestamp {
            ColumnType::Timestamp
        } else {
            ColumnType::Utf8
        }
    }
}

/// The type that a column is read as: the declared one, else the expected one
/// where at least half of the values fit it (the others are then bad values
/// rather than a change of type), else the inferred one.
pub fn resolve(declared: Option<ColumnType>, inference: &Inference) -> ColumnType {
    match (declared, inference.expected) {
        (Some(declared), _) => declared,
        (None, Some(expected)) if inference.fitting * 2 >= inference.seen => expected,
        _ => inference.inferred(),
    }
}

/// The type that holds the values of a column of type `from` and `text` as
/// well.
pub fn widened(from: ColumnType, text: &[u8]) -> ColumnType {
    match from {
        ColumnType::S64 if value::f64(value::trim(text)).is_some() => ColumnType::F64,
        _ => ColumnType::Utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(values: &[&str]) -> ColumnType {
        let mut inference = Inference::new(None);
        values.iter().for_each(|value| inference.observe(value.as_bytes()));
        inference.inferred()
    }

    #[test]
    fn the_narrowest_type_wins() {
        assert_eq!(infer(&[]), ColumnType::Utf8);
        assert_eq!(infer(&["1", "-2"]), ColumnType::S64);
        assert_eq!(infer(&["0", "1"]), ColumnType::S64);
        assert_eq!(infer(&["1", "2.5", "1e3"]), ColumnType::F64);
        assert_eq!(infer(&["0.5", "0", "00.5"]), ColumnType::F64);
        assert_eq!(infer(&["99999999999999999999"]), ColumnType::F64);
        assert_eq!(infer(&["true", "FALSE"]), ColumnType::Boolean);
        assert_eq!(infer(&["2013-01-01", "2013-01-01T10:00:00Z"]), ColumnType::Timestamp);
        assert_eq!(infer(&["1", "x"]), ColumnType::Utf8);
        assert_eq!(infer(&["00501", "10001"]), ColumnType::Utf8);
        assert_eq!(infer(&["1", "2013-01-01"]), ColumnType::Utf8);
        assert_eq!(infer(&["y", "n"]), ColumnType::Utf8);
    }

    #[test]
    fn an_expected_type_stands_while_most_values_fit() {
        let resolved = |values: &[&str], expected| {
            let mut inference = Inference::new(Some(expected));
            values.iter().for_each(|value| inference.observe(value.as_bytes()));
            resolve(None, &inference)
        };
        assert_eq!(resolved(&["1", "2", "x"], ColumnType::S64), ColumnType::S64);
        assert_eq!(resolved(&["1", "x", "y"], ColumnType::S64), ColumnType::Utf8);
        assert_eq!(resolved(&["1.5", "2.5", "3"], ColumnType::S64), ColumnType::F64);
        assert_eq!(resolved(&["1", "2"], ColumnType::F64), ColumnType::F64);
        assert_eq!(resolved(&["1", "0"], ColumnType::Boolean), ColumnType::Boolean);
        assert_eq!(resolved(&["1", "2"], ColumnType::Utf8), ColumnType::Utf8);
        assert_eq!(resolved(&[], ColumnType::Timestamp), ColumnType::Timestamp);
        let declared = resolve(Some(ColumnType::Utf8), &Inference::new(Some(ColumnType::S64)));
        assert_eq!(declared, ColumnType::Utf8);
    }

    #[test]
    fn json_kinds_are_taken_at_their_word() {
        let mut inference = Inference::new(None);
        inference.observe_string("12");
        assert_eq!(inference.inferred(), ColumnType::Utf8);
        let mut inference = Inference::new(None);
        inference.observe_number(&serde_json::Number::from(1));
        assert_eq!(inference.inferred(), ColumnType::S64);
        inference.observe_boolean();
        assert_eq!(inference.inferred(), ColumnType::Utf8);
        assert_eq!(inference.seen(), 2);
    }

    #[test]
    fn widening_keeps_numbers_numbers() {
        assert_eq!(widened(ColumnType::S64, b" 1.5"), ColumnType::F64);
        assert_eq!(widened(ColumnType::S64, b"x"), ColumnType::Utf8);
        assert_eq!(widened(ColumnType::F64, b"x"), ColumnType::Utf8);
        assert_eq!(widened(ColumnType::Boolean, b"2"), ColumnType::Utf8);
    }
}
