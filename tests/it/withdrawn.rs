//! A conversion that by what is learned later nobody is credited for: it leaves every list and sum, its money goes back,
//! and it can still be asked for.

use chrono::TimeDelta;
use rekomi::{auth::Role, standin::SubscriptionSale};

use crate::support::{
    app::NOON,
    cast::id,
    listening::{following, listening},
    told::trail,
    *,
};

const DAY: i64 = 86_400;
const SHAPE: Shape = Shape::Endive;

/// A subscription of a day after noon whose invoice names a click; it began an hour before, but that is told later.
struct Late {
    stage: Stage,
    /// Its session names a click of another visitor's, on sarah's link.
    sale: SubscriptionSale,
}

impl Late {
    async fn of(app: &TestApp) -> Self {
        let stage = app.stage().await;
        app.pass(TimeDelta::days(1));
        let older = app.click(&stage.sarah, &stage.campaign, 2, NOON + 60).await;
        let click = app.click(&stage.bob, &stage.campaign, 1, NOON + DAY - 600).await;
        let builder = app
            .sale()
            .created(NOON + DAY)
            .metadata("rekomi_click_id", click.to_string());
        let sale = builder.client_reference_id(older.to_string()).build();
        sale.sync(&app.acme.stripe);
        Self { stage, sale }
    }

    fn start(&self) -> Value {
        let mut event = self.sale.subscription_created(SHAPE);
        for field in ["/created", "/data/object/created", "/data/object/start_date"] {
            *event.pointer_mut(field).unwrap() = (NOON + DAY - 3600).into();
        }
        event
    }
}

both! {
    async fn its_money_goes_back_and_it_is_in_no_list(app: &TestApp) {
        let late = Late::of(app).await;
        let token = app.token(Role::Analyst, None, None);
        let (mut new, mut changes) = (listening(app, &token, "").await, following(app, &token, "").await);
        app.deliver([&late.sale.invoice_paid(SHAPE)]).await;
        let line = "ACQUISITION PENDING bob - 5000 USD, commission 1000";
        assert_eq!(app.told().await, [line]);
        assert_eq!(new.line().await, line);
        let conversion = id(&app.ana().conversions().await[0]);
        app.deliver([&late.start()]).await;
        assert_eq!(app.told().await, Vec::<String>::new());
        assert_eq!(app.ana().balance(&late.stage.bob).await, ("0 USD".into(), "0 USD".into()));
        assert_eq!(
            app.ana().ledger().await,
            ["bob COMMISSION 1000 USD due 2026-12-02", "bob COMMISSION -1000 USD due 2026-12-02"]
        );
        let gone = "ACQUISITION REJECTED bob - 5000 USD, commission 0";
        assert_eq!(changes.line().await, gone);
        let fields = "id status commission { minorUnits } attributionTrail { rule outcome detail }";
        let asked = app.ana().query(&format!("{{ conversion(id: \"{conversion}\") {{ {fields} }} }}")).await;
        let asked = &asked["conversion"];
        assert_eq!((id(asked), &asked["status"]), (conversion.clone(), &json!("REJECTED")));
        assert_eq!(trail(asked).last().unwrap(), "SALE WITHDRAWN by what is known of it now nobody is credited");
        let nodes = format!("{{ node(id: \"{conversion}\") {{ id }} nodes(ids: [\"{conversion}\"]) {{ id }} }}");
        let it = json!({ "id": conversion });
        assert_eq!(app.ana().query(&nodes).await, json!({ "node": it, "nodes": [it] }));
        // Nothing more of it is told, and no manager can bring it back.
        let before = app.everything().await;
        let decide = json!({ "ids": [conversion], "reason": "why not" });
        let results = "results { changed userErrors { code field message } }";
        let payload = app.max().mutate("approveConversions", results, decide.clone()).await;
        assert_eq!(client::mistakes(&payload["results"][0]), [client::mistake("INVALID", "ids.0")]);
        let payload = app.max().mutate("rejectConversions", results, decide).await;
        assert_eq!(payload["results"][0], json!({ "changed": false, "userErrors": [] }));
        let give = json!({ "id": conversion, "affiliateId": late.stage.sarah, "reason": "why not" });
        let mistakes = app.max().mistakes("reassignConversion", "conversion", give).await;
        assert_eq!(mistakes, [client::mistake("INVALID", "id")]);
        assert_eq!(app.everything().await, before);
        app.deliver([&late.start(), &late.sale.invoice_paid(SHAPE)]).await;
        changes.is_told_nothing().await;
        new.is_told_nothing().await;
        new.close().await;
        changes.close().await;
    }

    async fn it_is_the_same_one_that_somebody_is_credited_for_again(app: &TestApp) {
        let late = Late::of(app).await;
        app.deliver([&late.sale.invoice_paid(SHAPE)]).await;
        let conversion = id(&app.ana().conversions().await[0]);
        app.deliver([&late.start()]).await;
        app.deliver([&late.sale.session_completed(SHAPE)]).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah - 5000 USD, commission 1000"]);
        assert_eq!(id(&app.ana().conversions().await[0]), conversion);
        assert_eq!(app.ana().balance(&late.stage.bob).await.0, "0 USD");
        assert_eq!(app.ana().balance(&late.stage.sarah).await.0, "1000 USD");
    }
}
