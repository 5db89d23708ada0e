//! The served schema, read: what its operations take, and a selection of everything that they give.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};

/// The types by name.
pub struct Sdl(BTreeMap<String, TypeDefinition>);

/// One place in the arguments of an operation: `filter.campaignId`, and the name of what belongs there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArgumentPath {
    pub path: String,
    pub of: String,
}

/// How deep objects are selected below an operation; connections do not count.
const DEPTH: usize = 3;

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

impl Sdl {
    pub fn served() -> Self {
        let document = parse_schema(rekomi::graphql::schema::sdl()).unwrap();
        let types = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => {
                    Some((definition.node.name.node.to_string(), definition.node))
                }
                _ => None,
            });
        Self(types.collect())
    }

    /// The type that a list or a non-null type is of.
    pub fn named(ty: &Type) -> &str {
        named(ty)
    }

    /// Whether a type has fields.
    pub fn is_object(&self, name: &str) -> bool {
        let kind = self.0.get(name).map(|definition| &definition.kind);
        matches!(kind, Some(TypeKind::Object(_) | TypeKind::Interface(_)))
    }

    pub fn fields(&self, name: &str) -> Vec<&FieldDefinition> {
        match self.0.get(name).map(|definition| &definition.kind) {
            Some(TypeKind::Object(object)) => object.fields.iter().map(|field| &field.node).collect(),
            _ => Vec::new(),
        }
    }

    pub fn field(&self, root: &str, name: &str) -> &FieldDefinition {
        let found = self.fields(root).into_iter().find(|field| field.name.node == name);
        found.unwrap_or_else(|| panic!("the schema has no {root}.{name}"))
    }

    /// Every field that gives a connection, with the type it is of.
    pub fn connections(&self) -> Vec<(String, String)> {
        let fields = self.0.keys().flat_map(|parent| {
            let lists = self.fields(parent).into_iter();
            let lists = lists.filter(|field| named(&field.ty.node).ends_with("Connection"));
            lists.map(|field| (parent.clone(), field.name.node.to_string()))
        });
        fields.collect()
    }

    /// Every place in the arguments of an operation, inputs included.
    pub fn arguments(&self, root: &str, name: &str) -> Vec<ArgumentPath> {
        let mut paths = Vec::new();
        for argument in &self.field(root, name).arguments {
            self.walk("", &argument.node, &mut paths);
        }
        paths
    }

    fn walk(&self, above: &str, input: &InputValueDefinition, paths: &mut Vec<ArgumentPath>) {
        let path = format!("{above}{}", input.name.node);
        let of = named(&input.ty.node).to_owned();
        match self.0.get(&of).map(|definition| &definition.kind) {
            Some(TypeKind::InputObject(object)) => {
                for field in &object.fields {
                    self.walk(&format!("{path}."), &field.node, paths);
                }
            }
            _ => paths.push(ArgumentPath { path, of }),
        }
    }

    /// The document that calls an operation with these arguments as variables, and asks for all that there is.
    pub fn document(&self, root: &str, name: &str, given: &[String]) -> String {
        let field = self.field(root, name);
        let given: Vec<&InputValueDefinition> = field
            .arguments
            .iter()
            .map(|argument| &argument.node)
            .filter(|argument| given.iter().any(|name| argument.name.node == *name))
            .collect();
        let list = |each: &dyn Fn(&InputValueDefinition) -> String| {
            let parts: Vec<String> = given.iter().map(|argument| each(argument)).collect();
            if parts.is_empty() {
                String::new()
            } else {
                format!("({})", parts.join(", "))
            }
        };
        let declared = list(&|argument| format!("${}: {}", argument.name.node, argument.ty.node));
        let passed = list(&|argument| format!("{0}: ${0}", argument.name.node));
        let selection = self.selection(named(&field.ty.node), DEPTH);
        format!(
            "{} Walk{declared} {{ it: {name}{passed} {selection} }}",
            root.to_lowercase()
        )
    }

    /// Everything below a type; empty for a scalar.
    fn selection(&self, name: &str, depth: usize) -> String {
        let Some(definition) = self.0.get(name) else {
            return String::new();
        };
        match &definition.kind {
            TypeKind::Object(object) => {
                let fields: Vec<String> = object
                    .fields
                    .iter()
                    .filter_map(|field| self.selected(name, &field.node, depth))
                    .collect();
                format!("{{ __typename {} }}", fields.join(" "))
            }
            TypeKind::Interface(_) => {
                let fragments: Vec<String> = self
                    .0
                    .values()
                    .filter(
                        |it| matches!(&it.kind, TypeKind::Object(it) if it.implements.iter().any(|of| of.node == name)),
                    )
                    .map(|it| {
                        let kind = it.name.node.as_str();
                        format!("... on {kind} {}", self.renamed(kind, depth))
                    })
                    .collect();
                format!("{{ __typename {} }}", fragments.join(" "))
            }
            _ => String::new(),
        }
    }

    /// Below an interface a field whose name several types have is given its type's name, too.
    fn renamed(&self, kind: &str, depth: usize) -> String {
        let others = |name: &str| {
            let nodes = self.0.iter().filter(|(_, it)| match &it.kind {
                TypeKind::Object(it) => !it.implements.is_empty(),
                _ => false,
            });
            let mut others = nodes.filter(|(other, _)| other.as_str() != kind);
            others.any(|(other, _)| self.fields(other).iter().any(|field| field.name.node == name))
        };
        let fields = self.fields(kind).into_iter().filter_map(|field| {
            let (selected, name) = (self.selected(kind, field, depth)?, field.name.node.as_str());
            Some(match others(name) {
                true => format!("{kind}_{name}: {selected}"),
                false => selected,
            })
        });
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(" "))
    }

    fn selected(&self, of: &str, field: &FieldDefinition, depth: usize) -> Option<String> {
        let (name, kind) = (&field.name.node, named(&field.ty.node));
        let Some(TypeDefinition {
            kind: TypeKind::Object(_) | TypeKind::Interface(_),
            ..
        }) = self.0.get(kind)
        else {
            return Some(name.to_string());
        };
        let transparent = of.ends_with("Connection") || of.ends_with("Edge") || of.ends_with("Payload");
        // An edge's node is in `nodes` too.
        if of.ends_with("Edge") || (depth == 0 && !transparent) {
            return None;
        }
        // Of an affiliate's affiliates no more than the plain fields: all others are asked of itself.
        let again = kind.strip_suffix("Connection").unwrap_or(kind) == of;
        let below = match (transparent, again) {
            (true, _) => depth,
            (false, true) => 0,
            (false, false) => depth - 1,
        };
        let paged = field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "first");
        let arguments = if paged { "(first: 2)" } else { "" };
        Some(format!("{name}{arguments} {}", self.selection(kind, below)))
    }
}
