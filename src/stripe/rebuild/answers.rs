//! The answers in the log: what each tells, and what they tell of the promotion codes that other entries speak of.

use std::collections::{BTreeMap, BTreeSet};

use entity::stripe_object;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use serde_json::Value;

use super::{
    super::facts::{Facts, Request, read_object},
    log::Piece,
};
use crate::{domain::feed::FeedName, error::Result};

/// What a stored answer tells; nothing, where Stripe had no such object.
pub(super) fn read(answer: &stripe_object::Model) -> Result<Facts, String> {
    let value: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if value.is_null() {
        return Ok(Facts::default());
    }
    let request = parse(&answer.request).ok_or("not a request that is known")?;
    read_object(&request, &value).map_err(|error| error.to_string())
}

/// The request that goes by this name in the log.
fn parse(text: &str) -> Option<Request> {
    let id = text.rsplit(['/', '=']).next()?.to_owned();
    if let Some((id, at)) = text
        .strip_prefix("/disputes/")
        .and_then(|text| text.split_once("?told_at="))
    {
        return Some(Request::Dispute(id.to_owned(), at.parse().ok()?));
    }
    if let Some((id, sale)) = text
        .strip_prefix("/customers/")
        .and_then(|text| text.split_once("?sale="))
    {
        return Some(Request::Customer(id.to_owned(), sale.to_owned()));
    }
    let requests = [
        Request::Invoice,
        Request::Subscription,
        Request::InvoicePayment,
        Request::InvoicePayments,
        Request::Session,
        Request::Charge,
        Request::Refund,
        Request::Refunds,
        Request::CreditNote,
        Request::PromotionCode,
        Request::Coupon,
    ];
    let mut requests = requests
        .into_iter()
        .map(|request: fn(String) -> Request| request(id.clone()));
    requests.find(|request| request.to_string() == text)
}

/// Adds what was found out about the promotion codes that the pieces speak of.
pub(super) async fn look_up(log: &DatabaseTransaction, pieces: &mut [Piece]) -> Result<()> {
    let mut wanted: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for piece in pieces.iter() {
        let ids = piece.facts.promotion_code_ids();
        let wanted = wanted.entry((piece.feed.brand, piece.feed.livemode)).or_default();
        wanted.extend(ids.into_iter().map(str::to_owned));
    }
    for ((brand, livemode), ids) in wanted {
        let requests: Vec<String> = ids
            .into_iter()
            .map(|id| Request::PromotionCode(id).to_string())
            .collect();
        for requests in requests.chunks(500) {
            let answers = stripe_object::Entity::find()
                .filter(stripe_object::Column::BrandId.eq(brand))
                .filter(stripe_object::Column::Livemode.eq(livemode))
                .filter(stripe_object::Column::Request.is_in(requests.iter().map(String::as_str)));
            for answer in answers.all(log).await? {
                // One that cannot be read is named where the answers themselves are read.
                let facts = read(&answer).unwrap_or_default();
                let feed = FeedName { brand, livemode };
                pieces
                    .iter_mut()
                    .filter(|piece| piece.feed == feed)
                    .for_each(|piece| add(piece, &facts));
            }
        }
    }
    Ok(())
}

fn add(piece: &mut Piece, codes: &Facts) {
    let ids = piece.facts.promotion_code_ids();
    if codes.promotion_codes.keys().any(|id| ids.contains(id.as_str())) {
        piece.facts.merge(codes.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_known_by_its_name_in_the_log() {
        let requests = [
            Request::Invoice("in_1".into()),
            Request::Subscription("sub_1".into()),
            Request::InvoicePayment("inpay_1".into()),
            Request::InvoicePayments("pi_1".into()),
            Request::Session("cs_1".into()),
            Request::Charge("ch_1".into()),
            Request::Refund("re_1".into()),
            Request::Refunds("ch_1".into()),
            Request::Dispute("du_1".into(), 1_793_534_400),
            Request::CreditNote("cn_1".into()),
            Request::PromotionCode("promo_1".into()),
            Request::Coupon("cpn_1".into()),
            Request::Customer("cus_1".into(), "sub_1".into()),
        ];
        for request in requests {
            // A new kind of request does not compile here: add it above, and to `parse`.
            match &request {
                Request::Invoice(_)
                | Request::Subscription(_)
                | Request::InvoicePayment(_)
                | Request::InvoicePayments(_)
                | Request::Session(_)
                | Request::Charge(_)
                | Request::Refund(_)
                | Request::Refunds(_)
                | Request::Dispute(..)
                | Request::CreditNote(_)
                | Request::PromotionCode(_)
                | Request::Coupon(_)
                | Request::Customer(..) => {}
            }
            assert_eq!(parse(&request.to_string()), Some(request));
        }
        assert_eq!(parse("/customers/cus_1"), None);
    }
}
