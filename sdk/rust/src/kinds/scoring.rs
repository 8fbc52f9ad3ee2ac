//! Scoring: a model, tensors in and tensors out.

use crate::{Description, Error, Inputs, Result, Signature, Tensor};

/// A model. It imports nothing: no log, no progress, no objects. The type itself
/// is the loaded artifact.
pub trait Scoring: Sized {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Reads an artifact. The host calls it once, then keeps the memory as it
    /// stands as the model.
    fn load(artifact: &[u8]) -> Result<Self>;

    /// What the loaded model takes and gives.
    fn signature(&self) -> Signature;

    /// Scores a batch. Every input of the signature is there with the same first
    /// dimension; every output has that first dimension.
    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;
    use crate::kinds::{Loaded, with_loaded};

    pub fn load<P: Scoring>(loaded: &'static Loaded<P>, mut artifact: Vec<u8>) -> Result<Signature> {
        crate::panic::install();
        let plugin = P::load(&artifact)?;
        // A deployed model is a snapshot of this memory, in which what is zero
        // takes no space. The compiler must not know that nobody reads it.
        artifact.fill(0);
        std::hint::black_box(&artifact);
        let signature = plugin.signature();
        loaded.set(Some(plugin));
        Ok(signature)
    }

    pub fn predict<P: Scoring>(loaded: &'static Loaded<P>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        crate::panic::install();
        inputs.iter().try_for_each(Tensor::check)?;
        let rows = inputs.rows()?;
        let outputs = with_loaded(loaded, "predict", |plugin| plugin.predict(inputs))?;
        for output in &outputs {
            if output.check().is_err() || output.rows() != rows {
                return Err(Error::internal(format!(
                    "output {:?} has shape {:?} and {} elements for {rows} rows",
                    output.name,
                    output.shape,
                    output.len()
                )));
            }
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::TensorSpec;
    use std::cell::RefCell;

    /// Gives as many values as its artifact has bytes.
    struct Zeros(usize);

    impl Scoring for Zeros {
        fn describe() -> Description {
            Description::new("Zeros")
        }
        fn load(artifact: &[u8]) -> Result<Self> {
            Ok(Zeros(artifact.len()))
        }
        fn signature(&self) -> Signature {
            Signature::new([TensorSpec::fp64("x", [-1])], [TensorSpec::fp64("y", [-1])])
        }
        fn predict(&self, _: &[Tensor]) -> Result<Vec<Tensor>> {
            Ok(vec![Tensor::vector("y", vec![0.0; self.0])])
        }
    }

    thread_local!(static LOADED: RefCell<Option<Zeros>> = const { RefCell::new(None) });

    #[test]
    fn predict_needs_load_and_the_right_shapes() {
        let inputs = [Tensor::vector("x", vec![1.0, 2.0])];
        let error = adapter::predict(&LOADED, &inputs).unwrap_err();
        assert_eq!(error.message(), "`predict` was called before `load`; load a state first");
        adapter::load(&LOADED, vec![0; 2]).unwrap();
        assert_eq!(adapter::predict(&LOADED, &inputs).unwrap()[0].rows(), 2);
        let wrong = [Tensor::fp64("x", [2, 2], vec![1.0])];
        assert!(adapter::predict(&LOADED, &wrong).unwrap_err().is_invalid_input());
        adapter::load(&LOADED, vec![0; 3]).unwrap();
        assert!(matches!(adapter::predict(&LOADED, &inputs), Err(Error::Internal(_))));
    }
}
