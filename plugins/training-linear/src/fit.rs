//! From a design to a model in the columns' own units.

// Parameters run over the design's own lengths.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::Result;
use modelyard_sdk::learn::linear::{Model, Term};
use modelyard_sdk::learn::{Kind, Task};

use crate::design::{Block, Design};
use crate::params::Parameters;
use crate::{logistic, ridge};

/// Fits a model; gives beside it how much each column moves the scores: its
/// share of the sum of the contributions' standard deviations, greatest first.
pub fn fit(design: &Design, parameters: &Parameters) -> Result<(Model, Vec<(String, f64)>)> {
    let head = design.target.head.clone();
    let k = head.scores();
    let x = match head.task {
        Task::Regression => ridge::fit(design, parameters.l2)?,
        _ => logistic::fit(design, k, parameters)?,
    };
    let each = design.parameters + 1;
    let coefficient = |at: usize| x.iter().skip(at).step_by(each).copied().take(k);
    let mut intercept: Vec<f64> = coefficient(design.parameters).collect();
    let mut terms = Vec::with_capacity(design.blocks.len());
    for (block, input) in design.blocks.iter().zip(&design.inputs) {
        terms.push(match block {
            Block::Number { mean, scale, at, indicator } => {
                let slope: Vec<f64> = coefficient(*at).map(|c| c / scale).collect();
                intercept.iter_mut().zip(&slope).for_each(|(b, slope)| *b -= slope * mean);
                let missing = if *indicator { coefficient(at + 1).collect() } else { vec![0.0; k] };
                Term::Number { fill: *mean, slope, missing }
            }
            Block::Category { at, count } => {
                let categories = match &input.kind {
                    Kind::Category(categories) => categories.len(),
                    _ => 0,
                };
                let mut by_category: Vec<f64> = (*at..at + count).flat_map(coefficient).collect();
                by_category.resize((categories + 1) * k, 0.0);
                Term::Category { by_category }
            }
        });
    }
    let importance = importance(design, &x, k);
    Ok((Model { head, inputs: design.inputs.clone(), terms, intercept }, importance))
}

fn importance(design: &Design, x: &[f64], k: usize) -> Vec<(String, f64)> {
    let each = design.parameters + 1;
    let mut codes = 0;
    let mut found = Vec::new();
    for (block, input) in design.blocks.iter().zip(&design.inputs) {
        let mut moves = 0.0;
        for x in x.chunks_exact(each).take(k) {
            let (mut sum, mut squares) = (0.0, 0.0);
            for row in 0..design.rows {
                let (dense, row_codes) = design.row(row);
                let value = match block {
                    Block::Number { at, indicator, .. } => {
                        let missing = if *indicator { dense[at + 1] * x[at + 1] } else { 0.0 };
                        dense[*at] * x[*at] + missing
                    }
                    Block::Category { .. } => row_codes
                        .get(codes)
                        .and_then(|code| x.get(*code as usize))
                        .copied()
                        .unwrap_or_default(),
                };
                sum += value;
                squares += value * value;
            }
            let n = design.rows as f64;
            moves += (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
        }
        codes += usize::from(matches!(block, Block::Category { .. }));
        found.push((input.name.clone(), moves));
    }
    let total: f64 = found.iter().map(|(_, moves)| moves).sum();
    if !(total > 0.0 && total.is_finite()) {
        return Vec::new();
    }
    found.iter_mut().for_each(|(_, moves)| *moves /= total);
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}
