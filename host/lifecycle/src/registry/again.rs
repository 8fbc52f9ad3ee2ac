//! Changes that read before they write. What was read is named in the
//! transaction; where somebody else wrote in between, it is read and changed
//! anew, so that of many changes at once each is made and none is lost.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use modelyard_catalog::{Record, Revision};
use rand::Rng;

use crate::{Code, Error, Result, change::Change};

/// How long a change is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two attempts, in milliseconds.
const PAUSE: u64 = 64;

/// Does `work`, and again while somebody else is quicker. It is done from the
/// start each time, so it must read what it changes itself.
///
/// # Errors
/// [`Code::Busy`] if somebody else was quicker for ten seconds; what `work` fails
/// with otherwise.
pub(super) async fn again<T, W>(mut work: impl FnMut() -> W) -> Result<T>
where
    W: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    let mut most = 2;
    loop {
        match work().await {
            Err(error) if error.raced && begun.elapsed() < PATIENCE => {
                // Of different lengths, so that those who collided drift apart.
                let pause = rand::rng().random_range(1..=most);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                most = PAUSE.min(most * 2);
            }
            Err(error) if error.raced => {
                return Err(Error::new(
                    Code::Busy,
                    "others keep changing this; nothing was changed, try again",
                ));
            }
            outcome => return outcome,
        }
    }
}

/// Binds a change to a record as it was read (none: it wasn't there).
pub(super) fn bind<R: Record>(change: &mut Change<'_>, id: &str, read: Option<Revision>) {
    match read {
        Some(read) => change.tx.require_unchanged::<R>(id, read),
        None => change.tx.require_absent::<R>(id),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn only_what_others_were_quicker_at_is_tried_again() {
        let mut tried = 0;
        let outcome = again(|| {
            tried += 1;
            let last = tried == 5;
            async move {
                let error = Error { raced: true, ..Error::conflict("read anew") };
                if last { Ok(last) } else { Err(error) }
            }
        });
        assert!(outcome.await.unwrap());
        assert_eq!(tried, 5);

        let mut tried = 0;
        let outcome = again(|| {
            tried += 1;
            async { Err::<(), _>(Error::conflict("it is deployed")) }
        });
        assert_eq!((outcome.await.unwrap_err().code, tried), (Code::Conflict, 1));
    }
}
