//! Validate, compile, snapshot, pool and call WebAssembly components.
//!
//! ```text
//! upload ─ inspect ─▶ plugin ─ session ─▶ typed calls, one at a time
//!                 ├▶ function ─ call ─▶ JSON, or handler ─ handle ─▶ a response
//!                 └▶ snapshot(runner, artifact) ─▶ model ─ predict ─▶ tensors
//!                                  features + state ─▶ transformer ─ transform ─▶ rows
//! ```
//!
//! * [`Runtime::inspect`] says what an upload is, or names each import and
//!   export that doesn't fit, before anything of it is stored, compiled or run.
//! * Compiling and snapshotting happen in a child process ([`Worker`],
//!   [`worker_main`]) that is killed when its time or memory is over. Code is
//!   kept in a private cache and looked at before it is mapped.
//! * [`Plugin::session`] is the cold path: an instance of its own, with the
//!   [`Limits`] and [`Grants`] of one job. [`Model`], [`Transformer`],
//!   [`Function`] and [`Handler`] are the hot path: warm instances, no lock that
//!   two of them share.
//! * A call ends by itself, by its deadline, by its memory, or by one of the
//!   other limits; [`Fault`] tells which. After a trap or a deadline the store
//!   is thrown away. Guests give way to other work every 2 ms; a call that takes
//!   longer than that moves to [background](Runtime::background) threads, and a
//!   short one never changes threads.
//! * No capability is ambient: what a component imports is listed
//!   ([`Capability`]), and a session refuses one that isn't granted.

mod answer;
mod background;
mod bindings;
mod budget;
mod cache;
mod call;
pub mod check;
mod child;
mod contract;
mod engine;
mod error;
mod function;
mod grants;
mod handler;
mod host;
mod inspect;
mod kind;
mod model;
mod options;
mod outbound;
mod output;
mod plugin;
mod pool;
mod runtime;
mod session;
mod transformer;
pub mod types;
mod worker;

pub use answer::{Answer, Broken};
pub use error::{CallError, Direction, Error, Fault, Log, LogLine, Misfit};
pub use function::Function;
pub use grants::{BatchSource, Environment, Grants, Object, Objects, Outbound, Output, Progress, Tables};
pub use handler::{Ending, Handler};
pub use inspect::{Inspection, digest};
pub use kind::{Capability, Kind, Protocol, UnknownKind};
pub use model::{Model, ModelOptions, Stats, Timings};
pub use options::{CompileLimits, Limits, Options, Worker};
pub use outbound::{Body, HttpError, RequestOptions};
pub use plugin::Plugin;
pub use runtime::{Fetch, Runtime, Source};
pub use session::{Session, Usage};
pub use transformer::Transformer;
pub use worker::worker_main;
