//! No N+1, anywhere: whatever is asked of the rows of a page costs no more statements for ten rows and for a hundred than
//! for one. The served schema is walked, so a field that breaks this fails here by being there.

use futures_util::future::join_all;
use rekomi::{clock::Clock, standin::StandIn};

use crate::support::{
    app::http,
    binary::{self, Home, Server},
    sdl::Sdl,
    statements::Statements,
    visits, *,
};

/// How many objects deep below a row.
const DEPTH: usize = 2;
const PAGES: [usize; 3] = [1, 10, 100];
/// Rows that each list has, and two that end the chain of recruiters on either side.
const ROWS: usize = 100;
const ALL: usize = ROWS + 3;
/// A loader may be asked again for rows that are met deeper down, and a single row may have nothing below it to ask for. Row
/// by row, ten would cost more than that.
const AGAIN: usize = 4;
/// A hundred of these are more than one query may ask for; `loaders.rs` asks for fifty.
const TOO_DEAR: &[&str] = &["StripeEvent.payload"];

/// What can be asked of an object: its plain fields together, and each object below it by itself, so many deep.
fn selections(sdl: &Sdl, of: &str, depth: usize) -> Vec<String> {
    let (mut plain, mut all) = (vec!["__typename".to_owned()], Vec::new());
    for field in sdl.fields(of) {
        let (name, kind) = (field.name.node.as_str(), Sdl::named(&field.ty.node));
        if TOO_DEAR.contains(&format!("{of}.{name}").as_str()) {
            continue;
        }
        if !sdl.is_object(kind) {
            plain.push(name.to_owned());
        } else if let (Some(node), true) = (kind.strip_suffix("Connection"), depth > 0) {
            let below = selections(sdl, node, depth - 1).into_iter();
            all.extend(
                below
                    .map(|it| format!("{name}(first: 2) {{ totalCount pageInfo {{ hasNextPage }} nodes {{ {it} }} }}")),
            );
        } else if depth > 0 {
            let below = selections(sdl, kind, depth - 1).into_iter();
            all.extend(below.map(|it| format!("{name} {{ {it} }}")));
        }
    }
    all.insert(0, plain.join(" "));
    all
}

/// A chain of recruiters: 102, 100, 0, 1, …, 99, 101, so that each of the first hundred has one and has recruited one.
fn chain() -> Vec<usize> {
    [102, 100].into_iter().chain(0..ROWS).chain([101]).collect()
}

/// Somebody of everything: a campaign with a shared code, an affiliate with a rate, and two coupons, one with a code.
async fn person(max: &Caller, number: usize) -> (String, String) {
    let campaign = max
        .campaign(CampaignSpec::default().with("name", format!("Campaign {number}")))
        .await;
    let affiliate = max.new_affiliate(&format!("Affiliate {number}"), &[&campaign]).await;
    let own = CouponSpec::default().with("affiliateId", affiliate.as_str());
    let coupon = max.coupon(&campaign, own).await;
    max.mint(&coupon, &affiliate, &format!("CODE-{number}")).await;
    let open = max.coupon(&campaign, CouponSpec::default()).await;
    let shared = json!({ "campaignId": campaign, "couponId": open, "code": format!("SHARED-{number}") });
    max.make("setCampaignCode", "campaign", "id", shared).await;
    let rate = json!({ "affiliateId": affiliate, "campaignId": campaign, "commission": { "percent": "30" } });
    max.make("setAffiliateRate", "affiliate", "id", rate).await;
    let slug = max.query_with(
        "query($id: ID!) { affiliate(id: $id) { links { slug } } }",
        json!({ "id": affiliate }),
    );
    let slug = slug.await["affiliate"]["links"][0]["slug"].as_str().unwrap().to_owned();
    (affiliate, slug)
}

/// A hundred rows at least in each list, and whatever can be asked below a row is there below the first already.
async fn many(home: &Home, server: &Server, standin: &StandIn) {
    let max = server.caller(home.token("manager"));
    let olivia = server.caller(home.token("owner"));
    let client = http();
    let mut affiliates = Vec::new();
    for number in 0..ALL {
        let (affiliate, slug) = person(&max, number).await;
        visits::follow(&server.base, &slug, &[]).await;
        affiliates.push(affiliate);
    }
    for pair in chain().windows(2) {
        let recruited = json!({ "id": affiliates[pair[1]], "recruitedById": affiliates[pair[0]] });
        max.make("setAffiliateRecruiter", "affiliate", "id", recruited).await;
    }
    for number in 0..ROWS {
        let key = json!({ "name": format!("Key {number}"), "scopes": ["READ"] });
        olivia.make("createApiKey", "apiKey", "id", key).await;
    }
    let sales = (0..ROWS).map(async |number| {
        let promo = binary::promo(standin, &format!("CODE-{number}"));
        let sale = SaleBuilder::new(&Clock::system()).promo(promo).build();
        assert_eq!(server.post(&client, &sale.invoice_paid(Shape::Acacia)).await, Some(200));
    });
    join_all(sales).await;
    eventually("the sales", async || {
        let data = max.query("{ conversions { totalCount } clicks { totalCount } }").await;
        (data["conversions"]["totalCount"] == ROWS && data["clicks"]["totalCount"] == ALL).then_some(())
    })
    .await;
}

on_both! {
    async fn whatever_is_asked_of_a_row_costs_the_same_statements_for_a_hundred_rows(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let mut home = Home::new(database, &standin);
        let mut statements = Statements::told_by(&mut home);
        home.acme();
        let server = home.serve().await;
        many(&home, &server, &standin).await;
        let olivia = server.caller(home.token("owner"));
        let sdl = Sdl::served();
        let mut wrong = Vec::new();
        for list in sdl.fields("Query") {
            let (name, kind) = (list.name.node.as_str(), Sdl::named(&list.ty.node));
            let Some(node) = kind.strip_suffix("Connection") else { continue };
            for selection in selections(&sdl, node, DEPTH) {
                let mut requests = Vec::new();
                for rows in PAGES {
                    let query = format!("{{ it: {name}(first: {rows}) {{ nodes {{ {selection} }} }} }}");
                    let answer = olivia.ask(&query, json!({})).await;
                    let request = answer.request_id.clone();
                    let nodes = answer.data()["it"]["nodes"].as_array().map(Vec::len);
                    assert_eq!(nodes, Some(rows), "{name} has too few rows here");
                    requests.push(request);
                }
                let counts = settled(&mut statements, &requests).await;
                if counts.iter().any(|count| *count > counts[0] + AGAIN) {
                    wrong.push(format!("{name} {{ {selection} }}: {counts:?} statements for {PAGES:?} rows"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// How many statements the requests cost, once the log has them: the last line of one may come after its answer.
async fn settled(statements: &mut Statements, requests: &[String]) -> Vec<usize> {
    let mut counts: Vec<usize> = Vec::new();
    for _ in 0..50 {
        counts = requests.iter().map(|request| statements.of(request).len()).collect();
        if counts[0] > 0 && counts.iter().all(|count| *count == counts[0]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    counts
}
