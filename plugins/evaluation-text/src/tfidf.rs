//! The cosine of TF-IDF vectors, as scikit-learn's `TfidfVectorizer` makes them
//! by default: raw counts times ln((1 + n) / (1 + df)) + 1, over all references
//! and predictions together, each vector of length 1.

use std::collections::HashMap;

/// Texts as counts of terms.
#[derive(Debug, Default)]
pub struct Corpus {
    terms: HashMap<String, u32>,
    documents_with: Vec<u32>,
    documents: Vec<Vec<(u32, f64)>>,
}

impl Corpus {
    /// Adds a text by its tokens; gives its number.
    pub fn add(&mut self, tokens: Vec<String>) -> usize {
        let mut ids: Vec<u32> = Vec::with_capacity(tokens.len());
        for token in tokens {
            let next = self.documents_with.len() as u32;
            let id = *self.terms.entry(token).or_insert(next);
            if id == next {
                self.documents_with.push(0);
            }
            ids.push(id);
        }
        ids.sort_unstable();
        let mut counts: Vec<(u32, f64)> = Vec::new();
        for id in ids {
            match counts.last_mut() {
                Some(last) if last.0 == id => last.1 += 1.0,
                _ => counts.push((id, 1.0)),
            }
        }
        for (id, _) in &counts {
            if let Some(count) = self.documents_with.get_mut(*id as usize) {
                *count += 1;
            }
        }
        self.documents.push(counts);
        self.documents.len() - 1
    }

    /// The cosine of two texts; 0 where one has no token.
    #[must_use]
    pub fn cosine(&self, a: usize, b: usize) -> f64 {
        let (Some(a), Some(b)) = (self.documents.get(a), self.documents.get(b)) else { return 0.0 };
        let (mut product, mut at) = (0.0, 0);
        for (id, count) in a {
            while b.get(at).is_some_and(|other| other.0 < *id) {
                at += 1;
            }
            if let Some(other) = b.get(at).filter(|other| other.0 == *id) {
                product += count * other.1 * self.weight(*id).powi(2);
            }
        }
        let norms = self.norm(a) * self.norm(b);
        if norms > 0.0 { product / norms } else { 0.0 }
    }

    fn weight(&self, id: u32) -> f64 {
        let with = self.documents_with.get(id as usize).copied().unwrap_or_default();
        ((1.0 + self.documents.len() as f64) / (1.0 + f64::from(with))).ln() + 1.0
    }

    fn norm(&self, document: &[(u32, f64)]) -> f64 {
        document.iter().map(|(id, count)| (count * self.weight(*id)).powi(2)).sum::<f64>().sqrt()
    }
}
