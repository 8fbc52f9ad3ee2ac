//! The kinds of plugin, by the names that the contract gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of plugin: the interface that it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Pulls batches of rows from a source.
    Ingestion,
    /// Turns raw columns into features.
    Features,
    /// Ranks columns by what they say about a target.
    Selection,
    /// Trains a model.
    Training,
    /// Holds predictions against the truth.
    Evaluation,
    /// A model: tensors in, tensors out.
    Scoring,
    /// Answers HTTP requests; see [`Protocol`].
    Function,
    /// Compares current data with a reference.
    Monitoring,
    /// Turns findings into actions.
    Feedback,
    /// Judges a proposed change.
    Governance,
    /// Writes documents from facts.
    Documentation,
    /// Judges whether a model version should go.
    Retirement,
}

impl Kind {
    /// Every kind, in the order of a model's life.
    pub const ALL: [Kind; 12] = [
        Kind::Ingestion,
        Kind::Features,
        Kind::Selection,
        Kind::Training,
        Kind::Evaluation,
        Kind::Scoring,
        Kind::Function,
        Kind::Monitoring,
        Kind::Feedback,
        Kind::Governance,
        Kind::Documentation,
        Kind::Retirement,
    ];

    /// The kind's one name: its interface in the contract, its noun over HTTP
    /// and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ingestion => "ingestion",
            Kind::Features => "features",
            Kind::Selection => "selection",
            Kind::Training => "training",
            Kind::Evaluation => "evaluation",
            Kind::Scoring => "scoring",
            Kind::Function => "function",
            Kind::Monitoring => "monitoring",
            Kind::Feedback => "feedback",
            Kind::Governance => "governance",
            Kind::Documentation => "documentation",
            Kind::Retirement => "retirement",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// By its `call`: a JSON text in, a JSON text out.
    Json,
    /// As a handler of `wasi:http`: any method, path, headers and body.
    Http,
}

impl Protocol {
    /// `json` or `http`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Json => "json",
            Protocol::Http => "http",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of plugin; the kinds are {kinds}", kinds = names())]
pub struct UnknownKind(pub String);

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Kind, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// Something outside the sandbox that a component imports. Interfaces of types
/// only are none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Capability {
    /// Lines for the log of the call.
    Log,
    /// Progress, live metrics, cancellation.
    Progress,
    /// Bytes behind allowed URLs.
    Objects,
    /// Pulled tables; granted by passing one.
    Tables,
    /// An interface of WASI 0.2, by its full name. The host grants it without
    /// files, sockets, arguments or terminals: what remains are clocks,
    /// randomness, and whatever of a function's [`Grants`](crate::Grants) is
    /// reached through it.
    Wasi(String),
}

impl Capability {
    /// The capability that an interface of the contract, or of WASI, is.
    pub(crate) fn of(interface: &str) -> Capability {
        match interface.split_once('/').map(|(_, name)| name.split('@').next().unwrap_or(name)) {
            Some("log") if interface.starts_with("modelyard:") => Capability::Log,
            Some("progress") if interface.starts_with("modelyard:") => Capability::Progress,
            Some("objects") if interface.starts_with("modelyard:") => Capability::Objects,
            Some("tables") if interface.starts_with("modelyard:") => Capability::Tables,
            _ => Capability::Wasi(interface.to_owned()),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capability::Log => f.write_str("log"),
            Capability::Progress => f.write_str("progress"),
            Capability::Objects => f.write_str("objects"),
            Capability::Tables => f.write_str("tables"),
            Capability::Wasi(name) => f.write_str(name),
        }
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> String {
        capability.to_string()
    }
}

impl From<String> for Capability {
    fn from(name: String) -> Capability {
        match name.as_str() {
            "log" => Capability::Log,
            "progress" => Capability::Progress,
            "objects" => Capability::Objects,
            "tables" => Capability::Tables,
            _ => Capability::Wasi(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert!("scorin".parse::<Kind>().unwrap_err().to_string().contains("scoring"));
    }

    #[test]
    fn capabilities_round_trip() {
        for name in ["log", "progress", "objects", "tables", "wasi:clocks/wall-clock@0.2.6"] {
            assert_eq!(Capability::from(name.to_owned()).to_string(), name);
        }
        assert_eq!(Capability::of("modelyard:lifecycle/log@0.1.0"), Capability::Log);
        assert_eq!(Capability::of("wasi:cli/log@0.2.0"), Capability::Wasi("wasi:cli/log@0.2.0".into()));
    }
}
