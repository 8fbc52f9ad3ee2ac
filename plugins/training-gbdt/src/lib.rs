//! Trains gradient-boosted decision trees on histograms, in the manner of
//! LightGBM (Ke et al., 2017): columns cut into at most 255 bins, trees grown
//! leaf by leaf where the loss falls most, the larger child's histogram got by
//! subtraction, missing values sent the better way, categories split by sets.
//!
//! - [`params`]: what a run is steered by.
//! - [`bins`] and [`dataset`]: tables pulled into bytes.
//! - [`histogram`], [`split`], [`categorical`], [`grow`]: one tree.
//! - [`objective`], [`metrics`], [`boost`]: all of them.
//! - [`plugin`]: settings in, an artifact `modelyard-gbdt-1` out.

pub mod bins;
pub mod boost;
pub mod categorical;
pub mod dataset;
pub mod grow;
pub mod histogram;
pub mod metrics;
pub mod objective;
pub mod params;
pub mod plugin;
pub mod rng;
pub mod split;

modelyard_sdk::export!(training: plugin::Gbdt);
