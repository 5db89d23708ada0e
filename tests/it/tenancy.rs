//! What affiliates see of a brand: their own, and nothing of each other. What a brand sees of another is walked in
//! `tenancy_walk.rs`.

use crate::support::{
    operations::{World, queries},
    sdl::Sdl,
    *,
};

/// Acme with a sale of sarah's.
async fn acme(app: &TestApp) -> (Stage, String) {
    let stage = app.stage().await;
    let sale = app.sale().promo(app.promo("SARAH20")).build();
    sale.sync(&app.acme.stripe);
    app.deliver(&sale.start(Shape::Endive)).await;
    let conversion = cast::id(&app.ana().conversions().await[0]);
    (stage, conversion)
}

/// All that a caller can be told by queries, with everything of its world as arguments, and with none.
async fn told(caller: &Caller, world: &World) -> String {
    let sdl = Sdl::served();
    let mut told = String::new();
    for specimen in queries() {
        let Some(variables) = specimen.variables(world) else {
            continue;
        };
        let answer = caller.ask(&specimen.document(&sdl), variables).await;
        assert!(
            !answer.codes().contains(&"QUERY_TOO_COMPLEX"),
            "{} asks for too much",
            specimen.field
        );
        told.push_str(&answer.body.to_string());
        if specimen.field == "node"
            || !sdl
                .field("Query", specimen.field)
                .arguments
                .iter()
                .all(|it| it.node.ty.node.nullable)
        {
            continue;
        }
        let answer = caller.ask(&sdl.document("Query", specimen.field, &[]), json!({})).await;
        told.push_str(&answer.body.to_string());
    }
    told
}

both! {
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

    async fn all_that_an_affiliate_can_ask_tells_nothing_of_others_or_of_customers(app: &TestApp) {
        app.decides_late();
        let mut own = app.world(&app.acme, "sarah").await;
        own.extend(app.affiliate_cursors(&own["affiliate"]).await);
        let neighbour = app.neighbours_world("bob").await;
        // Bob's campaign pays what nobody else's does, and his sale is of another amount.
        let rate = json!({ "id": neighbour["campaign"], "name": "Secret", "commission": { "percent": "37.77" } });
        app.max().make("updateCampaign", "campaign", "id", rate).await;
        let sale = app.sale().promo(app.promo("BOB")).price(98_765).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        let email = app.ana().query("{ conversions { nodes { customerEmail } } }").await;
        let email = email["conversions"]["nodes"][0]["customerEmail"].as_str().unwrap().to_owned();

        let sarah = app.affiliate(&own["affiliate"]);
        let told_to_sarah = told(&sarah, &own).await;
        let told_to_ana = told(&app.ana(), &own).await;
        let secret = ["campaign", "affiliate", "coupon", "code", "conversion"].map(|name| neighbour[name].clone());
        let more = [&email, "\"BOB\"", "bob@affiliates.example", "37.77", "Secret", &own["other_affiliate"], "sarah.two"];
        for text in secret.iter().map(String::as_str).chain(more) {
            assert!(!told_to_sarah.contains(text), "an affiliate is told {text}");
            assert!(told_to_ana.contains(text), "an analyst is told {text}: otherwise this test finds nothing");
        }
        assert!(told_to_sarah.contains("***@") && told_to_sarah.contains(&own["conversion"]));
        let counts = sarah
            .query("{ conversions { totalCount } affiliateCodes { totalCount } affiliates { totalCount } campaigns { totalCount } \
                    campaignCoupons { totalCount } codeRedemptionStats { totalCount } }")
            .await;
        for (list, count) in counts.as_object().unwrap() {
            assert_eq!(count["totalCount"], 1, "{list}");
        }
    }
}
