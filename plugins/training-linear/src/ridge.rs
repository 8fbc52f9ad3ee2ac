//! Ridge regression: the normal equations by Cholesky's decomposition.

// Parameters run over the design's own lengths.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::{Error, Result, progress};

use crate::design::{Design, NONE};

/// The most parameters; the matrix holds their square.
const MAX_PARAMETERS: usize = 4_000;

/// Minimises Σ weight · (y − Xw − b)² + l2 · ‖w‖². Gives w and then b.
pub fn fit(design: &Design, l2: f64) -> Result<Vec<f64>> {
    let p = design.parameters;
    if p > MAX_PARAMETERS {
        let message = format!(
            "the columns make {p} coefficients, ridge regression takes {MAX_PARAMETERS}: lower it, or `ignore` columns"
        );
        return Err(Error::parameter("/max_categories", message));
    }
    // The intercept is parameter p, not penalised. The target is taken about its
    // mean, which the intercept takes up again: smaller numbers, less rounding.
    let n = p + 1;
    let y = &design.target.values;
    let centre = (0..design.rows).map(|row| design.weight(row) * y[row]).sum::<f64>() / design.total();
    let mut matrix = vec![0.0; n * n];
    let mut right = vec![0.0; n];
    let mut entries: Vec<(usize, f64)> = Vec::new();
    for (row, y) in y.iter().enumerate() {
        if row % 65_536 == 0 {
            progress::check()?;
            progress::report(0.9 * row as f64 / design.rows as f64, "summing products");
        }
        let (dense, codes) = design.row(row);
        entries.clear();
        entries.extend(dense.iter().copied().enumerate().filter(|(_, value)| *value != 0.0));
        entries.extend(codes.iter().filter(|code| **code != NONE).map(|code| (*code as usize, 1.0)));
        entries.push((p, 1.0));
        let weight = design.weight(row);
        // Parameters ascend, so this is the lower triangle.
        for (at, (i, a)) in entries.iter().enumerate() {
            let a = a * weight;
            right[*i] += a * (y - centre);
            for (j, b) in entries.iter().take(at + 1) {
                matrix[i * n + j] += a * b;
            }
        }
    }
    for i in 0..p {
        matrix[i * n + i] += l2;
    }
    solve(&mut matrix, &mut right, n).ok_or_else(|| {
        Error::parameter(
            "/l2",
            "columns depend on each other and nothing tells their coefficients apart: raise l2",
        )
    })?;
    right[p] += centre;
    Ok(right)
}

/// Solves a symmetric positive definite system, given by its lower triangle, in
/// place. `None` where it is not, within rounding.
fn solve(matrix: &mut [f64], right: &mut [f64], n: usize) -> Option<()> {
    for i in 0..n {
        let given = matrix[i * n + i];
        for j in 0..=i {
            let (above, below) = matrix.split_at(i * n);
            let row_j = if j < i { &above[j * n..j * n + j] } else { &below[..j] };
            let sum: f64 = below[..j].iter().zip(row_j).map(|(a, b)| a * b).sum();
            let rest = matrix[i * n + j] - sum;
            if j < i {
                matrix[i * n + j] = rest / matrix[j * n + j];
            } else if rest > 1e-13 * given {
                matrix[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|j| matrix[i * n + j] * right[j]).sum();
        right[i] = (right[i] - sum) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|j| matrix[j * n + i] * right[j]).sum();
        right[i] = (right[i] - sum) / matrix[i * n + i];
    }
    Some(())
}
