//! Tokens of other issuers: by public key and by published keys, under their own names of claims.

use chrono::TimeDelta;
use ring::hmac;

use crate::support::{
    binary::{self, Home},
    instance::{Instance, http},
    issuer::{Issuer, Key, base64url},
    *,
};

/// What an issuer in good order says of Acme's owner, with the usual names.
fn claims(app: &TestApp) -> Value {
    let exp = app.now().timestamp() + 3600;
    json!({ "sub": "olivia", "brand": app.acme.id, "role": "owner", "iss": "rekomi", "aud": "rekomi", "exp": exp })
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

/// The status of a query with this token, and the answer's very text, but for the request's id.
async fn answer(instance: &Instance, token: &str) -> (u16, String) {
    let request = http().post(format!("{}/graphql", instance.base)).bearer_auth(token);
    let answer = request
        .json(&json!({ "query": "{ feedCursor }" }))
        .send()
        .await
        .unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap().replace(&id, "ID"))
}

async fn opens(instance: &Instance, token: &str) -> bool {
    match answer(instance, token).await {
        (200, body) => {
            assert!(body.contains("feedCursor"), "{body}");
            true
        }
        (status, body) => {
            assert_eq!(status, 401, "{body}");
            false
        }
    }
}

/// A token that is signed with this text as if it were a secret.
fn by_secret(secret: &[u8], claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let message = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", base64url(tag))
}

/// Tokens of which none is good, though most are signed by `key` itself; each with what is wrong.
fn forgeries(app: &TestApp, key: &Key, others: &[&Key]) -> Vec<(String, String)> {
    let (good, now) = (claims(app), app.now().timestamp());
    let mut all = Vec::new();
    let mut add = |why: &str, token: String| all.push((format!("{} {why}", key.algorithm()), token));
    for algorithm in [
        "none", "None", "HS256", "HS512", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA",
    ] {
        if algorithm != key.algorithm() {
            let header = json!({ "alg": algorithm, "kid": key.kid });
            add(algorithm, key.sign_as(&header, &good));
        }
    }
    for (why, more) in [
        ("crit", json!({ "crit": ["exp"] })),
        ("crit of its own", json!({ "crit": ["b64"], "b64": true })),
    ] {
        let mut header = json!({ "alg": key.algorithm(), "kid": key.kid });
        header
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        add(why, key.sign_as(&header, &good));
    }
    for (why, name, value) in [
        ("expired", "exp", json!(now - 5)),
        ("not yet good", "nbf", json!(now + 60)),
        ("made in the future", "iat", json!(now + 60)),
        ("another issuer", "iss", json!("somebody")),
        ("several issuers", "iss", json!(["rekomi"])),
        ("another audience", "aud", json!(["somebody"])),
        ("no subject", "sub", json!(null)),
        ("no end", "exp", json!(null)),
        ("no such role", "role", json!("root")),
        ("no such brand", "brand", json!("brd_00000000000000000000000000000007")),
    ] {
        add(why, key.sign(&with(good.clone(), name, value)));
    }
    let token = key.sign(&good);
    let parts: Vec<_> = token.split('.').collect();
    let other = base64url(with(good.clone(), "role", "manager").to_string());
    add("changed", format!("{}.{other}.{}", parts[0], parts[2]));
    add("cut", token[..token.len() - 4].to_owned());
    add("unsigned", format!("{}.{}.", parts[0], parts[1]));
    add("long", key.sign(&with(good.clone(), "more", "x".repeat(100_000))));
    for secret in [key.pem(), key.pem().trim().to_owned(), key.jwk().to_string()] {
        add("its public key as a secret", by_secret(secret.as_bytes(), &good));
    }
    for other in others {
        let header = json!({ "alg": other.algorithm(), "kid": key.kid, "jwk": other.jwk() });
        add("another key under its name", other.sign_as(&header, &good));
    }
    all
}

async fn all_refused_alike(instance: &Instance, forgeries: Vec<(String, String)>) {
    let refusal = answer(instance, "nonsense").await;
    assert_eq!(refusal.0, 401, "{}", refusal.1);
    for (why, token) in forgeries {
        assert_eq!(answer(instance, &token).await, refusal, "{why}");
    }
}

both! {
    async fn public_keys_open_with_their_own_algorithm_alone(app: &TestApp) {
        let keys = [Key::rsa("r"), Key::ec("c"), Key::ed("d")];
        let pems = keys.iter().map(Key::pem).collect::<String>().replace('\n', "\\n");
        let instance = app.instance_with(&[("REKOMI_JWT_PUBLIC_KEY", &pems)]).await;
        for key in &keys {
            assert!(opens(&instance, &key.sign(&claims(app))).await, "{}", key.algorithm());
            let strangers = [Key::ec("c"), Key::ed("d")];
            let strangers: Vec<_> = strangers.iter().filter(|other| other.algorithm() != "RS256").collect();
            all_refused_alike(&instance, forgeries(app, key, &strangers)).await;
        }
        // Rekomi's own are as good as before, and elsewhere nobody else's are.
        assert!(opens(&instance, &app.token(rekomi::auth::Role::Owner, None, None)).await);
        assert!(!opens(&app.instance, &keys[0].sign(&claims(app))).await);
        instance.stop().await;
    }

    async fn published_keys_open_with_their_own_algorithm_alone(app: &TestApp) {
        let keys = [Key::rsa("r"), Key::ec("c"), Key::ed("d")];
        let issuer = Issuer::start(&[&keys[0], &keys[1], &keys[2]]).await;
        let instance = app.instance_with(&[("REKOMI_JWKS_URL", &issuer.url)]).await;
        for key in &keys {
            assert!(opens(&instance, &key.sign(&claims(app))).await, "{}", key.algorithm());
            let nameless = json!({ "alg": key.algorithm() });
            assert!(opens(&instance, &key.sign_as(&nameless, &claims(app))).await, "nameless");
            all_refused_alike(&instance, forgeries(app, key, &[&Key::ec("c"), &Key::ed("d")])).await;
        }
        let asked = issuer.asked();
        let names = ["../../../../etc/passwd", "/dev/null", "file:///etc/passwd", &issuer.url, "' OR 1=1 --", ""];
        let forged = Key::ec("x");
        let mut strangers = Vec::new();
        for name in names {
            let header = json!({ "alg": "ES256", "kid": name, "jku": issuer.url, "x5u": issuer.url, "jwk": forged.jwk() });
            strangers.push((name.to_owned(), forged.sign_as(&header, &claims(app))));
        }
        all_refused_alike(&instance, strangers).await;
        assert_eq!(issuer.asked(), asked + 1, "for the first unknown name");
        instance.stop().await;
    }

    async fn a_new_key_is_felt_at_once_and_a_burst_of_unknown_ones_asks_once(app: &TestApp) {
        let [old, new, newer] = [Key::ec("old"), Key::ed("new"), Key::ed("newer")];
        let issuer = Issuer::start(&[&old]).await;
        let instance = app.instance_with(&[("REKOMI_JWKS_URL", &issuer.url)]).await;
        assert!(opens(&instance, &old.sign(&claims(app))).await);
        let asked = issuer.asked();
        issuer.publish(&[&new]);
        assert!(opens(&instance, &new.sign(&claims(app))).await);
        assert!(!opens(&instance, &old.sign(&claims(app))).await, "withdrawn");
        assert_eq!(issuer.asked(), asked + 1);
        app.pass(TimeDelta::seconds(31));
        let unknown: Vec<_> = (0..50)
            .map(|n| newer.sign_as(&json!({ "alg": "EdDSA", "kid": n.to_string() }), &claims(app)))
            .collect();
        let refused = unknown.iter().map(|token| opens(&instance, token));
        assert!(futures_util::future::join_all(refused).await.iter().all(|opened| !opened));
        assert_eq!(issuer.asked(), asked + 2, "for all fifty");
        issuer.publish(&[&new, &newer]);
        assert!(!opens(&instance, &newer.sign(&claims(app))).await, "not within 30 seconds");
        app.pass(TimeDelta::seconds(30));
        assert!(opens(&instance, &newer.sign(&claims(app))).await);
        assert_eq!(issuer.asked(), asked + 3);
        instance.stop().await;
    }

    async fn known_keys_stay_while_the_issuer_is_down_or_wrong(app: &TestApp) {
        let [old, new] = [Key::rsa("old"), Key::ec("new")];
        let issuer = Issuer::start(&[&old, &new]).await;
        issuer.publish(&[&old]);
        let instance = app.instance_with(&[("REKOMI_JWKS_URL", &issuer.url)]).await;
        assert!(opens(&instance, &old.sign(&claims(app))).await);
        let too_long = format!("{{\"keys\":[{}],\"more\":\"{}\"}}", new.jwk(), "x".repeat(512 * 1024));
        for (status, body) in [
            (500, ""),
            (302, ""),
            (200, "<html>"),
            (200, "{\"keys\":[]}"),
            (200, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"new"}]}"#),
            (200, too_long.as_str()),
        ] {
            issuer.answer(status, body);
            let asked = issuer.asked();
            app.pass(TimeDelta::seconds(31));
            assert!(!opens(&instance, &new.sign(&claims(app))).await, "{status} {body:.20}");
            assert!(opens(&instance, &old.sign(&claims(app))).await, "{status} {body:.20}");
            assert!(issuer.asked() > asked);
        }
        issuer.publish(&[&new]);
        app.pass(TimeDelta::minutes(10));
        eventually("the new keys, without a token that asks for them", async || {
            (!opens(&instance, &old.sign(&claims(app))).await).then_some(())
        })
        .await;
        assert!(opens(&instance, &new.sign(&claims(app))).await);
        instance.stop().await;
    }

    async fn a_token_waits_only_for_keys_that_could_open_it(app: &TestApp) {
        let (key, fixed) = (Key::ec("c"), Key::ed("d"));
        let issuer = Issuer::start(&[&key]).await;
        issuer.answer(503, "");
        let settings = [("REKOMI_JWKS_URL", issuer.url.as_str()), ("REKOMI_JWT_PUBLIC_KEY", &fixed.pem())];
        let instance = app.instance_with(&settings).await;
        assert_eq!(answer(&instance, &key.sign(&claims(app))).await.0, 503);
        assert!(opens(&instance, &fixed.sign(&claims(app))).await);
        let mut expired = claims(app);
        expired["exp"] = (app.now().timestamp() - 60).into();
        for token in [key.sign(&expired), "a.b.c".into(), by_secret(b"a secret", &claims(app))] {
            assert!(!opens(&instance, &token).await, "{token}");
        }
        issuer.publish(&[&key]);
        app.pass(TimeDelta::seconds(30));
        assert!(opens(&instance, &key.sign(&claims(app))).await);
        instance.stop().await;
    }

    async fn a_brands_own_identity_provider_serves(app: &TestApp) {
        let key = Key::rsa("r");
        let now = app.now().timestamp();
        // As Auth0 makes them: names with a namespace, several audiences, no nbf.
        let auth0 = json!({
            "iss": "https://acme.eu.auth0.com/", "sub": "auth0|olivia", "iat": now, "exp": now as f64 + 3600.5,
            "aud": ["https://rekomi.acme.example", "https://acme.eu.auth0.com/userinfo"], "scope": "openid profile",
            "https://acme.example/brand": app.acme.id, "https://acme.example/role": "manager",
        });
        let instance = app.instance_with(&[
            ("REKOMI_JWT_PUBLIC_KEY", &key.pem()),
            ("REKOMI_JWT_ISSUER", "https://acme.eu.auth0.com/"),
            ("REKOMI_JWT_AUDIENCE", "https://rekomi.acme.example"),
            ("REKOMI_JWT_CLAIMS", "brand=https://acme.example/brand, role=https://acme.example/role"),
        ]).await;
        assert!(opens(&instance, &key.sign(&auth0)).await);
        let mut plain = with(with(auth0.clone(), "role", "owner"), "brand", app.acme.id.to_string());
        plain.as_object_mut().unwrap().remove("https://acme.example/role");
        assert!(!opens(&instance, &key.sign(&plain)).await, "a name that is not in use");
        instance.stop().await;

        // As Keycloak makes them: lists of roles, some of them of others.
        let keycloak = |roles: Value| json!({
            "iss": "https://id.acme.example/realms/acme", "sub": "f2b0", "iat": now, "auth_time": now, "exp": now + 300,
            "aud": "account", "typ": "Bearer", "azp": "dashboard", "preferred_username": "olivia",
            "realm_access": { "roles": roles }, "rekomi": { "brand": app.acme.id },
        });
        let instance = app.instance_with(&[
            ("REKOMI_JWT_PUBLIC_KEY", &key.pem()),
            ("REKOMI_JWT_ISSUER", "https://id.acme.example/realms/acme"),
            ("REKOMI_JWT_AUDIENCE", "account"),
            ("REKOMI_JWT_CLAIMS", "brand=/rekomi/brand,role=/realm_access/roles,subject=preferred_username"),
        ]).await;
        let others = ["offline_access", "uma_authorization", "default-roles-acme"];
        let ana = key.sign(&keycloak(json!(["analyst", others[0], others[1]])));
        assert!(opens(&instance, &ana).await);
        let input = json!({ "name": "Spring", "landingUrl": "https://acme.example", "commission": { "percent": "20" } });
        let query = "mutation($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }";
        let refusal = instance.caller(Some(ana)).ask(query, json!({ "input": input })).await;
        assert_eq!(refusal.codes(), ["FORBIDDEN"], "{}", refusal.body);
        for roles in [json!(others), json!(["analyst", "owner"]), json!([]), json!({ "owner": true })] {
            assert!(!opens(&instance, &key.sign(&keycloak(roles.clone()))).await, "{roles}");
        }
        instance.stop().await;
    }
}

#[test]
fn a_weak_key_stops_the_start_and_is_not_shown() {
    const WEAK: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCtEt1mJz/VjtY0v+QypTmTHhxKMa3SAqOncpdK+zhMeZMPFd9Baajnx35UASa7eAvIQyL3mpD+fij38gn36ZBx7nM9JPXdYSPDicsP3UlcXfopkh6J9lHU/mVyqIKpaKyJudQWLJ4EoSseNk3RqtGDUV4g13/uJ3y7lYIaON9w5QIDAQAB";
    for label in ["PUBLIC KEY", "PRIVATE KEY", "CERTIFICATE"] {
        let mut home = Home::bare();
        home.set(
            "REKOMI_JWT_PUBLIC_KEY",
            &format!("-----BEGIN {label}-----\n{WEAK}\n-----END {label}-----\n"),
        );
        let refusal = home.refusal(&["serve"]);
        assert!(
            refusal.contains("REKOMI_JWT_PUBLIC_KEY: has a") && refusal.lines().count() == 1,
            "{label}: {refusal}"
        );
        assert!(!refusal.contains("MIGf"), "{label}: {refusal}");
        assert!(binary::is_empty(home.folder.path()), "{label} left something");
    }
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let mut home = Home::bare();
    home.ok(&["brand", "create", "--name", "Acme"]);
    home.set("REKOMI_JWKS_URL", "https://issuer.example/jwks.json");
    home.set("REKOMI_LISTEN", "0.0.0.0:0");
    let refusal = home.refusal(&["token", "--brand", "acme", "--role", "owner"]);
    assert!(
        refusal.contains("REKOMI_JWT_SECRET") && refusal.lines().count() == 1,
        "{refusal}"
    );
    assert!(!home.path("rekomi.jwt-secret").exists());
}
