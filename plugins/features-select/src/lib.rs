//! Ranks features by variance, correlation, mutual information, chi-squared or model importance.
