//! Parsed filters, and whether something satisfies them.

use regex::Regex;

use super::{Field, Kind, Subject, parser, pattern};
use crate::Result;

/// Which of a subject's properties a clause looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// An attribute.
    Attribute,
    /// A metric's latest value.
    Metric,
    /// A parameter.
    Param,
    /// A tag.
    Tag,
    /// A data set's name, digest or context.
    Dataset,
    /// A trace's metadata.
    Metadata,
    /// A span's name, type, status, content or attribute.
    Span,
    /// A feedback's value.
    Feedback,
    /// An expectation's value.
    Expectation,
    /// An issue that a trace refers to.
    Issue,
}

impl Entity {
    /// The entity's name in MLflow's messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Dataset => "dataset",
            Self::Metadata => "request_metadata",
            Self::Span => "span",
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Issue => "issue",
        }
    }
}

/// How a clause compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `LIKE`
    Like,
    /// `ILIKE`
    ILike,
    /// `RLIKE`, on traces.
    RLike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

impl Comparator {
    /// The comparator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Like => "LIKE",
            Self::ILike => "ILIKE",
            Self::RLike => "RLIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }

    /// Whether `ordering`, of the subject's value against the clause's, satisfies a comparison of
    /// sizes. `None` is a NaN: only `!=` holds for it.
    #[inline]
    pub(crate) fn holds(self, ordering: Option<std::cmp::Ordering>) -> bool {
        let Some(ordering) = ordering else { return self == Self::NotEqual };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
            _ => false,
        }
    }
}

/// What a clause compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `IS NULL`.
    None,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// Texts: `IN`.
    List(Vec<String>),
}

/// One comparison.
#[derive(Debug, Clone)]
pub struct Clause {
    /// Where to look.
    pub entity: Entity,
    /// The key or the attribute's canonical name.
    pub key: String,
    /// How to compare.
    pub comparator: Comparator,
    /// With what.
    pub value: Value,
    /// Where the clause begins, in bytes.
    pub position: usize,
    /// `RLIKE`'s expression.
    pub(super) regex: Option<Regex>,
}

impl Clause {
    /// Whether a text satisfies the comparison.
    pub fn holds_text(&self, text: &str) -> bool {
        match (&self.value, self.comparator) {
            (_, Comparator::IsNotNull) => true,
            (Value::Text(value), Comparator::Like) => pattern::like(text, value),
            (Value::Text(value), Comparator::ILike) => {
                pattern::like(&text.to_lowercase(), &value.to_lowercase())
            }
            (_, Comparator::RLike) => self.regex.as_ref().is_some_and(|regex| regex.is_match(text)),
            (Value::List(values), Comparator::In) => values.iter().any(|value| value == text),
            (Value::List(values), Comparator::NotIn) => !values.iter().any(|value| value == text),
            (Value::Text(value), comparator) => comparator.holds(Some(text.cmp(value))),
            (Value::None | Value::Integer(_) | Value::Number(_) | Value::List(_), _) => false,
        }
    }

    /// Whether a whole number satisfies the comparison.
    #[inline]
    pub fn holds_integer(&self, number: i64) -> bool {
        match self.value {
            Value::Integer(value) => self.comparator.holds(Some(number.cmp(&value))),
            #[expect(clippy::cast_precision_loss, reason = "times and versions lie far below 2^53")]
            Value::Number(_) => self.holds_number(number as f64),
            Value::None | Value::Text(_) | Value::List(_) => self.comparator == Comparator::IsNotNull,
        }
    }

    /// Whether a number satisfies the comparison.
    #[inline]
    pub fn holds_number(&self, number: f64) -> bool {
        let value = match self.value {
            #[expect(clippy::cast_precision_loss, reason = "a metric is compared as a double")]
            Value::Integer(value) => value as f64,
            Value::Number(value) => value,
            Value::None | Value::Text(_) | Value::List(_) => {
                return self.comparator == Comparator::IsNotNull;
            }
        };
        self.comparator.holds(number.partial_cmp(&value))
    }

    fn holds_field(&self, field: Field<'_>) -> bool {
        match field {
            Field::Missing => self.comparator == Comparator::IsNull,
            Field::Text(text) => self.holds_text(text),
            Field::Integer(number) => self.holds_integer(number),
            Field::Number(number) => self.holds_number(number),
        }
    }

    fn holds_option(&self, text: Option<&str>) -> bool {
        self.holds_field(text.map_or(Field::Missing, Field::Text))
    }
}

/// Prompts are registered models with this tag; a model without it is not one.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Clauses that must all hold.
#[derive(Debug, Clone)]
pub struct Filter {
    kind: Kind,
    clauses: Vec<Clause>,
}

impl Filter {
    /// Reads `text` as a filter over `kind`; empty text finds everything.
    ///
    /// # Errors
    /// [`crate::Error::Syntax`] in MLflow's words with the position.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        Ok(Self { kind, clauses: parser::clauses(kind, text)? })
    }

    /// The comparisons, in the order they were written.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether every clause holds for `subject`.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.clauses.iter().all(|clause| self.holds(clause, subject)) && self.spans_match(subject)
    }

    fn holds(&self, clause: &Clause, subject: &impl Subject) -> bool {
        let key = clause.key.as_str();
        match clause.entity {
            Entity::Attribute => clause.holds_field(subject.attribute(key)),
            Entity::Metric => subject.any_metric(key, &|value| clause.holds_number(value)),
            Entity::Param => clause.holds_option(subject.param(key)),
            Entity::Tag => match subject.tag(key) {
                None if key == PROMPT_TAG && self.is_registry() => match &clause.value {
                    Value::Text(value) => {
                        (clause.comparator == Comparator::Equal && value == "false")
                            || (clause.comparator == Comparator::NotEqual && value == "true")
                    }
                    _ => false,
                },
                tag => clause.holds_option(tag),
            },
            Entity::Dataset => subject.any_dataset(key, &|value| clause.holds_text(value)),
            Entity::Metadata => match subject.metadata(key) {
                _ if key == "mlflow.sourceRun" && clause.comparator == Comparator::Equal => {
                    subject.any_run(&|run| clause.holds_text(run))
                }
                value => clause.holds_option(value),
            },
            // All of a filter's span clauses must hold for one and the same span.
            Entity::Span => true,
            Entity::Feedback | Entity::Expectation | Entity::Issue => subject.assessment(clause),
        }
    }

    fn is_registry(&self) -> bool {
        matches!(self.kind, Kind::RegisteredModels | Kind::ModelVersions)
    }

    fn spans_match(&self, subject: &impl Subject) -> bool {
        let spans: Vec<&Clause> =
            self.clauses.iter().filter(|clause| clause.entity == Entity::Span).collect();
        spans.is_empty() || subject.any_span(&spans)
    }
}
