//! A client of server-sent events.

use serde_json::{Value, json};

use super::{PATIENCE, instance::Instance};

/// The client's end of a stream.
pub struct Stream {
    response: reqwest::Response,
    text: String,
    /// What a browser would send back when it comes again.
    pub last_event_id: Option<String>,
}

impl Stream {
    /// Runs an operation on a stream of its own.
    pub async fn open(instance: &Instance, token: &str, query: &str, last_event_id: Option<&str>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http
            .post(format!("{}/graphql", instance.base))
            .header("accept", "text/event-stream")
            .bearer_auth(token)
            .json(&json!({ "query": query }));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            text: String::new(),
            last_event_id: last_event_id.map(str::to_owned),
        }
    }

    /// The payload of the next event; `None` when the operation is complete or the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.map(str::trim)
                };
                if let Some(id) = field("id:") {
                    self.last_event_id = Some(id.to_owned());
                }
                match field("event:") {
                    Some("next") => return Some(serde_json::from_str(field("data:").unwrap()).unwrap()),
                    Some("complete") => return None,
                    Some(other) => panic!("no such event: {other}"),
                    None => {}
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            match chunk.expect("the stream brings something in time") {
                Ok(Some(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The event of the subscription's only field; its cursor must be the event's id.
    pub async fn event(&mut self) -> Value {
        let mut payload = self.next().await.expect("an event");
        let told = payload["data"]
            .as_object_mut()
            .and_then(|data| data.values_mut().next());
        let event = told.map(Value::take).unwrap_or_default();
        assert_eq!(event["cursor"].as_str(), self.last_event_id.as_deref(), "{payload}");
        event
    }

    /// The code and the reason of the refusal that is all that comes.
    pub async fn refusal(mut self) -> (String, Value) {
        let payload = self.next().await.expect("an event");
        assert_eq!(self.next().await, None);
        let extensions = &payload["errors"][0]["extensions"];
        (
            extensions["code"].as_str().unwrap().to_owned(),
            extensions["reason"].clone(),
        )
    }
}
