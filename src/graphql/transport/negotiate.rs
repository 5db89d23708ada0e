//! Which media type a request may have, and which its answer gets.

use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};

use super::errors::Refusal;

/// The two forms of a GraphQL response. They differ in the status that a request error has: the older one cannot be
/// told from a proxy's JSON, so there a well-formed request is always 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    GraphqlResponse,
}

impl MediaType {
    fn essence(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
        }
    }

    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        })
    }
}

/// What a client wants of a media type: how much (its `q`, in thousandths), and how precisely it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    /// 3 names the type, 2 its family, 1 is `*/*`.
    precision: u8,
    quality: u16,
}

/// Picks the answer's media type. `application/json` is what clients get that do not ask for either by name: the
/// older of them know no other.
pub(super) fn response_type(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    if !headers.contains_key(ACCEPT) {
        return Ok(MediaType::Json);
    }
    let wish = |media: MediaType| wish_for(headers, media.essence()).filter(|it| it.quality > 0);
    match (wish(MediaType::Json), wish(MediaType::GraphqlResponse)) {
        (None, None) => Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "the answer is application/graphql-response+json or application/json, and the accept header allows neither",
        )),
        (Some(_), None) => Ok(MediaType::Json),
        (None, Some(_)) => Ok(MediaType::GraphqlResponse),
        (Some(json), Some(response)) => {
            let named = response.precision == 3 && response.quality == json.quality;
            if response.quality > json.quality || named {
                Ok(MediaType::GraphqlResponse)
            } else {
                Ok(MediaType::Json)
            }
        }
    }
}

/// Whether an answer may be an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventStream {
    No,
    /// JSON is as welcome: it is for what has more than one answer.
    ForSubscriptions,
    /// It is all that is wanted, or wanted most.
    ForAll,
}

/// Who wants an event stream says so by name: `*/*` is what clients send that expect one answer.
pub(super) fn event_stream(headers: &HeaderMap) -> EventStream {
    let rank = |wish: Wish| (wish.quality, wish.precision);
    let wish = |essence: &str| wish_for(headers, essence).filter(|it| it.quality > 0).map(rank);
    let Some(events) = wish_for(headers, "text/event-stream").filter(|it| it.precision == 3 && it.quality > 0) else {
        return EventStream::No;
    };
    let json = wish(MediaType::Json.essence()).max(wish(MediaType::GraphqlResponse.essence()));
    if json.is_some_and(|json| json >= rank(events)) {
        EventStream::ForSubscriptions
    } else {
        EventStream::ForAll
    }
}

/// Whether an answer may have a type; without a header it may have any.
pub(super) fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    !headers.contains_key(ACCEPT) || wish_for(headers, essence).is_some_and(|wish| wish.quality > 0)
}

/// A browser that came to look, not a client.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    wish_for(headers, "text/html").is_some_and(|wish| wish.precision == 3 && wish.quality > 0)
}

/// The most precise range of the accept header that covers `essence`.
fn wish_for(headers: &HeaderMap, essence: &str) -> Option<Wish> {
    let family = essence.split('/').next().unwrap_or_default();
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let range = parts.next()?.to_ascii_lowercase();
            let precision = match range.as_str() {
                "*/*" => 1,
                _ if range == essence => 3,
                _ if range.strip_suffix("/*") == Some(family) => 2,
                _ => return None,
            };
            let quality = parts.find_map(quality).unwrap_or(1000);
            Some(Wish { precision, quality })
        })
        .max()
}

/// `q=0.7` in thousandths; what is not a number counts as nothing wanted.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| {
        let q: f32 = value.trim().parse().unwrap_or(0.0);
        // In range by the clamp; NaN becomes 0.
        (q.clamp(0.0, 1.0) * 1000.0) as u16
    })
}

/// Only JSON in UTF-8 is a POST body: forms and plain text are what another site's page can send without asking.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |message| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return refuse("a POST needs one content-type header: application/json");
    };
    let mut parts = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    if parts.next().as_deref() != Some(MediaType::Json.essence()) {
        return refuse("the content type of a POST is application/json");
    }
    let other_charset = parts
        .filter_map(|part| part.strip_prefix("charset=").map(str::to_owned))
        .any(|charset| !matches!(charset.trim_matches('"'), "utf-8" | "utf8"));
    if other_charset {
        return refuse("the charset of a POST is utf-8");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> Option<MediaType> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())]);
        response_type(&headers).ok()
    }

    #[test]
    fn an_event_stream_is_for_those_who_name_it() {
        use EventStream::{ForAll, ForSubscriptions, No};
        for (value, expected) in [
            ("*/*", No),
            ("text/*", No),
            ("text/event-stream;q=0", No),
            ("text/event-stream", ForAll),
            ("text/event-stream, */*", ForAll),
            ("text/event-stream, application/json;q=0.9", ForAll),
            ("application/json, text/event-stream", ForSubscriptions),
            ("application/json, text/event-stream;q=0.5", ForSubscriptions),
            ("application/graphql-response+json, TEXT/EVENT-STREAM", ForSubscriptions),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(event_stream(&headers), expected, "{value}");
        }
        assert_eq!(event_stream(&HeaderMap::new()), No);
    }

    #[test]
    fn the_newer_type_is_for_those_who_name_it() {
        use MediaType::{GraphqlResponse, Json};
        for (value, expected) in [
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json, application/json",
                Some(GraphqlResponse),
            ),
            (
                "application/graphql-response+json;charset=utf-8, application/json;q=0.9",
                Some(GraphqlResponse),
            ),
            ("application/graphql-response+json;q=0.5, application/json", Some(Json)),
            ("application/graphql-response+json, */*;q=0.1", Some(GraphqlResponse)),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("text/html, */*;q=0.8", Some(Json)),
            ("APPLICATION/JSON", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("", None),
        ] {
            assert_eq!(accept(value), expected, "{value}");
        }
        assert_eq!(response_type(&HeaderMap::new()).ok(), Some(Json));
    }
}
