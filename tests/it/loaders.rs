//! No N+1: a page of fifty costs as many statements as a page of five. The real server's log of its statements is counted.

use rekomi::{clock::Clock, standin::StandIn};

use crate::support::{
    app::http,
    binary::{self, Home, Server},
    cast::set_stage,
    statements::Statements,
    *,
};

/// The page of the contract: conversions with code, affiliate and campaign.
const PAGE: &str = "conversions(first: N) { nodes { id code { code } affiliate { name } campaign { name } } }";

/// Everything that a dashboard could ask of each row.
const CONVERSIONS: &str = "conversions(first: N) { totalCount edges { cursor node {
    id source status amount { amount } commission { amount } overrideCommission { amount } attributionTrail { rule }
    affiliate { name redemptionCount balance { amount } balanceDue { amount } }
    campaign { name commissionPercent holdDays campaignCode campaignCodeRedemptionCount campaignCodeSync { status } }
    code { code redemptionCount stripeSync { status } coupon { name stripeSync { status } campaign { name } affiliate { name } } affiliate { name } }
} } }";
const STATS: &str = "codeRedemptionStats(first: N) { nodes {
    redemptions revenue { amount } lastRedeemedAt code { code affiliate { name balance { amount } } coupon { name campaign { name } } } } }";
const CODES: &str = "affiliateCodes(first: N) { nodes { code formerCodes redemptionCount stripeSync { status } affiliate { name } coupon { name liveCodeCount stripeSync { status } } } }";

const LINKS: &str = "affiliates(first: N) { nodes { name links { slug url clickCount campaign { name holdDays } } } }";
const LEDGER: &str = "ledgerEntries(first: N) { nodes { kind amount { amount } affiliate { name } campaign { name }
    conversion { status overrideCommission { amount } } } }";
const AFFILIATES: &str =
    "affiliates(first: N) { nodes { rates { commissionPercent campaign { name } } recruitedBy { name } } }";
const EVENTS: &str = "stripeEvents(first: N) { nodes { stripeId status lastError payload } }";

/// The statements that one query costs. A line of the log may come after the answer, so at least so many are waited for.
async fn cost(told: &mut Statements, caller: &Caller, query: &str, least: usize) -> Vec<String> {
    let answer = caller.ask(query, json!({})).await;
    let request_id = answer.request_id.clone();
    assert!(answer.data().is_object());
    eventually("the statements are in the log", async || {
        let statements = told.of(&request_id);
        (statements.len() >= least).then_some(statements)
    })
    .await
}

/// Ten affiliates with a code each on their own coupon, and sixty sales.
async fn many(home: &Home, server: &Server, standin: &StandIn) {
    let max = server.caller(home.token("manager"));
    let stage = set_stage(&max, CampaignSpec::default(), CouponSpec::default()).await;
    let mut codes = vec!["SARAH20".to_owned()];
    for number in 0..9 {
        let campaign = max
            .campaign(CampaignSpec::default().with("name", format!("Campaign {number}")))
            .await;
        let affiliate = max
            .new_affiliate(&format!("Affiliate {number}"), &[&campaign, &stage.campaign])
            .await;
        let coupon = max
            .coupon(&campaign, CouponSpec::default().with("affiliateId", affiliate.as_str()))
            .await;
        codes.push(format!("CODE-{number}"));
        let code = max.mint(&coupon, &affiliate, &format!("FORMER-{number}")).await;
        let rename = json!({ "id": code, "code": codes[number + 1] });
        max.make("renameAffiliateCode", "affiliateCode", "id", rename).await;
        let open = max.coupon(&campaign, CouponSpec::default()).await;
        let shared = json!({ "campaignId": campaign, "couponId": open, "code": format!("SHARED-{number}") });
        max.make("setCampaignCode", "campaign", "id", shared).await;
    }
    let client = http();
    for number in 0..60 {
        let sale = SaleBuilder::new(&Clock::system())
            .promo(binary::promo(standin, &codes[number % 10]))
            .build();
        assert_eq!(server.post(&client, &sale.invoice_paid(Shape::Acacia)).await, Some(200));
    }
    eventually("sixty sales", async || {
        let data = max.query("{ conversions { totalCount } }").await;
        (data["conversions"]["totalCount"] == 60).then_some(())
    })
    .await;
}

on_both! {
    async fn a_page_costs_a_fixed_number_of_statements_whatever_its_size(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let mut home = Home::new(database, &standin);
        let mut told = Statements::told_by(&mut home);
        home.acme();
        let server = home.serve().await;
        many(&home, &server, &standin).await;
        let ana = server.caller(home.token("analyst"));
        let of = |list: &str, rows: usize| format!("{{ {} }}", list.replace("first: N", &format!("first: {rows}")));
        for rows in [1, 5, 50] {
            for _ in 0..5 {
                let statements = cost(&mut told, &ana, &of(PAGE, rows), 4).await;
                assert_eq!(
                    statements.len(),
                    4,
                    "the page, and one for each loader: {rows} rows: {statements:#?}"
                );
            }
        }
        // A loader may be asked again for rows that are met deeper down, but never row by row.
        for (list, least, most) in [
            (CONVERSIONS, 6, 30),
            (STATS, 6, 14),
            (CODES, 6, 11),
            (LEDGER, 5, 8),
            (AFFILIATES, 3, 6),
        ] {
            for rows in [5, 50] {
                let statements = cost(&mut told, &ana, &of(list, rows), least).await;
                assert!(statements.len() <= most, "{rows} rows: {statements:#?}");
            }
        }
        for rows in [1, 5, 50] {
            let statements = cost(&mut told, &ana, &of(LINKS, rows), 5).await;
            let expected = "the page, and one for each loader: links, totals, campaigns, rules";
            assert_eq!(statements.len(), 5, "{expected}: {rows} rows: {statements:#?}");
        }
        for (before, first) in [("2026-01-03T00:20:00Z", 1), ("2027-01-30T00:20:00Z", 100)] {
            let range = format!(r#"range: {{ from: "2026-01-01T00:40:00Z", before: "{before}" }}"#);
            let figures = "figures { conversions redemptions revenue { amount } }";
            let series = format!("{{ salesSeries({range}) {{ buckets {{ {figures} }} }} }}");
            let statements = cost(&mut told, &ana, &series, 1).await;
            assert_eq!(statements.len(), 1, "one for all buckets: {statements:#?}");
            let beside = format!("{{ salesComparison({range}) {{ previous {{ {figures} }} }} }}");
            let statements = cost(&mut told, &ana, &beside, 1).await;
            assert_eq!(statements.len(), 1, "one for both: {statements:#?}");
            let top = format!("topAffiliates(metric: REDEMPTIONS, first: {first}) {{ affiliate {{ name }} {figures} }}");
            let statements = cost(&mut told, &ana, &format!("{{ {top} }}"), 3).await;
            assert_eq!(statements.len(), 3, "the order, the figures, the affiliates: {statements:#?}");
        }
        let olivia = server.caller(home.token("owner"));
        for rows in [1, 5, 50] {
            let statements = cost(&mut told, &olivia, &of(EVENTS, rows), 2).await;
            assert_eq!(
                statements.len(),
                2,
                "the page, and one for all bodies: {rows} rows: {statements:#?}"
            );
        }
    }
}
