//! Tensors in, tensors out.

use crate::learn::{self, Error, Input, Kind, Rows, Signature, Tensor};

use super::{Answer, Coding, Forest};

/// The smallest distance from 0, as LightGBM takes it: the single 1e-35.
const ZERO: f64 = 1e-35_f32 as f64;

/// How a library takes numbers and adds them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// In double precision; what is as near to 0 as 1e-35 is 0. LightGBM.
    Double,
    /// Rounded to single precision, inputs and sums. XGBoost.
    Single,
}

/// A model that was read from another library's file.
#[derive(Debug)]
pub struct Ensemble {
    inputs: Vec<Input>,
    /// The categorical inputs' places and codings.
    codings: Vec<(usize, Coding)>,
    precision: Precision,
    forest: Forest,
    answer: Answer,
}

impl Ensemble {
    /// From columns, names with codings where they are texts, and what scores
    /// and answers. Fails for names that are empty or there twice.
    pub fn new(
        columns: Vec<(String, Option<Coding>)>,
        precision: Precision,
        forest: Forest,
        answer: Answer,
    ) -> Result<Self, String> {
        let mut names = std::collections::BTreeSet::new();
        for (at, (name, _)) in columns.iter().enumerate() {
            if name.is_empty() {
                return Err(format!("feature {at} has no name"));
            }
            if !names.insert(name) {
                return Err(format!("two features have the name `{name}`"));
            }
        }
        let mut inputs = Vec::with_capacity(columns.len());
        let mut codings = Vec::new();
        for (at, (name, coding)) in columns.into_iter().enumerate() {
            let kind = coding.as_ref().map_or(Kind::Float, Coding::kind);
            inputs.push(Input { name, kind });
            codings.extend(coding.map(|coding| (at, coding)));
        }
        Ok(Self { inputs, codings, precision, forest, answer })
    }

    /// What it takes and gives.
    #[must_use]
    pub fn signature(&self) -> Signature {
        Signature { inputs: self.inputs.iter().map(Input::spec).collect(), outputs: self.answer.outputs() }
    }

    /// Scores a batch.
    pub fn predict(&self, tensors: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let mut rows = Rows::read(&self.inputs, tensors)?;
        self.adjust(&mut rows);
        Ok(self.answer.tensors(self.forest.score(&rows)))
    }

    /// Takes values as the library would.
    fn adjust(&self, rows: &mut learn::Rows) {
        for (at, coding) in &self.codings {
            let column = rows.values.iter_mut().skip(*at).step_by(self.inputs.len().max(1));
            column.for_each(|value| *value = coding.code(*value));
        }
        match self.precision {
            Precision::Double => {
                rows.values.iter_mut().filter(|value| value.abs() <= ZERO).for_each(|value| *value = 0.0);
            }
            Precision::Single => {
                rows.values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
            }
        }
    }
}
