//! Limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, 2006,
//! algorithms 7.4 and 7.5) with a backtracking line search, for smooth convex
//! functions.

use std::collections::VecDeque;

use modelyard_sdk::Result;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 12;

/// When to stop, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most iterations.
    pub iterations: u32,
    /// The greatest gradient entry at which it has converged.
    pub tolerance: f64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Iterations that were done.
    pub iterations: u32,
    /// Whether the gradient, or what could still be won, is as small as asked.
    pub converged: bool,
    /// The last value.
    pub value: f64,
}

/// Minimises from `x` on, in place. `evaluate` gives the value and writes the
/// gradient; `watch` sees each iteration's number and value and may stop the
/// work with an error.
pub fn minimise(
    x: &mut Vec<f64>,
    limits: Limits,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut watch: impl FnMut(u32, f64) -> Result<()>,
) -> Result<End> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = evaluate(x, &mut gradient);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    let (mut trial, mut at_trial) = (x.clone(), gradient.clone());
    for iteration in 0..limits.iterations {
        watch(iteration, value)?;
        if gradient.iter().all(|g| g.abs() <= limits.tolerance) {
            return Ok(End { iterations: iteration, converged: true, value });
        }
        let mut direction = two_loops(&gradient, &memory);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            memory.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let first = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut step = first;
        let won = loop {
            for ((trial, x), d) in trial.iter_mut().zip(x.iter()).zip(&direction) {
                *trial = x + step * d;
            }
            let next = evaluate(&trial, &mut at_trial);
            // Near the end the fall drowns in rounding.
            let slack = 1e-15 * value.abs();
            if next <= value + 1e-4 * step * slope + slack {
                let won = value - next;
                value = next;
                break Some(won);
            }
            step *= 0.5;
            if step < first * 1e-12 {
                break None;
            }
        };
        if won.is_none() {
            // No step goes down any more: as good as the arithmetic allows.
            return Ok(End { iterations: iteration, converged: true, value });
        }
        let s: Vec<f64> = trial.iter().zip(x.iter()).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = at_trial.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-14 * dot(&y, &y) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((s, y, 1.0 / curvature));
        }
        std::mem::swap(x, &mut trial);
        std::mem::swap(&mut gradient, &mut at_trial);
    }
    Ok(End { iterations: limits.iterations, converged: false, value })
}

/// −H·gradient by the two loops over the memory.
fn two_loops(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(memory.len());
    for (s, y, rho) in memory.iter().rev() {
        let alpha = rho * dot(s, &q);
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((_, y, rho)) = memory.back() {
        let scale = 1.0 / (rho * dot(y, y));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y, rho), alpha) in memory.iter().zip(alphas.into_iter().rev()) {
        let beta = rho * dot(y, &q);
        add(&mut q, alpha - beta, s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_long_valley_is_walked_to_its_end() {
        // Convex with a condition number of 10⁶; the least is at 1, 2, 3 …
        let mut x = vec![0.0; 7];
        let limits = Limits { iterations: 1000, tolerance: 1e-10 };
        let end = minimise(
            &mut x,
            limits,
            |x, g| {
                let mut value = 0.0;
                for i in 0..7 {
                    let (c, d) = (10f64.powi(i as i32), x[i] - (i as f64 + 1.0));
                    value += c * d * d / 2.0;
                    g[i] = c * d;
                }
                value
            },
            |_, _| Ok(()),
        );
        assert!(end.unwrap().converged);
        assert!(x.iter().zip(1..).all(|(x, i)| (x - f64::from(i)).abs() < 1e-6), "{x:?}");
    }
}
