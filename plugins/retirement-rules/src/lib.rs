//! Judges by age, traffic, performance and policy whether a version should retire.
