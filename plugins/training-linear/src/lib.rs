//! Trains logistic and ridge regression.
