//! Who recruited whom: given at once or later, never in a circle, seen by the brand's people alone.

use entity::affiliate_recruiter;
use rekomi::auth::Role;
use sea_orm::{EntityTrait, QueryOrder};

use crate::support::{client::mistakes, *};

const UNKNOWN: &str = "aff_00000000000070008000000000000000";

fn recruited(affiliate: &str, by: impl Into<Value>) -> Value {
    json!({ "id": affiliate, "recruitedById": by.into() })
}

async fn set(app: &TestApp, affiliate: &str, by: impl Into<Value>) -> Value {
    let fields = "recruitedBy { name } recruits { totalCount nodes { name } }";
    app.max()
        .make("setAffiliateRecruiter", "affiliate", fields, recruited(affiliate, by))
        .await
}

async fn refused(app: &TestApp, input: Value) -> Vec<(String, String)> {
    app.max().mistakes("setAffiliateRecruiter", "affiliate", input).await
}

both! {
    async fn an_affiliate_is_created_with_a_recruiter_or_gets_one_later(app: &TestApp) {
        let stage = app.stage().await;
        let input = json!({
            "name": "Carol", "email": "carol@affiliates.example", "campaignIds": [stage.campaign], "recruitedById": stage.sarah,
        });
        let carol = app.max().make("createAffiliate", "affiliate", "id recruitedBy { name }", input).await;
        assert_eq!(carol["recruitedBy"]["name"], "Sarah Jones");
        let bob = set(app, &stage.bob, stage.sarah.as_str()).await;
        assert_eq!(
            bob,
            json!({ "recruitedBy": { "name": "Sarah Jones" }, "recruits": { "totalCount": 0, "nodes": [] } })
        );
        let sarah = format!(
            "{{ affiliate(id: \"{}\") {{ recruits(first: 1) {{ totalCount nodes {{ name }} pageInfo {{ hasNextPage }} }} }} }}",
            stage.sarah
        );
        assert_eq!(
            app.ana().query(&sarah).await["affiliate"]["recruits"],
            json!({ "totalCount": 2, "nodes": [{ "name": "Bob Martin" }], "pageInfo": { "hasNextPage": true } })
        );
        let bob = set(app, &stage.bob, Value::Null).await;
        assert_eq!(bob["recruitedBy"], Value::Null);
        let rows = affiliate_recruiter::Entity::find().order_by_asc(affiliate_recruiter::Column::Id);
        let rows = rows.all(app.db()).await.unwrap();
        let kept: Vec<_> = rows.iter().map(|row| (row.recruiter_id.is_some(), row.changed_by.as_str())).collect();
        assert_eq!(kept, [(true, "manager"), (true, "manager"), (false, "manager")]);
    }

    async fn what_is_so_already_is_left_as_it_is(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage.bob, stage.sarah.as_str()).await;
        let before = app.everything().await;
        set(app, &stage.bob, stage.sarah.as_str()).await;
        set(app, &stage.sarah, Value::Null).await;
        assert_eq!(app.everything().await, before);
    }

    async fn nobody_recruits_itself_nor_a_stranger_nor_in_a_circle(app: &TestApp) {
        let stage = app.stage().await;
        let carol = app.max().new_affiliate("Carol", &[&stage.campaign]).await;
        let theirs = app.globex_owner().campaign(CampaignSpec::default()).await;
        let stranger = app.globex_owner().new_affiliate("Greta", &[&theirs]).await;
        set(app, &stage.bob, stage.sarah.as_str()).await;
        set(app, &carol, stage.bob.as_str()).await;
        let before = app.everything().await;
        let (invalid, not_found) = (mistake("INVALID", "recruitedById"), mistake("NOT_FOUND", "recruitedById"));
        for (input, expected) in [
            (recruited(&stage.sarah, stage.sarah.as_str()), invalid.clone()),
            (recruited(&stage.sarah, stage.bob.as_str()), invalid.clone()),
            (recruited(&stage.sarah, carol.as_str()), invalid),
            (recruited(&stage.sarah, stranger.as_str()), not_found.clone()),
            (recruited(&stage.sarah, UNKNOWN), not_found.clone()),
            (recruited(&stage.sarah, "nonsense"), not_found.clone()),
            (recruited(&stranger, stage.sarah.as_str()), mistake("NOT_FOUND", "id")),
            (recruited("nonsense", stage.sarah.as_str()), mistake("NOT_FOUND", "id")),
        ] {
            assert_eq!(refused(app, input.clone()).await, [expected], "{input}");
        }
        for other in [stranger.as_str(), UNKNOWN, "nonsense"] {
            let input = json!({
                "name": "Dora", "email": "dora@affiliates.example", "campaignIds": [stage.campaign], "recruitedById": other,
            });
            let refused = app.max().mistakes("createAffiliate", "affiliate", input).await;
            assert_eq!(refused, std::slice::from_ref(&not_found), "{other}");
        }
        assert_eq!(app.everything().await, before);
    }

    async fn two_changes_at_once_close_no_circle(app: &TestApp) {
        let stage = app.stage().await;
        let max = app.max();
        for _ in 0..5 {
            let set = |affiliate: &str, by: &str| {
                max.mutate("setAffiliateRecruiter", "affiliate { id }", recruited(affiliate, by))
            };
            let (one, other) = tokio::join!(set(&stage.sarah, &stage.bob), set(&stage.bob, &stage.sarah));
            let refused = [one, other].iter().filter(|payload| !mistakes(payload).is_empty()).count();
            assert_eq!(refused, 1);
            self::set(app, &stage.sarah, Value::Null).await;
            self::set(app, &stage.bob, Value::Null).await;
        }
    }

    async fn affiliates_are_not_told_of_each_other(app: &TestApp) {
        let stage = app.stage().await;
        set(app, &stage.bob, stage.sarah.as_str()).await;
        for own in [&stage.sarah, &stage.bob] {
            let query = format!(
                "{{ affiliate(id: \"{own}\") {{ recruitedBy {{ id }} recruits {{ totalCount nodes {{ id }} }} }} }}"
            );
            assert_eq!(
                app.affiliate(own).query(&query).await["affiliate"],
                json!({ "recruitedBy": null, "recruits": { "totalCount": 0, "nodes": [] } })
            );
        }
        for role in [Role::Analyst, Role::Affiliate] {
            let affiliate = (role == Role::Affiliate).then_some(stage.bob.as_str());
            let caller = app.caller(app.token(role, affiliate, None));
            let answer = caller
                .try_mutate("setAffiliateRecruiter", "affiliate { id }", recruited(&stage.bob, Value::Null))
                .await;
            assert_eq!(answer.codes(), ["FORBIDDEN"]);
        }
    }
}
