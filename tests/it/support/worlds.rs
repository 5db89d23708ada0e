//! Worlds for the walks: one caller's objects of every kind, or somebody else's that the caller might try.

use entity::promotion_code;
use rekomi::auth::{Role, jwt::Mode};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{Caller, CampaignSpec, CouponSpec, Paid, Promo, Shape, TestApp, app::Brand, cast, operations::World};

fn world<const N: usize>(entries: [(&str, &str); N]) -> World {
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A code text of at most a dozen characters, from a name.
fn text(name: &str) -> String {
    name.to_uppercase().replace('_', "-")
}

impl TestApp {
    /// A whole stage of a brand's own, told apart from others by its name, with a sale that was refunded in part, and a key.
    pub async fn world(&self, brand: &Brand, name: &str) -> World {
        let owner = self.caller(self.token_of(brand, Role::Owner, None, None));
        let campaign = owner.campaign(CampaignSpec::default()).await;
        let affiliate = owner.new_affiliate(&format!("{name} one"), &[&campaign]).await;
        let other = owner.new_affiliate(&format!("{name} two"), &[&campaign]).await;
        let coupon = owner.coupon(&campaign, CouponSpec::default()).await;
        let code = owner.mint(&coupon, &affiliate, &text(name)).await;
        let mut sale = self.sale().promo(brand.promo(&text(name))).build();
        sale.sync(&brand.stripe);
        self.deliver_to(brand, &sale.start(Shape::Endive)).await;
        let refund = sale.refund(Shape::Endive, Some(1000), Paid::First);
        sale.sync(&brand.stripe);
        self.deliver_to(brand, &refund).await;
        self.deliver_to(brand, [&unreadable(name, true)]).await;
        let mut world = world([
            ("campaign", &campaign),
            ("affiliate", &affiliate),
            ("other_affiliate", &other),
            ("coupon", &coupon),
            ("code", &code),
            ("text", &text(name)),
            ("new_text", &format!("NEW-{}", text(name))),
            ("renamed_text", &format!("RE-{}", text(name))),
            ("shared_text", &format!("ALL-{}", text(name))),
            ("bulk_text", &format!("BULK-{}", text(name))),
            ("email", &format!("{name}@new.example")),
            ("external", &format!("order-{name}")),
            ("slug", &self.slug(&affiliate, &campaign).await),
            ("click", &self.new_click(brand, &affiliate, &campaign).await),
        ]);
        world.extend(sold(&owner, &code).await);
        world.extend(kept(&owner).await);
        world.extend(received(&owner).await);
        world.extend(self.followed(&owner, &affiliate).await);
        world.extend(cursors(&owner).await);
        world
    }

    /// An affiliate's link, and a click on it.
    async fn followed(&self, owner: &Caller, affiliate: &str) -> World {
        let (link, _) = owner.link(affiliate).await;
        let click = self.click_on(owner, affiliate).await;
        world([("link", &link), ("click", &click)])
    }

    /// Things of a brand that are deleted.
    pub async fn deleted_world(&self, brand: &Brand, name: &str) -> World {
        let owner = self.caller(self.token_of(brand, Role::Owner, None, None));
        let campaign = owner.campaign(CampaignSpec::default()).await;
        let affiliate = owner.new_affiliate(name, &[&campaign]).await;
        let coupon = owner.coupon(&campaign, CouponSpec::default()).await;
        let code = owner.mint(&coupon, &affiliate, &text(name)).await;
        owner
            .mutate("deleteCampaignCoupon", "deletedId", json!({ "id": coupon }))
            .await;
        world([("coupon", &coupon), ("code", &code), ("text", &text(name))])
    }

    /// Things of Acme's test mode.
    pub async fn test_mode_world(&self, live: &World) -> World {
        let owner = self.caller(self.token(Role::Owner, None, Some(Mode::Test)));
        let coupon = owner.coupon(&live["campaign"], CouponSpec::default()).await;
        let code = owner.mint(&coupon, &live["affiliate"], "TESTMODE").await;
        // Acme has no test key, so its promotion code is put in by hand.
        let row = promotion_code::Model {
            brand_id: self.acme.id,
            livemode: false,
            stripe_id: "promo_test".to_owned(),
            code: "TESTMODE".to_owned(),
            code_id: code.parse().unwrap(),
            created_at: self.now(),
        };
        let txn = self.instance.app.db.begin().await.unwrap();
        let insert = promotion_code::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&txn).await.unwrap();
        txn.commit().await.unwrap();
        let promo = Promo::percent("promo_test", "TESTMODE", "co_test", 2000);
        let sale = self.sale().promo(promo).test_mode().build();
        self.deliver(&sale.start(Shape::Acacia)).await;
        self.deliver([&unreadable("test mode", false)]).await;
        let mut world = world([("coupon", &coupon), ("code", &code), ("text", "TESTMODE")]);
        world.extend(sold(&owner, &code).await);
        world.extend(kept(&owner).await);
        world.extend(received(&owner).await);
        world.extend(cursors(&owner).await);
        // What concerns both modes is seen in both.
        for both in [
            "audit",
            "cursor:campaigns",
            "cursor:affiliates",
            "cursor:auditLog",
            "cursor:clicks",
        ] {
            world.remove(both);
        }
        world
    }

    /// Another affiliate of the same brand, in a campaign of its own, with a coupon that is its alone.
    pub async fn neighbours_world(&self, name: &str) -> World {
        let owner = self.olivia();
        let campaign = owner.campaign(CampaignSpec::default()).await;
        let affiliate = owner.new_affiliate(name, &[&campaign]).await;
        let exclusive = CouponSpec::default().with("affiliateId", affiliate.as_str());
        let coupon = owner.coupon(&campaign, exclusive).await;
        let code = owner.mint(&coupon, &affiliate, &text(name)).await;
        let sale = self.sale().promo(self.promo(&text(name))).build();
        sale.sync(&self.acme.stripe);
        self.deliver(&sale.start(Shape::Endive)).await;
        let mut world = world([
            ("campaign", &campaign),
            ("affiliate", &affiliate),
            ("coupon", &coupon),
            ("code", &code),
            ("text", &text(name)),
            ("slug", &self.slug(&affiliate, &campaign).await),
            ("click", &self.new_click(&self.acme, &affiliate, &campaign).await),
        ]);
        world.extend(sold(&owner, &code).await);
        world.extend(self.followed(&owner, &affiliate).await);
        world.extend(cursors(&self.affiliate(&affiliate)).await);
        world
    }
}

impl TestApp {
    /// The cursors of Acme's affiliate.
    pub async fn affiliate_cursors(&self, affiliate: &str) -> World {
        cursors(&self.affiliate(affiliate)).await
    }
}

/// The sale with a code, and a cursor of the feed after it.
async fn sold(owner: &Caller, code: &str) -> World {
    let data = owner
        .query(&format!(
            "{{ conversions(filter: {{ codeId: \"{code}\" }}) {{ nodes {{ id }} }} feedCursor }}"
        ))
        .await;
    let conversion = cast::id(&data["conversions"]["nodes"][0]);
    let entries = format!("{{ ledgerEntries(conversionId: \"{conversion}\") {{ nodes {{ id }} }} }}");
    let entry = cast::id(&owner.query(&entries).await["ledgerEntries"]["nodes"][0]);
    world([
        ("conversion", &conversion),
        ("entry", &entry),
        ("feed", data["feedCursor"].as_str().unwrap()),
    ])
}

/// An event that is parked.
fn unreadable(name: &str, livemode: bool) -> Value {
    json!({ "id": format!("evt_of_{name}"), "type": "invoice.paid", "livemode": livemode, "data": { "object": {} } })
}

/// The event that told of the sale: our id of it, and Stripe's.
async fn received(owner: &Caller) -> World {
    let filter = "{ status: [PROCESSED], type: \"invoice.paid\" }";
    let query = format!("{{ stripeEvents(first: 1, filter: {filter}) {{ nodes {{ id stripeId }} }} }}");
    let data = owner.query(&query).await;
    let event = &data["stripeEvents"]["nodes"][0];
    world([
        ("event", &cast::id(event)),
        ("stripe_event", event["stripeId"].as_str().unwrap()),
    ])
}

/// A key, an entry of the log, and who is in it.
async fn kept(owner: &Caller) -> World {
    let input = json!({ "name": "Kept", "scopes": ["READ"] });
    let key = cast::id(&owner.make("createApiKey", "apiKey", "id", input).await);
    let log = owner.query("{ auditLog(first: 1) { nodes { id } } }").await;
    let entry = cast::id(&log["auditLog"]["nodes"][0]);
    world([("api_key", &key), ("audit", &entry), ("actor", "owner")])
}

/// A cursor of each list that the caller may read.
async fn cursors(caller: &Caller) -> World {
    let mut cursors = World::new();
    for list in [
        "campaigns",
        "affiliates",
        "campaignCoupons",
        "affiliateCodes",
        "clicks",
        "conversions",
        "codeRedemptionStats",
        "ledgerEntries",
        "apiKeys",
        "auditLog",
        "stripeEvents",
    ] {
        let answer = caller
            .ask(&format!("{{ {list} {{ edges {{ cursor }} }} }}"), json!({}))
            .await;
        if let Some(cursor) = answer.body["data"][list]["edges"][0]["cursor"].as_str() {
            cursors.insert(format!("cursor:{list}"), cursor.to_owned());
        }
    }
    cursors
}
