//! `rekomi inbox`: what Stripe sent, of all brands, for programs to read.

use chrono::TimeDelta;

use crate::support::{binary::Home, *};

fn home(app: &TestApp) -> Home {
    let mut home = Home::bare();
    home.set("DATABASE_URL", &app.database.url);
    home
}

/// What the command prints, line by line.
fn inbox(app: &TestApp, args: &[&str]) -> Vec<Value> {
    let printed = home(app).ok(&[&["inbox"], args].concat());
    let lines = printed.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(id: &str, kind: &str, livemode: bool) -> Value {
    json!({ "id": id, "type": kind, "livemode": livemode, "data": { "object": {} } })
}

/// Four events, a minute apart.
async fn received(app: &TestApp) {
    app.deliver([&event("evt_1", "customer.created", true)]).await;
    app.pass(TimeDelta::minutes(1));
    app.deliver_to(&app.globex, [&event("evt_2", "invoice.paid", true)])
        .await;
    app.pass(TimeDelta::minutes(1));
    app.deliver([&event("evt_3", "invoice.paid", false)]).await;
    app.pass(TimeDelta::minutes(1));
    app.deliver([&event("evt_4", "invoice.paid", true)]).await;
}

both! {
    async fn it_prints_the_newest_events_of_all_brands_and_modes(app: &TestApp) {
        received(app).await;
        let all = inbox(app, &[]);
        let names = |lines: &[Value]| lines.iter().map(|line| line["stripeId"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&all), ["evt_4", "evt_3", "evt_2", "evt_1"]);
        assert!(all[0]["id"].as_str().unwrap().starts_with("evt_"));
        assert_eq!(
            all[3],
            json!({
                "id": all[3]["id"], "stripeId": "evt_1", "brand": "acme", "mode": "live", "type": "customer.created",
                "status": "ignored", "attempts": 0, "receivedAt": "2026-11-01T12:00:00Z", "lastError": all[3]["lastError"],
            })
        );
        assert!(all.iter().all(|line| line["lastError"].is_string()));
        let cases: [(&[&str], &[&str]); 7] = [
            (&["--limit", "2"], &["evt_4", "evt_3"]),
            (&["--brand", "globex"], &["evt_2"]),
            (&["--status", "parked"], &["evt_4", "evt_3", "evt_2"]),
            (&["--status", "pending"], &[]),
            (&["--type", "customer.created"], &["evt_1"]),
            (&["--status", "parked", "--brand", "acme", "--limit", "1"], &["evt_4"]),
            (&["--type", "no.such"], &[]),
        ];
        for (args, expected) in cases {
            assert_eq!(names(&inbox(app, args)), expected, "{args:?}");
        }
    }

    async fn its_summary_has_a_line_for_each_brand_and_mode(app: &TestApp) {
        received(app).await;
        let line = |brand: &str, mode: &str, ignored: i32, parked: i32| json!({
            "brand": brand, "mode": mode, "pending": 0, "processed": 0, "ignored": ignored, "parked": parked,
            "oldestPendingAt": null, "oldestPendingAgeSeconds": null,
        });
        let (live, test) = (line("acme", "live", 1, 1), line("acme", "test", 0, 1));
        let globex = [line("globex", "live", 0, 1), line("globex", "test", 0, 0)];
        assert_eq!(inbox(app, &["--summary", "--brand", "acme"]), [live.clone(), test.clone()]);
        assert_eq!(inbox(app, &["--summary"]), [[live, test], globex].concat());
    }

    async fn what_makes_no_sense_is_refused(app: &TestApp) {
        let cases: [(&[&str], &str); 5] = [
            (&["inbox", "--brand", "nobody"], "--brand"),
            (&["inbox", "--status", "lost"], "--status"),
            (&["inbox", "--limit", "0"], "--limit"),
            (&["inbox", "--limit", "10001"], "--limit"),
            (&["inbox", "--summary", "--status", "parked"], "--summary"),
        ];
        for (args, named) in cases {
            let refusal = home(app).refusal(args);
            assert!(refusal.contains(named), "{args:?}: {refusal}");
        }
    }
}
