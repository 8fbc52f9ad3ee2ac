//! HTTP: native REST, the Open Inference Protocol, metrics and the web console.
