//! Form encoding as Stripe reads it (`a[b]=c`, `a[]=c`, `a[0]=c`), and typed reading of parameters.
//!
//! Parameters are named as in Stripe's errors, `promotion[coupon]`, so that the name that is read is the name that is
//! blamed.

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The parameters of one request, from its query and its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    /// Reads the query and then the body, both form encoded.
    pub fn parse(query: &str, body: &[u8]) -> Self {
        let mut tree = Map::new();
        for source in [query.as_bytes(), body] {
            for (name, value) in url::form_urlencoded::parse(source) {
                insert(&mut tree, &steps(&name), value.into_owned());
            }
        }
        for (name, value) in &mut tree {
            if name != "metadata" {
                fold(value);
            }
        }
        Self(tree)
    }

    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Takes out `expand`, which every route knows.
    pub fn take_expand(&mut self) -> Vec<String> {
        match self.0.remove("expand") {
            Some(Value::Array(paths)) => paths
                .iter()
                .filter_map(|path| path.as_str().map(str::to_owned))
                .collect(),
            Some(Value::String(path)) => vec![path],
            _ => vec![],
        }
    }

    fn at(&self, name: &str) -> Option<&Value> {
        let mut path = steps(name).into_iter();
        let first = self.0.get(path.next()?)?;
        path.try_fold(first, |value, step| value.get(step))
    }

    pub fn has(&self, name: &str) -> bool {
        self.at(name).is_some()
    }

    /// The parameter's text; an empty one is there too, as that is how Stripe's clients unset a field.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.at(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::invalid("Invalid string", name)),
        }
    }

    /// The parameter's text, if it is there and not empty.
    pub fn given(&self, name: &str) -> Result<Option<&str>, Refusal> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.given(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid(format!("Invalid boolean: {other}"), name)),
        }
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                Refusal::invalid(format!("Invalid integer: {text}"), name).coded("parameter_invalid_integer")
            })
        };
        self.given(name)?.map(read).transpose()
    }

    pub fn positive(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.int(name)? {
            Some(number) if number < 1 => Err(Refusal::invalid("Invalid positive integer", name)),
            other => Ok(other),
        }
    }

    /// A text of at most `most` characters.
    pub fn text_up_to(&self, name: &str, most: usize) -> Result<Option<&str>, Refusal> {
        let text = self.text(name)?;
        if text.is_some_and(|text| text.chars().count() > most) {
            let message = format!("Invalid string: must be at most {most} characters");
            return Err(Refusal::invalid(message, name));
        }
        Ok(text)
    }

    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.at(name) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(item)) => vec![item],
            _ => vec![],
        }
    }

    /// The parameter as it was sent, for the fields that the stand-in only keeps.
    pub fn raw(&self, name: &str) -> Value {
        self.at(name).cloned().unwrap_or_default()
    }

    /// Writes the metadata that was sent over `kept`: an empty value takes a key away.
    pub fn merge_metadata(&self, kept: &mut Map<String, Value>) -> Result<(), Refusal> {
        let sent = match self.at("metadata") {
            None => return Ok(()),
            Some(Value::Object(sent)) => sent,
            Some(Value::String(text)) if text.is_empty() => {
                kept.clear();
                return Ok(());
            }
            Some(_) => return Err(Refusal::invalid("Invalid object", "metadata")),
        };
        for (key, value) in sent {
            let param = format!("metadata[{key}]");
            let text = self.text_up_to(&param, 500)?.unwrap_or_default();
            if key.chars().count() > 40 {
                return Err(Refusal::invalid("Metadata keys have at most 40 characters", param));
            }
            if text.is_empty() {
                kept.remove(key);
            } else {
                kept.insert(key.clone(), value.clone());
            }
        }
        if kept.len() > 50 {
            return Err(Refusal::invalid("Metadata has at most 50 keys", "metadata"));
        }
        Ok(())
    }

    /// Refuses every parameter that is not among `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::unknown(name)),
            None => Ok(()),
        }
    }

    /// Refuses every parameter inside `parent[…]` that is not among `known`.
    pub fn only_in(&self, parent: &str, known: &[&str]) -> Result<(), Refusal> {
        let Some(Value::Object(inner)) = self.at(parent) else {
            return Ok(());
        };
        match inner.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::unknown(&format!("{parent}[{name}]"))),
            None => Ok(()),
        }
    }
}

/// `a[b][]` is the steps `a`, `b` and an empty one.
fn steps(name: &str) -> Vec<&str> {
    name.split('[')
        .map(|step| step.strip_suffix(']').unwrap_or(step))
        .collect()
}

fn insert(at: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((head, rest)) = path.split_first() else {
        return;
    };
    let key = match *head {
        "" => at.len().to_string(),
        name => name.to_owned(),
    };
    if rest.is_empty() {
        at.insert(key, Value::String(value));
        return;
    }
    let slot = at.entry(key).or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    if let Value::Object(inner) = slot {
        insert(inner, rest, value);
    }
}

/// Makes arrays of the objects whose keys are all numbers.
fn fold(value: &mut Value) {
    let Value::Object(inner) = value else {
        return;
    };
    inner.values_mut().for_each(fold);
    let numbers: Option<Vec<u32>> = inner.keys().map(|key| key.parse().ok()).collect();
    if let Some(mut numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
        numbers.sort_unstable();
        let items = numbers.iter().map(|n| inner[&n.to_string()].take());
        *value = Value::Array(items.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_array_is_an_array() {
        for query in ["e[]=a&e[]=b", "e[0]=a&e[1]=b", "e%5B1%5D=b&e%5B0%5D=a"] {
            assert_eq!(Params::parse(query, b"").to_value(), json!({ "e": ["a", "b"] }));
        }
    }

    #[test]
    fn metadata_stays_an_object_whatever_its_keys() {
        let params = Params::parse("", b"metadata[7]=x&promotion[type]=coupon");
        let expected = json!({ "metadata": { "7": "x" }, "promotion": { "type": "coupon" } });
        assert_eq!(params.to_value(), expected);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_by_its_own_name() {
        let params = Params::parse("limit=ten&active=yes&promotion[x]=1", b"");
        let blamed = |refusal: Option<Refusal>| refusal.map(|r| r.body()["error"]["param"].clone());
        assert_eq!(blamed(params.int("limit").err()), Some(json!("limit")));
        assert_eq!(blamed(params.flag("active").err()), Some(json!("active")));
        let inner = params.only_in("promotion", &["type", "coupon"]).err();
        assert_eq!(blamed(inner), Some(json!("promotion[x]")));
    }
}
