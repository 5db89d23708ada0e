//! `/graphql` over HTTP with all that an answer carries, for tests of the protocol itself.

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use super::instance::{Instance, http};

/// An answer with its headers.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Instance {
    /// Posts a whole request: `{"query": …, "extensions": …}`.
    pub async fn send(&self, token: &str, request: &Value) -> Reply {
        reply(self.posting(token).json(request)).await
    }

    /// A POST without its body; without a token where that is empty.
    pub fn posting(&self, token: &str) -> RequestBuilder {
        with_token(http().post(format!("{}/graphql", self.base)), token)
    }

    /// Asks by GET.
    pub async fn fetch(&self, token: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let url = format!("{}/graphql?{}", self.base, query.finish());
        reply(with_token(http().get(url), token)).await
    }
}

fn with_token(request: RequestBuilder, token: &str) -> RequestBuilder {
    if token.is_empty() {
        request
    } else {
        request.bearer_auth(token)
    }
}

pub async fn reply(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.json().await.unwrap(),
    }
}

impl Reply {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The only error, whose request id must be the answer's.
    pub fn error(&self) -> (&str, &str) {
        let errors = self.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", self.body));
        assert_eq!(errors.len(), 1, "{}", self.body);
        let (error, extensions) = (&errors[0], &errors[0]["extensions"]);
        assert_eq!(extensions["requestId"], self.header("x-request-id"), "{}", self.body);
        (extensions["code"].as_str().unwrap(), error["message"].as_str().unwrap())
    }
}
