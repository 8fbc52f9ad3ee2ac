//! The language against what MLflow accepts and refuses.

use proptest::prelude::*;

use super::*;
use crate::Error;

fn parse(kind: Kind, text: &str) -> Vec<(Entity, String, Comparator, Value)> {
    Filter::parse(kind, text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .clauses()
        .iter()
        .map(|c| (c.entity, c.key.clone(), c.comparator, c.value.clone()))
        .collect()
}

fn one(kind: Kind, text: &str) -> (Entity, String, Comparator, Value) {
    let mut clauses = parse(kind, text);
    assert_eq!(clauses.len(), 1, "{text}");
    clauses.remove(0)
}

fn refused(kind: Kind, text: &str) -> (usize, String) {
    match Filter::parse(kind, text) {
        Err(Error::Syntax { message, position }) => (position, message),
        other => panic!("{text}: {other:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn names_are_read_in_all_their_spellings() {
    use Comparator::{Equal, Greater, Less};
    for (filter, entity, key, comparator, value) in [
        ("metrics.rmse < 0.5", Entity::Metric, "rmse", Less, Value::Number(0.5)),
        ("metric.`f 1` > -1e3", Entity::Metric, "f 1", Greater, Value::Number(-1000.0)),
        ("metrics.\"f-1/x\" = 3", Entity::Metric, "f-1/x", Equal, Value::Integer(3)),
        ("params.lr = '0.1'", Entity::Param, "lr", Equal, text("0.1")),
        ("parameters.lr = \"0.1\"", Entity::Param, "lr", Equal, text("0.1")),
        ("tags.mlflow.source.name = 'x'", Entity::Tag, "mlflow.source.name", Equal, text("x")),
        ("tag.`mlflow.prompt.is_prompt` = 'y'", Entity::Tag, "mlflow.prompt.is_prompt", Equal, text("y")),
        ("`tags`.`a` = 'b'", Entity::Tag, "a", Equal, text("b")),
        ("run_id = 'abc'", Entity::Attribute, "run_id", Equal, text("abc")),
        ("attributes.`Run name` = 'abc'", Entity::Attribute, "run_name", Equal, text("abc")),
        ("\"run name\" = 'abc'", Entity::Attribute, "run_name", Equal, text("abc")),
        ("created > 10", Entity::Attribute, "start_time", Greater, Value::Integer(10)),
        ("datasets.name = 'd'", Entity::Dataset, "name", Equal, text("d")),
        ("params.a = 'it''s'", Entity::Param, "a", Equal, text("it's")),
        ("params.a = \"it's\"", Entity::Param, "a", Equal, text("it's")),
        ("  params.a='b'  ", Entity::Param, "a", Equal, text("b")),
    ] {
        assert_eq!(one(Kind::Runs, filter), (entity, key.to_owned(), comparator, value), "{filter}");
    }
}

#[test]
fn words_are_read_in_any_case_and_lists_as_lists() {
    let clauses = parse(
        Kind::Runs,
        "run_id in ('a', \"b\",) and params.x ilike '%Q%' AND tags.y Is Not Null AND params.z is null",
    );
    assert_eq!(clauses[0].3, Value::List(vec!["a".into(), "b".into()]));
    let comparators: Vec<Comparator> = clauses.iter().map(|c| c.2).collect();
    assert_eq!(comparators, [Comparator::In, Comparator::ILike, Comparator::IsNotNull, Comparator::IsNull]);
    assert_eq!(one(Kind::Runs, "run_id NOT IN ('a')").2, Comparator::NotIn);
    assert!(parse(Kind::Runs, " \t\n").is_empty());
}

#[test]
fn each_kind_has_its_own_names() {
    assert_eq!(one(Kind::Traces, "trace.status = 'OK'").1, "status");
    assert_eq!(one(Kind::Traces, "timestamp > 5").1, "timestamp_ms");
    assert_eq!(one(Kind::Traces, "name = 'n'").0, Entity::Tag);
    assert_eq!(one(Kind::Traces, "run_id = 'n'").1, "mlflow.sourceRun");
    assert_eq!(one(Kind::Traces, "text LIKE '%n%'").0, Entity::Span);
    assert_eq!(one(Kind::Traces, "span.attributes.model RLIKE '^gpt'").1, "attributes.model");
    assert_eq!(one(Kind::Traces, "feedback.good >= 0.5").3, Value::Number(0.5));
    assert_eq!(one(Kind::LoggedModels, "creation_time > 5").1, "creation_timestamp_ms");
    assert_eq!(one(Kind::LoggedModels, "params.a IN ('x')").2, Comparator::In);
    assert_eq!(one(Kind::ModelVersions, "version_number >= 2").3, Value::Integer(2));
    assert_eq!(one(Kind::RegisteredModels, "name LIKE 'a%'").2, Comparator::Like);
    assert_eq!(one(Kind::Experiments, "experiment_id IN ('1', '2')").1, "experiment_id");
    assert_eq!(one(Kind::Datasets, "tags.team = 'x'").0, Entity::Tag);
}

#[test]
fn errors_say_what_and_where() {
    for (filter, position, part) in [
        ("metrics.a > 1 OR metrics.b > 2", 14, "'OR'"),
        ("metrics.a > 'x'", 12, "Expected numeric value type for metric. Found 'x'"),
        ("metrics.a LIKE 'x'", 10, "Invalid comparator 'LIKE' not one of"),
        ("params.a = 3", 11, "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 3"),
        ("params.a > '3'", 9, "Invalid comparator '>'"),
        ("foo.a = 'x'", 0, "Invalid entity type 'foo'. Valid values are ['metric', "),
        ("nope = 'x'", 0, "Invalid attribute key 'nope' specified. Valid keys are "),
        ("datasets.size = 'x'", 0, "Invalid dataset key 'size' specified"),
        ("params.a = 'x", 11, "is not closed"),
        ("params.a == 'x'", 10, "Expected a quoted string value"),
        ("params.a", 8, "it ends too soon"),
        ("params.a =", 10, "it ends too soon; expected a value"),
        ("run_id IN ()", 11, "but got empty list"),
        ("run_id IN ('a' 'b')", 15, "ill-formed list"),
        ("run_id IN ('a', 3)", 16, "different type in list"),
        ("status IN ('a')", 10, "Only ['run_id'] attributes support comparison with a list"),
        ("metrics.a IS NULL", 10, "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("params.a = 'x'; DROP TABLE runs", 14, "multiple expressions"),
        ("(params.a = 'x')", 0, "expected a name"),
        ("params.a = 'x' AND", 18, "expected a name"),
        ("params.a = `x`", 11, "Got value `x`"),
        ("größe.a = 'x' #", 16, "'#'"),
        ("start_time > 'x'", 13, "Expected numeric value type for numeric attribute: start_time. Found 'x'"),
        ("metrics.a > inf", 12, "Found inf"),
        ("metrics.a > 1x", 12, "'1x'"),
    ] {
        let (found, message) = refused(Kind::Runs, filter);
        assert!(message.contains(part), "{filter}: {message}");
        assert_eq!(found, position, "{filter}: {message}");
    }
    assert!(
        refused(Kind::Experiments, "creation_time > 1.5").1.contains("Invalid value for numeric attribute")
    );
    assert!(refused(Kind::Traces, "span.size = 'x'").1.contains("Invalid span attribute"));
    assert!(refused(Kind::Traces, "name RLIKE '('").1.contains("Invalid regular expression"));
    assert!(refused(Kind::Traces, "feedback.a > 'x'").1.contains("numeric value"));
}

#[test]
fn orders_are_read_with_their_tie_breaks() {
    let order = |kind, clauses: &[&str]| {
        let clauses: Vec<String> = clauses.iter().map(|c| (*c).to_owned()).collect();
        Order::parse(kind, &clauses)
    };
    let read = order(Kind::Runs, &["metrics.`f 1` DESC", "params.x", "created asc"]).unwrap();
    let keys: Vec<(&str, Direction)> = read.keys().iter().map(|(_, k, d)| (k.as_str(), *d)).collect();
    use Direction::{Ascending, Descending};
    assert_eq!(
        keys,
        [("f 1", Descending), ("x", Ascending), ("start_time", Ascending), ("run_id", Ascending)]
    );
    assert!(
        order(Kind::Runs, &["metrics.a", "metrics.a DESC"]).unwrap_err().to_string().contains("duplicate")
    );
    assert!(order(Kind::Runs, &["start_time", "created"]).unwrap_err().to_string().contains("duplicate"));
    for (clause, position) in [("metrics.a DOWN", 10), ("", 0), ("nope", 0), ("metrics.a DESC x", 15)] {
        match order(Kind::Runs, &[clause]) {
            Err(Error::Syntax { position: found, .. }) => assert_eq!(found, position, "{clause}"),
            other => panic!("{clause}: {other:?}"),
        }
    }
    assert!(order(Kind::Experiments, &["tags.a"]).is_err());
    assert!(order(Kind::RegisteredModels, &["timestamp DESC"]).is_ok());
}

struct Model {
    name: &'static str,
    prompt: Option<&'static str>,
}

impl Subject for Model {
    fn attribute(&self, key: &str) -> Field<'_> {
        if key == "name" { Field::Text(self.name) } else { Field::Missing }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.prompt.filter(|_| key == "mlflow.prompt.is_prompt")
    }
}

#[test]
fn a_model_without_the_prompt_tag_is_no_prompt() {
    let plain = Model { name: "a", prompt: None };
    let prompt = Model { name: "b", prompt: Some("true") };
    let filter = |text| Filter::parse(Kind::RegisteredModels, text).unwrap();
    assert!(filter("tag.`mlflow.prompt.is_prompt` != 'true'").matches(&plain));
    assert!(filter("tag.`mlflow.prompt.is_prompt` = 'false'").matches(&plain));
    assert!(!filter("tag.`mlflow.prompt.is_prompt` = 'true'").matches(&plain));
    assert!(filter("tag.`mlflow.prompt.is_prompt` = 'true'").matches(&prompt));
    assert!(!filter("tag.`mlflow.prompt.is_prompt` != 'true'").matches(&prompt));
    assert!(filter("name ILIKE 'A'").matches(&plain));
}

/// Filters that parse, as the ground for changed ones.
const SEEDS: &[&str] = &[
    "metrics.rmse < 0.5 AND params.`max depth` = '3'",
    "run_id IN ('a', \"b\") AND tags.\"x y\" ILIKE '%z_'",
    "attributes.status != 'FINISHED' AND tags.a IS NOT NULL AND params.b IS NULL",
    "span.attributes.model RLIKE '^gpt' AND feedback.good >= 0.5",
    "`tags`.`a` = 'it''s' AND timestamp_ms > 12 AND name NOT IN ('q')",
    "datasets.context = 'train' AND start_time >= 1700000000000",
];

const KINDS: [Kind; 7] = [
    Kind::Runs,
    Kind::Experiments,
    Kind::LoggedModels,
    Kind::Traces,
    Kind::Datasets,
    Kind::RegisteredModels,
    Kind::ModelVersions,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the bytes, reading ends with an answer, and an error points into the text.
    #[test]
    fn changed_bytes_never_break_the_parser(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (index, byte, how) in changes {
            let at = index.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for kind in KINDS {
            if let Err(Error::Syntax { position, .. }) = Filter::parse(kind, &text) {
                prop_assert!(position <= text.len() && text.is_char_boundary(position));
            }
            let _ = Order::parse(kind, std::slice::from_ref(&text));
        }
    }

    /// Any key and value come through quotes unchanged.
    #[test]
    fn quoted_text_is_read_as_it_was(key in "[^`\"'\\\\]{1,20}", value in "[^`\"'\\\\]{0,20}") {
        let clause = one(Kind::Runs, &format!("tags.`{key}` = '{value}'"));
        prop_assert_eq!(&clause.1, &key);
        prop_assert_eq!(clause.3, Value::Text(value));
    }
}
