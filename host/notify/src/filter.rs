use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Event, Result, Severity, event::check_stage};

/// Which events a subscription wants; an empty list wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Names from [`STAGES`](crate::STAGES).
    pub stages: Vec<String>,
    /// Patterns of model names: `*` is any text, `?` one character. An event about no model matches only `*`.
    pub models: Vec<String>,
    /// The least severity that is sent.
    pub severity_at_least: Severity,
    /// Patterns of CloudEvents types: `dev.modelyard.monitoring.*`.
    pub kinds: Vec<String>,
}

impl Filter {
    /// Whether the event is wanted.
    pub fn matches(&self, event: &Event) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, text))
        };
        event.severity >= self.severity_at_least
            && (self.stages.is_empty() || self.stages.contains(&event.stage))
            && any(&self.kinds, &event.kind)
            && match &event.model {
                Some(model) => any(&self.models, model),
                None => self.models.is_empty() || self.models.iter().any(|pattern| pattern == "*"),
            }
    }

    /// Refuses unknown stages and empty or overlong patterns.
    pub(crate) fn check(&self) -> Result<()> {
        self.stages.iter().try_for_each(|stage| check_stage(stage))?;
        for pattern in self.models.iter().chain(&self.kinds) {
            let bad = |reason| Err(Error::BadPattern { pattern: pattern.clone(), reason });
            if pattern.trim().is_empty() {
                return bad("it is empty");
            }
            if pattern.len() > 200 {
                return bad("it is longer than 200 bytes");
            }
        }
        Ok(())
    }
}

/// Whether `text` fits `pattern`, where `*` is any text and `?` one character.
///
/// Takes time proportional to the product of the lengths at worst: a pattern
/// from a stranger can't stall the dispatcher.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on from when the text after the last star doesn't fit.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&character) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == character => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, t));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use modelyard_clock::Timestamp;

    use super::*;

    fn event() -> Event {
        Event::new(
            Timestamp::default(),
            "dev.modelyard.monitoring.finding",
            "monitoring",
            Severity::Warning,
            "late",
        )
        .model("flights-delay")
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("flights-*", "flights-delay", true),
            ("flights-*", "trains-delay", false),
            ("*delay", "flights-delay", true),
            ("f*s-*y", "flights-delay", true),
            ("f*z*y", "flights-delay", false),
            ("fl?ghts", "flights", true),
            ("fl?ghts", "flghts", false),
            ("flights", "flights-delay", false),
            ("é*", "école", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let started = std::time::Instant::now();
        assert!(!glob(&"*a".repeat(100), &"a".repeat(99)));
        assert!(!glob(&format!("{}b", "a*".repeat(99)), &"a".repeat(5000)));
        assert!(started.elapsed().as_secs() < 2);
    }

    #[test]
    fn every_part_of_a_filter_counts() {
        let all = Filter::default();
        assert!(all.matches(&event()));
        let stages = |stage: &str| Filter { stages: vec![stage.into()], ..Filter::default() };
        assert!(stages("monitoring").matches(&event()) && !stages("registry").matches(&event()));
        let models = |model: &str| Filter { models: vec![model.into()], ..Filter::default() };
        assert!(models("flights-*").matches(&event()) && !models("trains-*").matches(&event()));
        let severity = |severity_at_least| Filter { severity_at_least, ..Filter::default() };
        assert!(severity(Severity::Warning).matches(&event()));
        assert!(!severity(Severity::Critical).matches(&event()));
        let kinds = |kind: &str| Filter { kinds: vec![kind.into()], ..Filter::default() };
        assert!(kinds("dev.modelyard.monitoring.*").matches(&event()));
        assert!(!kinds("dev.modelyard.retirement.*").matches(&event()));
        let mut nobody = event();
        nobody.model = None;
        assert!(models("*").matches(&nobody) && !models("flights-*").matches(&nobody));
    }

    #[test]
    fn bad_filters_are_refused() {
        let filter = Filter { stages: vec!["monitor".into()], ..Filter::default() };
        assert!(matches!(filter.check(), Err(Error::UnknownStage(stage)) if stage == "monitor"));
        let filter = Filter { models: vec![" ".into()], ..Filter::default() };
        assert!(matches!(filter.check(), Err(Error::BadPattern { .. })));
        assert!(serde_json::from_str::<Filter>(r#"{"stage": ["monitoring"]}"#).is_err());
    }
}
