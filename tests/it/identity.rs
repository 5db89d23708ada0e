//! Tokens: which are good, which are not, and what each role may do.

use chrono::TimeDelta;
use rekomi::auth::{
    Role,
    jwt::{Grant, Mode, Tokens},
};

use crate::support::{app::JWT_SECRET, *};

const ASK: &str = "{ feedCursor }";

fn grant(app: &TestApp, ttl: TimeDelta) -> Grant {
    Grant {
        subject: "olivia".into(),
        brand: app.acme.id,
        role: Role::Owner,
        affiliate: None,
        mode: None,
        ttl,
    }
}

/// That a token opens nothing: 401, and nothing of the answer.
async fn refused(app: &TestApp, why: &str, token: String) {
    let answer = app.caller(token).ask(ASK, json!({})).await;
    assert_eq!(
        (answer.status, answer.codes()),
        (401, vec!["UNAUTHENTICATED"]),
        "{why}: {}",
        answer.body
    );
    assert!(answer.body.get("data").is_none(), "{why}");
}

both! {
    async fn a_token_is_good_until_it_expires(app: &TestApp) {
        let token = app.token(Role::Owner, None, None);
        app.caller(token.clone()).query(ASK).await;
        app.pass(TimeDelta::hours(1) + TimeDelta::seconds(5));
        refused(app, "expired", token).await;
    }

    async fn a_token_that_is_not_ours_is_refused(app: &TestApp) {
        let (now, hour) = (app.now(), TimeDelta::hours(1));
        let issue = |secret: &str, issuer: &str, audience: &str, at| {
            Tokens::new(Some(&secret.into()), issuer, audience)
                .issue(grant(app, hour), at)
                .unwrap()
        };
        let good = issue(JWT_SECRET, "rekomi", "rekomi", now);
        app.caller(good.clone()).query(ASK).await;
        let body = good.split('.').nth(1).unwrap();
        let parts: Vec<_> = good.split('.').collect();
        let unknown = Grant {
            brand: uuid::Uuid::from_u128(7).into(),
            ..grant(app, hour)
        };
        let cases = [
            (
                "another key",
                issue("another secret of the tests, of 32 bytes", "rekomi", "rekomi", now),
            ),
            ("another issuer", issue(JWT_SECRET, "somebody", "rekomi", now)),
            ("another audience", issue(JWT_SECRET, "rekomi", "somebody", now)),
            (
                "not yet valid",
                issue(JWT_SECRET, "rekomi", "rekomi", now + TimeDelta::minutes(1)),
            ),
            (
                "long over",
                issue(JWT_SECRET, "rekomi", "rekomi", now - TimeDelta::days(1)),
            ),
            ("unsigned", format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.")),
            ("without a signature", format!("{}.{}.", parts[0], parts[1])),
            ("a changed body", format!("{}.{}x.{}", parts[0], parts[1], parts[2])),
            ("of no brand", app.instance.app.tokens.issue(unknown, now).unwrap()),
            ("nonsense", "nonsense".into()),
            ("a novel", "x".repeat(9000)),
        ];
        for (why, token) in cases {
            refused(app, why, token).await;
        }
    }

    async fn only_an_affiliates_token_names_an_affiliate(app: &TestApp) {
        let stage = app.stage().await;
        let owner = Grant {
            affiliate: Some(stage.sarah.parse().unwrap()),
            ..grant(app, TimeDelta::hours(1))
        };
        let affiliate = Grant {
            role: Role::Affiliate,
            ..grant(app, TimeDelta::hours(1))
        };
        for grant in [owner, affiliate] {
            refused(
                app,
                "claims that do not fit",
                app.instance.app.tokens.issue(grant, app.now()).unwrap(),
            )
            .await;
        }
    }

    async fn an_affiliate_of_another_brand_or_of_none_sees_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let globex = app.globex_owner();
        let theirs = cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        for affiliate in [theirs.sarah.as_str(), "aff_00000000000070008000000000000000"] {
            let stranger = app.affiliate(affiliate);
            let data = stranger.query("{ affiliates { totalCount } affiliateCodes { totalCount } campaigns { totalCount } conversions { totalCount } }").await;
            for (list, connection) in data.as_object().unwrap() {
                assert_eq!(connection["totalCount"], 0, "{list}");
            }
            let before = app.everything().await;
            let mistakes = stranger
                .mistakes(
                    "mintAffiliateCode",
                    "affiliateCode",
                    json!({ "couponId": stage.coupon }),
                )
                .await;
            assert_eq!(mistakes, [mistake("NOT_FOUND", "affiliateId")]);
            assert_eq!(app.everything().await, before);
        }
    }

    async fn a_token_without_a_mode_has_that_of_the_brands_key(app: &TestApp) {
        app.stage().await;
        let count = async |mode: Option<Mode>| {
            let data = app
                .caller(app.token(Role::Analyst, None, mode))
                .query("{ affiliateCodes { totalCount } }")
                .await;
            data["affiliateCodes"]["totalCount"].as_i64().unwrap()
        };
        assert_eq!(
            (
                count(None).await,
                count(Some(Mode::Live)).await,
                count(Some(Mode::Test)).await
            ),
            (1, 1, 0)
        );
    }

    async fn what_is_internal_is_not_told(app: &TestApp) {
        app.stage().await;
        let token = app.token(Role::Owner, None, None);
        // A database that is gone: no text of it comes back.
        app.instance.app.db.close().await;
        let answer = app
            .caller(token)
            .ask("{ conversions { nodes { id } } }", json!({}))
            .await;
        let error = &answer.body["errors"][0];
        assert_eq!(
            (&error["message"], &error["extensions"]["code"]),
            (&json!("internal error"), &json!("INTERNAL")),
            "{}",
            answer.body
        );
        assert!(error["extensions"]["requestId"].is_string());
        let text = answer.body.to_string().to_lowercase();
        assert!(
            !text.contains("pool") && !text.contains("sql") && !text.contains("connection"),
            "{text}"
        );
    }
}
