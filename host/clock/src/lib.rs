//! One clock for the whole platform, real or simulated.
//!
//! Everything that asks for the time asks a [`Clock`]. A simulated clock stands
//! still until somebody advances it, so that a year of schedules can be
//! replayed in a minute. A [`Timestamp`] is microseconds since the Unix epoch
//! and is written as RFC 3339 with exactly six decimals and `Z`, so that text
//! order is time order.

mod clock;
mod timestamp;

pub use clock::{Clock, Error};
pub use timestamp::{ParseError, Timestamp};
