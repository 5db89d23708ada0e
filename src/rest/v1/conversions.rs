//! `POST /api/v1/conversions` and `POST /api/v1/conversions/{externalId}/refund`: what a brand's own server reports.

use axum::{
    Json,
    extract::{Path, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use entity::{
    conversion::{self, AttributionMethod, ConversionKind},
    id::{AffiliateId, CampaignId, CodeId, ConversionId},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    errors::Refusal,
    input::{Caller, Input},
    money::{Money, MoneyInput},
};
use crate::{
    domain::{
        conversions::{self, Status},
        reported_sales::{self, Amount, Outcome, RecordConversion, RefundConversion},
    },
    error::Result,
};

/// A sale that was made outside Stripe. The names are those of GraphQL's `RecordConversionInput`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sale {
    external_id: String,
    amount: MoneyInput,
    tax: Option<MoneyInput>,
    occurred_at: Option<DateTime<Utc>>,
    customer_email: Option<String>,
    click_id: Option<String>,
    link_slug: Option<String>,
    code: Option<String>,
    affiliate_id: Option<String>,
    campaign_id: Option<String>,
}

impl From<Sale> for RecordConversion {
    fn from(sale: Sale) -> Self {
        Self {
            external_id: sale.external_id,
            amount: sale.amount.into(),
            tax: sale.tax.map(Amount::from),
            occurred_at: sale.occurred_at,
            customer_email: sale.customer_email,
            click_id: sale.click_id.map(|id| id.parse().ok()),
            link_slug: sale.link_slug,
            code: sale.code,
            affiliate_id: sale.affiliate_id.map(|id| id.parse().ok()),
            campaign_id: sale.campaign_id.map(|id| id.parse().ok()),
        }
    }
}

/// What went back of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// Cumulative; left out: all of it.
    amount: Option<MoneyInput>,
}

/// A conversion, by the names that REST, CSV and webhooks share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Conversion {
    id: ConversionId,
    external_id: Option<String>,
    attribution_method: AttributionMethod,
    coupon_code: Option<String>,
    kind: ConversionKind,
    status: Status,
    amount: Money,
    tax: Money,
    refunded_amount: Money,
    commission: Money,
    amount_pending: bool,
    affiliate_id: AffiliateId,
    campaign_id: CampaignId,
    code_id: Option<CodeId>,
    customer_email: Option<String>,
    livemode: bool,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

impl Conversion {
    /// As the caller may see it.
    fn new(row: &conversion::Model, caller: &Caller) -> Result<Self> {
        Ok(Self {
            id: row.id,
            external_id: conversions::external_id(row).map(str::to_owned),
            attribution_method: row.attribution_method,
            coupon_code: row.coupon_code.clone(),
            kind: row.kind,
            status: conversions::status(row, caller.domain.clock.now()),
            amount: Money::new(row.amount, &row.currency)?,
            tax: Money::new(row.tax, &row.currency)?,
            refunded_amount: Money::new(row.refunded_amount, &row.currency)?,
            commission: Money::new(row.commission, &row.commission_currency)?,
            amount_pending: row.amount_pending,
            affiliate_id: row.affiliate_id,
            campaign_id: row.campaign_id,
            code_id: row.code_id,
            customer_email: conversions::customer_email(row, &caller.actor),
            livemode: row.livemode,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
        })
    }
}

/// 201 with the new conversion; 200 with the one that is there, where the same was reported before.
pub async fn record(caller: Caller, Input(sale): Input<Sale>) -> Result<Response, Refusal> {
    let outcome = reported_sales::record(&caller.domain, &caller.actor, &sale.into()).await?;
    let status = match &outcome {
        Outcome::New(_) => StatusCode::CREATED,
        Outcome::Known(_) => StatusCode::OK,
    };
    let conversion = Conversion::new(&outcome.conversion(), &caller)?;
    Ok((status, Json(conversion)).into_response())
}

/// 200 with the conversion; 202 while the sale has not come: the refund is kept until then.
pub async fn refund(
    caller: Caller,
    external_id: Result<Path<String>, PathRejection>,
    Input(refund): Input<Refund>,
) -> Result<Response, Refusal> {
    let Path(external_id) = external_id.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let input = RefundConversion {
        external_id,
        amount: refund.amount.map(Amount::from),
    };
    match reported_sales::refund(&caller.domain, &caller.actor, &input).await? {
        Some(outcome) => Ok(Json(Conversion::new(&outcome.conversion(), &caller)?).into_response()),
        None => {
            let waits = json!({ "externalId": input.external_id.trim(), "status": "awaiting_sale" });
            Ok((StatusCode::ACCEPTED, Json(waits)).into_response())
        }
    }
}
