//! What each role and each scope of an API key may do: every operation and every route is tried with each, and what came
//! of it is pinned in `tests/role_matrix.txt`, to be read and reviewed.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use rekomi::auth::Role;

use crate::support::{
    operations::{Specimen, World, mutations, queries, subscriptions},
    routes::ROUTES,
    sdl::Sdl,
    socket::{Heard, Socket},
    *,
};

const SCOPES: [&str; 8] = [
    "READ",
    "READ_WRITE",
    "CODES_READ",
    "CODES_WRITE",
    "CONVERSIONS_READ",
    "CONVERSIONS_WRITE",
    "WEBHOOKS_READ",
    "WEBHOOKS_WRITE",
];

/// Somebody who tries everything, in a world of one's own.
struct Holder {
    name: String,
    token: Option<String>,
    world: World,
}

async fn holders(app: &TestApp) -> Vec<Holder> {
    let mut holders = Vec::new();
    for name in ["nobody", "owner", "manager", "analyst", "affiliate"] {
        let world = app.world(&app.acme, name).await;
        let token = match name {
            "nobody" => None,
            "owner" => Some(app.token(Role::Owner, None, None)),
            "manager" => Some(app.token(Role::Manager, None, None)),
            "analyst" => Some(app.token(Role::Analyst, None, None)),
            _ => Some(app.token(Role::Affiliate, Some(&world["affiliate"]), None)),
        };
        holders.push(Holder {
            name: name.to_owned(),
            token,
            world,
        });
    }
    for scope in SCOPES {
        let name = scope.to_lowercase();
        let input = json!({ "name": name, "scopes": [scope] });
        let answer = app.olivia().mutate("createApiKey", "key", input).await;
        let token = Some(answer["key"].as_str().unwrap().to_owned());
        let world = app.world(&app.acme, &name).await;
        holders.push(Holder { name, token, world });
    }
    holders
}

/// What came of an operation: `ok`, or what was refused.
async fn outcome(app: &TestApp, sdl: &Sdl, holder: &Holder, specimen: &Specimen) -> String {
    let mut world = holder.world.clone();
    world.insert("feed".into(), rekomi::domain::feed::cursor(uuid::Uuid::nil()));
    let variables = specimen.variables(&world).expect("a world has everything");
    let query = specimen.document(sdl);
    if specimen.root == "Subscription" {
        return heard(app, holder, &query, &variables).await;
    }
    let answer = app.instance.caller(holder.token.clone()).ask(&query, variables).await;
    said(&answer.body)
}

fn said(body: &Value) -> String {
    let codes = |errors: &Value, code: &str| -> Vec<String> {
        let errors = errors.as_array().into_iter().flatten();
        errors
            .map(|error| error.pointer(code).unwrap_or(&json!("?")).as_str().unwrap().to_owned())
            .collect()
    };
    let mut codes = [
        codes(&body["errors"], "/extensions/code"),
        codes(&body["data"]["it"]["userErrors"], "/code"),
    ]
    .concat();
    codes.dedup();
    if codes.is_empty() {
        "ok".to_owned()
    } else {
        codes.join("+")
    }
}

async fn heard(app: &TestApp, holder: &Holder, query: &str, variables: &Value) -> String {
    let mut socket = Socket::connect(&app.instance.base).await;
    let payload = holder
        .token
        .as_ref()
        .map_or(json!({}), |token| json!({ "authorization": format!("Bearer {token}") }));
    socket.init(payload).await;
    match socket.next().await {
        Heard::Closed(code) => return code.to_string(),
        Heard::Message(message) => assert_eq!(message["type"], "connection_ack"),
    }
    let payload = json!({ "query": query, "variables": variables });
    socket
        .send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    let Heard::Message(message) = socket.next().await else {
        panic!("the socket was closed");
    };
    socket.close().await;
    if message["type"] == "error" {
        said(&json!({ "errors": message["payload"] }))
    } else {
        said(&message["payload"])
    }
}

/// By operation, what came of it for each holder.
type Matrix = Vec<(String, BTreeMap<String, String>)>;

fn enter(matrix: &mut Matrix, line: String, holder: &str, outcome: String) {
    let place = matrix.iter().position(|(name, _)| *name == line).unwrap_or_else(|| {
        matrix.push((line, BTreeMap::new()));
        matrix.len() - 1
    });
    let known = matrix[place]
        .1
        .entry(holder.to_owned())
        .or_insert_with(|| outcome.clone());
    if *known != outcome {
        *known = format!("{known}/{outcome}");
    }
}

fn table(title: &str, names: &[String], matrix: &Matrix) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let first = width(&mut matrix.iter().map(|(line, _)| line.len())).max(title.len());
    let widths: Vec<usize> = names
        .iter()
        .map(|name| width(&mut matrix.iter().map(|(_, outcomes)| outcomes[name].len())).max(name.len()))
        .collect();
    let mut text = format!("{title:first$}");
    for (name, width) in names.iter().zip(&widths) {
        write!(text, "  {name:width$}").unwrap();
    }
    for (line, outcomes) in matrix {
        write!(text, "\n{line:first$}").unwrap();
        for (name, width) in names.iter().zip(&widths) {
            write!(text, "  {:width$}", outcomes[name]).unwrap();
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

async fn operations(app: &TestApp, holders: &[Holder]) -> Matrix {
    let sdl = Sdl::served();
    let mut matrix = Matrix::new();
    for specimen in [queries(), subscriptions(), mutations()].concat() {
        let line = match specimen.field {
            "node" => format!("{}({})", specimen.name(), &specimen.placeholders()[0]),
            _ => specimen.name(),
        };
        for holder in holders {
            let outcome = outcome(app, &sdl, holder, &specimen).await;
            enter(&mut matrix, line.clone(), &holder.name, outcome);
        }
    }
    matrix
}

async fn routes(app: &TestApp, holders: &[Holder]) -> Matrix {
    let http = app::http();
    let mut matrix = Matrix::new();
    for route in ROUTES {
        for holder in holders {
            let method = route.method.parse().unwrap();
            let mut request = http.request(method, format!("{}{}", app.instance.base, route.path));
            if let Some(body) = route.body {
                request = request.header("content-type", "application/json").body(body);
            }
            if let Some(token) = &holder.token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            let mut outcome = response.status().as_str().to_owned();
            let body: Value = response.json().await.unwrap_or_default();
            if let Some(code) = body.pointer("/errors/0/extensions/code") {
                outcome = format!("{outcome} {}", code.as_str().unwrap());
            }
            enter(
                &mut matrix,
                format!("{} {}", route.method, route.pattern),
                &holder.name,
                outcome,
            );
        }
    }
    matrix
}

fn compare(matrix: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/role_matrix.txt");
    if env("REKOMI_PIN").is_some() {
        std::fs::write(&file, matrix).unwrap();
    }
    let pinned = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = matrix.lines().find(|line| !pinned.lines().any(|it| it == *line));
    assert!(
        pinned == matrix,
        "tests/role_matrix.txt says otherwise; where this is right, rewrite it: REKOMI_PIN=1 cargo test --test it \
         role_matrix\nfor example: {differs:?}"
    );
}

both! {
    async fn what_each_role_and_scope_may_do_is_as_it_is_pinned(app: &TestApp) {
        app.decides_late();
        let holders = holders(app).await;
        let names: Vec<String> = holders.iter().map(|holder| holder.name.clone()).collect();
        let text = format!(
            "# What came of each operation and each route, by the caller's role, or by the scope of its API key. Read by\n\
             # tests/it/role_matrix.rs; rewritten by REKOMI_PIN=1 cargo test --test it role_matrix\n\n{}\n\n{}\n",
            table("GraphQL", &names, &operations(app, &holders).await),
            table("HTTP", &names, &routes(app, &holders).await),
        );
        compare(&text);
    }

    async fn who_may_not_changes_nothing(app: &TestApp) {
        let sdl = Sdl::served();
        let refused = ["nobody", "analyst", "read", "codes_read", "conversions_read", "webhooks_write"];
        let holders = holders(app).await;
        let before = (app.everything().await, app.writes());
        for holder in holders.iter().filter(|holder| refused.contains(&holder.name.as_str())) {
            for specimen in mutations() {
                let outcome = outcome(app, &sdl, holder, &specimen).await;
                let expected = if holder.name == "nobody" { "UNAUTHENTICATED" } else { "FORBIDDEN" };
                assert_eq!(outcome, expected, "{} {}", holder.name, specimen.name());
            }
        }
        assert_eq!((app.everything().await, app.writes()), before);
    }

    async fn without_a_token_only_the_schema_is_told(app: &TestApp) {
        assert!(app.nobody().query("{ __typename }").await["__typename"].is_string());
    }
}
