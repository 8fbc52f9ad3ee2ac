//! Content-addressed objects by SHA-256.
