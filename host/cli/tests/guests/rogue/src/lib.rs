//! A step that gives `x1` as it is, but for values that make it misbehave.

use std::hint::black_box;

use modelyard_sdk::prelude::*;

struct Rogue;

impl Scoring for Rogue {
    fn describe() -> Description {
        Description::new("Hangs, traps or grows on demand")
    }

    fn load(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }

    fn signature(&self) -> Signature {
        let x1 = || [TensorSpec::fp64("x1", [-1])];
        Signature::new(x1(), x1())
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let x1 = inputs.named("x1")?.numbers()?;
        match x1.first() {
            Some(100.0) => loop {
                black_box(1);
            },
            Some(200.0) => panic!("there is no row 200"),
            Some(300.0) => loop {
                black_box(vec![1_u8; 1 << 20]).leak();
            },
            Some(400.0) => Err(Error::column("x1", "must not be 400")),
            _ => Ok(vec![Tensor::vector("x1", x1.into_owned())]),
        }
    }
}

modelyard_sdk::export!(scoring: Rogue);
