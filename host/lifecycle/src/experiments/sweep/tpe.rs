//! The tree-structured Parzen estimator: where to look next, given what was
//! found so far.
//!
//! Bergstra, Bardenet, Bengio, Kégl: *Algorithms for Hyper-Parameter
//! Optimization*, NIPS 2011, section 4. The trials so far are divided into the
//! best ⌈γ·n⌉ and the rest. For each dimension, parents first, l(x) is a density
//! over the values of the best and g(x) one over those of the rest; of some
//! candidates drawn from l the one with the greatest l(x)/g(x) is taken, which
//! is the one of the greatest expected improvement (their equation 3). A
//! dimension that was not there in a trial says nothing of it.
//!
//! The densities are those of their section 4.1. For a number from a to b with n
//! observations: the uniform prior on \[a, b\] and a Gaussian around each
//! observation, truncated to \[a, b\], all of equal weight 1/(n+1). A Gaussian's
//! deviation is the greater of the distances to the neighbours on its left and
//! right (a and b count as such), held between (b−a)/min(100, n+1) and b−a.
//! Logarithmic numbers are treated so on their logarithms, whole numbers by the
//! mass between half a step below and above. Of N choices each has a weight of
//! 1 + how often it was observed.

use rand::Rng;

use super::space::{Domain, Place, Space};

/// How proposals are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// So many trials are drawn evenly at first.
    pub(super) startup: usize,
    /// Candidates for each dimension of each proposal.
    pub(super) candidates: usize,
    /// The share of the trials that counts as good.
    pub(super) gamma: f64,
}

/// The next place to try. `ranked` are those that were tried, the best first.
pub(super) fn propose(space: &Space, ranked: &[Place], options: Options, rng: &mut impl Rng) -> Place {
    if ranked.len() < options.startup.max(1) {
        return space.draw(rng);
    }
    let good = ((options.gamma * ranked.len() as f64).ceil() as usize).clamp(1, ranked.len());
    let (good, rest) = ranked.split_at(good);
    let mut place = Place::with_capacity(space.dimensions.len());
    for (at, dimension) in space.dimensions.iter().enumerate() {
        if !Space::is_there(dimension, &place) {
            place.push(None);
            continue;
        }
        let observed = |places: &[Place]| -> Vec<f64> {
            places.iter().filter_map(|place| place.get(at).copied().flatten()).collect()
        };
        let (good, rest) = (observed(good), observed(rest));
        let (likely, unlikely) =
            (Density::new(&dimension.domain, &good), Density::new(&dimension.domain, &rest));
        let mut best: Option<(f64, f64)> = None;
        for _ in 0..options.candidates.max(1) {
            let value = likely.draw(rng);
            let ratio = likely.of(value) / unlikely.of(value);
            // The earlier of two equals, so that a proposal depends on nothing else.
            if best.is_none_or(|(_, most)| ratio > most) {
                best = Some((value, ratio));
            }
        }
        place.push(best.map(|(value, _)| value));
    }
    place
}

/// A density over one dimension.
enum Density<'a> {
    /// The weight of each choice.
    Choices(Vec<f64>),
    /// The domain with its ends, and the Gaussians: mean and deviation.
    Mixture { domain: &'a Domain, low: f64, high: f64, gaussians: Vec<(f64, f64)> },
}

impl<'a> Density<'a> {
    fn new(domain: &'a Domain, observed: &[f64]) -> Self {
        if let Domain::Category(choices) = domain {
            let mut weights = vec![1.0; (*choices).max(1)];
            for choice in observed {
                if let Some(weight) = weights.get_mut(*choice as usize) {
                    *weight += 1.0;
                }
            }
            return Self::Choices(weights);
        }
        let (low, high) = domain.bounds();
        let mut means: Vec<f64> =
            observed.iter().map(|value| domain.scale(*value).clamp(low, high)).collect();
        means.sort_by(f64::total_cmp);
        let least = (high - low) / (means.len() + 1).min(100) as f64;
        let neighbours = std::iter::once(low).chain(means.iter().copied());
        let after = means.iter().copied().skip(1).chain([high]);
        let gaussians = means
            .iter()
            .zip(neighbours.zip(after))
            .map(|(mean, (before, after))| {
                (*mean, (mean - before).max(after - mean).clamp(least, high - low))
            })
            .collect();
        Self::Mixture { domain, low, high, gaussians }
    }

    fn draw(&self, rng: &mut impl Rng) -> f64 {
        match self {
            Self::Choices(weights) => {
                let mut left = rng.random_range(0.0..weights.iter().sum::<f64>());
                let chosen = weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                chosen.unwrap_or(weights.len() - 1) as f64
            }
            Self::Mixture { domain, low, high, gaussians } => {
                let which = rng.random_range(0..=gaussians.len());
                let Some((mean, deviation)) = gaussians.get(which) else {
                    return domain.value(rng.random_range(*low..*high));
                };
                // The mean lies within, so at least every fourth draw does.
                let within = (0..64)
                    .map(|_| mean + deviation * normal(rng))
                    .find(|drawn| (*low..=*high).contains(drawn));
                domain.value(within.unwrap_or(*mean))
            }
        }
    }

    /// The density at a value, or its mass where values are discrete.
    fn of(&self, value: f64) -> f64 {
        match self {
            Self::Choices(weights) => {
                weights.get(value as usize).copied().unwrap_or_default() / weights.iter().sum::<f64>()
            }
            Self::Mixture { domain, low, high, gaussians } => {
                let weight = 1.0 / (gaussians.len() + 1) as f64;
                let of_each = |uniform: f64, of: &dyn Fn(f64, f64) -> f64| {
                    let sum: f64 = gaussians
                        .iter()
                        .map(|(mean, deviation)| of(*mean, *deviation) / mass(*low, *high, *mean, *deviation))
                        .sum();
                    weight * (uniform / (high - low) + sum)
                };
                match domain {
                    Domain::Whole { .. } => {
                        let from = domain.scale(value - 0.5).max(*low);
                        let to = domain.scale(value + 0.5).min(*high);
                        of_each(to - from, &|mean, deviation| mass(from, to, mean, deviation))
                    }
                    _ => {
                        let at = domain.scale(value);
                        of_each(1.0, &|mean, deviation| {
                            let z = (at - mean) / deviation;
                            (-0.5 * z * z).exp() / (deviation * std::f64::consts::TAU.sqrt())
                        })
                    }
                }
            }
        }
    }
}

/// How much of a Gaussian lies between two numbers.
fn mass(from: f64, to: f64, mean: f64, deviation: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc((mean - x) / (deviation * std::f64::consts::SQRT_2));
    (below(to) - below(from)).max(f64::MIN_POSITIVE)
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::{super::space::Dimension, *};

    const OPTIONS: Options = Options { startup: 10, candidates: 24, gamma: 0.15 };

    fn space(domains: Vec<Domain>) -> Space {
        Space { dimensions: domains.into_iter().map(|domain| Dimension { domain, when: None }).collect() }
    }

    /// The best loss of so many trials.
    fn search(space: &Space, seed: u64, trials: usize, startup: usize, loss: &dyn Fn(&Place) -> f64) -> f64 {
        let mut found: Vec<(f64, Place)> = Vec::new();
        for trial in 0..trials {
            let ranked: Vec<Place> = found.iter().map(|(_, place)| place.clone()).collect();
            let mut rng = StdRng::seed_from_u64(seed * 1000 + trial as u64);
            let place = propose(space, &ranked, Options { startup, ..OPTIONS }, &mut rng);
            let value = loss(&place);
            let at = found.partition_point(|(known, _)| *known <= value);
            found.insert(at, (value, place));
        }
        found[0].0
    }

    /// Branin and Hoo (1972) on its usual domain; its least value is 0.397887.
    fn branin(place: &Place) -> f64 {
        let (x, y) = (place[0].unwrap(), place[1].unwrap());
        let pi = std::f64::consts::PI;
        let curve = y - 5.1 / (4.0 * pi * pi) * x * x + 5.0 / pi * x - 6.0;
        curve * curve + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * x.cos() + 10.0
    }

    #[test]
    fn an_optimum_is_found_sooner_than_by_chance() {
        let quadratic = |place: &Place| {
            let (x, n, choice) = (place[0].unwrap().log10(), place[1].unwrap(), place[2].unwrap());
            (x + 3.0).powi(2) + ((n - 20.0) / 10.0).powi(2) + if choice == 2.0 { 0.0 } else { 1.0 }
        };
        let mixed = space(vec![
            Domain::Float { low: 1e-6, high: 1.0, log: true },
            Domain::Whole { low: 1, high: 100, log: false },
            Domain::Category(4),
        ]);
        let plane = space(vec![
            Domain::Float { low: -5.0, high: 10.0, log: false },
            Domain::Float { low: 0.0, high: 15.0, log: false },
        ]);
        type Loss<'a> = &'a dyn Fn(&Place) -> f64;
        let cases: [(&Space, Loss<'_>, f64); 2] = [(&mixed, &quadratic, 0.0), (&plane, &branin, 0.397_887)];
        for (space, loss, least) in cases {
            let mean = |trials, startup| {
                (0..20).map(|seed| search(space, seed, trials, startup, loss) - least).sum::<f64>() / 20.0
            };
            let (tpe, chance, twice) = (mean(60, 10), mean(60, usize::MAX), mean(120, usize::MAX));
            // With half of the trials that chance has.
            assert!(tpe < twice && twice < chance, "{tpe} with TPE, {chance} and {twice} by chance");
        }
    }

    #[test]
    fn branches_that_are_not_taken_have_no_values() {
        let mut space = space(vec![
            Domain::Category(2),
            Domain::Float { low: 0.0, high: 1.0, log: false },
            Domain::Float { low: 0.0, high: 1.0, log: false },
        ]);
        space.dimensions[1].when = Some((0, 0));
        space.dimensions[2].when = Some((0, 1));
        let loss = |place: &Place| place[1].unwrap_or_else(|| 1.0 + place[2].unwrap());
        assert!(search(&space, 3, 60, 10, &loss) < 0.02);
        let mut rng = StdRng::seed_from_u64(5);
        let ranked: Vec<Place> = (0..30).map(|_| space.draw(&mut rng)).collect();
        for _ in 0..50 {
            let place = propose(&space, &ranked, OPTIONS, &mut rng);
            assert_eq!(place[1].is_some(), place[0] == Some(0.0));
            assert_eq!(place[2].is_some(), place[0] == Some(1.0));
        }
    }

    proptest! {
        #[test]
        fn densities_sum_to_one(observed in proptest::collection::vec(1.0_f64..=50.0, 0..30), log: bool) {
            let whole = Domain::Whole { low: 1, high: 50, log };
            let rounded: Vec<f64> = observed.iter().map(|value| value.round()).collect();
            let density = Density::new(&whole, &rounded);
            let sum: f64 = (1..=50).map(|value| density.of(f64::from(value))).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            let float = Domain::Float { low: 1.0, high: 50.0, log };
            let density = Density::new(&float, &observed);
            let (low, high) = float.bounds();
            let step = (high - low) / 20_000.0;
            let middle = |i: i32| float.value(low + (f64::from(i) + 0.5) * step);
            let sum: f64 = (0..20_000).map(|i| density.of(middle(i)) * step).sum();
            prop_assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        }

        #[test]
        fn proposals_lie_in_the_space_and_repeat_with_the_seed(seed: u64, trials in 0_usize..40) {
            let space = space(vec![
                Domain::Float { low: 0.01, high: 10.0, log: true },
                Domain::Whole { low: -3, high: 3, log: false },
                Domain::Category(3),
            ]);
            let mut rng = StdRng::seed_from_u64(seed);
            let ranked: Vec<Place> = (0..trials).map(|_| space.draw(&mut rng)).collect();
            let ask = || propose(&space, &ranked, OPTIONS, &mut StdRng::seed_from_u64(seed));
            let place = ask();
            prop_assert_eq!(&place, &ask());
            prop_assert!((0.01..=10.0).contains(&place[0].unwrap()));
            prop_assert!((-3..=3).any(|n| place[1] == Some(f64::from(n))));
            prop_assert!((0..3).any(|n| place[2] == Some(f64::from(n))));
        }
    }
}
