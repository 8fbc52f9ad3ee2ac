//! Compares outcomes between groups.
