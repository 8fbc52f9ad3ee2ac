use modelyard_clock::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::{Content, Delivery, Event, Subscription};

/// Everything that one message to one subscriber says, the same at every attempt.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The webhook-id.
    pub(crate) id: String,
    /// The id of the alert's first message, which later ones answer to.
    pub(crate) first_id: String,
    pub(crate) subscription_id: String,
    pub(crate) subscription_name: String,
    pub(crate) event: Event,
    pub(crate) count: u64,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) public_url: Option<Url>,
}

impl Message {
    pub(crate) fn new(
        delivery: &Delivery,
        content: &Content,
        event: Event,
        subscription: &Subscription,
        public_url: Option<Url>,
    ) -> Self {
        let first = Delivery { round: 1, ..delivery.clone() };
        Self {
            id: delivery.message_id(),
            first_id: first.message_id(),
            subscription_id: subscription.id.clone(),
            subscription_name: subscription.name.clone(),
            event,
            count: content.count,
            first_at: delivery.first_at,
            last_at: content.last_at,
            public_url,
        }
    }

    /// Whether it tells the count of an alert that was told before.
    pub(crate) fn is_reminder(&self) -> bool {
        self.id != self.first_id
    }

    /// A page of the public address.
    pub(crate) fn page(&self, path: &str) -> Option<Url> {
        let mut url = self.public_url.clone()?;
        let base = url.path().trim_end_matches('/').to_owned();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        Some(url)
    }

    /// The console's page about the event.
    pub(crate) fn link(&self) -> Option<Url> {
        self.page(self.event.link.as_deref().unwrap_or(&self.event.stage))
    }

    /// The CloudEvents 1.0 JSON form.
    pub(crate) fn cloud_event(&self) -> Value {
        let event = &self.event;
        let source = self
            .public_url
            .as_ref()
            .map_or("urn:modelyard".to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
        let mut body = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": event.kind,
            "time": event.at,
            "datacontenttype": "application/json",
        });
        if let (Some(subject), Some(body)) = (&event.subject, body.as_object_mut()) {
            body.insert("subject".into(), json!(subject));
        }
        if let Some(body) = body.as_object_mut() {
            body.insert(
                "data".into(),
                json!({
                    "event_id": event.id,
                    "stage": event.stage,
                    "model": event.model,
                    "version": event.version,
                    "severity": event.severity,
                    "summary": event.summary,
                    "details": event.details,
                    "count": self.count,
                    "first_seen": self.first_at,
                    "last_seen": self.last_at,
                    "link": self.link(),
                    "subscription": {"id": self.subscription_id, "name": self.subscription_name},
                }),
            );
        }
        body
    }
}

/// One line without control characters, at most `most` characters long: for headers, logs and lists.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut left = most;
    for word in text.split(|character: char| character.is_control() || character.is_whitespace()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
            left = left.saturating_sub(1);
        }
        let length = word.chars().count();
        if length > left {
            line.extend(word.chars().take(left));
            line.push('…');
            break;
        }
        line.push_str(word);
        left -= length;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_of_anything() {
        assert_eq!(one_line("a\r\nBcc: eve\t\u{0}b", 100), "a Bcc: eve b");
        assert_eq!(one_line("  ", 5), "");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("ab cdef", 4), "ab c…");
        assert_eq!(one_line("äöü", 3), "äöü");
    }
}
