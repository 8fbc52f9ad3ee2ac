//! Scores gradient-boosted decision trees.
