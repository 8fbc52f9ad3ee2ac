//! Reads tokens as clauses and as keys of an order.

use regex::RegexBuilder;

use super::{
    Clause, Comparator, Direction, Entity, Kind, Value,
    lexer::{Spanned, Token, error, tokens},
};
use crate::Result;

/// Memory that a regular expression may take once compiled, in bytes.
const REGEX_LIMIT: usize = 1 << 20;

/// Reads a whole filter.
pub(super) fn clauses(kind: Kind, text: &str) -> Result<Vec<Clause>> {
    let tokens = tokens(text)?;
    let mut parser = Parser { kind, text, tokens: &tokens, at: 0 };
    let mut found = Vec::new();
    while parser.peek().is_some() {
        if !found.is_empty() && !parser.take_word("AND") {
            return Err(parser.unexpected("expected AND between comparisons"));
        }
        found.push(parser.clause()?);
    }
    Ok(found)
}

/// Reads one clause of an order: a name, then perhaps `ASC` or `DESC`.
pub(super) fn order(kind: Kind, text: &str) -> Result<(Entity, String, Direction)> {
    let tokens = tokens(text)?;
    let mut parser = Parser { kind, text, tokens: &tokens, at: 0 };
    let name = parser.name(true)?;
    let direction = if parser.take_word("DESC") {
        Direction::Descending
    } else {
        parser.take_word("ASC");
        Direction::Ascending
    };
    match parser.peek() {
        None => Ok((name.entity, name.key, direction)),
        Some(rest) => Err(error(
            rest.start,
            format!("Invalid order_by clause '{text}'. Could not be parsed: expected ASC, DESC or the end"),
        )),
    }
}

struct Parser<'a> {
    kind: Kind,
    text: &'a str,
    tokens: &'a [Spanned],
    at: usize,
}

/// A resolved name.
struct Name {
    entity: Entity,
    key: String,
    numeric: bool,
    position: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Spanned> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Spanned> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Where the next token begins, or the text ends.
    fn position(&self) -> usize {
        self.peek().map_or(self.text.len(), |token| token.start)
    }

    fn source(&self, token: &Spanned) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Spanned { token: Token::Word(found), .. }) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.is_word(word);
        self.at += usize::from(taken);
        taken
    }

    fn unexpected(&self, expected: &str) -> crate::Error {
        let message = match self.peek() {
            Some(token) => {
                format!("Invalid clause(s) in filter string: '{}'; {expected}", self.source(token))
            }
            None => format!("Invalid clause(s) in filter string: it ends too soon; {expected}"),
        };
        error(self.position(), message)
    }

    fn clause(&mut self) -> Result<Clause> {
        let name = self.name(false)?;
        let position = self.position();
        let comparator = self.comparator()?;
        let accepted = self.kind.comparators(name.entity, &name.key, name.numeric);
        if !accepted.contains(&comparator) {
            return Err(error(position, refused_comparator(&name, comparator, accepted)));
        }
        let value = match comparator {
            Comparator::IsNull | Comparator::IsNotNull => Value::None,
            Comparator::In | Comparator::NotIn => self.list(&name)?,
            _ => self.value(&name, comparator)?,
        };
        let regex = match (&value, comparator) {
            (Value::Text(expression), Comparator::RLike) => {
                Some(RegexBuilder::new(expression).size_limit(REGEX_LIMIT).build().map_err(|cause| {
                    error(position, format!("Invalid regular expression '{expression}': {cause}"))
                })?)
            }
            _ => None,
        };
        Ok(self.mapped(Clause {
            entity: name.entity,
            key: name.key,
            comparator,
            value,
            position: name.position,
            regex,
        }))
    }

    /// MLflow keeps some attributes of a trace as tags, metadata or spans.
    fn mapped(&self, mut clause: Clause) -> Clause {
        if self.kind == Kind::Traces
            && clause.entity == Entity::Attribute
            && let Some((entity, key)) = trace_home(&clause.key)
        {
            clause.entity = entity;
            clause.key = key.to_owned();
        }
        clause
    }

    /// Reads `entity.key` or an attribute's name.
    fn name(&mut self, ordering: bool) -> Result<Name> {
        let position = self.position();
        let (entity, key) = self.name_parts()?;
        let entity = match entity {
            None => Entity::Attribute,
            Some(word) => {
                let known = self.kind.entities();
                known.iter().find(|(name, _)| *name == word).map(|(_, entity)| *entity).ok_or_else(|| {
                    let names: Vec<String> = known.iter().map(|(name, _)| format!("'{name}'")).collect();
                    error(
                        position,
                        format!("Invalid entity type '{word}'. Valid values are [{}]", names.join(", ")),
                    )
                })?
            }
        };
        let name = Name { entity, key, numeric: entity == Entity::Metric, position };
        match entity {
            Entity::Attribute => self.attribute(name, ordering),
            Entity::Dataset if !matches!(name.key.as_str(), "name" | "digest" | "context") => Err(error(
                position,
                format!(
                    "Invalid dataset key '{}' specified. Valid keys are '{{'context', 'digest', 'name'}}'",
                    name.key
                ),
            )),
            Entity::Span if !is_span_key(&name.key) => Err(error(
                position,
                format!(
                    "Invalid span attribute '{}'. Supported attributes: content, name, status, type, \
                     attributes.<attribute_name>.",
                    name.key
                ),
            )),
            Entity::Issue if name.key != "id" => Err(error(
                position,
                format!("Invalid issue attribute '{}'. Supported attributes: id", name.key),
            )),
            _ if name.key.is_empty() => Err(error(position, "A key must follow the dot")),
            _ => Ok(name),
        }
    }

    fn attribute(&self, mut name: Name, ordering: bool) -> Result<Name> {
        let Some(attribute) = self.kind.attribute(&name.key, ordering) else {
            return Err(error(
                name.position,
                format!(
                    "Invalid attribute key '{}' specified. Valid keys are '{{{}}}'",
                    name.key,
                    self.kind.attributes(ordering)
                ),
            ));
        };
        attribute.key.clone_into(&mut name.key);
        name.numeric = attribute.numeric;
        Ok(name)
    }

    /// The word before the first dot, where there is one, and all that follows.
    fn name_parts(&mut self) -> Result<(Option<String>, String)> {
        let Some(first) = self.peek() else { return Err(self.unexpected("expected a name")) };
        let (entity, key) = match &first.token {
            Token::Word(word) => match word.split_once('.') {
                Some((entity, key)) => (Some(entity.to_owned()), key.to_owned()),
                None => (None, word.clone()),
            },
            Token::Quoted { quote: '`' | '"', text } => (None, text.clone()),
            _ => return Err(self.unexpected("expected a name such as metrics.rmse")),
        };
        self.at += 1;
        let mut end = first.end;
        let (mut entity, mut key) = (entity, key);
        // Quoted parts belong to the name where nothing stands between: metrics.`f 1`.
        while let Some(part) = self.peek().filter(|part| part.start == end) {
            match &part.token {
                Token::Dot if entity.is_none() => entity = Some(std::mem::take(&mut key)),
                Token::Dot => key.push('.'),
                Token::Quoted { text, .. } if entity.is_some() => key.push_str(text),
                Token::Word(word) if entity.is_some() => key.push_str(word),
                _ => break,
            }
            end = part.end;
            self.at += 1;
        }
        Ok((entity, key))
    }

    fn comparator(&mut self) -> Result<Comparator> {
        let signs = [
            ("=", Comparator::Equal),
            ("!=", Comparator::NotEqual),
            ("<", Comparator::Less),
            ("<=", Comparator::LessEqual),
            (">", Comparator::Greater),
            (">=", Comparator::GreaterEqual),
        ];
        if let Some(Spanned { token: Token::Sign(found), .. }) = self.peek()
            && let Some((_, comparator)) = signs.into_iter().find(|(sign, _)| sign == found)
        {
            self.at += 1;
            return Ok(comparator);
        }
        for (word, comparator) in [
            ("LIKE", Comparator::Like),
            ("ILIKE", Comparator::ILike),
            ("RLIKE", Comparator::RLike),
            ("IN", Comparator::In),
        ] {
            if self.take_word(word) {
                return Ok(comparator);
            }
        }
        if self.take_word("NOT") {
            return if self.take_word("IN") {
                Ok(Comparator::NotIn)
            } else {
                Err(self.unexpected("expected IN after NOT"))
            };
        }
        if self.take_word("IS") {
            let comparator = if self.take_word("NOT") { Comparator::IsNotNull } else { Comparator::IsNull };
            return if self.take_word("NULL") {
                Ok(comparator)
            } else {
                Err(self.unexpected("expected NULL or NOT NULL after IS"))
            };
        }
        Err(self.unexpected("expected =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL or IS NOT NULL"))
    }

    fn value(&mut self, name: &Name, comparator: Comparator) -> Result<Value> {
        let position = self.position();
        let Some(token) = self.next() else {
            self.at -= 1;
            return Err(self.unexpected("expected a value"));
        };
        let source = self.source(token);
        let assessment = matches!(name.entity, Entity::Feedback | Entity::Expectation);
        let numeric = name.numeric
            || (assessment
                && !matches!(
                    comparator,
                    Comparator::Equal
                        | Comparator::NotEqual
                        | Comparator::Like
                        | Comparator::ILike
                        | Comparator::RLike
                ));
        match &token.token {
            Token::Number(number) if numeric => {
                parsed(number).filter(|value| self.accepts(name, value)).ok_or_else(|| {
                    error(position, format!("Invalid value for numeric attribute '{}': '{number}'", name.key))
                })
            }
            // Traces and versions let numbers be quoted.
            Token::Quoted { quote: '\'' | '"', text }
                if numeric && !assessment && matches!(self.kind, Kind::Traces | Kind::ModelVersions) =>
            {
                parsed(text).ok_or_else(|| {
                    error(position, format!("Expected a number for '{}'. Got {source}", name.key))
                })
            }
            _ if numeric => Err(error(position, expected_number(name, source))),
            Token::Quoted { quote: '\'' | '"', text } => Ok(Value::Text(text.clone())),
            Token::Open => Err(error(position, "A list can only be compared by IN and NOT IN")),
            _ if name.entity == Entity::Attribute => Err(error(
                position,
                format!("Expected a quoted string value for attributes. Got value {source}"),
            )),
            _ => Err(error(
                position,
                format!(
                    "Expected a quoted string value for {} (e.g. 'my-value'). Got value {source}",
                    name.entity.as_str()
                ),
            )),
        }
    }

    /// Times of experiments and datasets are whole.
    fn accepts(&self, name: &Name, value: &Value) -> bool {
        name.entity == Entity::Metric
            || matches!(value, Value::Integer(_))
            || !matches!(self.kind, Kind::Experiments | Kind::Datasets)
    }

    fn list(&mut self, name: &Name) -> Result<Value> {
        if name.entity == Entity::Attribute
            && let Some(keys) = self.kind.lists()
            && !keys.contains(&name.key.as_str())
        {
            let keys: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
            return Err(error(
                self.position(),
                format!(
                    "Only [{}] attributes support comparison with a list of quoted string values.",
                    keys.join(", ")
                ),
            ));
        }
        if !matches!(self.next(), Some(Spanned { token: Token::Open, .. })) {
            self.at -= 1;
            return Err(self.unexpected("expected a list such as ('a', 'b')"));
        }
        let mut values = Vec::new();
        loop {
            let position = self.position();
            match self.next().map(|token| &token.token) {
                Some(Token::Quoted { quote: '\'' | '"', text }) => values.push(text.clone()),
                Some(Token::Close) if !values.is_empty() => return Ok(Value::List(values)),
                Some(Token::Close) => {
                    return Err(error(
                        position,
                        "While parsing a list in the query, expected a non-empty list of string values, \
                         but got empty list",
                    ));
                }
                Some(_) => {
                    return Err(error(
                        position,
                        "While parsing a list in the query, expected string value, punctuation, or \
                         whitespace, but got different type in list",
                    ));
                }
                None => return Err(error(position, ILL_FORMED_LIST)),
            }
            let position = self.position();
            match self.next().map(|token| &token.token) {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(Value::List(values)),
                _ => return Err(error(position, ILL_FORMED_LIST)),
            }
        }
    }
}

const ILL_FORMED_LIST: &str = "While parsing a list in the query, expected a non-empty list of string \
                               values, but got ill-formed list.";

fn parsed(number: &str) -> Option<Value> {
    if let Ok(integer) = number.parse() {
        return Some(Value::Integer(integer));
    }
    // Words such as `inf` are no numbers here.
    let digits = number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E'));
    number.parse().ok().filter(|_| digits).map(Value::Number)
}

fn expected_number(name: &Name, source: &str) -> String {
    match name.entity {
        Entity::Metric => format!("Expected numeric value type for metric. Found {source}"),
        Entity::Attribute => {
            format!("Expected numeric value type for numeric attribute: {}. Found {source}", name.key)
        }
        entity => format!("Expected a numeric value for {}. Got value {source}", entity.as_str()),
    }
}

fn refused_comparator(name: &Name, comparator: Comparator, accepted: &[Comparator]) -> String {
    let nullable = |c: &Comparator| matches!(c, Comparator::IsNull | Comparator::IsNotNull);
    if nullable(&comparator) {
        return format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{}'",
            name.entity.as_str(),
            name.key
        );
    }
    let accepted: Vec<String> = accepted.iter().map(|c| format!("'{}'", c.as_str())).collect();
    format!("Invalid comparator '{}' not one of '{{{}}}'", comparator.as_str(), accepted.join(", "))
}

fn is_span_key(key: &str) -> bool {
    matches!(key, "name" | "type" | "status" | "content")
        || key.strip_prefix("attributes.").is_some_and(|name| !name.is_empty())
}

/// Where a trace keeps what filters and orders call an attribute.
pub(super) fn trace_home(key: &str) -> Option<(Entity, &'static str)> {
    match key {
        "name" => Some((Entity::Tag, "mlflow.traceName")),
        "prompt" => Some((Entity::Tag, "mlflow.linkedPrompts")),
        "run_id" => Some((Entity::Metadata, "mlflow.sourceRun")),
        "text" => Some((Entity::Span, "content")),
        _ => None,
    }
}
