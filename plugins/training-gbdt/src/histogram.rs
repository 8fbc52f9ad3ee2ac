//! Sums of derivatives by bin.

// Offsets and bins come from the same mappers; see `Layout::new`.
#![allow(clippy::indexing_slicing)]

use crate::dataset::{Bins, Feature};

/// Sums of first and second derivatives.
pub type Cell = [f64; 2];

/// Where each column's bins lie in a histogram, one after the other.
#[derive(Debug)]
pub struct Layout {
    offsets: Vec<usize>,
    cells: usize,
}

impl Layout {
    /// For columns with these bins.
    #[must_use]
    pub fn new(features: &[Feature]) -> Self {
        let mut cells = 0;
        let offset = |feature: &Feature| {
            let offset = cells;
            cells += feature.mapper.bins();
            offset
        };
        let offsets = features.iter().map(offset).collect();
        Self { offsets, cells }
    }

    /// The length of a histogram.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// A column's part of a histogram.
    #[must_use]
    pub fn of<'a>(&self, histogram: &'a [Cell], feature: usize) -> &'a [Cell] {
        let end = self.offsets.get(feature + 1).copied().unwrap_or(self.cells);
        &histogram[self.offsets[feature]..end]
    }

    /// Sums the derivatives of `rows` by bin, over what was in `histogram`.
    pub fn fill(&self, histogram: &mut [Cell], bins: &Bins, rows: &[u32], derivatives: &[[f32; 2]]) {
        histogram.fill([0.0; 2]);
        for row in rows {
            let row = *row as usize;
            let [g, h] = derivatives[row].map(f64::from);
            for (offset, bin) in self.offsets.iter().zip(bins.row(row)) {
                let cell = &mut histogram[offset + usize::from(*bin)];
                cell[0] += g;
                cell[1] += h;
            }
        }
    }
}

/// Takes a child's sums from its parent's, which become the other child's.
pub fn subtract(parent: &mut [Cell], child: &[Cell]) {
    for (parent, child) in parent.iter_mut().zip(child) {
        parent[0] -= child[0];
        parent[1] -= child[1];
    }
}
