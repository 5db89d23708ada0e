//! Affiliates' links: where they lead, and who followed them.

use entity::{affiliate_link, click};
use rekomi::{auth::Role, clicks::forget_addresses, clock::Clock, standin::StandIn};
use reqwest::{Response, header};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::support::{
    app::http,
    binary::Home,
    cast::set_stage,
    visits::{click_of, cookie_of, follow, location, send},
    *,
};

async fn clicks(app: &TestApp) -> Vec<click::Model> {
    let mut rows = click::Entity::find().all(app.db()).await.unwrap();
    rows.sort_by_key(|row| row.id);
    rows
}

/// Waits until so many clicks are written down.
async fn written(app: &TestApp, count: usize) -> Vec<click::Model> {
    eventually("the clicks", async || {
        let rows = clicks(app).await;
        (rows.len() >= count).then_some(rows)
    })
    .await
}

fn line<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn links(caller: &Caller, affiliate: &str) -> Value {
    let query =
        format!("{{ affiliate(id: \"{affiliate}\") {{ links {{ id slug url clickCount campaign {{ id name }} }} }} }}");
    caller.query(&query).await["affiliate"]["links"].take()
}

both! {
    async fn an_affiliate_has_a_link_for_each_of_its_campaigns(app: &TestApp) {
        let max = app.max();
        let first = max.campaign(CampaignSpec::default()).await;
        let second = max.campaign(CampaignSpec::default().with("name", "Summer")).await;
        let sarah = max.new_affiliate("Sarah Jónes", &[&first, &second]).await;
        let links = links(&max, &sarah).await;
        let links = links.as_array().unwrap();
        let campaigns: Vec<_> = links.iter().map(|link| link["campaign"]["id"].clone()).collect();
        assert_eq!(campaigns, [json!(first), json!(second)]);
        for link in links {
            let slug = link["slug"].as_str().unwrap();
            assert!(slug.starts_with("sarah-jones-") && slug.len() == "sarah-jones-".len() + 8, "{slug}");
            assert_eq!(link["url"], format!("http://127.0.0.1:8080/r/{slug}"));
            assert_eq!(link["clickCount"], 0);
        }
        assert_ne!(links[0]["slug"], links[1]["slug"]);
    }

    async fn a_link_leads_to_the_landing_page_and_the_click_is_written_down(app: &TestApp) {
        let landing = "https://acme.example/welcome?x=1&via=old&y=%2f#top";
        let stage = app.stage_with(CampaignSpec::default().with("landingUrl", landing), CouponSpec::default()).await;
        let (link, slug) = app.max().link(&stage.sarah).await;
        let answer = follow(&app.instance.base, &slug.to_uppercase(), &[]).await;
        assert_eq!(answer.status(), 302);
        let click = click_of(&answer).unwrap();
        assert_eq!(
            location(&answer),
            format!("https://acme.example/welcome?x=1&y=%2f&via={slug}&rk_click={click}#top")
        );
        assert_eq!(line(&answer, "cache-control"), "no-store");
        assert_eq!(line(&answer, "referrer-policy"), "strict-origin-when-cross-origin");
        let cookie = line(&answer, "set-cookie");
        let visitor = cookie_of(&answer);
        assert_eq!(cookie, format!("{visitor}; Path=/r; Max-Age=5184000; HttpOnly; SameSite=Lax"));
        let told = app.max().click(&click).await;
        assert_eq!(told, json!({
            "id": click, "clickedAt": "2026-11-01T12:00:00+00:00", "link": { "id": link, "slug": slug },
            "affiliate": { "id": stage.sarah }, "campaign": { "id": stage.campaign },
        }));
        let row = &clicks(app).await[0];
        assert_eq!(visitor, format!("rk_visitor={}", row.visitor.simple()));
        assert_eq!(row.address_hash.as_ref().map(Vec::len), Some(32));
        assert_eq!(links(&app.max(), &stage.sarah).await[0]["clickCount"], 1);
    }

    async fn a_cookie_joins_a_visitors_clicks_and_a_foreign_one_is_replaced(app: &TestApp) {
        let stage = app.stage().await;
        let (sarahs, bobs) = (app.max().link(&stage.sarah).await.1, app.max().link(&stage.bob).await.1);
        let base = &app.instance.base;
        let visitor = cookie_of(&follow(base, &sarahs, &[]).await);
        let cookie = format!("theme=dark; {visitor}");
        let again = follow(base, &bobs, &[("cookie", &cookie)]).await;
        assert_eq!(cookie_of(&again), visitor);
        let foreign = cookie_of(&follow(base, &bobs, &[("cookie", "rk_visitor=me")]).await);
        assert_ne!(foreign, visitor);
        let rows = written(app, 3).await;
        assert!(rows[0].visitor == rows[1].visitor && rows[1].visitor != rows[2].visitor);
        let addresses: Vec<_> = rows.iter().map(|row| &row.address_hash).collect();
        assert!(addresses.windows(2).all(|pair| pair[0] == pair[1]), "one address");
    }

    async fn whoever_is_nobody_is_sent_on_and_not_counted(app: &TestApp) {
        let stage = app.stage().await;
        let (_, slug) = app.max().link(&stage.sarah).await;
        let before = app.everything().await;
        for (method, headers) in [
            ("HEAD", [("accept", "*/*")]),
            ("GET", [("user-agent", "Twitterbot/1.0")]),
            ("GET", [("sec-purpose", "prefetch")]),
            ("GET", [("purpose", "prefetch")]),
            ("GET", [("x-moz", "prefetch")]),
        ] {
            let answer = send(&app.instance.base, method, &slug, &headers).await;
            assert_eq!(answer.status(), 302, "{method} {headers:?}");
            assert_eq!(location(&answer), format!("https://acme.example/welcome?via={slug}"));
            assert_eq!((line(&answer, "cache-control"), line(&answer, "set-cookie")), ("no-store", ""));
        }
        // What comes after them is written down alone.
        follow(&app.instance.base, &slug, &[]).await;
        assert_eq!(written(app, 1).await.len(), 1);
        assert_eq!(before.count("click"), 0);
    }

    async fn nothing_of_a_request_has_a_part_in_where_it_leads(app: &TestApp) {
        let stage = app.stage().await;
        let (_, slug) = app.max().link(&stage.sarah).await;
        let base = &app.instance.base;
        let query = format!("{slug}?url=https://evil.example&via=evil&rk_click=clk_x");
        let answer = follow(base, &query, &[("host", "evil.example"), ("x-forwarded-host", "evil.example")]).await;
        let click = click_of(&answer).unwrap();
        assert_eq!(location(&answer), format!("https://acme.example/welcome?via={slug}&rk_click={click}"));
        for unknown in ["nobodys", "%2F%2Fevil.example", "%ff", "..%2f", &"a".repeat(65), "sarah%0d%0ax:%20y"] {
            let answer = follow(base, unknown, &[]).await;
            assert_eq!((answer.status().as_u16(), line(&answer, "location")), (404, ""), "{unknown}");
            assert_eq!(answer.text().await.unwrap(), "There is no such link.\n");
        }
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(send(base, method, &slug, &[]).await.status(), 405, "{method}");
        }
    }

    async fn who_is_not_approved_still_leads_somewhere(app: &TestApp) {
        let stage = app.stage().await;
        app.max().set_status(&stage.sarah, "SUSPENDED").await;
        let (_, slug) = app.max().link(&stage.sarah).await;
        assert_eq!(follow(&app.instance.base, &slug, &[]).await.status(), 302);
        assert_eq!(written(app, 1).await.len(), 1);
    }

    async fn another_landing_page_shows_within_a_second_or_two(app: &TestApp) {
        let stage = app.stage().await;
        let (_, slug) = app.max().link(&stage.sarah).await;
        follow(&app.instance.base, &slug, &[]).await;
        let input = json!({ "id": stage.campaign, "landingUrl": "https://acme.example/new" });
        app.max().make("updateCampaign", "campaign", "id", input).await;
        let start = std::time::Instant::now();
        eventually("the new page", async || {
            let answer = follow(&app.instance.base, &slug, &[]).await;
            location(&answer).starts_with("https://acme.example/new?").then_some(())
        })
        .await;
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }

    async fn clicks_are_a_list_newest_first_and_an_affiliate_sees_its_own(app: &TestApp) {
        let stage = app.stage().await;
        let olivia = app.olivia();
        let mut ids = Vec::new();
        for affiliate in [&stage.sarah, &stage.bob, &stage.sarah] {
            ids.push(app.click_on(&olivia, affiliate).await);
            app.pass(chrono::TimeDelta::seconds(1));
        }
        let list = async |caller: Caller, arguments: &str| {
            let data = caller.query(&format!("{{ clicks({arguments}) {{ totalCount nodes {{ id }} }} }}")).await;
            let nodes = data["clicks"]["nodes"].as_array().unwrap();
            let ids = nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
            (data["clicks"]["totalCount"].as_i64().unwrap(), ids)
        };
        let newest = |numbers: &[usize]| numbers.iter().map(|number| ids[*number].clone()).collect::<Vec<_>>();
        assert_eq!(list(olivia.clone(), "first: 2").await, (3, newest(&[2, 1])));
        let of_bob = format!("affiliateId: \"{}\"", stage.bob);
        assert_eq!(list(app.ana(), &of_bob).await, (1, newest(&[1])));
        let of_campaign = format!("campaignId: \"{}\"", stage.campaign);
        assert_eq!(list(app.ana(), &of_campaign).await, (3, newest(&[2, 1, 0])));
        assert_eq!(list(app.ana(), "campaignId: \"no id\"").await, (0, vec![]));
        assert_eq!(list(app.affiliate(&stage.sarah), "first: 9").await, (2, newest(&[2, 0])));
        assert_eq!(list(app.affiliate(&stage.sarah), &of_bob).await, (0, vec![]));
        assert_eq!(list(app.globex_owner(), "first: 9").await, (0, vec![]));
        let test_mode = app.caller(app.token(Role::Owner, None, Some(rekomi::auth::jwt::Mode::Test)));
        assert_eq!(list(test_mode, "first: 9").await.0, 3, "clicks are of both modes");
        let links = links(&olivia, &stage.sarah).await;
        assert_eq!(links[0]["clickCount"], 2);
        let node = format!("{{ node(id: \"{}\") {{ id }} }}", ids[1]);
        assert_eq!(app.affiliate(&stage.sarah).query(&node).await["node"], Value::Null);
        let node = format!("{{ node(id: {}) {{ ... on AffiliateLink {{ clickCount }} }} }}", links[0]["id"]);
        assert_eq!(olivia.query(&node).await["node"]["clickCount"], 2);
        assert_eq!(app.affiliate(&stage.bob).query(&node).await["node"], Value::Null);
    }

    async fn an_address_is_forgotten_once_no_window_reaches_back_to_its_click(app: &TestApp) {
        let short = app.max().campaign(CampaignSpec::default().with("cookieWindowDays", 10)).await;
        app.max().campaign(CampaignSpec::default().with("cookieWindowDays", 20)).await;
        let sarah = app.max().new_affiliate("Sarah", &[&short]).await;
        app.click_on(&app.olivia(), &sarah).await;
        app.pass(chrono::TimeDelta::days(10));
        app.click_on(&app.olivia(), &sarah).await;
        let db = &app.instance.app.db;
        app.pass(chrono::TimeDelta::days(10));
        assert_eq!(forget_addresses(db, app.now()).await.unwrap(), 0, "to the second");
        app.pass(chrono::TimeDelta::seconds(1));
        assert_eq!(forget_addresses(db, app.now()).await.unwrap(), 1);
        assert_eq!(forget_addresses(db, app.now()).await.unwrap(), 0);
        let kept: Vec<bool> = clicks(app).await.iter().map(|row| row.address_hash.is_some()).collect();
        assert_eq!(kept, [false, true]);
    }

    async fn nobody_waits_for_a_database_that_takes_no_clicks_and_none_is_lost(app: &TestApp) {
        let stage = app.stage().await;
        let (_, slug) = app.max().link(&stage.sarah).await;
        follow(&app.instance.base, &slug, &[]).await;
        written(app, 1).await;
        // SQLite's only writer, or a lock on the table.
        let txn = app.instance.app.db.begin().await.unwrap();
        if txn.get_database_backend() == sea_orm::DatabaseBackend::Postgres {
            txn.execute_unprepared("LOCK TABLE click IN EXCLUSIVE MODE").await.unwrap();
        }
        let start = std::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(follow(&app.instance.base, &slug, &[]).await.status(), 302);
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(8), "{:?}", start.elapsed());
        assert_eq!(clicks(app).await.len(), 1);
        txn.rollback().await.unwrap();
        assert_eq!(written(app, 21).await.len(), 21);
        assert_eq!(links(&app.max(), &stage.sarah).await[0]["clickCount"], 21);
    }

    async fn a_link_that_is_known_leads_on_while_the_database_is_gone(app: &TestApp) {
        let stage = app.stage().await;
        let (_, sarahs) = app.max().link(&stage.sarah).await;
        let (_, bobs) = app.max().link(&stage.bob).await;
        let base = &app.instance.base;
        let known = location(&send(base, "HEAD", &sarahs, &[]).await);
        app.instance.app.db.close().await;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        for _ in 0..2 {
            assert_eq!(location(&send(base, "HEAD", &sarahs, &[]).await), known);
        }
        assert_eq!(send(base, "HEAD", &bobs, &[]).await.status(), 503);
        assert_eq!(send(base, "HEAD", "no slug", &[]).await.status(), 404);
    }

    async fn the_script_may_be_loaded_by_any_site_and_kept(app: &TestApp) {
        let url = format!("{}/js/rekomi.js", app.instance.base);
        let answer = http().get(&url).header("origin", "https://acme.example").send().await.unwrap();
        assert_eq!(line(&answer, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(line(&answer, "access-control-allow-origin"), "*");
        assert_eq!(line(&answer, "cache-control"), "public, max-age=3600");
        let tag = line(&answer, "etag").to_owned();
        let text = answer.text().await.unwrap();
        assert!(text.contains("window.rekomi") && text.len() < 1280, "{}", text.len());
        assert!(!text.contains("//\u{20}") && text.lines().all(|line| line == line.trim()), "{text}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let answer = http().get(&url).header(header::IF_NONE_MATCH, known).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), line(&answer, "etag")), (304, tag.as_str()));
        }
        let answer = http().get(&url).header(header::IF_NONE_MATCH, "\"other\"").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

on_both! {
    async fn a_stop_writes_down_what_waits(database: Database) {
        let standin = StandIn::start(Clock::system()).await.unwrap();
        let mut home = Home::new(database, &standin);
        home.set("REKOMI_PUBLIC_URL", "https://go.acme.example");
        home.acme();
        let mut server = home.serve().await;
        let max = server.caller(home.token("manager"));
        let stage = set_stage(&max, CampaignSpec::default(), CouponSpec::default()).await;
        let (_, slug) = max.link(&stage.sarah).await;
        assert_eq!(links(&max, &stage.sarah).await[0]["url"], format!("https://go.acme.example/r/{slug}"));
        let mut ids = Vec::new();
        for _ in 0..200 {
            let answer = follow(&server.base, &slug, &[]).await;
            assert!(line(&answer, "set-cookie").ends_with("; SameSite=Lax; Secure"));
            ids.push(click_of(&answer).unwrap());
        }
        assert!(server.signal("-TERM").await, "it ends well");
        let db = rekomi::db::Db::open(&home.settings["DATABASE_URL"].parse().unwrap()).await.unwrap();
        let mut rows: Vec<_> = click::Entity::find().all(db.reader()).await.unwrap();
        rows.sort_by_key(|row| row.id);
        let rows: Vec<String> = rows.into_iter().map(|row| row.id.to_string()).collect();
        assert_eq!(rows, ids);
        assert_eq!(affiliate_link::Entity::find().all(db.reader()).await.unwrap().len(), 2);
        db.close().await;
        standin.stop().await;
    }
}
