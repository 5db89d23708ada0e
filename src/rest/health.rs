//! `/healthz`, `/readyz` and `/metrics`.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use entity::{
    backfill::{self, BackfillStatus},
    stripe_event::{self, EventStatus},
    stripe_operation::{self, OperationStatus},
};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use crate::{clock::Clock, db::Db, telemetry};

#[derive(Clone)]
pub struct Health {
    pub db: Db,
    pub clock: Clock,
}

pub fn router(state: Health) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

/// Whether requests can be served: the database answers.
async fn ready(State(health): State<Health>) -> Response {
    match health.db.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

/// Prometheus's text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
async fn metrics(State(health): State<Health>) -> Response {
    if let Err(error) = gauges(&health).await {
        tracing::warn!(%error, "the queues could not be counted");
    }
    let text = telemetry::metrics().map(|handle| handle.render()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Looks at the queues, when somebody asks.
async fn gauges(health: &Health) -> Result<(), DbErr> {
    let db = health.db.reader();
    let events = |status| stripe_event::Entity::find().filter(stripe_event::Column::Status.eq(status));
    let pending = events(EventStatus::Pending).count(db).await?;
    let parked = events(EventStatus::Parked).count(db).await?;
    let oldest: Option<Option<DateTime<Utc>>> = events(EventStatus::Pending)
        .select_only()
        .expr(stripe_event::Column::ReceivedAt.min())
        .into_tuple()
        .one(db)
        .await?;
    let operations = |status| stripe_operation::Entity::find().filter(stripe_operation::Column::Status.eq(status));
    let owed = operations(OperationStatus::Pending).count(db).await?;
    let without_key = operations(OperationStatus::Disabled).count(db).await?;
    let oldest_owed: Option<Option<DateTime<Utc>>> = operations(OperationStatus::Pending)
        .select_only()
        .expr(stripe_operation::Column::CreatedAt.min())
        .into_tuple()
        .one(db)
        .await?;
    let backfills = backfill::Entity::find()
        .filter(backfill::Column::Status.eq(BackfillStatus::Pending))
        .count(db)
        .await?;
    let age = |oldest: Option<Option<DateTime<Utc>>>| {
        let at = oldest.flatten();
        at.map_or(0.0, |at| (health.clock.now() - at).as_seconds_f64())
    };
    // Counts far below 2^52.
    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    let set = |name: &'static str, value: u64| metrics::gauge!(name).set(value as f64);
    set("rekomi_inbox_pending", pending);
    set("rekomi_inbox_parked", parked);
    set("rekomi_operations_pending", owed);
    set("rekomi_operations_disabled", without_key);
    set("rekomi_backfills_pending", backfills);
    metrics::gauge!("rekomi_inbox_oldest_seconds").set(age(oldest));
    metrics::gauge!("rekomi_operations_oldest_seconds").set(age(oldest_owed));
    Ok(())
}
