//! The totals by hour, in two widths: by affiliate and code, and by campaign. They take the place of those by code.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager},
    sea_orm::DatabaseBackend,
};

const TABLES: &str = "
CREATE TABLE affiliate_total (
  affiliate_id UUID NOT NULL,
  livemode BOOLEAN NOT NULL,
  hour BIGINT NOT NULL,
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  code_id UUID NOT NULL,
  attribution_method TEXT NOT NULL CHECK (attribution_method IN ('link', 'coupon', 's2s')),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  brand_id UUID NOT NULL REFERENCES brand (id),
  conversions BIGINT NOT NULL,
  renewals BIGINT NOT NULL,
  redemptions BIGINT NOT NULL,
  refunded_redemptions BIGINT NOT NULL,
  revenue BIGINT NOT NULL,
  refunded BIGINT NOT NULL,
  commission BIGINT NOT NULL,
  PRIMARY KEY (brand_id, livemode, affiliate_id, hour, campaign_id, code_id, attribution_method, currency)
) STRICT_TABLE;

CREATE INDEX affiliate_total_of_brand ON affiliate_total (brand_id, livemode, hour);
CREATE INDEX affiliate_total_of_code ON affiliate_total (code_id, hour);

CREATE TABLE campaign_total (
  campaign_id UUID NOT NULL REFERENCES campaign (id),
  livemode BOOLEAN NOT NULL,
  hour BIGINT NOT NULL,
  attribution_method TEXT NOT NULL CHECK (attribution_method IN ('link', 'coupon', 's2s')),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  brand_id UUID NOT NULL REFERENCES brand (id),
  conversions BIGINT NOT NULL,
  renewals BIGINT NOT NULL,
  redemptions BIGINT NOT NULL,
  refunded_redemptions BIGINT NOT NULL,
  revenue BIGINT NOT NULL,
  refunded BIGINT NOT NULL,
  commission BIGINT NOT NULL,
  PRIMARY KEY (brand_id, livemode, campaign_id, hour, attribution_method, currency)
) STRICT_TABLE;

CREATE INDEX campaign_total_of_brand ON campaign_total (brand_id, livemode, hour);
CREATE INDEX redemption_of_brand ON redemption (brand_id, livemode, occurred_at);
";

/// Counted from the rows: what a conversion counts for, what it earns, what a redemption counts for. Then the sums over
/// all hours, and those of the campaigns.
const FILL: &str = "
INSERT INTO affiliate_total (affiliate_id, livemode, hour, campaign_id, code_id, attribution_method, currency, brand_id,
    conversions, renewals, redemptions, refunded_redemptions, revenue, refunded, commission)
  SELECT affiliate_id, livemode, hour, campaign_id, code_id, attribution_method, currency, brand_id, $SUMS
    FROM (
      SELECT affiliate_id, livemode, $HOUR AS hour, campaign_id, $CODE AS code_id, attribution_method, currency,
          brand_id, 1 AS conversions, CASE WHEN kind = 'renewal' THEN 1 ELSE 0 END AS renewals, 0 AS redemptions,
          0 AS refunded_redemptions, amount AS revenue, refunded_amount AS refunded, 0 AS commission
        FROM conversion WHERE merged_into IS NULL
      UNION ALL
      SELECT affiliate_id, livemode, $HOUR, campaign_id, $CODE, attribution_method, commission_currency,
          brand_id, 0, 0, 0, 0, 0, 0, commission
        FROM conversion WHERE merged_into IS NULL
      UNION ALL
      SELECT seller.affiliate_id, livemode, $HOUR, seller.campaign_id, code_id, 'coupon', 'XXX',
          brand_id, 0, 0, CASE WHEN refunded THEN 0 ELSE 1 END, CASE WHEN refunded THEN 1 ELSE 0 END, 0, 0, 0
        FROM redemption JOIN (
          SELECT id, affiliate_id, campaign_id FROM affiliate_code
          UNION ALL
          SELECT id, $NONE, campaign_id FROM campaign_code
        ) AS seller ON seller.id = code_id
    ) AS counted
    GROUP BY affiliate_id, livemode, hour, campaign_id, code_id, attribution_method, currency, brand_id;

INSERT INTO affiliate_total (affiliate_id, livemode, hour, campaign_id, code_id, attribution_method, currency, brand_id,
    conversions, renewals, redemptions, refunded_redemptions, revenue, refunded, commission)
  SELECT affiliate_id, livemode, -1, campaign_id, code_id, attribution_method, currency, brand_id, $SUMS
    FROM affiliate_total
    GROUP BY affiliate_id, livemode, campaign_id, code_id, attribution_method, currency, brand_id;

INSERT INTO campaign_total (campaign_id, livemode, hour, attribution_method, currency, brand_id,
    conversions, renewals, redemptions, refunded_redemptions, revenue, refunded, commission)
  SELECT campaign_id, livemode, hour, attribution_method, currency, brand_id, $SUMS
    FROM affiliate_total
    GROUP BY campaign_id, livemode, hour, attribution_method, currency, brand_id;

DROP TABLE code_total;
DROP TABLE code_money;
";

const FIGURES: [&str; 7] = [
    "conversions",
    "renewals",
    "redemptions",
    "refunded_redemptions",
    "revenue",
    "refunded",
    "commission",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLES).await?;
        crate::run(manager, &fill(manager.get_database_backend())).await?;
        for table in ["affiliate_total", "campaign_total"] {
            crate::row_security(manager, table, "brand_id").await?;
        }
        Ok(())
    }
}

/// Of a time only its whole seconds are read on SQLite, which would round the rest.
fn fill(backend: DatabaseBackend) -> String {
    let (seconds, none) = match backend {
        DatabaseBackend::Postgres => (
            "CAST(floor(extract(epoch FROM occurred_at)) AS BIGINT)",
            "CAST('00000000-0000-0000-0000-000000000000' AS uuid)",
        ),
        _ => (
            "CAST(strftime('%s', substr(occurred_at, 1, 19)) AS BIGINT)",
            "zeroblob(16)",
        ),
    };
    let hour = format!("({seconds} - (({seconds} % 3600) + 3600) % 3600) / 3600");
    let code = "CASE WHEN attribution_method = 'coupon' AND code_is_own THEN coalesce(code_id, $NONE) ELSE $NONE END";
    let sums = FIGURES
        .map(|column| format!("CAST(SUM({column}) AS BIGINT)"))
        .join(", ");
    FILL.replace("$SUMS", &sums)
        .replace("$HOUR", &hour)
        .replace("$CODE", code)
        .replace("$NONE", none)
}
