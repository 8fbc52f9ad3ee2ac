//! Traces: their head, spans and assessments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a trace stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TraceState {
    /// Nothing said.
    #[default]
    #[serde(rename = "STATE_UNSPECIFIED")]
    Unspecified,
    /// Ended well.
    #[serde(rename = "OK")]
    Ok,
    /// Ended with an error.
    #[serde(rename = "ERROR")]
    Error,
    /// At work.
    #[serde(rename = "IN_PROGRESS")]
    InProgress,
}

impl TraceState {
    /// The state's name on the wire and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }
}

/// A trace's head. Times are numbers here; MLflow's JSON writes `request_time` as RFC 3339 and
/// `execution_duration` as seconds with an `s`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceInfo {
    /// `tr-` and 32 hexadecimal digits; chosen by the client.
    pub trace_id: String,
    /// The caller's own id for the request.
    #[serde(default)]
    pub client_request_id: Option<String>,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// The start of the request's text.
    #[serde(default)]
    pub request_preview: Option<String>,
    /// The start of the response's text.
    #[serde(default)]
    pub response_preview: Option<String>,
    /// Milliseconds since 1970.
    pub request_time_ms: i64,
    /// Milliseconds.
    #[serde(default)]
    pub execution_duration_ms: Option<i64>,
    /// Where it stands.
    #[serde(default)]
    pub state: TraceState,
    /// Set once, by the client.
    #[serde(default)]
    pub trace_metadata: BTreeMap<String, String>,
    /// May be set again.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Oldest first.
    #[serde(default)]
    pub assessments: Vec<Assessment>,
}

/// Who or what made an assessment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssessmentSource {
    /// `HUMAN`, `LLM_JUDGE` or `CODE`.
    pub source_type: String,
    /// A name.
    #[serde(default)]
    pub source_id: String,
}

/// A judgement on a trace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Made up by the store where empty.
    #[serde(default)]
    pub assessment_id: String,
    /// What is judged.
    pub assessment_name: String,
    /// The trace.
    pub trace_id: String,
    /// The span, where only one is judged.
    #[serde(default)]
    pub span_id: Option<String>,
    /// Who judged.
    #[serde(default)]
    pub source: AssessmentSource,
    /// Milliseconds since 1970; now where 0.
    #[serde(default)]
    pub create_time_ms: i64,
    /// Milliseconds since 1970; now where 0.
    #[serde(default)]
    pub last_update_time_ms: i64,
    /// `{"feedback": …}`, `{"expectation": …}` or `{"issue": …}`, as it came.
    #[serde(flatten)]
    pub body: Map<String, Value>,
    /// Why.
    #[serde(default)]
    pub rationale: Option<String>,
    /// A map from text to text.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The assessment that this one replaces.
    #[serde(default)]
    pub overrides: Option<String>,
    /// False once another one replaces it.
    #[serde(default)]
    pub valid: Option<bool>,
}

/// What of an assessment is to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateAssessment {
    /// A new name.
    pub assessment_name: Option<String>,
    /// Replaces `feedback`, `expectation` or `issue`.
    pub body: Option<Map<String, Value>>,
    /// A new reason.
    pub rationale: Option<String>,
    /// Merged into what is there.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// One span of a trace, as the bytes it came in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: String,
    /// Unique within its trace; a span sent again replaces the one before.
    pub span_id: String,
    /// The span around it; absent at the root.
    pub parent_span_id: Option<String>,
    /// What it did.
    pub name: String,
    /// Such as `LLM` or `TOOL`.
    pub span_type: Option<String>,
    /// `UNSET`, `OK` or `ERROR`.
    pub status: String,
    /// Nanoseconds since 1970.
    pub start_time_ns: u64,
    /// Nanoseconds since 1970; absent while at work.
    pub end_time_ns: Option<u64>,
    /// The span as the caller wants it back.
    pub content: Vec<u8>,
}

/// A trace with its spans, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its head.
    pub info: TraceInfo,
    /// Its spans.
    pub spans: Vec<Span>,
}

/// A search of traces.
#[derive(Debug, Clone, Default)]
pub struct SearchTraces {
    /// Experiments to look in.
    pub experiment_ids: Vec<String>,
    /// MLflow's filter language.
    pub filter: String,
    /// Clauses such as `timestamp_ms DESC`, which is the default.
    pub order_by: Vec<String>,
    /// 100 where absent, at most 500.
    pub max_results: Option<i64>,
    /// `next_page_token` of the page before.
    pub page_token: Option<String>,
}

/// Which traces of an experiment to delete: by id, or the oldest.
#[derive(Debug, Clone, Default)]
pub struct DeleteTraces {
    /// The experiment.
    pub experiment_id: String,
    /// Those begun at or before this, in milliseconds since 1970.
    pub max_timestamp_millis: Option<i64>,
    /// At most so many, the oldest first.
    pub max_traces: Option<i64>,
    /// These; excludes the two above.
    pub trace_ids: Vec<String>,
}
