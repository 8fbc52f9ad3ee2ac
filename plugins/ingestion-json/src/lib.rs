//! Pulls rows from NDJSON and JSON arrays, from a file or a paged HTTP API.
