//! Governance: policies before changes, people where policies ask for them, an
//! audit trail that shows tampering, tokens, erasure.

mod audit;
mod erasure;
mod policies;
mod records;
mod tokens;

pub use audit::Verified;
pub use records::{Actor, AuditEntry, Outcome, Policy, PolicySpec, Receipt, Review, Role, Token};
pub use tokens::NewToken;
pub(crate) use tokens::Tokens;

use crate::Platform;

/// Governance of a platform.
pub struct Governance<'p>(pub(crate) &'p Platform);
