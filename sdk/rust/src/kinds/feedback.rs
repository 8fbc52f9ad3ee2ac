//! Feedback: turn findings and labels into actions.

use crate::{Description, Result};

pub use crate::bindings::feedback::exports::modelyard::lifecycle::feedback::{Action, Retrain, Situation};

/// Turns findings and labels into actions.
pub trait Feedback {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// What should be done now; an empty list: nothing.
    fn decide(parameters: &str, situation: Situation) -> Result<Vec<Action>>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn decide<P: Feedback>(parameters: &str, situation: Situation) -> Result<Vec<Action>> {
        crate::panic::install();
        P::decide(parameters, situation)
    }
}
