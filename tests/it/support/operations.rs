//! One way at least to call each operation of the schema, with all its arguments. `coverage.rs` holds that none is
//! missing; the walks over roles and tenants go through all of them.
//!
//! A text that begins with `$` stands for something of the caller's world: `$coupon` for the id of a coupon.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::sdl::Sdl;

/// A call of an operation.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// `Query`, `Mutation` or `Subscription`.
    pub root: &'static str,
    pub field: &'static str,
    pub arguments: Map<String, Value>,
}

/// What the placeholders stand for, without their `$`.
pub type World = BTreeMap<String, String>;

fn specimen(root: &'static str, field: &'static str, arguments: Value) -> Specimen {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    Specimen { root, field, arguments }
}

/// A list, by its first and by its last page.
fn list(field: &'static str, arguments: Value) -> Vec<Specimen> {
    let cursor = format!("$cursor:{field}");
    [
        json!({ "first": 5, "after": cursor }),
        json!({ "last": 5, "before": cursor }),
        json!({}),
    ]
    .map(|page| {
        let mut specimen = specimen("Query", field, page);
        specimen.arguments.extend(arguments.as_object().unwrap().clone());
        specimen
    })
    .into()
}

fn conversion_filter() -> Value {
    json!({
        "attributionMethod": ["COUPON"], "status": ["PENDING", "PARTIALLY_REFUNDED"], "kind": ["ACQUISITION"],
        "campaignId": "$campaign", "affiliateId": "$affiliate", "codeId": "$code", "couponCode": "$text",
        "occurredFrom": "2020-01-01T00:00:00Z", "occurredBefore": "2040-01-01T00:00:00Z",
    })
}

pub fn queries() -> Vec<Specimen> {
    let mut all: Vec<Specimen> = [
        "$campaign",
        "$affiliate",
        "$coupon",
        "$code",
        "$conversion",
        "$api_key",
        "$audit",
        "$event",
        "$link",
        "$click",
        "$entry",
    ]
    .map(|id| specimen("Query", "node", json!({ "id": id })))
    .into();
    all.extend([
        specimen("Query", "campaign", json!({ "id": "$campaign" })),
        specimen("Query", "affiliate", json!({ "id": "$affiliate" })),
        specimen("Query", "conversion", json!({ "id": "$conversion" })),
        specimen("Query", "feedCursor", json!({})),
        specimen("Query", "viewer", json!({})),
        specimen(
            "Query",
            "nodes",
            json!({ "ids": ["$campaign", "$code", "$conversion"] }),
        ),
        specimen("Query", "stripeInbox", json!({})),
        specimen("Query", "codeSettings", json!({})),
        specimen(
            "Query",
            "simulateAttribution",
            json!({ "input": {
                "codes": ["$text"], "clickId": "clk_0", "campaignId": "$campaign", "occurredAt": "2026-11-02T00:00:00Z",
                "customerEmail": "jo@shop.example",
            } }),
        ),
    ]);
    all.extend(list("campaigns", json!({})));
    let sorted = |field: &str| json!({ "field": field, "direction": "DESC" });
    all.extend(list("affiliates", json!({})));
    all.push(specimen(
        "Query",
        "affiliates",
        json!({ "filter": { "status": ["APPROVED"], "campaignId": "$campaign" }, "orderBy": sorted("EMAIL") }),
    ));
    all.push(specimen(
        "Query",
        "affiliateCodes",
        json!({ "first": 5, "orderBy": sorted("CODE") }),
    ));
    all.push(specimen(
        "Query",
        "codeRedemptionStats",
        json!({ "first": 5, "orderBy": sorted("CODE") }),
    ));
    let oldest = json!({ "field": "OCCURRED_AT", "direction": "ASC" });
    all.push(specimen(
        "Query",
        "conversions",
        json!({ "first": 5, "orderBy": oldest }),
    ));
    all.push(specimen(
        "Query",
        "ledgerEntries",
        json!({ "first": 5, "orderBy": sorted("CREATED_AT") }),
    ));
    all.extend(list(
        "campaignCoupons",
        json!({ "campaignId": "$campaign", "includeArchived": true }),
    ));
    all.extend(list(
        "affiliateCodes",
        json!({ "affiliateId": "$affiliate", "couponId": "$coupon" }),
    ));
    all.extend(list(
        "clicks",
        json!({ "affiliateId": "$affiliate", "campaignId": "$campaign" }),
    ));
    all.extend(list("conversions", json!({ "filter": conversion_filter() })));
    let stats = json!({
        "campaignId": "$campaign", "affiliateId": "$affiliate", "codeId": "$code", "couponId": "$coupon",
        "from": "2020-01-01T00:00:00Z", "before": "2040-01-01T00:00:00Z",
    });
    all.extend(list("codeRedemptionStats", json!({ "filter": stats })));
    all.extend(figures());
    // All there is of fifty entries is more than one query may ask for.
    let entries = list(
        "ledgerEntries",
        json!({ "affiliateId": "$affiliate", "conversionId": "$conversion", "kind": ["COMMISSION", "CLAWBACK"] }),
    );
    let paged = |it: &Specimen| it.arguments.contains_key("first") || it.arguments.contains_key("last");
    all.extend(entries.into_iter().filter(paged));
    all.extend(list("apiKeys", json!({})));
    let log = json!({
        "objectId": "$campaign", "actor": "$actor", "action": "campaign.created",
        "from": "2020-01-01T00:00:00Z", "before": "2040-01-01T00:00:00Z",
    });
    all.extend(list("auditLog", json!({ "filter": log })));
    let events = json!({
        "status": ["PROCESSED", "PENDING"], "type": "invoice.paid", "stripeId": "$stripe_event",
        "receivedFrom": "2020-01-01T00:00:00Z", "receivedBefore": "2040-01-01T00:00:00Z",
    });
    all.extend(list("stripeEvents", json!({ "filter": events })));
    all
}

/// What dashboards draw: everywhere with all that there is to choose from.
fn figures() -> Vec<Specimen> {
    let range = json!({ "from": "2026-10-01T00:00:00Z", "before": "2026-12-01T00:00:00Z" });
    let filter = json!({
        "campaignId": "$campaign", "affiliateId": "$affiliate", "codeId": "$code", "attributionMethod": ["COUPON"],
    });
    let chosen = |more: Value| {
        let mut arguments = json!({ "range": range, "filter": filter });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        arguments
    };
    let mut all = vec![
        specimen("Query", "salesSeries", chosen(json!({ "interval": "MONTH" }))),
        specimen("Query", "salesSeries", json!({})),
        specimen("Query", "salesComparison", chosen(json!({}))),
        specimen("Query", "salesComparison", json!({})),
    ];
    for field in ["topAffiliates", "topCodes", "topCampaigns"] {
        let revenue = json!({ "metric": "REVENUE", "currency": "USD", "first": 5 });
        all.push(specimen("Query", field, chosen(revenue)));
        all.push(specimen("Query", field, json!({ "metric": "CONVERSIONS", "first": 5 })));
    }
    all
}

/// In an order in which none spoils the ones after it.
pub fn mutations() -> Vec<Specimen> {
    let mutation = |field, input: Value| specimen("Mutation", field, json!({ "input": input }));
    let campaign = json!({
        "name": "New", "landingUrl": "https://acme.example/", "commission": { "percent": "10" },
        "commissionDuration": "MONTHS", "commissionMonths": 3, "clickModel": "FIRST_CLICK", "cookieWindowDays": 30,
        "holdDays": 10, "overridePercent": "25", "affiliatesCanManageCodes": true,
    });
    let mut flat = campaign.clone();
    flat["commission"] = json!({ "flat": { "minorUnits": 100, "currency": "USD" } });
    let with_id = |mut input: Value| {
        input["id"] = json!("$campaign");
        input
    };
    let coupon = json!({
        "campaignId": "$campaign", "name": "New", "discount": { "percentOff": "10" }, "duration": "REPEATING",
        "durationInMonths": 3, "maxRedemptionsPerCode": 5, "expiresAt": "2027-01-01T00:00:00Z",
        "overridesClickAttribution": true, "allowAffiliateSelfMint": true, "mintOnApproval": true, "affiliateId": "$affiliate",
    });
    let rate =
        |commission: Value| json!({ "affiliateId": "$affiliate", "campaignId": "$campaign", "commission": commission });
    let mut amount = coupon.clone();
    amount["discount"] = json!({ "amountOff": { "minorUnits": 100, "currency": "USD" } });
    vec![
        mutation("createCampaign", campaign.clone()),
        mutation("createCampaign", flat.clone()),
        mutation("updateCampaign", with_id(campaign)),
        mutation("updateCampaign", with_id(flat)),
        mutation(
            "createAffiliate",
            json!({ "name": "New", "email": "$email", "campaignIds": ["$campaign"], "recruitedById": "$affiliate", "approve": true }),
        ),
        mutation(
            "setAffiliateRecruiter",
            json!({ "id": "$other_affiliate", "recruitedById": "$affiliate" }),
        ),
        mutation("setAffiliateRate", rate(json!({ "percent": "30" }))),
        mutation(
            "setAffiliateRate",
            rate(json!({ "flat": { "minorUnits": 100, "currency": "USD" } })),
        ),
        mutation("rejectConversions", json!({ "ids": ["$conversion"], "reason": "bad" })),
        mutation(
            "approveConversions",
            json!({ "ids": ["$conversion"], "reason": "good" }),
        ),
        mutation(
            "reassignConversion",
            json!({ "id": "$conversion", "affiliateId": "$other_affiliate", "reason": "hers" }),
        ),
        mutation(
            "updateAffiliateStatus",
            json!({ "id": "$other_affiliate", "status": "SUSPENDED", "reason": "late" }),
        ),
        mutation("createCampaignCoupon", coupon),
        mutation("createCampaignCoupon", amount),
        mutation(
            "updateCampaignCoupon",
            json!({
                "id": "$coupon", "name": "Newer", "overridesClickAttribution": false, "allowAffiliateSelfMint": true,
                "mintOnApproval": false, "archived": false,
            }),
        ),
        mutation(
            "mintAffiliateCode",
            json!({ "couponId": "$coupon", "affiliateId": "$affiliate", "code": "$new_text" }),
        ),
        mutation("renameAffiliateCode", json!({ "id": "$code", "code": "$renamed_text" })),
        mutation(
            "setCampaignCode",
            json!({ "campaignId": "$campaign", "couponId": "$coupon", "code": "$shared_text" }),
        ),
        mutation("removeCampaignCode", json!({ "campaignId": "$campaign" })),
        mutation(
            "bulkMintAffiliateCodes",
            json!({
                "couponId": "$coupon", "batch": "$new_text", "rows": [{ "affiliateId": "$affiliate", "code": "$bulk_text" }],
            }),
        ),
        mutation(
            "updateCodeSettings",
            json!({ "maxCodesPerAffiliate": 100, "reservedWords": ["NOBODYS"] }),
        ),
        mutation(
            "recordConversion",
            json!({
                "externalId": "$external", "amount": { "minorUnits": 4900, "currency": "USD" },
                "tax": { "minorUnits": 100, "currency": "USD" }, "occurredAt": "2026-10-31T12:00:00Z",
                "customerEmail": "jane@customers.example", "clickId": "$click", "linkSlug": "$slug", "code": "$text",
                "affiliateId": "$affiliate", "campaignId": "$campaign",
            }),
        ),
        mutation(
            "refundConversion",
            json!({ "externalId": "$external", "amount": { "minorUnits": 900, "currency": "USD" } }),
        ),
        mutation("deactivateAffiliateCode", json!({ "id": "$code" })),
        mutation("reactivateAffiliateCode", json!({ "id": "$code" })),
        mutation("deleteAffiliateCode", json!({ "id": "$code" })),
        mutation(
            "deleteCampaignCoupon",
            json!({ "id": "$coupon", "expectedLiveCodeCount": 2 }),
        ),
        mutation(
            "createApiKey",
            json!({ "name": "New", "scopes": ["READ"], "expiresAt": "2027-01-01T00:00:00Z" }),
        ),
        mutation("rotateApiKey", json!({ "id": "$api_key", "overlapHours": 1 })),
        mutation("revokeApiKey", json!({ "id": "$api_key" })),
        mutation("replayStripeEvent", json!({ "id": "$event" })),
        mutation(
            "replayParkedStripeEvents",
            json!({ "type": "invoice.paid", "limit": 10 }),
        ),
    ]
}

pub fn subscriptions() -> Vec<Specimen> {
    let arguments = json!({ "after": "$feed", "filter": conversion_filter() });
    let figures = json!({ "after": "$feed", "filter": {
        "campaignId": "$campaign", "affiliateId": "$affiliate", "codeId": "$code", "couponId": "$coupon",
    } });
    vec![
        specimen("Subscription", "conversionCreated", arguments.clone()),
        specimen("Subscription", "conversionUpdated", arguments),
        specimen("Subscription", "codeStatsUpdated", figures),
    ]
}

impl Specimen {
    /// The places in the arguments that are given, with what is there: `input.campaignIds` for each of a list.
    pub fn leaves(&self) -> Vec<(String, &Value)> {
        fn walk<'a>(path: &str, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    walk(&path, value, leaves);
                }),
                Value::Array(items) => items.iter().for_each(|item| walk(path, item, leaves)),
                leaf => leaves.push((path.to_owned(), leaf)),
            }
        }
        let mut leaves = Vec::new();
        for (name, value) in &self.arguments {
            walk(name, value, &mut leaves);
        }
        leaves
    }

    /// The variables in a world; `None` when the world has not all of it.
    pub fn variables(&self, world: &World) -> Option<Value> {
        fill(&Value::Object(self.arguments.clone()), &mut |name| {
            world.get(name).cloned()
        })
    }

    /// The same with one place, counted from zero, filled with something else.
    pub fn variables_but(&self, world: &World, place: usize, other: &str) -> Option<Value> {
        let mut count = 0;
        fill(&Value::Object(self.arguments.clone()), &mut |name| {
            count += 1;
            if count == place + 1 {
                Some(other.to_owned())
            } else {
                world.get(name).cloned()
            }
        })
    }

    /// The names of the placeholders, in the order of [`Self::variables_but`].
    pub fn placeholders(&self) -> Vec<String> {
        let mut names = Vec::new();
        fill(&Value::Object(self.arguments.clone()), &mut |name| {
            names.push(name.to_owned());
            Some(String::new())
        });
        names
    }

    pub fn document(&self, sdl: &Sdl) -> String {
        let given: Vec<String> = self.arguments.keys().cloned().collect();
        sdl.document(self.root, self.field, &given)
    }

    pub fn name(&self) -> String {
        format!("{}.{}", self.root, self.field)
    }
}

fn fill(value: &Value, with: &mut impl FnMut(&str) -> Option<String>) -> Option<Value> {
    Some(match value {
        Value::Object(fields) => {
            let mut filled = Map::new();
            for (name, value) in fields {
                filled.insert(name.clone(), fill(value, with)?);
            }
            Value::Object(filled)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, with)).collect::<Option<_>>()?),
        Value::String(text) if text.starts_with('$') => Value::String(with(&text[1..])?),
        other => other.clone(),
    })
}
