//! Making descriptions, signatures, metrics and findings without spelling out
//! every field.

use crate::{ColumnType, Datatype, Description, Field, Finding, Metric, Severity, Signature, TensorSpec};

impl Description {
    /// A description that takes no parameters; `summary` is one line.
    pub fn new(summary: impl Into<String>) -> Description {
        Description {
            summary: summary.into(),
            parameters: r#"{"type":"object","properties":{},"additionalProperties":false}"#.to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The JSON Schema (2020-12) of the parameters: a text, or a
    /// `serde_json::Value`.
    #[must_use]
    pub fn parameters(mut self, schema: impl ToString) -> Description {
        self.parameters = schema.to_string();
        self
    }

    /// Columns that the plugin expects by name.
    #[must_use]
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = Field>) -> Description {
        self.inputs = inputs.into_iter().collect();
        self
    }

    /// What the plugin gives, one line each.
    #[must_use]
    pub fn outputs<S: Into<String>>(mut self, outputs: impl IntoIterator<Item = S>) -> Description {
        self.outputs = outputs.into_iter().map(Into::into).collect();
        self
    }
}

impl Field {
    /// A column without nulls.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Field {
        Field { name: name.into(), type_: column_type, nullable: false }
    }

    /// The same column, whose rows may be null.
    #[must_use]
    pub fn nullable(mut self) -> Field {
        self.nullable = true;
        self
    }
}

impl ColumnType {
    /// The name that the contract gives it: `f64`, `s64`, `boolean`, `utf8`,
    /// `timestamp`.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::F64 => "f64",
            ColumnType::S64 => "s64",
            ColumnType::Boolean => "boolean",
            ColumnType::Utf8 => "utf8",
            ColumnType::Timestamp => "timestamp",
        }
    }
}

impl Metric {
    /// A metric over the whole data; `rows` is how many it was taken on.
    pub fn new(name: impl Into<String>, value: f64, rows: u64) -> Metric {
        Metric { name: name.into(), value, slice: None, rows }
    }

    /// The same metric, of one part of the data: `carrier=UA`.
    #[must_use]
    pub fn slice(mut self, slice: impl Into<String>) -> Metric {
        self.slice = Some(slice.into());
        self
    }
}

impl Finding {
    /// A finding of severity `warning` about the whole; `message` is one
    /// sentence for a person.
    pub fn new(metric: impl Into<String>, value: f64, threshold: f64, message: impl Into<String>) -> Finding {
        Finding {
            metric: metric.into(),
            subject: None,
            value,
            threshold,
            severity: Severity::Warning,
            message: message.into(),
        }
    }

    /// The same finding, of one column, group or slice.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Finding {
        self.subject = Some(subject.into());
        self
    }

    /// The same finding with another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }
}

impl Signature {
    /// What a model takes and gives.
    pub fn new(
        inputs: impl IntoIterator<Item = TensorSpec>,
        outputs: impl IntoIterator<Item = TensorSpec>,
    ) -> Signature {
        Signature { inputs: inputs.into_iter().collect(), outputs: outputs.into_iter().collect() }
    }
}

impl TensorSpec {
    /// A tensor that a model takes or gives. -1 is a dimension of any size, and
    /// the first dimension is the batch.
    pub fn new(name: impl Into<String>, datatype: Datatype, shape: impl Into<Vec<i64>>) -> TensorSpec {
        TensorSpec { name: name.into(), datatype, shape: shape.into(), labels: Vec::new() }
    }

    /// A tensor of doubles.
    pub fn fp64(name: impl Into<String>, shape: impl Into<Vec<i64>>) -> TensorSpec {
        TensorSpec::new(name, Datatype::Fp64, shape)
    }

    /// The same tensor with what its values mean.
    #[must_use]
    pub fn labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> TensorSpec {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }
}
