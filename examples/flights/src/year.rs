//! The year: days arrive, flights are scored, labels follow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result, bail};
use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    client::{Client, number, text},
    data::{self, Flight, Landing, WEATHER},
    mail::Inbox,
    report::bar,
    specs::{DEPLOYMENT, MODEL},
    webhook::Hook,
};

/// Rows of one call.
const BATCH: usize = 500;
/// Flights of each morning that are asked for one by one; weather and delays
/// come from the online store. They are the first of the day: what has arrived
/// by the morning is all that is known of delays before they leave.
const SINGLE: usize = 3;
/// Days until labels arrive.
const DELAY: usize = 2;
/// The hour (UTC) at which a day's flights are scored.
const MORNING: i64 = 11;

/// What came of a month.
#[derive(Clone, Debug, Default)]
pub(crate) struct Month {
    pub(crate) month: u32,
    /// Flights scored.
    pub(crate) rows: usize,
    /// Probability and truth of those that arrived.
    pub(crate) judged: Vec<(f64, bool)>,
    pub(crate) versions: BTreeSet<String>,
    pub(crate) mails: usize,
    pub(crate) webhooks: usize,
    pub(crate) drift: usize,
    pub(crate) other: usize,
}

/// A prediction's id with what came true.
type Label = (String, bool);

/// The replay.
#[derive(Debug)]
pub(crate) struct Year<'a> {
    client: &'a Client,
    data: data::Year,
    landing: Landing,
    inbox: &'a Inbox,
    hook: &'a Hook,
    /// Labels under way, a day each.
    labels: VecDeque<(NaiveDate, Vec<Label>)>,
    months: BTreeMap<u32, Month>,
    told: (usize, usize),
}

impl<'a> Year<'a> {
    pub(crate) fn new(
        client: &'a Client,
        data: data::Year,
        landing: Landing,
        inbox: &'a Inbox,
        hook: &'a Hook,
    ) -> Self {
        let labels = VecDeque::new();
        Self { client, data, landing, inbox, hook, labels, months: BTreeMap::new(), told: (0, 0) }
    }

    /// January to March, week by week.
    pub(crate) async fn history(&mut self) -> Result<()> {
        let end = day(3, 31)?;
        let mut date = day(1, 1)?;
        let bar = bar(13, "weeks");
        while date < end {
            date = (date + Days::new(7)).min(end);
            self.arrive(date).await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        for name in ["flights", "weather"] {
            let dataset = self.client.get(&format!("/ingestion/datasets/{name}")).await?;
            println!(
                "  {name}: {} rows in version {}",
                number(&dataset, "/rows")?,
                number(&dataset, "/version")?
            );
        }
        Ok(())
    }

    /// What happened up to the end of this day arrives, and the next morning comes.
    async fn arrive(&mut self, date: NaiveDate) -> Result<()> {
        let morning = date + Days::new(1);
        let hour =
            i64::from(morning.num_days_from_ce() - NaiveDate::default().num_days_from_ce()) * 24 + MORNING;
        self.landing.land(&self.data, date)?;
        self.landing.measure(&self.data, hour)?;
        self.client.advance(&format!("{morning}T{MORNING:02}:00:00Z")).await?;
        Ok(())
    }

    /// From April on, day by day.
    pub(crate) async fn replay(&mut self, until: u32) -> Result<Vec<Month>> {
        let mut date = day(4, 1)?;
        let last = day(until, 1)? + chrono::Months::new(1) - Days::new(1);
        self.told = (self.inbox.count(), self.hook.count());
        let bar = bar((last - date).num_days().unsigned_abs() + 1, "days");
        while date <= last {
            bar.set_message(date.format("%-d %B").to_string());
            self.arrive(date.pred_opt().context("there is no day before")?).await?;
            self.tell(date.month());
            self.score(date).await?;
            if self.labels.len() > DELAY {
                self.label().await?;
            }
            bar.inc(1);
            let next = date + Days::new(1);
            if next.month() != date.month() && bar.is_hidden() {
                let rows = self.months.get(&date.month()).map_or(0, |month| month.rows);
                println!("  {}: {rows} flights scored", date.format("%B"));
            }
            date = next;
        }
        // The last labels, and what the schedules make of them.
        for _ in 0..=DELAY {
            self.arrive(date.pred_opt().context("there is no day before")?).await?;
            self.tell(last.month());
            if !self.labels.is_empty() {
                self.label().await?;
            }
            date = date + Days::new(1);
        }
        bar.finish_and_clear();
        self.findings().await?;
        Ok(self.months.values().cloned().collect())
    }

    fn month(&mut self, month: u32) -> &mut Month {
        self.months.entry(month).or_insert_with(|| Month { month, ..Month::default() })
    }

    /// Counts the alerts that came since the last time.
    fn tell(&mut self, month: u32) {
        let now = (self.inbox.count(), self.hook.count());
        let before = std::mem::replace(&mut self.told, now);
        let month = self.month(month);
        month.mails += now.0 - before.0;
        month.webhooks += now.1 - before.1;
    }

    async fn score(&mut self, date: NaiveDate) -> Result<()> {
        let flights = self.data.day(date);
        let (single, batches) = flights.split_at(SINGLE.min(flights.len()));
        let mut calls = JoinSet::new();
        let chunks =
            single.chunks(1).map(|one| (one, false)).chain(batches.chunks(BATCH).map(|all| (all, true)));
        for (chunk, whole) in chunks {
            let inputs = self.inputs(chunk, whole);
            let truths: Vec<Option<bool>> =
                chunk.iter().map(|flight| flight.arr_delay.map(|delay| delay > 30.0)).collect();
            let client = self.client.clone();
            calls.spawn(
                async move { Ok::<_, anyhow::Error>((client.infer(DEPLOYMENT, inputs).await?, truths)) },
            );
        }
        let mut labels = Vec::new();
        let month = self.month(date.month());
        while let Some(call) = calls.join_next().await {
            let (answer, truths) = call??;
            month.rows += truths.len();
            month.versions.insert(text(&answer, "/model_version")?.to_owned());
            let id = text(&answer, "/parameters/prediction_id")?;
            let chances = probabilities(&answer, truths.len())?;
            for (row, (truth, chance)) in truths.into_iter().zip(chances).enumerate() {
                if let Some(truth) = truth {
                    month.judged.push((chance, truth));
                    labels.push((format!("{id}:{row}"), truth));
                }
            }
        }
        self.labels.push_back((date, labels));
        Ok(())
    }

    /// Column tensors of some flights; with everything, or with what only the
    /// caller knows.
    fn inputs(&self, flights: &[Flight], whole: bool) -> Value {
        let rows = flights.len();
        let texts = |name: &str, of: fn(&Flight) -> &str| {
            let data: Vec<_> = flights.iter().map(of).collect();
            json!({"name": name, "datatype": "BYTES", "shape": [rows], "data": data})
        };
        let numbers = |name: &str, data: Vec<Option<f64>>| json!({"name": name, "datatype": "FP64", "shape": [rows], "data": data});
        let each = |of: fn(&Flight) -> f64| flights.iter().map(|flight| Some(of(flight))).collect();
        let mut inputs = vec![
            texts("carrier", |flight| &flight.carrier),
            texts("origin", |flight| &flight.origin),
            texts("dest", |flight| &flight.dest),
            numbers("distance", each(|flight| flight.distance)),
            numbers("departure", each(|flight| flight.hour + flight.minute / 60.0)),
            numbers("weekday", each(Flight::weekday)),
        ];
        if whole {
            let weather: Vec<_> = flights.iter().map(|f| self.data.weather(&f.origin, f.at)).collect();
            for (index, name) in WEATHER.into_iter().enumerate() {
                inputs.push(numbers(
                    name,
                    weather.iter().map(|row| row.get(index).copied().flatten()).collect(),
                ));
            }
            let delays: Vec<_> = flights.iter().map(|f| self.data.delays(&f.origin, f.at)).collect();
            inputs.push(numbers("delay_mean", delays.iter().map(|[mean, _]| *mean).collect()));
            inputs.push(numbers("delay_count", delays.iter().map(|[_, count]| *count).collect()));
        }
        Value::Array(inputs)
    }

    /// The oldest day's labels arrive.
    async fn label(&mut self) -> Result<()> {
        let Some((date, labels)) = self.labels.pop_front() else { return Ok(()) };
        let list: Vec<_> =
            labels.iter().map(|(id, truth)| json!({"prediction_id": id, "label": truth})).collect();
        if list.is_empty() {
            return Ok(());
        }
        let key = format!("labels-of-{date}");
        let taken = self.client.post_once("/feedback/labels", &json!({"labels": list}), &key).await?;
        match taken.pointer("/unknown").and_then(Value::as_array) {
            Some(unknown) if !unknown.is_empty() => {
                bail!("{} of {} labels of {date} were for unknown predictions", unknown.len(), list.len())
            }
            _ => Ok(()),
        }
    }

    /// Counts what the monitors found, by month.
    async fn findings(&mut self) -> Result<()> {
        for finding in self.client.all(&format!("/monitoring/findings?model={MODEL}")).await? {
            let at = text(&finding, "/at")?;
            let check = finding.get("check").and_then(Value::as_str).unwrap_or_default();
            // What comes up in the first days of January is of December.
            let month = match at.get(..7).and_then(|month| month.strip_prefix("2013-")) {
                Some(month) => month.parse()?,
                None => 12,
            };
            let Some(month) = self.months.get_mut(&month) else { continue };
            if check.starts_with("drift/") { month.drift += 1 } else { month.other += 1 }
        }
        Ok(())
    }
}

/// The probability of being late, row by row.
fn probabilities(answer: &Value, rows: usize) -> Result<Vec<f64>> {
    let outputs = answer.get("outputs").and_then(Value::as_array).context("the answer has no outputs")?;
    for output in outputs {
        let datatype = output.get("datatype").and_then(Value::as_str).unwrap_or_default();
        let data = output.get("data").and_then(Value::as_array);
        let Some(data) = data.filter(|_| datatype.starts_with("FP")) else { continue };
        if data.is_empty() || data.len() % rows != 0 {
            continue;
        }
        // One column, or one for each class with the positive one last.
        let width = data.len() / rows;
        let last = data.chunks(width).map(|row| row.last().and_then(Value::as_f64));
        return last.collect::<Option<_>>().context("a probability is no number");
    }
    bail!("the answer has no output of {rows} probabilities: {answer}")
}

fn day(month: u32, day: u32) -> Result<NaiveDate> {
    NaiveDate::from_ymd_opt(2013, month, day).context("there is no such day")
}
