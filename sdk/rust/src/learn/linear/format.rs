//! The artifact `modelyard-linear-1`.
//!
//! ```text
//! artifact  = "modelyard-linear-1" head inputs intercept:f64*k term*
//! head      = task:u8 target:text integers:u8 count class:text*
//! inputs    = count (name:text kind:u8 [count category:text*])*
//! term      = fill:f64 slope:f64*k missing:f64*k      an input of numbers or booleans
//!           | f64*k*(categories + 1)                  an input of categories
//! ```
//! k is the number of scores: the classes of a multiclass model, else 1. There
//! is a term for each input. Task: 0 binary, 1 multiclass, 2 regression. Kind:
//! 0 float, 1 integer, 2 boolean, 3 categories, which are sorted. Counts are
//! unsigned LEB128, doubles are little-endian and finite, a text is its length
//! and UTF-8.

use crate::Error;
use crate::learn::codec::{Decoder, Writer};
use crate::learn::{Head, Input, Kind};

use super::model::{Model, Term};

/// The format's name, which an artifact begins with.
pub const FORMAT: &str = "modelyard-linear-1";
/// The plugin that scores it.
pub const RUNNER: &str = "scoring-linear";

/// Writes a model.
#[must_use]
pub fn encode(model: &Model) -> Vec<u8> {
    let mut writer = Writer::new(FORMAT);
    model.head.encode(&mut writer);
    Input::encode_all(&model.inputs, &mut writer);
    model.intercept.iter().for_each(|value| writer.number(*value));
    for term in &model.terms {
        match term {
            Term::Number { fill, slope, missing } => {
                writer.number(*fill);
                slope.iter().chain(missing).for_each(|value| writer.number(*value));
            }
            Term::Category { by_category } => by_category.iter().for_each(|value| writer.number(*value)),
        }
    }
    writer.finish()
}

/// Reads a model, or says where and why the bytes are not one.
pub fn decode(bytes: &[u8]) -> Result<Model, Error> {
    let mut decoder = Decoder::new(bytes, FORMAT)?;
    let head = Head::decode(&mut decoder)?;
    let inputs = Input::decode_all(&mut decoder)?;
    let k = head.scores();
    let intercept = numbers(&mut decoder, k)?;
    let mut terms = Vec::with_capacity(inputs.len());
    for input in &inputs {
        terms.push(match &input.kind {
            Kind::Category(categories) => {
                Term::Category { by_category: numbers(&mut decoder, k.saturating_mul(categories.len() + 1))? }
            }
            _ => Term::Number {
                fill: decoder.number()?,
                slope: numbers(&mut decoder, k)?,
                missing: numbers(&mut decoder, k)?,
            },
        });
    }
    decoder.finish()?;
    Ok(Model { head, inputs, terms, intercept })
}

fn numbers(decoder: &mut Decoder<'_>, count: usize) -> Result<Vec<f64>, Error> {
    if decoder.left() / 8 < count {
        return Err(decoder.fault(format!("it ends where {count} numbers are needed")));
    }
    (0..count).map(|_| decoder.number()).collect()
}
