//! No token sees another brand's rows: not by id, filter, cursor or count, and not by what a mutation says.

use crate::support::*;

const UNKNOWN: &str = "00000000000070008000000000000000";

/// Acme with a sale, and what Globex might try to lay hands on.
async fn acme(app: &TestApp) -> (Stage, String) {
    let stage = app.stage().await;
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
    let conversion = cast::id(&app.ana().conversions().await[0]);
    (stage, conversion)
}

/// The same text with every id replaced by one that nobody has.
fn unknown(text: &str, ids: &[&str]) -> String {
    ids.iter().fold(text.to_owned(), |text, id| {
        text.replace(id, &format!("{}{UNKNOWN}", &id[..4]))
    })
}

fn queries(stage: &Stage, conversion: &str) -> Vec<String> {
    let Stage {
        campaign,
        coupon,
        sarah,
        code,
        ..
    } = stage;
    let mut queries: Vec<String> = [campaign, coupon, sarah, code, &conversion.to_owned()]
        .iter()
        .map(|id| format!("{{ node(id: \"{id}\") {{ id }} }}"))
        .collect();
    for (field, id) in [
        ("campaign", campaign.as_str()),
        ("affiliate", sarah),
        ("conversion", conversion),
    ] {
        queries.push(format!("{{ {field}(id: \"{id}\") {{ id }} }}"));
    }
    let filtered = [
        (
            "campaignCoupons",
            format!("(campaignId: \"{campaign}\", includeArchived: true)"),
        ),
        ("affiliateCodes", format!("(affiliateId: \"{sarah}\")")),
        ("affiliateCodes", format!("(couponId: \"{coupon}\")")),
        ("conversions", format!("(filter: {{ campaignId: \"{campaign}\" }})")),
        ("conversions", format!("(filter: {{ affiliateId: \"{sarah}\" }})")),
        ("conversions", format!("(filter: {{ codeId: \"{code}\" }})")),
        ("conversions", "(filter: { couponCode: \"SARAH20\" })".to_owned()),
        (
            "codeRedemptionStats",
            format!("(filter: {{ campaignId: \"{campaign}\" }})"),
        ),
        (
            "codeRedemptionStats",
            format!("(filter: {{ affiliateId: \"{sarah}\" }})"),
        ),
        ("codeRedemptionStats", format!("(filter: {{ codeId: \"{code}\" }})")),
        ("codeRedemptionStats", format!("(filter: {{ couponId: \"{coupon}\" }})")),
        ("campaigns", String::new()),
        ("campaignCoupons", "(includeArchived: true)".to_owned()),
        ("affiliates", String::new()),
        ("affiliateCodes", String::new()),
        ("conversions", String::new()),
        ("codeRedemptionStats", String::new()),
    ];
    let listed = |(field, arguments)| {
        format!(
            "{{ {field}{arguments} {{ totalCount edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
        )
    };
    queries.extend(filtered.map(listed));
    queries
}

/// Inputs with Acme's ids, and the field that they are not found on.
fn mutations(stage: &Stage, own: &Stage) -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let Stage {
        campaign,
        coupon,
        sarah,
        code,
        ..
    } = stage;
    let with = |spec: CouponSpec, field: &str, value: &str| {
        spec.with("campaignId", own.campaign.as_str()).with(field, value).input
    };
    vec![
        (
            "updateCampaign",
            "campaign",
            json!({ "id": campaign, "name": "Ours" }),
            "id",
        ),
        (
            "createAffiliate",
            "affiliate",
            json!({ "name": "X", "email": "x@x.example", "campaignIds": [campaign] }),
            "campaignIds",
        ),
        (
            "updateAffiliateStatus",
            "affiliate",
            json!({ "id": sarah, "status": "REJECTED" }),
            "id",
        ),
        (
            "createCampaignCoupon",
            "campaignCoupon",
            with(CouponSpec::default(), "campaignId", campaign),
            "campaignId",
        ),
        (
            "createCampaignCoupon",
            "campaignCoupon",
            with(CouponSpec::default(), "affiliateId", sarah),
            "affiliateId",
        ),
        (
            "updateCampaignCoupon",
            "campaignCoupon",
            json!({ "id": coupon, "name": "Ours" }),
            "id",
        ),
        ("deleteCampaignCoupon", "deletedId", json!({ "id": coupon }), "id"),
        (
            "mintAffiliateCode",
            "affiliateCode",
            json!({ "couponId": coupon, "affiliateId": own.sarah }),
            "couponId",
        ),
        (
            "mintAffiliateCode",
            "affiliateCode",
            json!({ "couponId": own.coupon, "affiliateId": sarah }),
            "affiliateId",
        ),
        ("deactivateAffiliateCode", "affiliateCode", json!({ "id": code }), "id"),
        ("reactivateAffiliateCode", "affiliateCode", json!({ "id": code }), "id"),
    ]
}

both! {
    async fn another_brands_ids_are_answered_like_ids_that_do_not_exist(app: &TestApp) {
        let (stage, conversion) = acme(app).await;
        let globex = app.globex_owner();
        let ids = [&stage.campaign, &stage.coupon, &stage.sarah, &stage.code, &conversion].map(String::as_str);
        for query in queries(&stage, &conversion) {
            let theirs = globex.ask(&query, json!({})).await;
            let nobodys = globex.ask(&unknown(&query, &ids), json!({})).await;
            assert_eq!(
                (theirs.status, &theirs.body),
                (nobodys.status, &nobodys.body),
                "{query}"
            );
            let data = theirs.data();
            let answer = data.as_object().unwrap().values().next().unwrap();
            assert!(
                answer.is_null() || answer["totalCount"] == 0 && answer["edges"] == json!([]),
                "{query}: {answer}"
            );
            let own = app.olivia().query(&query).await;
            let own = own.as_object().unwrap().values().next().unwrap();
            assert!(
                own.is_object() && own["totalCount"] != 0,
                "Acme sees it: {query}: {own}"
            );
        }
    }

    async fn another_brands_ids_are_not_found_in_any_mutation_and_nothing_changes(app: &TestApp) {
        let (stage, _) = acme(app).await;
        let globex = app.globex_owner();
        let own = cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let (before, writes) = (app.state().await, app.writes());
        for (mutation, object, input, field) in mutations(&stage, &own) {
            assert_eq!(
                globex.mistakes(mutation, object, input.clone()).await,
                [mistake("NOT_FOUND", field)],
                "{mutation} {input}"
            );
        }
        assert_eq!((app.state().await, app.writes()), (before, writes));
    }

    async fn another_brands_cursors_open_nothing(app: &TestApp) {
        acme(app).await;
        let globex = app.globex_owner();
        for list in [
            "campaigns",
            "affiliates",
            "affiliateCodes",
            "conversions",
            "codeRedemptionStats",
            "campaignCoupons",
        ] {
            let data = app.ana().query(&format!("{{ {list} {{ edges {{ cursor }} }} }}")).await;
            let cursor = data[list]["edges"][0]["cursor"].as_str().unwrap();
            for arguments in [
                format!("after: \"{cursor}\""),
                format!("before: \"{cursor}\", last: 10"),
            ] {
                let data = globex
                    .query(&format!(
                        "{{ {list}({arguments}) {{ totalCount edges {{ cursor }} }} }}"
                    ))
                    .await;
                assert_eq!(
                    data[list],
                    json!({ "totalCount": 0, "edges": [] }),
                    "{list} {arguments}"
                );
            }
        }
    }

    async fn affiliates_do_not_see_each_other(app: &TestApp) {
        let (stage, conversion) = acme(app).await;
        app.max().mint(&stage.coupon, &stage.bob, "BOB20").await;
        let bob = app.affiliate(&stage.bob);
        let hidden = [stage.sarah.as_str(), &stage.code, &conversion];
        for id in hidden {
            assert!(
                bob.query(&format!("{{ node(id: \"{id}\") {{ id }} }}")).await["node"].is_null(),
                "{id}"
            );
        }
        let query = format!(
            "{{ affiliates {{ totalCount nodes {{ id codes {{ nodes {{ code }} }} }} }} affiliateCodes {{ nodes {{ code }} }} \
             conversions {{ totalCount }} codeRedemptionStats {{ nodes {{ code {{ code }} }} }} \
             theirs: affiliateCodes(affiliateId: \"{}\") {{ totalCount }} \
             sales: conversions(filter: {{ affiliateId: \"{}\" }}) {{ totalCount }} }}",
            stage.sarah, stage.sarah
        );
        assert_eq!(
            bob.query(&query).await,
            json!({
                "affiliates": { "totalCount": 1, "nodes": [{ "id": stage.bob, "codes": { "nodes": [{ "code": "BOB20" }] } }] },
                "affiliateCodes": { "nodes": [{ "code": "BOB20" }] },
                "conversions": { "totalCount": 0 },
                "codeRedemptionStats": { "nodes": [{ "code": { "code": "BOB20" } }] },
                "theirs": { "totalCount": 0 }, "sales": { "totalCount": 0 },
            })
        );
    }

    async fn an_affiliate_sees_its_own_sales_with_all_that_belongs_to_them(app: &TestApp) {
        let (stage, conversion) = acme(app).await;
        let query = format!(
            "{{ conversion(id: \"{conversion}\") {{ affiliate {{ id }} campaign {{ id }} code {{ id coupon {{ id }} }} }} affiliates {{ nodes {{ id }} }} }}"
        );
        assert_eq!(
            app.affiliate(&stage.sarah).query(&query).await,
            json!({
                "conversion": {
                    "affiliate": { "id": stage.sarah }, "campaign": { "id": stage.campaign },
                    "code": { "id": stage.code, "coupon": { "id": stage.coupon } },
                },
                "affiliates": { "nodes": [{ "id": stage.sarah }] },
            })
        );
    }

    async fn one_brands_event_never_touches_anothers_sale(app: &TestApp) {
        app.stage().await;
        let globex = app.globex_owner();
        cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        // The very same ids, told to Globex: a refund of a sale that Globex does not have.
        let refund = sale.refund(Shape::Acacia, None, Paid::First);
        app.deliver_to(&app.globex, &refund).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(globex.told().await, [""; 0]);
    }
}
