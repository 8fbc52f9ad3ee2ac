//! Measures classifiers: metrics, curves, calibration, slices.
