//! A function's log: lines of the server's own, with the function's name.

use modelyard_runtime::{Output, types::Level};

pub(crate) struct Log {
    function: String,
}

impl Log {
    pub(crate) fn of(function: &str) -> Self {
        Self { function: function.to_owned() }
    }
}

/// The lines' target, so that they can be filtered: `modelyard::function`.
macro_rules! line {
    ($macro:ident, $log:expr, $line:expr) => {
        tracing::$macro!(target: "modelyard::function", function = $log.function, "{}", $line)
    };
}

impl Output for Log {
    fn line(&self, level: Level, line: &str) {
        match level {
            Level::Debug => line!(debug, self, line),
            Level::Info => line!(info, self, line),
            Level::Warn => line!(warn, self, line),
            Level::Error => line!(error, self, line),
        }
    }
}
