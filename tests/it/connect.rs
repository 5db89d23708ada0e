//! Brands of Connect accounts: Stripe is asked about them with the platform's key and their account.

use entity::brand::Tier;
use rekomi::{
    auth::{Role, jwt::Mode},
    domain::brands::{self, BrandInput},
    standin::{Account, Call, sign},
};
use secrecy::SecretString;

use crate::support::{app::Brand, cast::set_stage, *};

const ACCOUNT: &str = "acct_initech";

/// A brand that is tied to a Connect account of Acme's, which is the platform.
async fn initech(app: &TestApp, key: Option<&str>) -> Brand {
    let input = BrandInput {
        name: Some("Initech".to_owned()),
        slug: Some("initech".to_owned()),
        tier: Some(Tier::Growth),
        stripe_account: Some(ACCOUNT.to_owned()),
        stripe_secret_key: key.map(SecretString::from),
        ..BrandInput::default()
    };
    let server = &app.instance.app;
    let row = brands::create(&server.db, &app.clock, &server.config.vault, &input);
    let stripe = match key {
        Some(key) => app.standin.account(key),
        None => connected(app),
    };
    Brand {
        id: row.await.unwrap().id,
        slug: "initech",
        webhook_secret: app.acme.webhook_secret.clone(),
        stripe,
    }
}

fn connected(app: &TestApp) -> Account {
    app.standin.connected_account(app.acme.stripe.secret_key(), ACCOUNT)
}

fn owner(app: &TestApp, brand: &Brand) -> Caller {
    app.caller(app.token_of(brand, Role::Owner, None, None))
}

fn analyst(app: &TestApp, brand: &Brand) -> Caller {
    app.caller(app.token_of(brand, Role::Analyst, None, None))
}

/// Sends an event to the platform's endpoint, as Connect does.
async fn deliver(app: &TestApp, event: &Value) {
    let body = event.to_string();
    let signature = sign(body.as_bytes(), &app.acme.webhook_secret, app.now().timestamp());
    assert_eq!(
        app.instance.post_signed("/webhooks/stripe", body, &signature).await,
        200
    );
    app.settle().await;
}

/// With which key and for which account the calls were made.
fn ways(calls: &[Call]) -> Vec<(&str, Option<&str>)> {
    let mut ways: Vec<_> = calls
        .iter()
        .map(|call| (call.secret_key.as_str(), call.stripe_account.as_deref()))
        .collect();
    ways.dedup();
    ways
}

const CREDITED: &str = "ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800";

both! {
    async fn codes_are_made_and_sales_looked_up_on_the_account_with_the_platforms_key(app: &TestApp) {
        let brand = initech(app, None).await;
        set_stage(&owner(app, &brand), CampaignSpec::default(), CouponSpec::default()).await;
        assert_eq!(brand.stripe.promotion_codes("SARAH20").len(), 1);
        assert_eq!(app.acme.stripe.all("coupon").len(), 0, "the platform's own account is another world");

        let sale = app.sale().promo(brand.promo("SARAH20")).connected_account(ACCOUNT).build();
        sale.sync(&brand.stripe);
        deliver(app, &sale.invoice_paid(Shape::Endive)).await;
        assert_eq!(analyst(app, &brand).told().await, [CREDITED]);
        assert_eq!((app.parked().await, app.told().await), (vec![], vec![]));
        let calls = app.standin.calls();
        assert_eq!(ways(&calls), [("sk_live_acme", Some(ACCOUNT))]);
        let read = calls.iter().filter(|call| call.method == "GET");
        assert_eq!(read.map(|call| call.path.as_str()).collect::<Vec<_>>(), [format!("/v1/invoices/{}", sale.bills[0].invoice.as_deref().unwrap())]);
    }

    async fn a_brand_with_a_key_of_its_own_keeps_it_whatever_account_it_is_tied_to(app: &TestApp) {
        let brand = initech(app, Some("sk_live_initech")).await;
        set_stage(&owner(app, &brand), CampaignSpec::default(), CouponSpec::default()).await;
        assert_eq!(ways(&app.standin.calls()), [("sk_live_initech", None)]);
        assert_eq!(connected(app).all("coupon").len(), 0);
    }

    async fn the_platforms_key_serves_its_own_mode_alone(app: &TestApp) {
        let brand = initech(app, None).await;
        let test = app.caller(app.token_of(&brand, Role::Owner, None, Some(Mode::Test)));
        let campaign = test.campaign(CampaignSpec::default()).await;
        let coupon = test.coupon(&campaign, CouponSpec::default()).await;
        let data = test.query(&format!("{{ node(id: \"{coupon}\") {{ ... on CampaignCoupon {{ stripeSync {{ status }} }} }} }}")).await;
        assert_eq!(data["node"]["stripeSync"]["status"], "DISABLED");
        assert_eq!(app.standin.calls().len(), 0);
    }

    async fn a_platform_whose_key_is_in_the_settings_serves_its_accounts_too(app: &TestApp) {
        let server = &app.instance.app;
        let input = BrandInput { name: Some("Umbrella".into()), make_default: true, ..BrandInput::default() };
        brands::create(&server.db, &app.clock, &server.config.vault, &input).await.unwrap();
        let brand = initech(app, None).await;
        let other = app.instance_with(&[("STRIPE_SECRET_KEY", "rk_live_of_the_settings")]).await;
        let owner = other.caller(Some(app.token_of(&brand, Role::Owner, None, None)));
        set_stage(&owner, CampaignSpec::default(), CouponSpec::default()).await;
        assert_eq!(ways(&app.standin.calls()), [("rk_live_of_the_settings", Some(ACCOUNT))]);
        other.stop().await;
    }

    async fn an_account_is_backfilled_with_its_own_events(app: &TestApp) {
        let brand = initech(app, None).await;
        set_stage(&owner(app, &brand), CampaignSpec::default(), CouponSpec::default()).await;
        let sale = app.sale().promo(brand.promo("SARAH20")).connected_account(ACCOUNT).build();
        sale.sync(&brand.stripe);
        sale.start(Shape::Endive).into_iter().for_each(|event| brand.stripe.put(event));
        app.backfill(&brand, app.now()).await;
        assert_eq!(analyst(app, &brand).told().await, [CREDITED]);
        assert_eq!(ways(&app.standin.calls()), [("sk_live_acme", Some(ACCOUNT))]);
    }
}
