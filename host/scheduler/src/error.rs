use modelyard_catalog as catalog;
use modelyard_clock as clock;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the scheduler could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no cron expression, or one that never fires.
    #[error(
        "{cron:?} is not a schedule: {reason}; write five crontab fields (minute hour day month weekday, as in \
         \"30 6 * * 1-5\"), six with seconds in front, or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    BadCron { cron: String, reason: String },
    /// A time zone that the IANA database does not have.
    #[error("there is no time zone {name:?}; {}", hint(near))]
    UnknownTimezone {
        /// What was asked for.
        name: String,
        /// Zones with similar names, nearest first.
        near: Vec<String>,
    },
    /// There is no such schedule.
    #[error("there is no schedule {0:?}")]
    NotFound(String),
    /// There is a schedule with this id.
    #[error("there is a schedule {0:?} already")]
    Exists(String),
    /// The clock can't be moved.
    #[error(transparent)]
    Clock(#[from] clock::Error),
    /// The catalogue reports an error.
    #[error(transparent)]
    Catalog(catalog::Error),
}

fn hint(names: &[String]) -> String {
    if names.is_empty() {
        return "write a name of the IANA database, such as Europe/Berlin or UTC".to_owned();
    }
    format!("did you mean {}?", names.join(", "))
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NotFound { id, .. } => Self::NotFound(id),
            catalog::Error::Exists { id, .. } => Self::Exists(id),
            other => Self::Catalog(other),
        }
    }
}
