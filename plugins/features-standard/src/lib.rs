//! Imputes, scales, encodes, hashes, buckets and splits dates.
