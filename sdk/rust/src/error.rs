//! Making errors that say whose fault it was, what is accepted instead, and
//! where the fault stands.

use crate::{Error, InvalidInput, Unavailable};

/// What a plugin's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The caller's mistake, without a place.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::InvalidInput(InvalidInput {
            message: message.into(),
            parameter: None,
            column: None,
            row: None,
        })
    }

    /// A parameter that can't be taken; `pointer` is a JSON pointer such as
    /// `/bins` or `/columns/2`.
    pub fn parameter(pointer: impl Into<String>, message: impl Into<String>) -> Error {
        Error::InvalidInput(InvalidInput {
            message: message.into(),
            parameter: Some(pointer.into()),
            column: None,
            row: None,
        })
    }

    /// A column or a tensor that can't be taken.
    pub fn column(name: impl Into<String>, message: impl Into<String>) -> Error {
        Error::InvalidInput(InvalidInput {
            message: message.into(),
            parameter: None,
            column: Some(name.into()),
            row: None,
        })
    }

    /// A source or service that did not answer; the same call may work after
    /// `retry_after_ms` milliseconds, where that is known.
    pub fn unavailable(message: impl Into<String>, retry_after_ms: Option<u64>) -> Error {
        Error::Unavailable(Unavailable { message: message.into(), retry_after_ms })
    }

    /// Something that is understood and not done.
    pub fn unsupported(message: impl Into<String>) -> Error {
        Error::Unsupported(message.into())
    }

    /// The plugin's own fault.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::Internal(message.into())
    }

    /// The same error, of a row counted from 0 in the data as given. Changes
    /// nothing but `invalid-input`.
    #[must_use]
    pub fn at_row(mut self, row: u64) -> Error {
        if let Error::InvalidInput(invalid) = &mut self {
            invalid.row = Some(row);
        }
        self
    }

    /// The same error, of a column or tensor. Changes nothing but
    /// `invalid-input`.
    #[must_use]
    pub fn in_column(mut self, name: impl Into<String>) -> Error {
        if let Error::InvalidInput(invalid) = &mut self {
            invalid.column = Some(name.into());
        }
        self
    }

    /// One sentence for a person: the message with the place, where there is one.
    pub fn message(&self) -> String {
        match self {
            Error::InvalidInput(invalid) => {
                let mut place = String::new();
                for part in [
                    invalid.parameter.as_ref().map(|p| format!("parameter {p}")),
                    invalid.column.as_ref().map(|c| format!("column {c:?}")),
                    invalid.row.map(|r| format!("row {r}")),
                ]
                .into_iter()
                .flatten()
                {
                    place.push_str(if place.is_empty() { "" } else { ", " });
                    place.push_str(&part);
                }
                if place.is_empty() {
                    invalid.message.clone()
                } else {
                    format!("{place}: {}", invalid.message)
                }
            }
            Error::Unavailable(unavailable) => unavailable.message.clone(),
            Error::Unsupported(message) => format!("not supported: {message}"),
            Error::Cancelled => "cancelled".to_owned(),
            Error::Internal(message) => format!("internal error: {message}"),
        }
    }

    /// Whether it is the caller's mistake.
    pub fn is_invalid_input(&self) -> bool {
        matches!(self, Error::InvalidInput(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_place() {
        assert_eq!(Error::invalid("no rows").message(), "no rows");
        assert_eq!(
            Error::parameter("/bins", "must be above 0").message(),
            "parameter /bins: must be above 0"
        );
        assert_eq!(
            Error::column("age", "not a number").at_row(7).message(),
            "column \"age\", row 7: not a number"
        );
        assert_eq!(Error::Cancelled.at_row(1), Error::Cancelled);
    }
}
