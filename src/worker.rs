//! The loops that do what is owed. They look at the rows, so that a wake-up only saves time: what was lost with a
//! process is found by the timer of the next one.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// After an error, such as a database that is down.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls `run_due` until nothing is due, then waits for a wake-up or the timer, until the shutdown.
pub async fn run(
    name: &'static str,
    wake: Arc<Notify>,
    interval: Duration,
    shutdown: CancellationToken,
    run_due: impl AsyncFn() -> Result<usize>,
) {
    while !shutdown.is_cancelled() {
        let wait = match guarded(run_due()).await {
            Ok(0) => interval,
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(worker = name, %error, "a worker failed; it goes on");
                PAUSE
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Turns a panic into an error, so that one poisonous row does not end a worker. What was half done is rolled back with
/// its transaction.
pub async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|_| Err(Error::Internal("a fault in the program; its log has the place".into())))
}
