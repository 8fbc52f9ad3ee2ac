//! Logistic regression: the mean of Σ weight · loss + l2/2 · ‖w‖² by L-BFGS.

// Parameters and rows run over the design's own lengths.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::learn::{sigmoid, softmax};
use modelyard_sdk::{Result, log, progress};

use crate::design::{Design, NONE};
use crate::lbfgs::{self, Limits};
use crate::params::Parameters;

/// Fits as many scores as `scores`: one for two classes, else one per class.
/// Gives the coefficients score after score, each followed by its intercept.
pub fn fit(design: &Design, scores: usize, parameters: &Parameters) -> Result<Vec<f64>> {
    let each = design.parameters + 1;
    let mut x = vec![0.0; each * scores];
    let limits = Limits { iterations: parameters.max_iterations, tolerance: parameters.tolerance };
    let most = f64::from(parameters.max_iterations);
    let end = lbfgs::minimise(
        &mut x,
        limits,
        |x, gradient| loss(design, scores, parameters.l2, x, gradient),
        |iteration, value| {
            progress::check()?;
            if iteration % 10 == 0 {
                progress::metric("objective", u64::from(iteration), value);
                progress::report(
                    f64::from(iteration) / most,
                    format!("iteration {iteration}: objective {value:.6}"),
                );
            }
            Ok(())
        },
    )?;
    if !end.converged {
        log::warn(format!(
            "not converged after {} iterations; raise max_iterations, l2 or tolerance",
            end.iterations
        ));
    }
    Ok(x)
}

/// The objective over the sum of weights, and its gradient.
fn loss(design: &Design, scores: usize, l2: f64, x: &[f64], gradient: &mut [f64]) -> f64 {
    let each = design.parameters + 1;
    let (total, intercept) = (design.total(), design.parameters);
    gradient.fill(0.0);
    let mut value = 0.0;
    let mut z = vec![0.0; scores];
    for row in 0..design.rows {
        let (dense, codes) = design.row(row);
        let (weight, class) = (design.weight(row), design.target.values[row] as usize);
        for (z, x) in z.iter_mut().zip(x.chunks_exact(each)) {
            *z = x[intercept] + dense.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
            *z += codes.iter().filter(|code| **code != NONE).map(|code| x[*code as usize]).sum::<f64>();
        }
        value += weight * residuals(&mut z, class);
        for (residual, gradient) in z.iter().zip(gradient.chunks_exact_mut(each)) {
            let residual = weight * residual;
            gradient[intercept] += residual;
            gradient.iter_mut().zip(dense).for_each(|(g, a)| *g += residual * a);
            codes.iter().filter(|code| **code != NONE).for_each(|code| gradient[*code as usize] += residual);
        }
    }
    for (gradient, x) in gradient.chunks_exact_mut(each).zip(x.chunks_exact(each)) {
        for (g, x) in gradient.iter_mut().zip(x).take(intercept) {
            *g += l2 * x;
            value += l2 / 2.0 * x * x;
        }
    }
    gradient.iter_mut().for_each(|g| *g /= total);
    value / total
}

/// The loss of a row's scores, which become its derivatives.
fn residuals(z: &mut [f64], class: usize) -> f64 {
    if let [z] = z {
        let margin = if class == 1 { *z } else { -*z };
        let loss = (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
        *z = sigmoid(*z) - class as f64;
        return loss;
    }
    let own = z[class];
    let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - most).exp()).sum();
    softmax(z);
    z[class] -= 1.0;
    most + sum.ln() - own
}
