//! Pulls rows from CSV files (RFC 4180, optionally gzipped).
