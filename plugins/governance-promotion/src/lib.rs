//! Checks a version against the promotion policy.
