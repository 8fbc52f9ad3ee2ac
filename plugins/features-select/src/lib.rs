//! Ranks features by variance, correlation, mutual information, chi-squared,
//! analysis of variance or model importance.
//!
//! The definitions are in [`score`], with their sources; those that
//! scikit-learn has as well (`VarianceThreshold`, `mutual_info_classif` of
//! discrete columns, `chi2`, `f_classif`) agree with it. Importance comes from a
//! model, as a parameter, or from a small [`forest`]. `top_k` and `threshold`
//! select; without them every column is selected.

pub mod data;
pub mod forest;
pub mod rank;
pub mod score;

use modelyard_sdk::prelude::*;

/// The plugin.
pub struct Select;

impl Selection for Select {
    fn describe() -> Description {
        Description::new(
            "Ranks features by variance, correlation, mutual information, chi-squared, ANOVA or importance",
        )
        .parameters(rank::SCHEMA)
        .outputs(["every column but the target and the excluded ones, best first"])
    }

    fn rank(parameters: &str, data: &Reader, target: &str) -> Result<Vec<Ranked>> {
        rank::rank(parameters, data, target)
    }
}

modelyard_sdk::export!(selection: Select);
