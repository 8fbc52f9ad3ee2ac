//! What the replay shows.

use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::{
    client::{Client, number, text},
    mail::Inbox,
    specs::{DEPLOYMENT, MODEL},
    webhook::Hook,
    year::Month,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `April` for 4.
pub(crate) fn month_name(month: u32) -> &'static str {
    let index = usize::try_from(month).unwrap_or_default().wrapping_sub(1);
    MONTHS.get(index).copied().unwrap_or("?")
}

/// A bar on a terminal; nothing elsewhere.
pub(crate) fn bar(length: u64, what: &str) -> ProgressBar {
    let template = format!("  {{bar:40}} {{pos}}/{{len}} {what} {{msg}} ({{elapsed}})");
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// The area under the ROC curve: the chance that a random positive is ranked
/// above a random negative, ties counting half (Mann and Whitney 1947).
pub(crate) fn auc(rows: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<_> = rows.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|(_, truth)| *truth).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut below = 0.0;
    let mut sum = 0.0;
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let true_here = tied.iter().filter(|(_, truth)| *truth).count() as f64;
        let false_here = tied.len() as f64 - true_here;
        sum += true_here * (below + false_here / 2.0);
        below += false_here;
    }
    Some(sum / (positives * negatives))
}

/// The table of the months.
pub(crate) fn months(months: &[Month]) {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    table.set_header([
        "month",
        "flights scored",
        "labelled",
        "late",
        "AUC (labels)",
        "drift findings",
        "other findings",
        "mails",
        "webhooks",
        "model version",
    ]);
    for month in months {
        let late = month.judged.iter().filter(|(_, truth)| *truth).count();
        let versions: Vec<_> = month.versions.iter().map(String::as_str).collect();
        table.add_row([
            month_name(month.month).to_owned(),
            month.rows.to_string(),
            month.judged.len().to_string(),
            format!("{:.1} %", 100.0 * late as f64 / month.judged.len().max(1) as f64),
            auc(&month.judged).map_or("–".to_owned(), |auc| format!("{auc:.4}")),
            month.drift.to_string(),
            month.other.to_string(),
            month.mails.to_string(),
            month.webhooks.to_string(),
            versions.join(", "),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{table}");
}

/// What became of the versions, and what the rules did.
pub(crate) async fn life(client: &Client) -> Result<()> {
    println!("\nWhat feedback did:");
    let mut actions = client.all(&format!("/feedback/actions?deployment={DEPLOYMENT}")).await?;
    actions.sort_by_key(|action| text(action, "/at").unwrap_or_default().to_owned());
    let told =
        actions.iter().filter(|action| text(action, "/action").is_ok_and(|what| what == "notify")).count();
    println!("  told the subscribers {told} times of findings that it did nothing else about");
    actions.retain(|action| text(action, "/action").is_ok_and(|what| what != "notify"));
    for action in &actions {
        println!("  {} {}: {}", date(action, "/at"), text(action, "/action")?, text(action, "/outcome")?);
        println!("             {}", text(action, "/reason")?);
    }
    println!("What became of the versions:");
    let mut versions = client.all(&format!("/registry/models/{MODEL}/versions")).await?;
    versions.sort_by_key(|version| version.pointer("/version").and_then(Value::as_u64));
    for version in &versions {
        let why = version.pointer("/archived_because").and_then(Value::as_str);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let (number, status) = (number(version, "/version")?, text(version, "/status")?);
        println!("  {MODEL}@{number} of {}: {status}{why}", date(version, "/created_at"));
    }
    let verified = client.get("/governance/audit/verify").await?;
    println!("The audit trail, verified: {verified}");
    for bill in client.all(&format!("/scaling/usage?deployment={DEPLOYMENT}")).await? {
        let rows = bill.pointer("/days").and_then(Value::as_array).into_iter().flatten();
        let rows: u64 = rows.filter_map(|day| day.get("rows").and_then(Value::as_u64)).sum();
        let seconds = bill.get("cpu_seconds").and_then(Value::as_f64).unwrap_or_default();
        let calls = number(&bill, "/calls")?;
        println!("Metered: {calls} calls, {rows} rows, {seconds:.1} s of computing");
    }
    Ok(())
}

fn date(value: &Value, pointer: &str) -> String {
    text(value, pointer).unwrap_or_default().chars().take(10).collect()
}

/// One mail and one webhook as they came.
pub(crate) fn received(inbox: &Inbox, hook: &Hook) -> Result<()> {
    let mails = inbox.mails()?;
    let drift = mails.iter().find(|mail| mail.subject.contains("drift") || mail.text.contains("drift"));
    if let Some(mail) = drift.or(mails.last()) {
        println!("\nOne of the {} mails:", mails.len());
        println!("  From: {}\n  To: {}\n  Subject: {}", mail.from, mail.to, mail.subject);
        if let Some(unsubscribe) = &mail.unsubscribe {
            println!("  List-Unsubscribe: {unsubscribe}");
        }
        println!("  ({} HTML part)\n", if mail.html { "with an" } else { "without an" });
        for line in mail.text.lines() {
            println!("  | {line}");
        }
    }
    let deliveries = hook.deliveries();
    let of = |kind: &str| {
        deliveries.iter().find(|one| one.event.get("type").and_then(Value::as_str) == Some(kind))
    };
    if let Some(delivery) = of("dev.modelyard.monitoring.finding").or(deliveries.last()) {
        println!(
            "\nOne of the {} webhooks, its signature verified ({} refused):",
            deliveries.len(),
            hook.refused()
        );
        println!("  webhook-id: {}\n  webhook-timestamp: {}", delivery.id, delivery.timestamp);
        println!("  webhook-signature: {}", delivery.signature);
        for line in serde_json::to_string_pretty(&delivery.event)?.lines() {
            println!("  | {line}");
        }
    }
    Ok(())
}

/// Where the time went.
#[derive(Debug)]
pub(crate) struct Timing {
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Timing {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    /// What was done since the last lap.
    pub(crate) fn lap(&mut self, what: &'static str) {
        let now = Instant::now();
        self.laps.push((what, now - self.last));
        self.last = now;
    }

    pub(crate) fn print(&self, started: Instant) {
        println!("\nTime:");
        for (what, took) in &self.laps {
            println!("  {what:<40} {:>6.1} s", took.as_secs_f64());
        }
        println!("  {:<40} {:>6.1} s", "everything", started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_pairs_and_halves_ties() {
        assert_eq!(auc(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
        assert_eq!(auc(&[(0.5, true), (0.5, false)]), Some(0.5));
        assert_eq!(auc(&[(0.5, true)]), None);
    }
}
