//! Names for runs and models that were given none: `merry-heron-417`.

use rand::{Rng, seq::IndexedRandom};

const QUALITIES: &[&str] = &[
    "able", "agile", "amber", "brave", "bright", "calm", "candid", "clever", "curious", "daring", "eager",
    "fearless", "gentle", "glad", "golden", "grand", "hardy", "honest", "keen", "kind", "lively", "lucky",
    "mellow", "merry", "nimble", "noble", "patient", "placid", "polite", "proud", "quiet", "quick", "rare",
    "serene", "sincere", "sleek", "smart", "steady", "swift", "tidy", "upbeat", "valiant", "vivid", "warm",
    "wise", "witty", "worthy", "zesty",
];
const ANIMALS: &[&str] = &[
    "ant", "badger", "bat", "bear", "bee", "bison", "boar", "cat", "colt", "crab", "crane", "crow", "deer",
    "dove", "duck", "eagle", "elk", "finch", "fish", "fox", "frog", "goat", "goose", "grouse", "hare",
    "hawk", "heron", "horse", "ibis", "jay", "kite", "lark", "lynx", "mole", "moose", "moth", "newt",
    "otter", "owl", "panda", "perch", "quail", "ram", "rook", "seal", "shrew", "slug", "snail", "stork",
    "swan", "toad", "trout", "vole", "wasp", "whale", "wolf", "wren", "yak",
];

/// A quality, an animal and a number.
pub(super) fn random() -> String {
    let mut rng = rand::rng();
    let quality = QUALITIES.choose(&mut rng).unwrap_or(&"plain");
    let animal = ANIMALS.choose(&mut rng).unwrap_or(&"owl");
    format!("{quality}-{animal}-{}", rng.random_range(0..1000))
}
