//! The calls that are owed to Stripe, as typed requests.

use std::collections::HashMap;

use entity::coupon::CouponDuration;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_product::{
    coupon::{CreateCoupon, DeleteCoupon, UpdateCoupon},
    promotion_code::{
        CreatePromotionCode, CreatePromotionCodePromotion, CreatePromotionCodePromotionType, UpdatePromotionCode,
    },
};

use super::{answers::CallError, facts::CODE_METADATA};
use crate::domain::owed::Call;

/// The request that carries out a call. `target` is Stripe's id of what it changes, or of the coupon that it makes a code on.
pub(super) fn build(call: &Call, target: Option<&str>) -> Result<RequestBuilder, CallError> {
    Ok(match call {
        Call::CreateCoupon { .. } => create_coupon(call)?,
        Call::RenameCoupon { name, .. } => UpdateCoupon::new(needed(target)?).name(name.as_str()).build(),
        Call::DeleteCoupon { .. } => DeleteCoupon::new(needed(target)?).build(),
        Call::CreatePromotionCode {
            id,
            brand,
            affiliate,
            code,
            max_redemptions,
            active,
            ..
        } => {
            let mut promotion = CreatePromotionCodePromotion::new(CreatePromotionCodePromotionType::Coupon);
            promotion.coupon = Some(needed(target)?.to_owned());
            let whose = affiliate.map(|affiliate| ("rekomi_affiliate_id".to_owned(), affiliate.to_string()));
            let row = [
                (CODE_METADATA.to_owned(), id.to_string()),
                ("rekomi_brand_id".to_owned(), brand.to_string()),
            ];
            let metadata: HashMap<_, _> = row.into_iter().chain(whose).collect();
            let mut request = CreatePromotionCode::new(promotion)
                .code(code.as_str())
                .metadata(metadata);
            if let Some(max) = max_redemptions {
                request = request.max_redemptions(*max);
            }
            if !active {
                request = request.active(false);
            }
            request.build()
        }
        Call::SetPromotionCodeActive { active, .. } => {
            UpdatePromotionCode::new(needed(target)?).active(*active).build()
        }
        Call::RetirePromotionCode { promotion_code, .. } => {
            UpdatePromotionCode::new(promotion_code.as_str()).active(false).build()
        }
    })
}

fn needed(target: Option<&str>) -> Result<&str, CallError> {
    target.ok_or_else(|| CallError::unknown("it has no id at Stripe yet"))
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
        return Err(CallError::unknown("not a coupon"));
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
            .map_err(|_| CallError::unknown(format!("Stripe does not know the currency {currency}")))?;
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
