//! The templates and the SDK's sources, as the build script found them: path and
//! content.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
