//! Visitors who follow links.

use reqwest::{Response, header, redirect::Policy};
use serde_json::Value;

use super::{Caller, TestApp, eventually};

/// A browser that shows where it is sent, and does not go there.
pub async fn follow(base: &str, slug: &str, headers: &[(&str, &str)]) -> Response {
    send(base, "GET", slug, headers).await
}

pub async fn send(base: &str, method: &str, slug: &str, headers: &[(&str, &str)]) -> Response {
    rekomi::install_crypto();
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
    let method = method.parse().unwrap();
    let mut request = client.build().unwrap().request(method, format!("{base}/r/{slug}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

pub fn location(answer: &Response) -> String {
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// The click that an answer names.
pub fn click_of(answer: &Response) -> Option<String> {
    let location = location(answer);
    let at = location.find("rk_click=")? + "rk_click=".len();
    Some(location[at..].chars().take(36).collect())
}

/// The cookie as a browser sends it back.
pub fn cookie_of(answer: &Response) -> String {
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

impl Caller {
    /// An affiliate's first link: its id and its slug.
    pub async fn link(&self, affiliate: &str) -> (String, String) {
        let data = self
            .query(&format!(
                "{{ affiliate(id: \"{affiliate}\") {{ links {{ id slug }} }} }}"
            ))
            .await;
        let link = &data["affiliate"]["links"][0];
        let text = |field: &str| link[field].as_str().unwrap().to_owned();
        (text("id"), text("slug"))
    }

    /// A click, as soon as it is written down.
    pub async fn click(&self, id: &str) -> Value {
        let query = format!(
            "{{ node(id: \"{id}\") {{ ... on Click {{ id clickedAt link {{ id slug }} affiliate {{ id }} campaign {{ id }} }} }} }}"
        );
        eventually("the click", async || {
            let mut data = self.query(&query).await;
            Some(data["node"].take()).filter(|node| !node.is_null())
        })
        .await
    }
}

impl TestApp {
    /// Follows the first link of an affiliate of the caller's; the click, written down.
    pub async fn click_on(&self, owner: &Caller, affiliate: &str) -> String {
        let (_, slug) = owner.link(affiliate).await;
        let id = click_of(&follow(&self.instance.base, &slug, &[]).await).unwrap();
        owner.click(&id).await;
        id
    }
}
