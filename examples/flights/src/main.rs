//! A year in the life of a model on the flights of 2013.

fn main() {}
