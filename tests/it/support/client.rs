//! A GraphQL client over HTTP, as a dashboard would be one.

use serde_json::{Value, json};

/// Somebody who calls, with a token or without.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `x-request-id`, which the server's log names, too.
    pub request_id: String,
    pub body: Value,
}

/// A user error, as tests compare it: its code, and the path into the input.
pub type Mistake = (String, String);

/// The mistake of this code on this field (`discount.percentOff`; empty for the whole input).
pub fn mistake(code: &str, field: &str) -> Mistake {
    (code.to_owned(), field.to_owned())
}

impl Caller {
    pub fn new(http: reqwest::Client, base: &str, token: Option<String>) -> Self {
        Self {
            http,
            url: format!("{base}/graphql"),
            token,
        }
    }

    /// Sends a document with variables.
    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        let mut request = self
            .http
            .post(&self.url)
            .json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let id = response.headers().get("x-request-id");
        Answer {
            status: response.status().as_u16(),
            request_id: id.unwrap().to_str().unwrap().to_owned(),
            body: response.json().await.unwrap(),
        }
    }

    /// Sends a document to a server that may die before it answers.
    pub async fn cut(&self, query: &str, variables: Value) {
        let request = self
            .http
            .post(&self.url)
            .json(&json!({ "query": query, "variables": variables }));
        let _ = request
            .bearer_auth(self.token.as_deref().unwrap_or_default())
            .send()
            .await;
    }

    /// The data of a query that must succeed.
    pub async fn query(&self, query: &str) -> Value {
        self.query_with(query, json!({})).await
    }

    pub async fn query_with(&self, query: &str, variables: Value) -> Value {
        self.ask(query, variables).await.data()
    }

    /// Calls a mutation that takes one input; its payload. `fields` is what is asked of it besides `userErrors`.
    pub async fn mutate(&self, mutation: &str, fields: &str, input: Value) -> Value {
        self.try_mutate(mutation, fields, input).await.data()[mutation].take()
    }

    pub async fn try_mutate(&self, mutation: &str, fields: &str, input: Value) -> Answer {
        let mut type_name = mutation.to_owned();
        type_name[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {type_name}Input!) {{ {mutation}(input: $input) {{ {fields} userErrors {{ code field message }} }} }}"
        );
        self.ask(&query, json!({ "input": input })).await
    }

    /// The mistakes that a mutation finds in its input; the object must be null then.
    pub async fn mistakes(&self, mutation: &str, object: &str, input: Value) -> Vec<Mistake> {
        let fields = if object == "deletedId" {
            object.to_owned()
        } else {
            format!("{object} {{ id }}")
        };
        let payload = self.mutate(mutation, &fields, input).await;
        let mistakes = mistakes(&payload);
        assert_eq!(
            payload[object].is_null(),
            !mistakes.is_empty(),
            "an object or mistakes: {payload}"
        );
        mistakes
    }

    /// What a mutation made: it must find no mistake.
    pub async fn make(&self, mutation: &str, object: &str, fields: &str, input: Value) -> Value {
        let mut payload = self.mutate(mutation, &format!("{object} {{ {fields} }}"), input).await;
        assert_eq!(mistakes(&payload), [], "{mutation}: {payload}");
        payload[object].take()
    }
}

/// The user errors of a payload.
pub fn mistakes(payload: &Value) -> Vec<Mistake> {
    let errors = payload["userErrors"].as_array().unwrap();
    let path = |error: &Value| {
        let parts = error["field"].as_array().into_iter().flatten();
        parts.map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
    };
    errors
        .iter()
        .map(|error| mistake(error["code"].as_str().unwrap(), &path(error)))
        .collect()
}

impl Answer {
    pub fn data(mut self) -> Value {
        assert!(
            self.status == 200 && self.body.get("errors").is_none(),
            "{} {}",
            self.status,
            self.body
        );
        self.body["data"].take()
    }

    /// The codes of the errors.
    pub fn codes(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors
            .map(|error| error["extensions"]["code"].as_str().unwrap_or("none"))
            .collect()
    }
}
