//! Function: a function over HTTP, JSON in and JSON out.

use crate::{Description, Result};

/// A function over HTTP.
pub trait Function {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Answers one request; `body` and the answer are JSON texts.
    fn call(body: &str) -> Result<String>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn call<P: Function>(body: &str) -> Result<String> {
        crate::panic::install();
        P::call(body)
    }
}
