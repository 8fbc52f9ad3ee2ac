//! Measures regressions.
