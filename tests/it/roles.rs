//! What each role may do.

use crate::support::*;

/// An input for each mutation that would pass all checks but that of the role.
fn mutations(stage: &Stage) -> Vec<(&'static str, &'static str, Value)> {
    let campaign = CampaignSpec::default().input;
    let coupon = CouponSpec::default().with("campaignId", stage.campaign.as_str()).input;
    let affiliate = json!({ "name": "Pedro", "email": "pedro@affiliates.example", "campaignIds": [stage.campaign] });
    vec![
        ("createCampaign", "campaign", campaign),
        (
            "updateCampaign",
            "campaign",
            json!({ "id": stage.campaign, "name": "New" }),
        ),
        ("createAffiliate", "affiliate", affiliate),
        (
            "updateAffiliateStatus",
            "affiliate",
            json!({ "id": stage.bob, "status": "SUSPENDED" }),
        ),
        ("createCampaignCoupon", "campaignCoupon", coupon),
        (
            "updateCampaignCoupon",
            "campaignCoupon",
            json!({ "id": stage.coupon, "archived": true }),
        ),
        (
            "mintAffiliateCode",
            "affiliateCode",
            json!({ "couponId": stage.coupon, "affiliateId": stage.sarah }),
        ),
        ("deactivateAffiliateCode", "affiliateCode", json!({ "id": stage.code })),
        ("reactivateAffiliateCode", "affiliateCode", json!({ "id": stage.code })),
        ("deleteCampaignCoupon", "deletedId", json!({ "id": stage.coupon })),
    ]
}

async fn try_all(caller: &Caller, stage: &Stage) -> Vec<(&'static str, Vec<String>)> {
    let mut outcomes = Vec::new();
    for (mutation, object, input) in mutations(stage) {
        let fields = if object == "deletedId" {
            object.to_owned()
        } else {
            format!("{object} {{ id }}")
        };
        let answer = caller.try_mutate(mutation, &fields, input).await;
        outcomes.push((mutation, answer.codes().into_iter().map(str::to_owned).collect()));
    }
    outcomes
}

both! {
    async fn without_a_token_every_field_is_unauthenticated(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        let lists = [
            "campaigns",
            "campaignCoupons",
            "affiliates",
            "affiliateCodes",
            "conversions",
            "codeRedemptionStats",
        ];
        for list in lists {
            let answer = app
                .nobody()
                .ask(&format!("{{ {list} {{ totalCount }} }}"), json!({}))
                .await;
            assert_eq!(answer.codes(), ["UNAUTHENTICATED"], "{list}");
        }
        for field in [
            "feedCursor",
            "node(id: \"cmp_1\") { id }",
            "conversion(id: \"cnv_1\") { id }",
        ] {
            assert_eq!(
                app.nobody().ask(&format!("{{ {field} }}"), json!({})).await.codes(),
                ["UNAUTHENTICATED"],
                "{field}"
            );
        }
        for (mutation, codes) in try_all(&app.nobody(), &stage).await {
            assert_eq!(codes, ["UNAUTHENTICATED"], "{mutation}");
        }
        assert_eq!(app.state().await, before);
        assert!(app.nobody().query("{ __typename }").await["__typename"].is_string());
    }

    async fn analysts_change_nothing_and_affiliates_only_mint(app: &TestApp) {
        let stage = app.stage().await;
        let before = app.state().await;
        for (mutation, codes) in try_all(&app.ana(), &stage).await {
            assert_eq!(codes, ["FORBIDDEN"], "{mutation}");
        }
        for (mutation, codes) in try_all(&app.affiliate(&stage.bob), &stage).await {
            let expected: &[&str] = if mutation == "mintAffiliateCode" {
                &[]
            } else {
                &["FORBIDDEN"]
            };
            assert_eq!(codes, expected, "{mutation}");
        }
        assert_eq!(app.state().await, before);
    }

    async fn managers_and_owners_may_do_everything(app: &TestApp) {
        for caller in [app.max(), app.olivia()] {
            let campaign = caller.campaign(CampaignSpec::default()).await;
            let name = if app.ana().query("{ affiliates { totalCount } }").await["affiliates"]["totalCount"] == 0 {
                "Sarah"
            } else {
                "Bob"
            };
            let affiliate = caller.new_affiliate(name, &[&campaign]).await;
            let coupon = caller.coupon(&campaign, CouponSpec::default()).await;
            let code = caller.mint(&coupon, &affiliate, &format!("{name}-1")).await;
            let stage = Stage {
                campaign,
                coupon,
                sarah: affiliate.clone(),
                bob: affiliate,
                code,
            };
            for (mutation, codes) in try_all(&caller, &stage).await {
                assert_eq!(codes, [""; 0], "{mutation}");
            }
        }
    }
}
