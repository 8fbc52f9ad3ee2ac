use minijinja::{Environment, Value as Jinja, context};
use modelyard_clock::Timestamp;
use serde_json::Value;

use crate::{
    Error, Result, Severity,
    message::{Message, one_line},
};

/// Most further facts that a mail lists.
const FACTS: usize = 12;

/// Turns messages into mails, by the templates of `templates/`.
pub(crate) struct Renderer(Environment<'static>);

/// A mail's parts.
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Renderer {
    pub(crate) fn new() -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        // Names ending in .html are escaped, those in .txt are not.
        environment.add_template("alert.txt", include_str!("../templates/alert.txt")).map_err(fault)?;
        environment.add_template("alert.html", include_str!("../templates/alert.html")).map_err(fault)?;
        Ok(Self(environment))
    }

    pub(crate) fn render(&self, message: &Message, unsubscribe: Option<&str>) -> Result<Rendered> {
        let event = &message.event;
        let summary = one_line(&event.summary, 300);
        let model = event.model.as_deref().map(|model| one_line(model, 100));
        let subject = subject(message, &summary, model.as_deref());
        let context = context! {
            title => subject,
            severity => event.severity.name(),
            colour => colour(event.severity),
            tint => tint(event.severity),
            summary,
            model,
            version => event.version.as_deref().map(|version| one_line(version, 60)),
            subject => event.subject.as_deref().map(|subject| one_line(subject, 200)),
            stage => event.stage,
            kind => one_line(&event.kind, 120),
            at => moment(event.at),
            value => fact(&event.details, &["value"]),
            bound => fact(&event.details, &["threshold", "bound"]),
            metric => fact(&event.details, &["metric"]),
            facts => facts(&event.details),
            count => message.count,
            since => moment(message.first_at),
            last => moment(message.last_at),
            link => message.link().map(|url| url.to_string()),
            link_html => message.link().map(|url| attribute(url.as_str())),
            unsubscribe,
            unsubscribe_html => unsubscribe.map(attribute),
            subscription => message.subscription_name,
        };
        let part = |name: &str, context: &Jinja| {
            self.0.get_template(name).and_then(|template| template.render(context)).map_err(fault)
        };
        Ok(Rendered { text: part("alert.txt", &context)?, html: part("alert.html", &context)?, subject })
    }
}

/// A URL for an attribute in double quotes; minijinja's own escaping, made for text, also replaces slashes.
fn attribute(url: &str) -> Jinja {
    let escaped = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    Jinja::from_safe_string(escaped)
}

fn fault(error: minijinja::Error) -> Error {
    Error::Compose(error.to_string())
}

/// `[critical] flights-delay: AUC fell to 0.61 (7 times)`
fn subject(message: &Message, summary: &str, model: Option<&str>) -> String {
    let about = match model {
        // Many summaries begin with the model's name already.
        Some(model) if !summary.contains(model) => format!("{model}: "),
        _ => String::new(),
    };
    let times = if message.count > 1 { format!(" ({} times)", message.count) } else { String::new() };
    format!("[{}] {about}{}{times}", message.event.severity, one_line(summary, 120))
}

const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "#1d4ed8",
        Severity::Warning => "#b45309",
        Severity::Critical => "#b91c1c",
    }
}

const fn tint(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "#eff6ff",
        Severity::Warning => "#fffbeb",
        Severity::Critical => "#fef2f2",
    }
}

fn moment(at: Timestamp) -> String {
    at.to_utc().format("%-d %B %Y, %H:%M UTC").to_string()
}

fn fact(details: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| details.get(name)).and_then(show)
}

/// The remaining facts as rows of a table.
fn facts(details: &Value) -> Vec<(String, String)> {
    let shown = ["value", "threshold", "bound", "metric"];
    let rows = details.as_object().into_iter().flatten();
    rows.filter(|(name, _)| !shown.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((one_line(&name.replace('_', " "), 60), show(value)?)))
        .take(FACTS)
        .collect()
}

fn show(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::String(text) => Some(one_line(text, 200)),
        Value::Number(number) => Some(show_number(number)),
        Value::Array(_) | Value::Object(_) => Some(one_line(&value.to_string(), 200)),
    }
}

/// Whole numbers as they are, others to four significant digits.
fn show_number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    if float == 0.0 {
        return "0".to_owned();
    }
    let magnitude = float.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{float:.3e}");
    }
    // In bounds by the line above: 0 to 8 decimals.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let decimals = (3.0 - magnitude).clamp(0.0, 8.0) as usize;
    let text = format!("{float:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::Event;

    fn message(event: Event) -> Message {
        Message {
            id: "msg_1".into(),
            first_id: "msg_1".into(),
            subscription_id: "sub_1".into(),
            subscription_name: "night shift".into(),
            first_at: event.at,
            last_at: event.at,
            event,
            count: 1,
            public_url: Some("https://models.example.com/yard/".parse().unwrap()),
        }
    }

    fn event() -> Event {
        Event::new(
            "2013-07-01T06:00:00Z".parse().unwrap(),
            "dev.modelyard.monitoring.finding",
            "monitoring",
            Severity::Critical,
            "dep_delay has drifted",
        )
        .model("flights-delay")
        .version("3")
        .subject("dep_delay")
        .details(json!({"metric": "psi", "value": 0.312_345, "threshold": 0.2, "window_rows": 27004}))
    }

    #[test]
    fn a_mail_says_what_where_and_how_far() {
        let mail = Renderer::new().unwrap().render(&message(event()), Some("https://u.example/x")).unwrap();
        assert_eq!(mail.subject, "[critical] flights-delay: dep_delay has drifted");
        for part in [&mail.text, &mail.html] {
            for text in [
                "dep_delay has drifted",
                "flights-delay",
                "psi",
                "0.3123",
                "0.2",
                "window rows",
                "27004",
                "1 July 2013, 06:00 UTC",
                "https://u.example/x",
                "night shift",
            ] {
                assert!(part.to_lowercase().contains(&text.to_lowercase()), "{text} is missing in {part}");
            }
            assert!(!part.contains("times since"), "{part}");
        }
        assert!(mail.html.contains(colour(Severity::Critical)));
        assert!(mail.text.contains("https://models.example.com/yard/monitoring"), "{}", mail.text);
    }

    #[test]
    fn repeats_are_counted() {
        let mut message = message(event());
        message.count = 7;
        let mail = Renderer::new().unwrap().render(&message, None).unwrap();
        assert!(mail.subject.ends_with("(7 times)"), "{}", mail.subject);
        for part in [&mail.text, &mail.html] {
            assert!(part.contains("7 times since 1 July 2013, 06:00 UTC"), "{part}");
            assert!(!part.to_lowercase().contains("unsubscribe"), "{part}");
        }
    }

    #[test]
    fn foreign_text_stays_text() {
        let mut event = event();
        event.summary = "<script>alert(1)</script>\r\nBcc: eve@example.com".into();
        event.details = json!({"{{ 7 * 7 }}": "<b>&", "list": [1, 2]});
        let mail = Renderer::new().unwrap().render(&message(event), None).unwrap();
        assert!(!mail.html.contains("<script>") && mail.html.contains("&lt;script&gt;"));
        assert!(mail.html.contains("{{ 7 * 7 }}") && mail.html.contains("&lt;b&gt;&amp;"));
        assert!(!mail.subject.contains(['\r', '\n']));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (json!(0.312_345), "0.3123"),
            (json!(0.5), "0.5"),
            (json!(1234.5678), "1235"),
            (json!(12.0), "12"),
            (json!(-0.000_123_4), "-0.0001234"),
            (json!(1e-9), "1.000e-9"),
            (json!(0.0), "0"),
            (json!(42), "42"),
        ] {
            assert_eq!(show(&value).unwrap(), text);
        }
    }
}
