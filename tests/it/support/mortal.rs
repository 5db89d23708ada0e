//! A server in this process that can die at any moment: it lives on a runtime of its own, and dies with it. Whatever it
//! was at, also in the middle of a transaction, it never comes to the end of.

use std::{collections::HashMap, time::Duration};

use rekomi::clock::Clock;
use tokio::runtime::{Builder, Runtime};

use super::instance::Instance;

pub struct Mortal {
    pub base: String,
    instance: Instance,
    runtime: Runtime,
}

impl Mortal {
    pub async fn start(settings: &HashMap<&'static str, String>, clock: &Clock) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (settings, clock) = (settings.clone(), clock.clone());
        let instance = runtime.spawn(async move { Instance::start(&settings, clock).await });
        let instance = instance.await.unwrap();
        Self {
            base: instance.base.clone(),
            instance,
            runtime,
        }
    }

    /// Nothing of it is left when this returns.
    pub async fn die(self) {
        let dying = move || {
            self.runtime.shutdown_timeout(Duration::from_secs(10));
            drop(self.instance);
        };
        tokio::task::spawn_blocking(dying).await.unwrap();
    }

    /// In good order.
    pub async fn stop(self) {
        self.runtime.spawn(self.instance.stop()).await.unwrap();
        self.runtime.shutdown_background();
    }
}
