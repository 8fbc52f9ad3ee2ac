//! Trains gradient-boosted decision trees on histograms.
