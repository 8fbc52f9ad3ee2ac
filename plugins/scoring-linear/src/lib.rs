//! Scores logistic and ridge regression.
