//! Compile a plugin crate and encode it as a component.
