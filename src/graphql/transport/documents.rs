//! Documents that clients name instead of sending them: those they sent before, and those of the operator's list.
//!
//! **Invariants.** A brand's documents are found by its own callers alone, and none makes room for another brand's. Each
//! is known by the SHA-256 of its text, which is checked when it comes. With a list, nothing runs that is not on it.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{ServerError, parser::parse_query};
use moka::{policy::EvictionPolicy, sync::Cache};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::errors::{self, Code};

/// Bytes of the documents that are kept for a brand. The longest unused gives way.
const SHELF_BYTES: u64 = 1024 * 1024;
/// How a `documentId` says that the rest of it is a hash.
const HASH_PREFIX: &str = "sha256:";

/// How a request names its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Text(String),
    /// By a hash, or by the name that the list has for it.
    Name(String),
    /// Both: the text may be kept under its hash.
    Both {
        text: String,
        hash: String,
    },
}

/// The operator's list: the only documents that run. By their names, most often hashes.
#[derive(Debug, Default)]
pub struct List(HashMap<String, Arc<str>>);

/// All that are known.
#[derive(Default)]
pub struct Documents {
    list: Option<Arc<List>>,
    shelves: Mutex<HashMap<Uuid, Shelf>>,
}

type Shelf = Cache<String, Arc<str>>;

/// Where a caller's documents are kept, and whether the list binds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    /// The brand; callers without a token have nothing kept.
    pub shelf: Option<Uuid>,
    pub may_send_any: bool,
}

impl Documents {
    /// Only those of the list, where there is one.
    pub fn new(list: Option<Arc<List>>) -> Self {
        Self {
            list,
            ..Self::default()
        }
    }

    /// The text that is meant.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND` for what is not known, at which clients send the text; `BAD_USER_INPUT` for a hash of
    /// another text, and for a text that the list has not.
    pub(super) fn find(&self, named: &Named, reader: Reader) -> Result<Arc<str>, ServerError> {
        let list = self.list.as_ref().filter(|_| !reader.may_send_any);
        match (named, list) {
            (Named::Text(text), None) => Ok(text.as_str().into()),
            (Named::Text(_), Some(_)) => Err(not_listed()),
            (Named::Name(name), _) => self.named(name, reader).ok_or_else(not_found),
            (Named::Both { text, hash }, _) if hash_of(text) != *hash => Err(errors::error(
                "sha256Hash is not the hash of the query",
                Code::BadUserInput,
            )),
            (Named::Both { text, .. }, None) => Ok(text.as_str().into()),
            (Named::Both { hash, .. }, Some(list)) => list.0.get(hash).cloned().ok_or_else(not_listed),
        }
    }

    fn named(&self, name: &str, reader: Reader) -> Option<Arc<str>> {
        let bare = name.strip_prefix(HASH_PREFIX).unwrap_or(name);
        match &self.list {
            Some(list) => list.0.get(bare).or_else(|| list.0.get(name)).cloned(),
            None => self.shelf(reader.shelf?).get(bare),
        }
    }

    /// Keeps a document that came with its hash and was found in order.
    pub(super) fn keep(&self, named: &Named, reader: Reader) {
        let (Named::Both { text, hash }, Some(shelf), None) = (named, reader.shelf, &self.list) else {
            return;
        };
        let shelf = self.shelf(shelf);
        if !shelf.contains_key(hash) {
            shelf.insert(hash.clone(), text.as_str().into());
        }
    }

    fn shelf(&self, brand: Uuid) -> Shelf {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |hash: &String, text: &Arc<str>| u32::try_from(hash.len() + text.len()).unwrap_or(u32::MAX);
        let new = || {
            let shelf = Cache::builder().max_capacity(SHELF_BYTES).weigher(weight);
            shelf.eviction_policy(EvictionPolicy::lru()).build()
        };
        shelves.entry(brand).or_insert_with(new).clone()
    }
}

fn hash_of(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// In the words by which clients of Apollo's protocol know it.
fn not_found() -> ServerError {
    errors::error("PersistedQueryNotFound", Code::PersistedQueryNotFound)
}

fn not_listed() -> ServerError {
    let message = "only documents of this server's list run here: name one by its hash or documentId";
    errors::error(message, Code::BadUserInput)
}

/// Either form of the file: names with their texts, as `graphql-codegen` writes them, or Apollo's manifest.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Manifest { operations: Vec<Operation> },
    Names(HashMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

impl FromStr for List {
    type Err = String;

    /// # Errors
    /// What is wrong with the file, in one line.
    fn from_str(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text)
            .map_err(|_| "the file is neither an object of hashes and documents nor Apollo's manifest".to_owned())?;
        let documents: Vec<(String, String)> = match file {
            File::Manifest { operations } => operations.into_iter().map(|it| (it.id, it.body)).collect(),
            File::Names(names) => names.into_iter().collect(),
        };
        let mut list = HashMap::new();
        for (name, text) in documents {
            let shown = name
                .chars()
                .filter(|c| c.is_ascii_graphic())
                .take(80)
                .collect::<String>();
            if parse_query(&text).is_err() {
                return Err(format!("the document {shown} is not GraphQL"));
            }
            if list.insert(name, text.into()).is_some() {
                return Err(format!("the document {shown} is there twice"));
            }
        }
        match list.is_empty() {
            true => Err("the file has no documents".to_owned()),
            false => Ok(Self(list)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "{ hello }";

    fn of(brand: u128) -> Reader {
        Reader {
            shelf: Some(Uuid::from_u128(brand)),
            may_send_any: false,
        }
    }

    fn both(text: &str) -> Named {
        let hash = hash_of(text);
        Named::Both {
            text: text.to_owned(),
            hash,
        }
    }

    #[test]
    fn a_document_is_kept_for_its_brand_alone() {
        let documents = Documents::default();
        let (nobody, name) = (Reader { shelf: None, ..of(1) }, Named::Name(hash_of(HELLO)));
        for reader in [of(1), nobody] {
            assert_eq!(
                documents.find(&name, reader).unwrap_err().message,
                "PersistedQueryNotFound"
            );
            assert_eq!(&*documents.find(&both(HELLO), reader).unwrap(), HELLO);
            documents.keep(&both(HELLO), reader);
        }
        let prefixed = Named::Name(format!("sha256:{}", hash_of(HELLO)));
        assert_eq!(&*documents.find(&name, of(1)).unwrap(), HELLO);
        assert_eq!(&*documents.find(&prefixed, of(1)).unwrap(), HELLO);
        assert!(documents.find(&name, of(2)).is_err() && documents.find(&name, nobody).is_err());
    }

    #[test]
    fn one_brand_s_documents_make_no_room_for_another_s() {
        let documents = Documents::default();
        documents.keep(&both(HELLO), of(1));
        for number in 0..200 {
            documents.keep(&both(&format!("{{ hello{} }}", "x".repeat(10_000 + number))), of(2));
        }
        let (one, two) = (documents.shelf(Uuid::from_u128(1)), documents.shelf(Uuid::from_u128(2)));
        two.run_pending_tasks();
        assert!(two.weighted_size() <= SHELF_BYTES && two.entry_count() > 50);
        assert!(one.contains_key(&hash_of(HELLO)));
    }

    #[test]
    fn with_a_list_nothing_else_runs() {
        let hash = hash_of(HELLO);
        let file = format!(r#"{{"{hash}": "{{ hello }}", "sha256:named": "{{ me }}"}}"#);
        let documents = Documents::new(Some(Arc::new(file.parse().unwrap())));
        let name = |name: &str| documents.find(&Named::Name(name.to_owned()), of(1));
        assert_eq!(&*name(&hash).unwrap(), HELLO);
        assert_eq!(&*name(&format!("sha256:{hash}")).unwrap(), HELLO);
        assert_eq!(&*name("sha256:named").unwrap(), "{ me }");
        assert_eq!(name(&hash_of("{ me }")).unwrap_err().message, "PersistedQueryNotFound");
        assert_eq!(&*documents.find(&both(HELLO), of(1)).unwrap(), HELLO);
        for other in [both("{ me }"), Named::Text(HELLO.to_owned())] {
            documents.keep(&other, of(1));
            assert!(
                documents
                    .find(&other, of(1))
                    .unwrap_err()
                    .message
                    .starts_with("only documents")
            );
        }
        let free = Reader {
            may_send_any: true,
            ..of(1)
        };
        assert!(documents.find(&Named::Text("{ me }".to_owned()), free).is_ok());
    }

    #[test]
    fn a_list_is_read_in_both_forms_or_refused_in_a_line() {
        let manifest = r#"{"format": "apollo-persisted-query-manifest", "version": 1,
            "operations": [{"id": "a", "name": "A", "type": "query", "body": "query A { a }"}]}"#;
        assert_eq!(&*manifest.parse::<List>().unwrap().0["a"], "query A { a }");
        for (file, problem) in [
            ("", "the file is neither"),
            ("[]", "the file is neither"),
            (r#"{"a": 1}"#, "the file is neither"),
            ("{}", "the file has no documents"),
            (r#"{"a": "{ a"}"#, "the document a is not GraphQL"),
            (
                r#"{"operations": [{"id": "a", "body": "{a}"}, {"id": "a", "body": "{b}"}]}"#,
                "the document a is there twice",
            ),
        ] {
            let error = file.parse::<List>().unwrap_err();
            assert!(error.starts_with(problem) && !error.contains('\n'), "{error}");
        }
    }
}
