//! What a sweep can try: a tree of dimensions. A dimension may depend on the
//! choice made in an earlier one, as the parameters of a training plugin do on
//! the plugin.

use rand::Rng;

/// The values of one dimension.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Domain {
    /// One of so many choices, named by their index.
    Category(usize),
    /// A number from `low` to `high`, on a logarithmic scale if `log`.
    Float {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether the scale is logarithmic.
        log: bool,
    },
    /// An integer from `low` to `high`, both included.
    Whole {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
        /// Whether the scale is logarithmic.
        log: bool,
    },
}

/// One thing that is varied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dimension {
    /// What it may be.
    pub(super) domain: Domain,
    /// The earlier dimension and its choice with which this one is there.
    pub(super) when: Option<(usize, usize)>,
}

/// A value for each dimension of a space, in order; none where the dimension
/// isn't there. Of a category it is the choice's index.
pub(super) type Place = Vec<Option<f64>>;

/// Everything that is varied, parents before what depends on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    /// The dimensions.
    pub(super) dimensions: Vec<Dimension>,
}

impl Space {
    /// Whether a dimension is there, given the values of those before it.
    pub(super) fn is_there(dimension: &Dimension, before: &[Option<f64>]) -> bool {
        dimension.when.is_none_or(|(parent, choice)| {
            before.get(parent).copied().flatten().is_some_and(|chosen| chosen == choice as f64)
        })
    }

    /// A place drawn evenly.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Place {
        let mut place = Place::with_capacity(self.dimensions.len());
        for dimension in &self.dimensions {
            let value = Self::is_there(dimension, &place).then(|| dimension.domain.draw(rng));
            place.push(value);
        }
        place
    }

    /// Every place of a space of categories, the first dimension slowest; none
    /// if there are more than `most`, or a dimension isn't a category.
    pub(super) fn grid(&self, most: usize) -> Option<Vec<Place>> {
        let mut places = vec![Place::new()];
        for dimension in &self.dimensions {
            let Domain::Category(choices) = dimension.domain else { return None };
            let mut longer = Vec::new();
            for place in places {
                let values: Vec<Option<f64>> = match Self::is_there(dimension, &place) {
                    true => (0..choices).map(|choice| Some(choice as f64)).collect(),
                    false => vec![None],
                };
                longer.extend(values.into_iter().map(|value| {
                    let mut place = place.clone();
                    place.push(value);
                    place
                }));
                if longer.len() > most {
                    return None;
                }
            }
            places = longer;
        }
        Some(places)
    }
}

impl Domain {
    /// A value drawn evenly on the domain's scale.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> f64 {
        match *self {
            Self::Category(choices) => rng.random_range(0..choices.max(1)) as f64,
            _ => {
                let (low, high) = self.bounds();
                self.value(rng.random_range(low..high))
            }
        }
    }

    /// The ends of a number's domain on its own scale; whole numbers reach half
    /// a step beyond, so that each has its share.
    pub(super) fn bounds(&self) -> (f64, f64) {
        match *self {
            Self::Category(choices) => (0.0, choices as f64),
            Self::Float { low, high, log } => (scaled(low, log), scaled(high, log)),
            Self::Whole { low, high, log } => (scaled(low as f64 - 0.5, log), scaled(high as f64 + 0.5, log)),
        }
    }

    /// A number on the domain's scale as a value of the domain.
    pub(super) fn value(&self, at: f64) -> f64 {
        match *self {
            Self::Category(_) => at,
            Self::Float { low, high, log } => (if log { at.exp() } else { at }).clamp(low, high),
            Self::Whole { low, high, log } => {
                (if log { at.exp() } else { at }).round().clamp(low as f64, high as f64)
            }
        }
    }

    /// A value on the domain's scale.
    pub(super) fn scale(&self, value: f64) -> f64 {
        match *self {
            Self::Category(_) => value,
            Self::Float { log, .. } | Self::Whole { log, .. } => scaled(value, log),
        }
    }
}

fn scaled(value: f64, log: bool) -> f64 {
    if log { value.ln() } else { value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn tree() -> Space {
        let free = |domain| Dimension { domain, when: None };
        Space {
            dimensions: vec![
                free(Domain::Category(2)),
                Dimension { domain: Domain::Category(3), when: Some((0, 0)) },
                Dimension { domain: Domain::Category(2), when: Some((0, 1)) },
            ],
        }
    }

    #[test]
    fn a_grid_follows_the_branches() {
        let places = tree().grid(100).unwrap();
        assert_eq!(places.len(), 3 + 2);
        assert_eq!(places[0], [Some(0.0), Some(0.0), None]);
        assert_eq!(places[4], [Some(1.0), None, Some(1.0)]);
        assert!(tree().grid(4).is_none());
    }

    #[test]
    fn draws_lie_in_their_domains() {
        let domains = [
            Domain::Float { low: 0.001, high: 1.0, log: true },
            Domain::Float { low: -2.0, high: 2.0, log: false },
            Domain::Whole { low: 1, high: 3, log: false },
            Domain::Whole { low: 1, high: 1000, log: true },
        ];
        let mut rng = StdRng::seed_from_u64(1);
        for domain in domains {
            let mut seen = Vec::new();
            for _ in 0..3000 {
                seen.push(domain.draw(&mut rng));
            }
            let (least, most) =
                seen.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
            let (low, high) = match domain {
                Domain::Float { low, high, .. } => (low, high),
                Domain::Whole { low, high, .. } => (low as f64, high as f64),
                Domain::Category(_) => (0.0, 0.0),
            };
            assert!(least >= low && most <= high, "{domain:?}: {least} to {most}");
            if let Domain::Whole { low: 1, high: 3, .. } = domain {
                // Each of the three has a third.
                for value in [1.0, 2.0, 3.0] {
                    let count = seen.iter().filter(|seen| **seen == value).count();
                    assert!((850..1150).contains(&count), "{value}: {count}");
                }
            }
        }
    }
}
