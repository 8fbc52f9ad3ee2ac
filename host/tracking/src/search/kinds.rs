//! What each kind of thing can be searched by.

use super::{Comparator, Entity, Kind};
use crate::{Error, Result};

/// A name that a filter may compare or an order may sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute {
    /// The name that [`super::Subject::attribute`] is asked for.
    pub(super) key: &'static str,
    /// Whether it is compared as a number.
    pub(super) numeric: bool,
}

const fn text(key: &'static str) -> Attribute {
    Attribute { key, numeric: false }
}

const fn number(key: &'static str) -> Attribute {
    Attribute { key, numeric: true }
}

/// A name as it is written, what it stands for, and whether filters and orders take it.
type Row = (&'static str, Attribute, bool, bool);

const RUNS: &[Row] = &[
    ("run_id", text("run_id"), true, true),
    ("run_name", text("run_name"), true, true),
    ("run name", text("run_name"), true, true),
    ("Run name", text("run_name"), true, true),
    ("Run Name", text("run_name"), true, true),
    ("user_id", text("user_id"), true, true),
    ("status", text("status"), true, true),
    ("artifact_uri", text("artifact_uri"), true, true),
    ("start_time", number("start_time"), true, true),
    ("end_time", number("end_time"), true, true),
    ("created", number("start_time"), true, true),
    ("Created", number("start_time"), true, true),
];

const EXPERIMENTS: &[Row] = &[
    ("name", text("name"), true, true),
    ("experiment_id", text("experiment_id"), true, false),
    // Compared as text, ordered as the whole number that it is.
    ("experiment_id", number("experiment_number"), false, true),
    ("creation_time", number("creation_time"), true, true),
    ("last_update_time", number("last_update_time"), true, true),
];

const LOGGED_MODELS: &[Row] = &[
    ("name", text("name"), true, true),
    ("model_id", text("model_id"), true, true),
    ("model_type", text("model_type"), true, true),
    ("status", text("status"), true, true),
    ("source_run_id", text("source_run_id"), true, true),
    ("experiment_id", text("experiment_id"), true, true),
    ("artifact_location", text("artifact_location"), true, true),
    ("status_message", text("status_message"), true, true),
    ("creation_time", number("creation_timestamp_ms"), true, true),
    ("creation_timestamp", number("creation_timestamp_ms"), true, true),
    ("creation_timestamp_ms", number("creation_timestamp_ms"), true, true),
    ("last_updated_timestamp", number("last_updated_timestamp_ms"), true, true),
    ("last_updated_timestamp_ms", number("last_updated_timestamp_ms"), true, true),
];

const TRACES: &[Row] = &[
    ("request_id", text("request_id"), true, true),
    ("trace_id", text("request_id"), true, true),
    ("status", text("status"), true, true),
    ("client_request_id", text("client_request_id"), true, false),
    ("experiment_id", text("experiment_id"), false, true),
    ("timestamp", number("timestamp_ms"), true, true),
    ("timestamp_ms", number("timestamp_ms"), true, true),
    ("execution_time", number("execution_time_ms"), true, true),
    ("execution_time_ms", number("execution_time_ms"), true, true),
    ("end_time", number("end_time_ms"), true, true),
    ("end_time_ms", number("end_time_ms"), true, true),
    ("name", text("name"), true, true),
    ("run_id", text("run_id"), true, true),
    ("prompt", text("prompt"), true, false),
    ("text", text("text"), true, false),
];

const DATASETS: &[Row] = &[
    ("name", text("name"), true, true),
    ("created_time", number("created_time"), true, true),
    ("last_update_time", number("last_update_time"), true, true),
    ("created_by", text("created_by"), true, false),
    ("last_updated_by", text("last_updated_by"), true, false),
];

const REGISTERED_MODELS: &[Row] = &[
    ("name", text("name"), true, true),
    ("timestamp", number("last_updated_timestamp"), false, true),
    ("creation_timestamp", number("creation_timestamp"), false, true),
    ("last_updated_timestamp", number("last_updated_timestamp"), false, true),
];

const MODEL_VERSIONS: &[Row] = &[
    ("name", text("name"), true, true),
    ("version_number", number("version_number"), true, true),
    ("run_id", text("run_id"), true, false),
    ("source_path", text("source_path"), true, false),
    ("creation_timestamp", number("creation_timestamp"), false, true),
    ("last_updated_timestamp", number("last_updated_timestamp"), false, true),
];

const NUMERIC: &[Comparator] = &[
    Comparator::Greater,
    Comparator::GreaterEqual,
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::Less,
    Comparator::LessEqual,
];
const STRING: &[Comparator] = &[
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::Like,
    Comparator::ILike,
    Comparator::In,
    Comparator::NotIn,
];
const TRACE_STRING: &[Comparator] = &[
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::In,
    Comparator::NotIn,
    Comparator::Like,
    Comparator::ILike,
    Comparator::RLike,
];
const TAG: &[Comparator] = &[Comparator::NotEqual, Comparator::Equal, Comparator::Like, Comparator::ILike];
const NULLABLE_TAG: &[Comparator] = &[
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::Like,
    Comparator::ILike,
    Comparator::IsNull,
    Comparator::IsNotNull,
];
const TRACE_TAG: &[Comparator] = &[
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::Like,
    Comparator::ILike,
    Comparator::RLike,
    Comparator::IsNull,
    Comparator::IsNotNull,
];
const ASSESSMENT: &[Comparator] = &[
    Comparator::NotEqual,
    Comparator::Equal,
    Comparator::Greater,
    Comparator::GreaterEqual,
    Comparator::Less,
    Comparator::LessEqual,
    Comparator::Like,
    Comparator::ILike,
    Comparator::RLike,
    Comparator::IsNull,
    Comparator::IsNotNull,
];
const IDENTIFIER: &[Comparator] =
    &[Comparator::Equal, Comparator::NotEqual, Comparator::In, Comparator::NotIn];
const CONTENT: &[Comparator] = &[Comparator::Like, Comparator::ILike];
const EQUAL: &[Comparator] = &[Comparator::Equal];

impl Kind {
    fn rows(self) -> &'static [Row] {
        match self {
            Self::Runs => RUNS,
            Self::Experiments => EXPERIMENTS,
            Self::LoggedModels => LOGGED_MODELS,
            Self::Traces => TRACES,
            Self::Datasets => DATASETS,
            Self::RegisteredModels => REGISTERED_MODELS,
            Self::ModelVersions => MODEL_VERSIONS,
        }
    }

    /// The attribute that a filter (or with `ordering` an order) calls `name`.
    pub(super) fn attribute(self, name: &str, ordering: bool) -> Option<Attribute> {
        self.rows()
            .iter()
            .find(|(alias, _, filters, orders)| *alias == name && if ordering { *orders } else { *filters })
            .map(|(_, attribute, _, _)| *attribute)
    }

    /// The canonical name of an attribute that this kind can be ordered by.
    pub(crate) fn orderable(self, name: &str) -> Result<&'static str> {
        self.attribute(name, true)
            .map(|attribute| attribute.key)
            .ok_or_else(|| Error::invalid(format!("Invalid order by field name: {name}")))
    }

    /// The names that are accepted, for an error's text.
    pub(super) fn attributes(self, ordering: bool) -> String {
        let mut names: Vec<&str> = self
            .rows()
            .iter()
            .filter(|(_, _, filters, orders)| if ordering { *orders } else { *filters })
            .map(|(alias, ..)| *alias)
            .collect();
        names.sort_unstable();
        names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
    }

    /// The words that may stand before a key's dot, and what they stand for.
    pub(super) fn entities(self) -> &'static [(&'static str, Entity)] {
        use Entity::{Attribute, Dataset, Expectation, Feedback, Issue, Metadata, Metric, Param, Span, Tag};
        match self {
            Self::Runs => &[
                ("metric", Metric),
                ("parameter", Param),
                ("tag", Tag),
                ("attribute", Attribute),
                ("dataset", Dataset),
                ("metrics", Metric),
                ("parameters", Param),
                ("param", Param),
                ("params", Param),
                ("tags", Tag),
                ("attr", Attribute),
                ("attributes", Attribute),
                ("run", Attribute),
                ("datasets", Dataset),
            ],
            Self::LoggedModels => {
                &[("attributes", Attribute), ("metrics", Metric), ("params", Param), ("tags", Tag)]
            }
            Self::Traces => &[
                ("tag", Tag),
                ("tags", Tag),
                ("attribute", Attribute),
                ("attributes", Attribute),
                ("trace", Attribute),
                ("request_metadata", Metadata),
                ("metadata", Metadata),
                ("span", Span),
                ("feedback", Feedback),
                ("expectation", Expectation),
                ("issue", Issue),
            ],
            Self::Datasets => {
                &[("tags", Tag), ("tag", Tag), ("attribute", Attribute), ("attributes", Attribute)]
            }
            Self::Experiments | Self::RegisteredModels | Self::ModelVersions => {
                &[("attribute", Attribute), ("attributes", Attribute), ("tag", Tag), ("tags", Tag)]
            }
        }
    }

    /// The comparisons that a property takes.
    pub(super) fn comparators(self, entity: Entity, key: &str, numeric: bool) -> &'static [Comparator] {
        match (self, entity) {
            (_, Entity::Metric) => NUMERIC,
            (_, Entity::Attribute) if numeric => NUMERIC,
            (Self::Experiments, Entity::Attribute) if key == "experiment_id" => IDENTIFIER,
            (Self::Traces, Entity::Attribute | Entity::Span) if key == "content" => CONTENT,
            (Self::Traces, Entity::Attribute | Entity::Span) => TRACE_STRING,
            (Self::Traces, Entity::Tag | Entity::Metadata) => TRACE_TAG,
            (_, Entity::Feedback | Entity::Expectation) => ASSESSMENT,
            (_, Entity::Issue) => EQUAL,
            (Self::LoggedModels, Entity::Param | Entity::Tag) => STRING,
            (Self::Runs, Entity::Param | Entity::Tag) | (Self::Experiments, Entity::Tag) => NULLABLE_TAG,
            (_, Entity::Param | Entity::Tag) => TAG,
            (_, _) => STRING,
        }
    }

    /// Whether `key` can be compared with a list; `None` where all can.
    pub(super) fn lists(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Runs => Some(&["run_id"]),
            Self::Experiments => Some(&["experiment_id"]),
            Self::Traces => Some(&["name", "status", "request_id", "run_id", "client_request_id"]),
            Self::Datasets | Self::RegisteredModels => Some(&["name"]),
            Self::ModelVersions => Some(&["name", "run_id"]),
            Self::LoggedModels => None,
        }
    }
}
