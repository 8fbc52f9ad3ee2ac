//! Deployment: versions behind endpoints.
//!
//! The hot path ([`Deployments::infer`]) reads an immutable table of endpoints
//! that is swapped whole on change; it takes no lock that models share and asks
//! no database. Everything else here is the cold path around it.

mod batch;
mod chain;
mod endpoint;
mod infer;
mod meter;
mod predictor;
mod records;
mod revisions;

pub use endpoint::{EndpointStats, RouteStats};
pub use infer::{Answer, Request, Spent};
pub use meter::{BOUNDS_US, Distribution};
pub use records::{
    Canary, Chain, Deployment, DeploymentSpec, DeploymentStatus, Limits, Link, Revision, Route, Step,
    revision_id,
};

pub(crate) use endpoint::Endpoints;
pub(crate) use meter::Meter;
pub(crate) use predictor::{Parts, Predictor};
pub(crate) use revisions::number;

use crate::Platform;

/// The suffix of the name under which a shadow's predictions are logged.
pub const SHADOW: &str = ".shadow";

/// Deployments of a platform.
pub struct Deployments<'p>(pub(crate) &'p Platform);
