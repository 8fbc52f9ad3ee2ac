//! Turns findings and labels into retraining and a challenger.
