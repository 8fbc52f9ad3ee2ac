//! What a function's record says.

use std::collections::BTreeMap;

use modelyard_catalog::Record;
use modelyard_clock::Timestamp;
use modelyard_notify::{REDACTED, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Result, hosts::Host};

/// A name under which a function plugin is called, with what it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The name: `/functions/{name}`, and `/api/v1/functions/{name}` for JSON.
    pub name: String,
    /// The function plugin.
    pub plugin: String,
    /// The longest that one call may take, in milliseconds, its bodies included.
    #[serde(default = "deadline")]
    pub deadline_ms: u64,
    /// The most memory of one instance, in bytes.
    #[serde(default = "memory")]
    pub memory_bytes: usize,
    /// Calls that one instance answers before it is thrown away; 0 or 1: a fresh
    /// instance for each call.
    #[serde(default = "one")]
    pub reuse: u32,
    /// Calls at once.
    #[serde(default = "concurrency")]
    pub concurrency: u32,
    /// Calls waiting for a place; more are answered 503.
    #[serde(default = "queue")]
    pub queue: u32,
    /// Instances that are kept ready however long nobody calls, unless the
    /// host's memory is used up.
    #[serde(default)]
    pub warm: u32,
    /// Seconds without a call after which the other instances are dropped.
    #[serde(default = "minute")]
    pub idle_seconds: u64,
    /// The largest request body, in bytes.
    #[serde(default = "body")]
    pub max_body_bytes: u64,
    /// Hosts that it may call: `example.com` (any port), `example.com:8080` or
    /// `https://example.com`. Others are denied.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Variables, as `wasi:cli/environment` and `wasi:config/store` give them.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Variables that are shown as `***`; given like that they stay as they are.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub secrets: BTreeMap<String, Secret>,
    /// Whether it is called at `/functions/{name}` without a token.
    #[serde(default)]
    pub public: bool,
    /// When it was made; set by the server.
    #[serde(default)]
    pub created_at: Timestamp,
}

fn deadline() -> u64 {
    10_000
}

fn memory() -> usize {
    256 << 20
}

fn one() -> u32 {
    1
}

fn concurrency() -> u32 {
    64
}

fn queue() -> u32 {
    256
}

fn minute() -> u64 {
    60
}

fn body() -> u64 {
    64 << 20
}

impl Record for Function {
    const TABLE: &'static str = "function";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// The most milliseconds of one call.
const LONGEST: u64 = 3_600_000;

impl Function {
    /// What a function plugin is under its own name.
    pub(crate) fn of_plugin(plugin: &str) -> Self {
        Self {
            name: plugin.to_owned(),
            plugin: plugin.to_owned(),
            deadline_ms: deadline(),
            memory_bytes: memory(),
            reuse: one(),
            concurrency: concurrency(),
            queue: queue(),
            warm: 0,
            idle_seconds: minute(),
            max_body_bytes: body(),
            hosts: vec![],
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            public: false,
            created_at: Timestamp::default(),
        }
    }

    /// Whether it can be what it says.
    pub(crate) fn check(&self) -> Result<()> {
        let (deadline, concurrency) = (self.deadline_ms, self.concurrency);
        if !(1..=LONGEST).contains(&deadline) {
            let message = format!("a call can't have {deadline} ms; write 1 to {LONGEST}");
            return Err(Error::field("deadline_ms", message));
        }
        if concurrency == 0 {
            return Err(Error::field("concurrency", "no call at once is none at all; write 1 or more"));
        }
        for (index, host) in self.hosts.iter().enumerate() {
            host.parse::<Host>().map_err(|message| Error::field(format!("hosts[{index}]"), message))?;
        }
        let environment = self.environment.iter().map(|(name, value)| ("environment", name, value.as_str()));
        let secrets = self.secrets.iter().map(|(name, secret)| ("secrets", name, secret.reveal()));
        for (field, name, value) in environment.chain(secrets) {
            let field = || format!("{field}.{name}");
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let message = format!("{name:?} can't be a variable: a name has no `=`, and neither has NUL");
                return Err(Error::field(field(), message));
            }
        }
        match self.secrets.keys().find(|name| self.environment.contains_key(*name)) {
            Some(name) => {
                let message = format!("{name:?} stands in environment, too; write it in one of them");
                Err(Error::field(format!("secrets.{name}"), message))
            }
            None => Ok(()),
        }
    }

    /// Takes the values of secrets that are given as they are shown from the
    /// record before.
    pub(crate) fn keep_secrets(&mut self, before: Option<&Self>) -> Result<()> {
        for (name, secret) in &mut self.secrets {
            if secret.reveal() != REDACTED {
                continue;
            }
            let known = before.and_then(|before| before.secrets.get(name)).ok_or_else(|| {
                let message = format!("{name:?} has no value yet that could be kept; give one");
                Error::field(format!("secrets.{name}"), message)
            })?;
            *secret = known.clone();
        }
        Ok(())
    }

    /// As it is shown.
    pub(crate) fn redacted(mut self) -> Self {
        self.secrets.values_mut().for_each(|secret| *secret = Secret::new(REDACTED));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(json: &str) -> Function {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_record_of_a_name_and_a_plugin_is_the_plugin_by_its_own_name() {
        let mut bare = function(r#"{"name": "hello", "plugin": "hello"}"#);
        bare.created_at = Timestamp::default();
        assert_eq!(bare, Function::of_plugin("hello"));
        bare.check().unwrap();
    }

    #[test]
    fn what_cannot_be_is_named() {
        let field = |more: &str| {
            let function = function(&format!(r#"{{"name": "a", "plugin": "a", {more}}}"#));
            function.check().unwrap_err().location.field.unwrap()
        };
        assert_eq!(field(r#""deadline_ms": 0"#), "deadline_ms");
        assert_eq!(field(r#""concurrency": 0"#), "concurrency");
        assert_eq!(field(r#""hosts": ["example.com", "ftp://x"]"#), "hosts[1]");
        assert_eq!(field(r#""environment": {"A=B": "c"}"#), "environment.A=B");
        assert_eq!(field(r#""environment": {"A": "b"}, "secrets": {"A": "c"}"#), "secrets.A");
    }

    #[test]
    fn secrets_are_not_shown_and_kept_when_given_back() {
        let before = function(r#"{"name": "a", "plugin": "a", "secrets": {"KEY": "s3cret"}}"#);
        let shown = before.clone().redacted();
        assert!(!serde_json::to_string(&shown).unwrap().contains("s3cret"));
        assert!(!format!("{before:?}").contains("s3cret"));
        let mut again = shown.clone();
        again.keep_secrets(Some(&before)).unwrap();
        assert_eq!(again, before);
        let error = shown.clone().keep_secrets(None).unwrap_err();
        assert_eq!(error.location.field.as_deref(), Some("secrets.KEY"));
    }
}
