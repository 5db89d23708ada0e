//! Databases of earlier releases, brought up to this one's schema with what is in them.

use migration::{Migrator, MigratorTrait};
use rekomi::db::{DatabaseUrl, Db};
use sea_orm::{ConnectionTrait, DatabaseBackend, FromQueryResult, Statement};

use crate::support::database::{self, Database};

const ID: &str = "0197000000007000800000000000000a";

/// The end of an hour, which is not rounded up to the next one.
const LATER: &str = "'2026-05-01T12:59:59.999900+00:00'";
const LATER_HOUR: i64 = 493_788;

/// One row in each table that a code hangs on, all with the same id.
const CODE: &str = "
INSERT INTO brand (id, slug, name, tier, is_default, time_zone, created_at)
  VALUES ($ID, 'acme', 'Acme', 'growth', TRUE, 'UTC', $NOW);
INSERT INTO campaign (id, brand_id, name, landing_url, affiliates_can_manage_codes, click_model, cookie_window_days,
    created_at)
  VALUES ($ID, $ID, 'Podcasts', 'https://acme.test', TRUE, 'last_click', 60, $NOW);
INSERT INTO campaign_coupon (id, brand_id, livemode, campaign_id, name, percent_off_bps, duration,
    overrides_click_attribution, allow_affiliate_self_mint, archived, stripe_id, created_at)
  VALUES ($ID, $ID, TRUE, $ID, 'Launch', 2000, 'once', TRUE, FALSE, FALSE, 'cpn_1', $NOW);
INSERT INTO affiliate (id, brand_id, name, email, email_key, status, created_at)
  VALUES ($ID, $ID, 'Sarah', 'Sarah@a.test', 'sarah@a.test', 'approved', $NOW);
INSERT INTO affiliate_code (id, brand_id, livemode, coupon_id, campaign_id, affiliate_id, code, status, stripe_id,
    created_at)
  VALUES ($ID, $ID, TRUE, $ID, $ID, $ID, 'SARAH20', 'active', 'promo_1', $NOW);
INSERT INTO stripe_operation (id, brand_id, livemode, kind, coupon_id, code_id, params, status, attempts,
    next_attempt_at, key_generation, created_at)
  VALUES ($ID, $ID, TRUE, 'create_promotion_code', $ID, $ID, '{}', 'done', 1, $NOW, 0, $NOW);
INSERT INTO sale (id, brand_id, livemode, facts, revision, created_at) VALUES ($ID, $ID, TRUE, '{}', 1, $NOW);
INSERT INTO redemption (code_id, usage, brand_id, livemode, sale_id, part, occurred_at, refunded)
  VALUES ($ID, 'sub_1', $ID, TRUE, $ID, 'sub_1', $NOW, FALSE);
INSERT INTO redemption (code_id, usage, brand_id, livemode, sale_id, part, occurred_at, refunded)
  VALUES ($ID, 'sub_2', $ID, TRUE, $ID, 'sub_2', $LATER, TRUE);
INSERT INTO conversion (id, brand_id, livemode, sale_id, part, kind, status, attribution_method, campaign_id,
    affiliate_id, code_id, amount_pending, currency, amount, tax, refunded_amount, commission, commission_currency,
    hold_until, attribution_trail, occurred_at, recorded_at)
  VALUES ($ID, $ID, TRUE, $ID, 'in_1', 'renewal', 'standing', 'coupon', $ID, $ID, $ID, FALSE, 'USD', 4000, 0, 1000,
    600, 'EUR', $LATER, '[]', $LATER, $LATER)";

#[derive(FromQueryResult, Debug, PartialEq, Eq)]
struct Counts {
    taken: i64,
    at_stripe: i64,
    redemptions: i64,
    totals: i64,
    for_all_time: i64,
    at_the_last_second: i64,
    owed: i64,
}

async fn codes_keep_what_they_have(database: Database) {
    let url: DatabaseUrl = database.url.parse().unwrap();
    let db = Db::open(&url).await.unwrap();
    let (id, now) = match database.is_postgres() {
        true => (format!("'{ID}'::uuid"), "now()"),
        false => (format!("X'{ID}'"), "'2026-05-01 12:00:00.000000+00:00'"),
    };
    let txn = db.begin().await.unwrap();
    if database.is_postgres() {
        txn.execute_unprepared("SET LOCAL ROLE NONE").await.unwrap();
    }
    Migrator::up(&txn, Some(13)).await.unwrap();
    txn.execute_unprepared(&CODE.replace("$ID", &id).replace("$NOW", now).replace("$LATER", LATER))
        .await
        .unwrap();
    txn.commit().await.unwrap();

    db.migrate().await.unwrap();
    // Redemptions, refunded ones, conversions and renewals, and the money in thousands of them.
    let counts = "redemptions + refunded_redemptions * 10 + conversions * 100 + renewals * 100";
    let sums = format!("{counts} + (revenue + refunded + commission) * 1000");
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM taken_code WHERE code = 'SARAH20' AND code_id = {id}) AS taken,
           (SELECT COUNT(*) FROM promotion_code WHERE stripe_id = 'promo_1' AND code_id = {id}) AS at_stripe,
           (SELECT COUNT(*) FROM redemption WHERE usage = 'sub_1') AS redemptions,
           (SELECT CAST(SUM({sums}) AS BIGINT) FROM affiliate_total WHERE code_id = {id} AND hour >= 0) AS totals,
           (SELECT CAST(SUM({sums}) AS BIGINT) FROM campaign_total WHERE hour = -1) AS for_all_time,
           (SELECT COUNT(*) FROM affiliate_total WHERE hour = {LATER_HOUR}) AS at_the_last_second,
           (SELECT COUNT(*) FROM stripe_operation WHERE code_id = {id}) AS owed"
    );
    let backend = if database.is_postgres() {
        DatabaseBackend::Postgres
    } else {
        DatabaseBackend::Sqlite
    };
    let txn = db.begin().await.unwrap();
    let counts = Counts::find_by_statement(Statement::from_string(backend, sql))
        .one(&txn)
        .await
        .unwrap();
    let kept = Counts {
        taken: 1,
        at_stripe: 1,
        redemptions: 1,
        totals: 5_600_211,
        for_all_time: 5_600_211,
        at_the_last_second: 3,
        owed: 1,
    };
    assert_eq!(counts, Some(kept));
}

#[tokio::test]
async fn codes_of_before_they_could_be_renamed_keep_what_they_have_on_sqlite() {
    codes_keep_what_they_have(database::sqlite()).await;
}

/// For the database's owner the policies hold, as they do not for a superuser.
#[tokio::test]
async fn codes_of_before_they_could_be_renamed_keep_what_they_have_on_postgres() {
    for attributes in ["LOGIN", "LOGIN SUPERUSER"] {
        if let Some(database) = database::postgres_of(attributes).await {
            codes_keep_what_they_have(database).await;
        }
    }
}
