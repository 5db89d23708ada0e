//! From JSON or a query string to an operation: the shape of a GraphQL request, checked once for all transports.
//!
//! async-graphql's own readers are not used for this: they answer a wrong shape with serde's words for an untagged
//! enum, take an array of strings for a request, and do not know `operationName` in a query string.

use async_graphql::{
    Request, ServerError, Value, Variables,
    parser::types::{DocumentOperations, OperationDefinition, OperationType, Selection},
};
use axum::http::StatusCode;
use serde_json::{Map, Value as Json};

use super::{
    documents::Named,
    errors::{self, Code, Refusal},
    expansion, introspection, tokens,
};

/// Items of any list in the variables: more are never asked for.
const MAX_ITEMS: usize = 1_000;

/// The parameters of a request, well-formed; whether the document is, is not looked at yet.
#[derive(Debug)]
pub(super) struct Params {
    pub(super) document: Named,
    operation_name: Option<String>,
    variables: Option<Json>,
    extensions: Option<Json>,
}

impl Params {
    /// From the body of a POST.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
        match serde_json::from_slice(body) {
            Ok(Json::Object(map)) => Self::from_map(map).map_err(bad),
            Ok(Json::Array(_)) => Err(bad("a batch of requests is not taken: send them one by one".to_owned())),
            Ok(_) => Err(bad("the body is not a JSON object".to_owned())),
            Err(_) if body.is_empty() => Err(bad("the body is empty".to_owned())),
            Err(error) => Err(bad(format!("the body is not JSON: {error}"))),
        }
    }

    /// From a query string, where `variables` and `extensions` are JSON. `None` where nothing is asked.
    pub(super) fn from_query_string(query_string: &str) -> Result<Option<Self>, Refusal> {
        let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
        let mut map = Map::new();
        for (name, value) in url::form_urlencoded::parse(query_string.as_bytes()) {
            let value = match &*name {
                "query" | "operationName" | "documentId" => Json::String(value.into_owned()),
                "variables" | "extensions" if value.is_empty() => Json::Null,
                "variables" | "extensions" => {
                    serde_json::from_str(&value).map_err(|error| bad(format!("{name} is not JSON: {error}")))?
                }
                _ => continue,
            };
            if map.insert(name.to_string(), value).is_some() {
                return Err(bad(format!("{name} is given twice")));
            }
        }
        if !["query", "documentId", "extensions"]
            .iter()
            .any(|name| map.contains_key(*name))
        {
            return Ok(None);
        }
        Self::from_map(map).map(Some).map_err(bad)
    }

    /// From a JSON object; the error says what is wrong with it.
    pub(super) fn from_map(mut map: Map<String, Json>) -> Result<Self, String> {
        let mut text = |name: &str| match map.remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{name} is not a string")),
        };
        let (query, document_id, operation_name) = (text("query")?, text("documentId")?, text("operationName")?);
        let mut object = |name: &str| match map.remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value @ Json::Object(_)) => Ok(Some(value)),
            Some(_) => Err(format!("{name} is not an object")),
        };
        let (variables, extensions) = (object("variables")?, object("extensions")?);
        let hash = extensions.as_ref().and_then(|it| it.get("persistedQuery"));
        let hash = hash.filter(|it| !it.is_null()).map(persisted_hash).transpose()?;
        let document = match (query, document_id, hash) {
            (Some(text), None, None) => Named::Text(text),
            (Some(text), None, Some(hash)) => Named::Both { text, hash },
            (None, None, Some(name)) | (None, Some(name), None) => Named::Name(name),
            (None, None, None) => return Err("query is missing".to_owned()),
            (_, Some(_), _) => return Err("documentId stands alone, without query or persistedQuery".to_owned()),
        };
        if let Some(list) = variables.as_ref().and_then(long_list) {
            return Err(format!(
                "variables has a list of {list} items: at most {MAX_ITEMS} are taken"
            ));
        }
        Ok(Self {
            document,
            operation_name,
            variables,
            extensions,
        })
    }
}

impl Params {
    /// By what name its answers are told from those of others on the same connection.
    pub(super) fn operation_id(&self) -> Option<&str> {
        let id = self.extensions.as_ref()?.get("operationId")?.as_str()?;
        Some(id).filter(|id| !id.is_empty())
    }
}

/// The hash of Apollo's protocol of automatic persisted queries, in lower case.
fn persisted_hash(persisted: &Json) -> Result<String, String> {
    let hash = persisted["sha256Hash"].as_str().map(str::to_ascii_lowercase);
    hash.filter(|hash| persisted["version"] == 1 && hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit()))
        .ok_or_else(|| "extensions.persistedQuery has the version 1 and a sha256Hash of 64 hex digits".to_owned())
}

/// How long the first list is that is too long, at any depth; JSON of more than 128 levels is not read.
fn long_list(value: &Json) -> Option<usize> {
    match value {
        Json::Array(items) if items.len() > MAX_ITEMS => Some(items.len()),
        Json::Array(items) => items.iter().find_map(long_list),
        Json::Object(map) => map.values().find_map(long_list),
        _ => None,
    }
}

/// A request whose document has been parsed.
pub(super) struct Operation {
    pub(super) request: Request,
    /// What it does. Where the document has several operations and none is chosen it is taken for a query: execution
    /// refuses it before anything runs.
    pub(super) kind: OperationType,
    /// Entries of answers about the schema that it asks for, as estimated.
    pub(super) entries: u64,
    /// Whether the answer says what it cost.
    pub(super) wants_cost: bool,
}

impl Operation {
    /// Parses the document that was meant. What is wrong with it is a GraphQL error, to be answered as one.
    pub(super) fn parse(document: &str, params: Params, introspection: bool) -> Result<Self, ServerError> {
        let too_complex = |message| errors::error(message, Code::QueryTooComplex);
        if let Some(excess) = tokens::excess(document) {
            return Err(too_complex(excess));
        }
        let wants_cost = params.extensions.as_ref().is_some_and(|it| it["cost"] == true);
        let mut request = Request::new(document);
        request.operation_name = params.operation_name;
        if let Some(variables) = params.variables {
            request.variables = Variables::from_json(variables);
        }
        if let Some(Ok(Value::Object(extensions))) = params.extensions.map(Value::from_json) {
            request.extensions.0 = extensions
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect();
        }
        let chosen = request.operation_name.clone();
        let document = request.parsed_query().map_err(shorten)?;
        if !expansion::is_bounded(document) {
            let limit = expansion::MAX_SELECTIONS;
            return Err(too_complex(format!("the document selects more than {limit} fields")));
        }
        match expansion::conflict(document) {
            Ok(None) => {}
            Ok(Some(name)) => {
                let message = format!(
                    "{name} is selected twice in one place, as another field or with other arguments: give one an alias"
                );
                return Err(errors::error(message, Code::BadUserInput));
            }
            Err(()) => return Err(too_complex("the document repeats its fields too often".to_owned())),
        }
        if !introspection && introspection::is_asked(document) {
            let message = "introspection is switched off on this server";
            return Err(errors::error(message, Code::BadUserInput));
        }
        let entries = introspection::entries(document);
        if entries > introspection::MAX_ENTRIES {
            let limit = introspection::MAX_ENTRIES;
            return Err(too_complex(format!(
                "the document asks the schema for more than {limit} entries"
            )));
        }
        let operation = chosen_of(&document.operations, chosen.as_deref());
        let kind = operation.map_or(OperationType::Query, |operation| operation.ty);
        if let Some(operation) = operation
            && kind == OperationType::Subscription
            && !selects_one_field(operation)
        {
            let message = "a subscription selects one field at its root, not by a fragment";
            return Err(errors::error(message, Code::BadUserInput));
        }
        Ok(Self {
            request,
            kind,
            entries,
            wants_cost,
        })
    }
}

/// GraphQL has it so (section 5.2.4.1); async-graphql would run several, and none that is in a fragment.
fn selects_one_field(operation: &OperationDefinition) -> bool {
    let selections = &operation.selection_set.node.items;
    matches!(selections.as_slice(), [only] if matches!(&only.node, Selection::Field(field) if !field.node.name.node.starts_with("__")))
}

/// The parser draws the line at fault with a caret under it, and that line may be the whole document.
fn shorten(mut error: ServerError) -> ServerError {
    if let Some((_, expected)) = error.message.rsplit_once("\n") {
        let expected = expected.trim_start_matches([' ', '=']);
        error.message = format!("syntax error: {expected}");
    }
    error
}

/// Chooses as the executor will.
fn chosen_of<'a>(operations: &'a DocumentOperations, chosen: Option<&str>) -> Option<&'a OperationDefinition> {
    let operation = match (operations, chosen) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(map), Some(name)) => map.get(name),
        (DocumentOperations::Multiple(map), None) if map.len() == 1 => map.values().next(),
        (DocumentOperations::Multiple(_), None) => None,
    };
    operation.map(|operation| &operation.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(query: &str, name: Option<&str>) -> OperationType {
        let params = Params {
            document: Named::Text(query.to_owned()),
            operation_name: name.map(str::to_owned),
            variables: None,
            extensions: None,
        };
        Operation::parse(query, params, true).unwrap().kind
    }

    #[test]
    fn the_kind_is_that_of_the_operation_that_would_run() {
        assert_eq!(kind_of("mutation { a }", None), OperationType::Mutation);
        assert_eq!(kind_of("mutation A { a }", None), OperationType::Mutation);
        let two = "query A { a } mutation B { b }";
        assert_eq!(kind_of(two, Some("A")), OperationType::Query);
        assert_eq!(kind_of(two, Some("B")), OperationType::Mutation);
        assert_eq!(kind_of(two, None), OperationType::Query);
    }

    #[test]
    fn a_syntax_error_does_not_repeat_the_document() {
        let (query, map) = ("{ a(b: ) }", Map::from_iter([("query".to_owned(), Json::from("x"))]));
        let error = Operation::parse(query, Params::from_map(map).unwrap(), true).err();
        let error = error.unwrap();
        assert_eq!(error.message, "syntax error: expected value");
        assert_eq!(error.locations[0].column, 8);
    }

    #[test]
    fn a_query_string_names_its_operation_and_nothing_twice() {
        let params = Params::from_query_string("operationName=A&query=%7Ba%7D&variables=&x=1");
        let params = params.unwrap().unwrap();
        assert_eq!(params.operation_name.as_deref(), Some("A"));
        assert_eq!(params.document, Named::Text("{a}".to_owned()));
        assert!(params.variables.is_none());
        assert!(Params::from_query_string("query=a&query=b").is_err());
        assert!(Params::from_query_string("query=a&variables=1").is_err());
        assert!(Params::from_query_string("variables={}").unwrap().is_none());
    }
}
