//! What tells an operator that Stripe does not get what it is owed.

use crate::support::{app::http, *};

/// A gauge of this process, as it was set last: perhaps for another server that runs in it.
async fn gauge(app: &TestApp, name: &str) -> Option<f64> {
    let text = http()
        .get(format!("{}/metrics", app.instance.base))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map(|value| value.parse().unwrap())
}

both! {
    async fn they_tell_how_much_is_owed_and_for_how_long(app: &TestApp) {
        let stage = app.stage().await;
        app.standin.fault(Fault::new(FaultKind::ServerError).always());
        app.max().mint(&stage.coupon, &stage.sarah, "SARAH-X").await;
        app.pass(chrono::TimeDelta::seconds(90));
        eventually("one that is 90 seconds old", async || {
            let owed = gauge(app, "rekomi_operations_pending").await?;
            let oldest = gauge(app, "rekomi_operations_oldest_seconds").await?;
            (owed >= 1.0 && (90.0..91.0).contains(&oldest)).then_some(())
        })
        .await;
        assert!(gauge(app, "rekomi_operations_disabled").await.is_some());
    }
}
