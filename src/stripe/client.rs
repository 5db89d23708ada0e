//! The calls that we make to Stripe, through `async-stripe`, which pins one API version.
//!
//! Requests are typed by the library; answers are read tolerantly, since a call that succeeded at Stripe must not fail
//! here because of a field that we do not look at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use entity::coupon::CouponDuration;
use miniserde::json::Value;
use secrecy::{ExposeSecret, SecretString};
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_product::{
    coupon::{CreateCoupon, DeleteCoupon, RetrieveCoupon, UpdateCoupon},
    promotion_code::{
        CreatePromotionCode, CreatePromotionCodePromotion, CreatePromotionCodePromotionType, ListPromotionCode,
        UpdatePromotionCode,
    },
};
use url::Url;

use super::facts::{CODE_METADATA, Request};
use crate::domain::owed::Call;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Stripe's clients, one per key, so that their connections are kept.
#[derive(Clone)]
pub struct Stripe {
    base: Url,
    clients: Arc<Mutex<HashMap<String, Client>>>,
}

/// Why a call has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Stripe understood and refused (4xx).
    Refused(Refused),
    /// Stripe failed on its side (5xx), maybe replaying a stored failure.
    Server(String),
    /// It may or may not have been done: limited, in conflict, timed out, not reached.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub message: String,
    pub param: Option<String>,
    /// Stripe's error code or, without one, its type.
    pub code: String,
}

impl CallError {
    pub fn message(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.message,
            Self::Server(message) | Self::Unknown(message) => message,
        }
    }
}

/// An object's id and metadata, all that is read of an answer.
#[derive(miniserde::Deserialize, Debug)]
struct Object {
    id: String,
    metadata: Option<HashMap<String, String>>,
}

#[derive(miniserde::Deserialize)]
struct List {
    data: Vec<Object>,
}

impl Stripe {
    pub fn new(base: &Url) -> Self {
        Self {
            base: base.clone(),
            clients: Arc::default(),
        }
    }

    fn client(&self, key: &SecretString) -> Result<Client, CallError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(key.expose_secret()) {
            return Ok(client.clone());
        }
        let client = ClientBuilder::new(key.expose_secret())
            .url(self.base.as_str())
            .timeout(TIMEOUT)
            .build()
            .map_err(call_error)?;
        clients.insert(key.expose_secret().to_owned(), client.clone());
        Ok(client)
    }

    async fn send<T: miniserde::Deserialize>(
        &self,
        key: &SecretString,
        request: RequestBuilder,
        strategy: RequestStrategy,
    ) -> Result<T, CallError> {
        let client = self.client(key)?;
        let sent = request.customize::<T>().request_strategy(strategy).send(&client);
        let answer = sent.await.map_err(call_error);
        let outcome = match &answer {
            Ok(_) => "ok",
            Err(CallError::Refused(_)) => "refused",
            Err(CallError::Server(_)) => "server_error",
            Err(CallError::Unknown(_)) => "unknown",
        };
        metrics::counter!("rekomi_stripe_calls_total", "outcome" => outcome).increment(1);
        answer
    }

    /// Reads an object; `None` when Stripe has no such object.
    pub async fn fetch(&self, key: &SecretString, request: &Request) -> Result<Option<String>, CallError> {
        let get = RequestBuilder::new(StripeMethod::Get, request.path()).query(&request.query());
        match self.send::<Value>(key, get, RequestStrategy::Once).await {
            Ok(value) => Ok(Some(miniserde::json::to_string(&value))),
            Err(CallError::Refused(refused)) if refused.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a call under an idempotency key. `promotion_code` is Stripe's id of the code that the call is about.
    ///
    /// The answer is the id of what was made or changed.
    pub async fn make(
        &self,
        key: &SecretString,
        call: &Call,
        promotion_code: Option<&str>,
        idempotency_key: &str,
    ) -> Result<String, CallError> {
        let request = build(call, promotion_code)?;
        let idempotency_key: IdempotencyKey = idempotency_key
            .to_owned()
            .try_into()
            .map_err(|_| CallError::Unknown("not an idempotency key".into()))?;
        let strategy = RequestStrategy::Idempotent(idempotency_key);
        self.send::<Object>(key, request, strategy)
            .await
            .map(|object| object.id)
    }

    /// Looks for what a creation would make; its id when it is there already.
    pub async fn find(&self, key: &SecretString, call: &Call) -> Result<Option<String>, CallError> {
        match call {
            Call::CreateCoupon { id, .. } => {
                let get = RetrieveCoupon::new(id.to_string()).build();
                match self.send::<Object>(key, get, RequestStrategy::Once).await {
                    Ok(coupon) => Ok(Some(coupon.id)),
                    Err(CallError::Refused(refused)) if refused.status == 404 => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Call::CreatePromotionCode { id, code, .. } => {
                // Stripe cannot search by metadata: by code, and then the metadata compared.
                let list = ListPromotionCode::new().code(code.as_str()).limit(100).build();
                let found: List = self.send(key, list, RequestStrategy::Once).await?;
                let ours = |object: &Object| {
                    let metadata = object.metadata.as_ref();
                    metadata.and_then(|metadata| metadata.get(CODE_METADATA)) == Some(&id.to_string())
                };
                Ok(found.data.into_iter().find(ours).map(|object| object.id))
            }
            _ => Ok(None),
        }
    }
}

fn build(call: &Call, promotion_code: Option<&str>) -> Result<RequestBuilder, CallError> {
    Ok(match call {
        Call::CreateCoupon { .. } => create_coupon(call)?,
        Call::RenameCoupon { id, name } => UpdateCoupon::new(id.to_string()).name(name.as_str()).build(),
        Call::DeleteCoupon { id } => DeleteCoupon::new(id.to_string()).build(),
        Call::CreatePromotionCode {
            id,
            brand,
            coupon,
            affiliate,
            code,
            max_redemptions,
        } => {
            let mut promotion = CreatePromotionCodePromotion::new(CreatePromotionCodePromotionType::Coupon);
            promotion.coupon = Some(coupon.to_string());
            let request = CreatePromotionCode::new(promotion).code(code.as_str()).metadata([
                (CODE_METADATA.to_owned(), id.to_string()),
                ("rekomi_affiliate_id".to_owned(), affiliate.to_string()),
                ("rekomi_brand_id".to_owned(), brand.to_string()),
            ]);
            match max_redemptions {
                Some(max) => request.max_redemptions(*max).build(),
                None => request.build(),
            }
        }
        Call::SetPromotionCodeActive { active, .. } => {
            let missing = || CallError::Unknown("the promotion code has no id yet".into());
            UpdatePromotionCode::new(promotion_code.ok_or_else(missing)?)
                .active(*active)
                .build()
        }
    })
}

fn create_coupon(call: &Call) -> Result<RequestBuilder, CallError> {
    let Call::CreateCoupon {
        id,
        brand,
        name,
        percent_off_bps,
        amount_off,
        currency,
        duration,
        duration_in_months,
        redeem_by,
    } = call
    else {
        return Err(CallError::Unknown("not a coupon".into()));
    };
    let mut request = CreateCoupon::new()
        .id(id.to_string())
        .name(name.as_str())
        .duration(match duration {
            CouponDuration::Once => stripe_shared::CouponDuration::Once,
            CouponDuration::Repeating => stripe_shared::CouponDuration::Repeating,
            CouponDuration::Forever => stripe_shared::CouponDuration::Forever,
        })
        .metadata([
            ("rekomi_campaign_coupon_id".to_owned(), id.to_string()),
            ("rekomi_brand_id".to_owned(), brand.to_string()),
        ]);
    if let Some(points) = percent_off_bps {
        // At most two decimals, which a double tells apart up to 100.
        request = request.percent_off(f64::from(*points) / 100.0);
    }
    if let (Some(amount), Some(currency)) = (amount_off, currency) {
        let currency = currency
            .to_ascii_lowercase()
            .parse::<stripe_types::Currency>()
            .map_err(|_| CallError::Unknown(format!("Stripe does not know the currency {currency}")))?;
        request = request.amount_off(*amount).currency(currency);
    }
    if let Some(months) = duration_in_months {
        request = request.duration_in_months(*months);
    }
    if let Some(at) = redeem_by {
        request = request.redeem_by(*at);
    }
    Ok(request.build())
}

/// What a status means (<https://docs.stripe.com/error-low-level>).
fn call_error(error: StripeError) -> CallError {
    match error {
        StripeError::Stripe(error, status) => {
            let message = error.message.clone().unwrap_or_else(|| format!("status {status}"));
            let code = error.code.as_ref().map(|code| code.as_str().to_owned());
            match status {
                409 | 424 | 429 => CallError::Unknown(message),
                400..=499 => CallError::Refused(Refused {
                    status,
                    message,
                    param: error.param.clone(),
                    code: code.unwrap_or_else(|| error.type_.as_str().to_owned()),
                }),
                _ => CallError::Server(message),
            }
        }
        StripeError::Timeout => CallError::Unknown("Stripe did not answer in time".into()),
        StripeError::JSONDeserialize(_) => CallError::Unknown("Stripe's answer could not be read".into()),
        StripeError::ClientError(message) | StripeError::ConfigError(message) => {
            CallError::Unknown(format!("Stripe could not be reached: {message}"))
        }
    }
}
