//! Every place of every operation that takes an id, a text or a cursor is tried with another brand's, another mode's and
//! another affiliate's, live and deleted. The answer is to the letter the one for something that never existed, and
//! nothing has changed. `coverage.rs` holds that no operation and no argument is left out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekomi::auth::{Role, jwt::Mode};

use crate::support::{
    operations::{Specimen, World, mutations, queries, subscriptions},
    sdl::Sdl,
    socket::{Heard, Socket},
    *,
};

/// Somebody whose world others try to reach into.
struct Actor {
    name: &'static str,
    token: String,
    world: World,
    /// What is not the actor's, by what it is.
    foreign: Vec<(&'static str, World)>,
}

/// Like the given text, and never seen before.
fn never_seen(name: &str, given: &str) -> String {
    if name.starts_with("cursor:") {
        // The same place in the list: cursors of rows that are gone go on working.
        let mut bytes = URL_SAFE_NO_PAD.decode(given).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        return URL_SAFE_NO_PAD.encode(bytes);
    }
    if name == "feed" {
        return rekomi::domain::feed::cursor(uuid::Uuid::from_u128(7));
    }
    match given.split_once('_') {
        Some((prefix, _)) if prefix.len() == 3 => format!("{prefix}_01900000000070008000000000000007"),
        _ => "NEVERSEEN".to_owned(),
    }
}

/// An answer without the text that was given and its request's ids, so that two can be compared.
fn without(mut answer: Value, given: &str) -> String {
    let errors = ["/errors", "/payload/errors", "/payload"].into_iter().find(|at| {
        let errors = answer.pointer(at);
        errors.is_some_and(Value::is_array)
    });
    let errors = errors.and_then(|at| answer.pointer_mut(at)?.as_array_mut());
    for error in errors.into_iter().flatten() {
        error["extensions"]["requestId"].take();
    }
    answer.to_string().replace(given, "(given)")
}

async fn actors(app: &TestApp) -> Vec<Actor> {
    let own = app.world(&app.acme, "acme").await;
    let globex = app.world(&app.globex, "globex").await;
    let deleted = app.deleted_world(&app.globex, "gone").await;
    let test = app.test_mode_world(&own).await;
    let neighbour = app.neighbours_world("bob").await;
    let keys_only = |world: &World| {
        // Whoever acted in another brand may have the same name as somebody here: a key has not.
        let mut world = world.clone();
        world.remove("actor");
        if let Some(key) = world.get("api_key").cloned() {
            world.insert("actor".into(), key);
        }
        world
    };
    let (globex, test_mode) = (keys_only(&globex), keys_only(&test));
    let brands = vec![
        ("another brand's", globex.clone()),
        ("another brand's, deleted", deleted.clone()),
        ("of the test mode", test_mode),
    ];
    let mut of_sarah = brands.clone();
    of_sarah.push(("another affiliate's", neighbour));
    // Whoever has a test token must not reach what is live.
    let of_test: World = [
        "coupon",
        "code",
        "text",
        "conversion",
        "api_key",
        "feed",
        "event",
        "stripe_event",
    ]
    .iter()
    .map(|name| ((*name).to_owned(), own[*name].clone()))
    .collect();
    let mut test_world = own.clone();
    test_world.extend(test);
    let mut sarahs = own.clone();
    sarahs.extend(app.affiliate_cursors(&own["affiliate"]).await);
    let input = json!({ "name": "walk", "scopes": ["READ_WRITE"] });
    let key = app.olivia().mutate("createApiKey", "key", input).await;
    vec![
        Actor {
            name: "owner",
            token: app.token(Role::Owner, None, None),
            world: own.clone(),
            foreign: brands.clone(),
        },
        Actor {
            name: "API key",
            token: key["key"].as_str().unwrap().to_owned(),
            world: own.clone(),
            foreign: brands,
        },
        Actor {
            name: "owner, test mode",
            token: app.token(Role::Owner, None, Some(Mode::Test)),
            world: test_world,
            foreign: vec![("of the live mode", of_test), ("another brand's", globex)],
        },
        Actor {
            name: "affiliate",
            token: app.token(Role::Affiliate, Some(&own["affiliate"]), None),
            world: sarahs,
            foreign: of_sarah,
        },
    ]
}

/// Whether a text is an id, a cursor, or a text to look for: whatever a mutation is to write may be like another's.
fn refers(specimen: &Specimen, name: &str) -> bool {
    let new = [
        "new_text",
        "renamed_text",
        "shared_text",
        "bulk_text",
        "email",
        "external",
    ];
    specimen.root != "Mutation" || !new.contains(&name)
}

async fn walk(app: &TestApp, sdl: &Sdl, actor: &Actor, specimen: &Specimen) -> usize {
    let caller = app.caller(actor.token.clone());
    let query = specimen.document(sdl);
    let mut tried = 0;
    for (place, name) in specimen.placeholders().iter().enumerate() {
        for (whose, world) in &actor.foreign {
            let Some(foreign) = world.get(name).filter(|_| refers(specimen, name)) else {
                continue;
            };
            let unknown = never_seen(name, foreign);
            let mut answers = Vec::new();
            for given in [foreign, &unknown] {
                let variables = specimen
                    .variables_but(&actor.world, place, given)
                    .unwrap_or_else(|| panic!("the world of {} lacks something for {}", actor.name, specimen.name()));
                let answer = caller.ask(&query, variables).await;
                answers.push((answer.status, without(answer.body, given)));
            }
            assert_eq!(
                answers[0],
                answers[1],
                "{} asks {} with ${name} {whose}: {foreign}",
                actor.name,
                specimen.name()
            );
            assert!(
                !answers[0].1.contains("INTERNAL"),
                "{}: {}",
                specimen.name(),
                answers[0].1
            );
            tried += 1;
        }
    }
    tried
}

both! {
    async fn what_is_not_yours_is_answered_like_what_never_existed(app: &TestApp) {
        let (sdl, actors) = (Sdl::served(), actors(app).await);
        let before = (app.everything().await, app.writes());
        let mut tried = 0;
        for actor in &actors {
            for specimen in [queries(), mutations()].concat() {
                tried += walk(app, &sdl, actor, &specimen).await;
            }
        }
        assert!(tried > 300, "only {tried} were tried");
        let after = (app.everything().await, app.writes());
        assert_eq!(before, after);
    }

    async fn what_is_yours_is_found_in_the_same_places(app: &TestApp) {
        // Otherwise the walk would pass for an operation that never finds anything.
        let (sdl, actors) = (Sdl::served(), actors(app).await);
        let owner = &actors[0];
        let caller = app.caller(owner.token.clone());
        for specimen in queries() {
            let query = specimen.document(&sdl);
            let own = caller.ask(&query, specimen.variables(&owner.world).unwrap()).await.data();
            for (place, name) in specimen.placeholders().iter().enumerate() {
                if name.starts_with("cursor:") {
                    continue;
                }
                let unknown = never_seen(name, &owner.world[name]);
                let variables = specimen.variables_but(&owner.world, place, &unknown).unwrap();
                let nothing = caller.ask(&query, variables).await.data();
                // A page beyond the cursor may be empty; what is counted is not.
                let is_page = own["it"]["totalCount"].is_number();
                let (own, nothing) = if is_page {
                    (own["it"]["totalCount"].clone(), nothing["it"]["totalCount"].clone())
                } else {
                    (own["it"].clone(), nothing["it"].clone())
                };
                assert_ne!(own, nothing, "{} with ${name}", specimen.name());
            }
        }
    }

    async fn a_subscription_with_what_is_not_yours_is_like_one_with_what_never_existed(app: &TestApp) {
        let (sdl, actors) = (Sdl::served(), actors(app).await);
        for actor in &actors {
            for specimen in subscriptions() {
                let query = specimen.document(&sdl);
                for (place, name) in specimen.placeholders().iter().enumerate() {
                    for (whose, world) in &actor.foreign {
                        let Some(foreign) = world.get(name) else { continue };
                        let mut answers = Vec::new();
                        for given in [foreign, &never_seen(name, foreign)] {
                            let mut own = actor.world.clone();
                            // From the beginning, so that all that could be heard is heard.
                            own.insert("feed".into(), rekomi::domain::feed::cursor(uuid::Uuid::nil()));
                            let variables = specimen.variables_but(&own, place, given).unwrap();
                            answers.push(all_heard(app, &actor.token, &query, variables, given).await);
                        }
                        assert_eq!(answers[0], answers[1], "{} listens with ${name} {whose}", actor.name);
                    }
                }
            }
        }
    }

    async fn one_brands_event_never_touches_anothers_sale(app: &TestApp) {
        app.stage().await;
        let globex = app.globex_owner();
        cast::set_stage(&globex, CampaignSpec::default(), CouponSpec::default()).await;
        let mut sale = app.sale().promo(app.promo("SARAH20")).build();
        sale.sync(&app.acme.stripe);
        app.deliver(&sale.start(Shape::Endive)).await;
        // The very same ids, told to Globex: a refund of a sale that Globex does not have.
        let refund = sale.refund(Shape::Acacia, None, Paid::First);
        app.deliver_to(&app.globex, &refund).await;
        assert_eq!(
            app.told().await,
            ["ACQUISITION PENDING sarah SARAH20 4000 USD, commission 800"]
        );
        assert_eq!(globex.told().await, [""; 0]);
    }
}

/// All that comes of a subscription before the answers to queries that are asked behind it, one after the other: each
/// goes to the database, as the subscription did at its start.
async fn all_heard(app: &TestApp, token: &str, query: &str, variables: Value, given: &str) -> Vec<String> {
    const BEHIND: usize = 5;
    let mut socket = Socket::open(&app.instance.base, token).await;
    let payload = json!({ "query": query, "variables": variables });
    socket
        .send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    let mut heard = Vec::new();
    for number in 0..BEHIND {
        let (id, payload) = (
            format!("behind-{number}"),
            json!({ "query": "{ campaigns { totalCount } }" }),
        );
        socket
            .send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
        loop {
            match socket.next().await {
                Heard::Message(message) if message["id"] == id && message["type"] == "complete" => break,
                Heard::Message(message) if message["id"] == id => {}
                Heard::Message(message) => heard.push(without(message, given)),
                Heard::Closed(code) => panic!("closed with {code}"),
            }
        }
    }
    socket.close().await;
    heard.retain(|message| !message.contains("\"complete\""));
    heard
}
