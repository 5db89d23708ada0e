//! `rekomi import-codes`: promotion codes that Stripe has already become affiliates' codes.

use chrono::TimeDelta;
use entity::{code, coupon, promotion_code};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use crate::{
    reconcile::reconcile,
    renaming::{live, rename, settled},
    support::{app::ENCRYPTION_KEY, binary::Home, *},
};

struct Import {
    home: Home,
    campaign: String,
}

impl Import {
    fn new(app: &TestApp, campaign: &str) -> Self {
        let mut home = Home::bare();
        home.set("DATABASE_URL", &app.database.url);
        home.set("STRIPE_API_BASE", &app.standin.url());
        home.set("REKOMI_ENCRYPTION_KEY", ENCRYPTION_KEY);
        Self {
            home,
            campaign: campaign.to_owned(),
        }
    }

    /// Whether nothing was refused, and what became of each line.
    fn run(&self, csv: &str, more: &[&str]) -> (bool, Vec<Value>) {
        std::fs::write(self.home.path("codes.csv"), csv).unwrap();
        let args = [
            "import-codes",
            "--brand",
            "acme",
            "--campaign",
            &self.campaign,
            "codes.csv",
        ];
        let output = self.home.run(&[&args, more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() || said.contains("lines that were refused"),
            "{said}"
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        (
            output.status.success(),
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        )
    }
}

/// A coupon and a promotion code that somebody made at Stripe, long ago.
fn old_code(app: &TestApp, text: &str) -> Value {
    let stripe = &app.acme.stripe;
    if stripe.get("coupon", "old").is_none() {
        stripe
            .make_coupon("id=old&percent_off=12.5&duration=forever&name=Old", Shape::Endive)
            .unwrap();
    }
    let form = format!("promotion[type]=coupon&promotion[coupon]=old&code={text}");
    stripe.make_code(&form, Shape::Endive).unwrap()["data"]["object"].clone()
}

const CODES: &str = "{ affiliateCodes { nodes { code status affiliate { name } stripeSync { status stripeId drift }
    coupon { name percentOff duration stripeSync { status stripeId } } } } }";

both! {
    async fn codes_that_stripe_has_are_adopted_with_their_coupon_and_attribute(app: &TestApp) {
        let max = app.max();
        let campaign = max.campaign(CampaignSpec::default()).await;
        let sarah = max.new_affiliate("Sarah Jones", &[&campaign]).await;
        let [first, second] = ["Podcast", "SARAH"].map(|text| old_code(app, text));
        app.acme.stripe.switch(second["id"].as_str().unwrap(), false, Shape::Endive).unwrap();
        let import = Import::new(app, &campaign);
        let csv = format!("code,affiliate\npodcast,Sarah.Jones@affiliates.example\nSARAH,{sarah}\n");
        let before = app.state().await;
        let (clean, told) = import.run(&csv, &["--dry-run"]);
        assert!(clean && told.iter().all(|line| line["result"] == "would be imported"), "{told:?}");
        assert_eq!(app.state().await, before);
        let (clean, told) = import.run(&csv, &[]);
        assert!(clean && told.iter().all(|line| line["result"] == "imported"), "{told:?}");
        let coupon = json!({ "name": "Old", "percentOff": "12.5", "duration": "FOREVER", "stripeSync": { "status": "SYNCED", "stripeId": "old" } });
        let code = |text: &str, status: &str, object: &Value| json!({
            "code": text, "status": status, "affiliate": { "name": "Sarah Jones" }, "coupon": coupon,
            "stripeSync": { "status": "SYNCED", "stripeId": object["id"], "drift": null },
        });
        let codes = app.ana().query(CODES).await;
        assert_eq!(codes["affiliateCodes"]["nodes"], json!([code("PODCAST", "ACTIVE", &first), code("SARAH", "INACTIVE", &second)]));
        let before = app.state().await;
        let (clean, told) = import.run(&csv, &[]);
        assert!(clean && told.iter().all(|line| line["result"] == "unchanged"), "{told:?}");
        assert_eq!(app.state().await, before);
        app.decides_late();
        let sale = app.sale().promo(app.promo("Podcast")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        assert_eq!(app.told().await, ["ACQUISITION PENDING sarah PODCAST 4375 USD, commission 875"]);
    }

    async fn our_calls_name_an_adopted_coupon_as_stripe_does(app: &TestApp) {
        let max = app.max();
        let campaign = max.campaign(CampaignSpec::default()).await;
        let sarah = max.new_affiliate("Sarah Jones", &[&campaign]).await;
        old_code(app, "PODCAST");
        Import::new(app, &campaign).run(&format!("code,affiliate\nPODCAST,{sarah}"), &[]);
        let coupons = max.query("{ campaignCoupons { nodes { id } } }").await;
        let coupon = coupons["campaignCoupons"]["nodes"][0]["id"].as_str().unwrap();
        max.mint(coupon, &sarah, "SARAH").await;
        assert_eq!(app.acme.stripe.promotion_codes("SARAH")[0]["promotion"]["coupon"], "old");
        max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": coupon, "name": "New" })).await;
        assert_eq!(app.acme.stripe.get("coupon", "old").unwrap()["name"], "New");
        max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": coupon })).await;
        assert_eq!(app.acme.stripe.get("coupon", "old"), None);
    }

    async fn a_coupon_s_id_may_have_any_characters(app: &TestApp) {
        let max = app.max();
        let campaign = max.campaign(CampaignSpec::default()).await;
        let sarah = max.new_affiliate("Sarah Jones", &[&campaign]).await;
        let stripe = &app.acme.stripe;
        for (number, id) in ["50%DEAL", "20% off?", "a+b #1"].into_iter().enumerate() {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("id", id), ("percent_off", "10"), ("duration", "once"), ("name", "Old")])
                .finish();
            stripe.make_coupon(&form, Shape::Endive).unwrap();
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("promotion[type]", "coupon"), ("promotion[coupon]", id), ("code", &format!("CODE-{number}"))])
                .finish();
            stripe.make_code(&form, Shape::Endive).unwrap();
            let (clean, told) = Import::new(app, &campaign).run(&format!("code,affiliate\nCODE-{number},{sarah}"), &[]);
            assert!(clean, "{told:?}");
            let coupons = max.query("{ campaignCoupons { nodes { id stripeSync { stripeId } } } }").await;
            let coupons = coupons["campaignCoupons"]["nodes"].as_array().unwrap().clone();
            let coupon = coupons.iter().find(|it| it["stripeSync"]["stripeId"] == id).unwrap()["id"].as_str().unwrap();
            max.make("updateCampaignCoupon", "campaignCoupon", "id", json!({ "id": coupon, "name": "New" })).await;
            assert_eq!(stripe.get("coupon", id).unwrap()["name"], "New", "{id}");
            max.mutate("deleteCampaignCoupon", "deletedId", json!({ "id": coupon })).await;
            assert_eq!(stripe.get("coupon", id), None, "{id}");
        }
    }

    async fn a_line_that_cannot_be_adopted_is_refused_alone(app: &TestApp) {
        let stage = app.stage().await;
        let other = app.max().campaign(CampaignSpec::default()).await;
        let lonely = app.max().new_affiliate("Lonely Lou", &[&other]).await;
        let stripe = &app.acme.stripe;
        for text in ["PODCAST", "X"] {
            old_code(app, text);
        }
        stripe.make_coupon("id=third&percent_off=33.333&duration=once", Shape::Endive).unwrap();
        stripe.make_code("promotion[type]=coupon&promotion[coupon]=third&code=THIRD", Shape::Endive).unwrap();
        stripe.switch(&app.promo("SARAH20").promotion_code_id, false, Shape::Endive).unwrap();
        let taken = old_code(app, "SARAH20");
        let import = Import::new(app, &stage.campaign);
        let csv = format!(
            "promotion_code,affiliate\n{}\n",
            [
                (taken["id"].as_str().unwrap(), stage.sarah.as_str()),
                (&app.promo("X").promotion_code_id, &stage.sarah),
                (&app.promo("THIRD").promotion_code_id, &stage.sarah),
                ("promo_none", &stage.sarah),
                (&app.promo("PODCAST").promotion_code_id, "nobody@x.example"),
                (&app.promo("PODCAST").promotion_code_id, &lonely),
                (&app.promo("PODCAST").promotion_code_id, &stage.bob),
                (&app.promo("PODCAST").promotion_code_id, &stage.sarah),
            ]
            .map(|(code, affiliate)| format!("{code},{affiliate}"))
            .join("\n")
        );
        let (clean, told) = import.run(&csv, &[]);
        let results: Vec<String> = told
            .iter()
            .map(|line| line["reason"].as_str().or(line["result"].as_str()).unwrap().to_owned())
            .collect();
        assert_eq!(
            (clean, results),
            (false, [
                "The code SARAH20 is taken.",
                "A code has 3 to 32 characters of A-Z, 0-9, - and _.",
                "its coupon takes 33.333 % off, which has more than two decimals",
                "Stripe has no /promotion_codes/promo_none",
                "There is no such affiliate.",
                "The affiliate is not in the campaign.",
                "imported",
                "It is another affiliate's, or of another campaign.",
            ].map(str::to_owned).into())
        );
        let codes = app.ana().query("{ affiliateCodes { nodes { code } } campaignCoupons { nodes { name } } }").await;
        assert_eq!(codes["affiliateCodes"]["nodes"], json!([{ "code": "SARAH20" }, { "code": "PODCAST" }]));
        assert_eq!(codes["campaignCoupons"]["nodes"], json!([{ "name": "Launch" }, { "name": "Old" }]));
    }

    async fn an_imported_code_lives_like_any_other(app: &TestApp) {
        let stage = app.stage().await;
        let old = old_code(app, "PODCAST");
        let ours = format!("promotion[type]=coupon&promotion[coupon]={}&code=THEIRS", stage.coupon);
        app.acme.stripe.make_code(&ours, Shape::Endive).unwrap();
        let former = app.promo("SARAH20").promotion_code_id;
        rename(app, &stage.code, "SARAH-VIP").await;
        settled(app, &stage.code).await;
        let input = json!({ "campaignId": stage.campaign, "couponId": stage.coupon, "code": "SPRING" });
        app.max().make("setCampaignCode", "campaign", "id", input).await;
        let shared = app.promo("SPRING").promotion_code_id;
        let (bob, sarah) = (&stage.bob, &stage.sarah);
        let id = old["id"].as_str().unwrap();
        let theirs = app.promo("THEIRS").promotion_code_id;
        let csv = format!("promotion_code,affiliate\n{id},{bob}\n{theirs},{bob}\n{former},{sarah}\n{former},{bob}\n{shared},{bob}\n");
        let (_, told) = Import::new(app, &stage.campaign).run(&csv, &[]);
        let results: Vec<&str> = told.iter().map(|line| line["reason"].as_str().or(line["result"].as_str()).unwrap()).collect();
        assert_eq!(results, ["imported", "imported", "unchanged", "It is another affiliate's, or of another campaign.", "It is a campaign's code."]);
        assert_eq!(reconcile(app, &["--repair"]).await, (true, vec!["2 4 0 0".to_owned()]));

        let code = told[0]["id"].as_str().unwrap();
        let before = app.promo("PODCAST");
        rename(app, code, "PODCAST-2").await;
        settled(app, code).await;
        assert_eq!(live(app), ["PODCAST-2", "SARAH-VIP", "SPRING", "THEIRS"]);
        app.decides_late();
        for promo in [before, app.promo("PODCAST-2"), app.promo("THEIRS")] {
            let sale = app.sale().promo(promo).build();
            sale.sync(&app.acme.stripe);
            app.deliver(&sale.start(Shape::Endive)).await;
        }
        let mut sales = app.told().await;
        sales.sort();
        assert_eq!(sales, [
            "ACQUISITION PENDING bob PODCAST 4375 USD, commission 875",
            "ACQUISITION PENDING bob PODCAST-2 4375 USD, commission 875",
            "ACQUISITION PENDING bob THEIRS 4000 USD, commission 800",
        ]);
    }

    async fn what_a_code_has_of_its_own_is_not_lost_by_another_text(app: &TestApp) {
        let stage = app.stage().await;
        old_code(app, "PLAIN");
        let terms = [
            ("max_redemptions=5", "max_redemptions"),
            ("expires_at=1900000000", "expires_at"),
            ("customer=cus_1", "customer"),
            ("restrictions[first_time_transaction]=true", "restrictions"),
            ("restrictions[minimum_amount]=5000&restrictions[minimum_amount_currency]=usd", "restrictions"),
            ("max_redemptions=5&expires_at=1900000000", "max_redemptions, expires_at"),
        ];
        let mut csv = format!("code,affiliate\nPLAIN,{}\n", stage.sarah);
        for (number, (form, _)) in terms.iter().enumerate() {
            let form = format!("promotion[type]=coupon&promotion[coupon]=old&code=OWN-{number}&{form}");
            app.acme.stripe.make_code(&form, Shape::Endive).unwrap();
            csv.push_str(&format!("OWN-{number},{}\n", stage.sarah));
        }
        let (clean, told) = Import::new(app, &stage.campaign).run(&csv, &[]);
        assert!(clean, "{told:?}");
        rename(app, told[0]["id"].as_str().unwrap(), "PLAIN-2").await;
        let (before, writes) = (app.everything().await, app.writes());
        for (line, (_, names)) in told[1..].iter().zip(terms) {
            let input = json!({ "id": line["id"], "code": "ANOTHER" });
            let answer = app.max().mutate("renameAffiliateCode", "affiliateCode { id }", input).await;
            let message = format!(
                "The code was made at Stripe with terms of its own ({names}), which a code of another text would not have. Mint \
                 a new code, and switch this one off."
            );
            assert_eq!(answer["userErrors"], json!([{ "code": "INVALID", "field": ["id"], "message": message }]));
        }
        assert_eq!((app.everything().await, app.writes()), (before, writes));
    }

    async fn what_stripe_does_not_have_any_more_is_not_made_anew_without_its_own_terms(app: &TestApp) {
        let stage = app.stage().await;
        app.acme.stripe.make_coupon("id=old&percent_off=10&duration=once", Shape::Endive).unwrap();
        let form = "promotion[type]=coupon&promotion[coupon]=old&code=FIVE&max_redemptions=5";
        let made = app.acme.stripe.make_code(form, Shape::Endive).unwrap();
        let id = made["data"]["object"]["id"].as_str().unwrap();
        Import::new(app, &stage.campaign).run(&format!("code,affiliate\nFIVE,{}\n", stage.sarah), &[]);
        let lost = code::ActiveModel { stripe_id: Set(Some("promo_lost".to_owned())), ..Default::default() };
        let known = promotion_code::ActiveModel { stripe_id: Set("promo_lost".to_owned()), ..Default::default() };
        let txn = app.instance.app.db.begin().await.unwrap();
        code::Entity::update_many().set(lost).filter(code::Column::Code.eq("FIVE")).exec(&txn).await.unwrap();
        let rows = promotion_code::Entity::update_many().set(known);
        rows.filter(promotion_code::Column::Code.eq("FIVE")).exec(&txn).await.unwrap();
        txn.commit().await.unwrap();
        app.acme.stripe.switch(id, false, Shape::Endive).unwrap();
        let (clean, told) = reconcile(app, &["--repair"]).await;
        assert!(!clean, "{told:?}");
        assert!(told.iter().any(|line| line.contains("terms of its own")), "{told:?}");
        assert_eq!(live(app), ["SARAH20"]);
    }

    async fn a_code_that_is_over_says_why(app: &TestApp) {
        let stage = app.stage().await;
        let stripe = &app.acme.stripe;
        stripe.make_coupon("id=old&percent_off=10&duration=once", Shape::Endive).unwrap();
        stripe.make_coupon("id=few&percent_off=10&duration=once&max_redemptions=1", Shape::Endive).unwrap();
        let soon = app.now().timestamp() + 60;
        let mut csv = "code,affiliate\n".to_owned();
        for (text, form) in [
            ("BEFORE", "old&max_redemptions=1"),
            ("SHORT", &format!("old&expires_at={soon}")),
            ("FEW", "few"),
            ("AFTER", "old&max_redemptions=1"),
            ("LATER", &format!("old&expires_at={}", soon + 600)),
        ] {
            stripe.make_code(&format!("promotion[type]=coupon&code={text}&promotion[coupon]={form}"), Shape::Endive).unwrap();
            csv.push_str(&format!("{text},{}\n", stage.sarah));
        }
        stripe.redeem(&app.promo("BEFORE").promotion_code_id);
        stripe.redeem(&app.promo("FEW").promotion_code_id);
        app.pass(TimeDelta::minutes(2));
        let (clean, told) = Import::new(app, &stage.campaign).run(&csv, &[]);
        assert!(clean, "{told:?}");
        stripe.redeem(&app.promo("AFTER").promotion_code_id);
        app.pass(TimeDelta::minutes(20));
        let events = ["AFTER", "LATER"].map(|text| {
            stripe.promotion_code_updated(&app.promo(text).promotion_code_id, Shape::Endive).unwrap()
        });
        app.deliver(&events).await;
        let codes = app.ana().query("{ affiliateCodes { nodes { code status inactiveReason stripeSync { drift } } } }").await;
        let codes = codes["affiliateCodes"]["nodes"].as_array().unwrap()[1..].to_vec();
        let over = |text: &str, why: &str| json!({ "code": text, "status": "INACTIVE", "inactiveReason": why, "stripeSync": { "drift": null } });
        assert_eq!(codes, [
            over("BEFORE", "FULLY_REDEEMED"),
            over("SHORT", "EXPIRED"),
            over("FEW", "FULLY_REDEEMED"),
            over("AFTER", "FULLY_REDEEMED"),
            over("LATER", "EXPIRED"),
        ]);
    }

    async fn two_imports_at_once_end_as_one(app: &TestApp) {
        let stage = app.stage().await;
        let texts: Vec<String> = (0..8).map(|number| format!("OLD-{number}")).collect();
        let mut csv = "code,affiliate\n".to_owned();
        for text in &texts {
            old_code(app, text);
            csv.push_str(&format!("{text},{}\n", stage.sarah));
        }
        let runs = (0..3).map(|_| {
            let (import, csv) = (Import::new(app, &stage.campaign), csv.clone());
            std::thread::spawn(move || import.run(&csv, &[]))
        });
        let runs: Vec<_> = runs.collect();
        let mut results = Vec::new();
        for run in runs {
            let (clean, told) = tokio::task::spawn_blocking(move || run.join().unwrap()).await.unwrap();
            assert!(clean, "{told:?}");
            results.extend(told.into_iter().map(|line| line["result"].as_str().unwrap().to_owned()));
        }
        let count = |what: &str| results.iter().filter(|result| *result == what).count();
        assert_eq!((count("imported"), count("unchanged")), (8, 16));
        assert_eq!((app.count::<code::Entity>().await, app.count::<coupon::Entity>().await), (9, 2));
    }

    async fn a_wrong_flag_or_file_changes_nothing(app: &TestApp) {
        let stage = app.stage().await;
        let import = Import::new(app, &stage.campaign);
        std::fs::write(import.home.path("bad.csv"), "SARAH,sarah@x.example").unwrap();
        let cases: [(&[&str], &str); 3] = [
            (&["--brand", "nobody", "--campaign", &stage.campaign, "bad.csv"], "FILE"),
            (&["--brand", "acme", "--campaign", "cmp_1", "bad.csv"], "--campaign"),
            (&["--brand", "acme", "--campaign", &stage.campaign, "none.csv"], "none.csv"),
        ];
        for (args, named) in cases {
            let refusal = import.home.refusal(&[&["import-codes"], args].concat());
            assert!(refusal.contains(named), "{refusal}");
        }
    }
}
