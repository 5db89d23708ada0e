//! The demo: a stranger's first minute.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{
    app::http,
    binary::{self, Home, free_port},
    *,
};

/// A home whose temporary files are in a folder of its own.
fn home() -> Home {
    let mut home = Home::bare();
    std::fs::create_dir(home.path("tmp")).unwrap();
    let tmp = home.path("tmp").display().to_string();
    home.set("TMPDIR", &tmp);
    home
}

#[test]
fn fast_sends_a_few_thousand_events_and_ends_with_a_summary() {
    let home = home();
    let summary = home.ok(&["demo", "--fast"]);
    assert!(summary.to_lowercase().contains("events"), "{summary}");
    assert!(binary::is_empty(&home.path("tmp")), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_prints_what_works_and_leaves_nothing_behind() {
    let home = home();
    let port = free_port().to_string();
    let mut child = home
        .command(&["demo", "--port", &port])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let base = format!("http://127.0.0.1:{port}");
    let mut banner = String::new();
    let mut tokens: Vec<String> = Vec::new();
    while tokens.len() < 4 {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the demo ended: {banner}");
        tokens.extend(
            line.split_whitespace()
                .map(str::to_owned)
                .filter(|word| word.starts_with("eyJ")),
        );
        banner += &line;
    }
    assert!(
        banner.contains(&format!("{base}/graphql")) && banner.contains("curl"),
        "{banner}"
    );
    for token in &tokens {
        Caller::new(http(), &base, Some(token.clone()))
            .query("{ feedCursor conversions { totalCount } }")
            .await;
    }
    let owner = Caller::new(http(), &base, Some(tokens[0].clone()));
    let mut socket = socket::Socket::open(&base, &tokens[0]).await;
    socket.listen("1", "").await;
    let (_, conversion) = socket.event("1").await;
    assert!(conversion["id"].as_str().unwrap().starts_with("cnv_"));
    assert!(!owner.conversions().await.is_empty(), "sales trickle in");
    buy_by_link(&base, &banner, &owner).await;
    let page = http()
        .get(format!("{base}/graphql"))
        .header("accept", "text/html")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.to_lowercase().contains("graphiql"), "{page}");
    assert!(binary::end(&mut child, "-INT").await, "it ends well");
    assert!(binary::is_empty(&home.path("tmp")), "nothing is left behind");
}

/// Follows the link that is printed, as a browser does, and buys something on the page.
async fn buy_by_link(base: &str, banner: &str, owner: &Caller) {
    let link = banner.split_whitespace().find(|word| word.contains("/r/")).unwrap();
    let slug = link.strip_prefix(&format!("{base}/r/")).unwrap();
    let answer = visits::follow(base, slug, &[]).await;
    let (shop, click) = (visits::location(&answer), visits::click_of(&answer).unwrap());
    let page = http().get(&shop).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains(&format!("{base}/js/rekomi.js")) && page.contains("rk_click"),
        "{page}"
    );
    let shop = shop.split('?').next().unwrap();
    let order = http()
        .post(format!("{shop}buy"))
        .header("content-type", "application/x-www-form-urlencoded");
    let thanks = order.body(format!("rk_click={click}")).send().await.unwrap();
    assert_eq!(thanks.status(), 200);
    assert_eq!(owner.click(&click).await["link"]["slug"], slug);
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refusal = home().refusal(&["demo", "--port", &port]);
    assert!(refusal.contains("--port") && refusal.lines().count() == 1, "{refusal}");
}
