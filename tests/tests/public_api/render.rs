//! The signatures of items as text.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::crates::{Crate, Item};

mod types;

/// How types are named, and what turned up.
pub(crate) struct Names {
    /// The public path of an item by its kind and definition.
    pub public: HashMap<String, String>,
    pub external: RefCell<BTreeSet<String>>,
    pub nameless: RefCell<BTreeSet<String>>,
}

pub(crate) struct Renderer<'n> {
    names: &'n Names,
    of: &'n Crate,
}

impl<'n> Renderer<'n> {
    pub(crate) fn new<'c: 'n>(names: &'n Names, of: &'c Crate) -> Self {
        Self { names, of }
    }

    /// What is behind the name of an item.
    pub(crate) fn item(&self, item: Item<'_>) -> String {
        let (kind, inner) = item.inner();
        let open = if item.is_non_exhaustive() {
            "non-exhaustive "
        } else {
            ""
        };
        let generics = self.generics(&inner["generics"]);
        let clauses = self.clauses(&inner["generics"]);
        match kind {
            "struct" => format!(
                "{open}struct{generics}{}{clauses}",
                self.shape(item, &inner["kind"])
            ),
            "enum" => format!("{open}enum{generics}{clauses}"),
            "trait" => {
                let bounds = self.bounds_after_colon(&inner["bounds"]);
                format!("trait{generics}{bounds}{clauses}")
            }
            "function" => self.function(inner),
            "type_alias" => format!("type{generics} = {}{clauses}", self.kind(&inner["type"])),
            "constant" => format!("const {}", self.kind(&inner["type"])),
            "assoc_const" => {
                let value = if inner["value"].is_null() {
                    ""
                } else {
                    " = …"
                };
                format!("const {}{value}", self.kind(&inner["type"]))
            }
            "assoc_type" => {
                let bounds = self.bounds_after_colon(&inner["bounds"]);
                let default = &inner["type"];
                let default = if default.is_null() {
                    String::new()
                } else {
                    format!(" = {}", self.kind(default))
                };
                format!("type{generics}{bounds}{default}{clauses}")
            }
            other => other.to_owned(),
        }
    }

    /// Private fields are not shown, but that there are any.
    fn shape(&self, item: Item<'_>, kind: &Value) -> String {
        if let Some(fields) = kind["tuple"].as_array() {
            let fields = fields.iter().map(|id| self.field(item, id));
            return format!("({})", list(fields));
        }
        let named = if kind.get("plain").is_some() {
            "plain"
        } else {
            "struct"
        };
        match kind.get(named) {
            Some(kind) if kind["has_stripped_fields"] == true => " { .. }".to_owned(),
            Some(_) => " {}".to_owned(),
            None => String::new(),
        }
    }

    fn field(&self, item: Item<'_>, id: &Value) -> String {
        match item.of.item(id) {
            Some(field) => self.kind(field.inner().1),
            None => "_".to_owned(),
        }
    }

    pub(crate) fn variant(&self, item: Item<'_>) -> String {
        let (_, inner) = item.inner();
        let open = if item.is_non_exhaustive() {
            "non-exhaustive "
        } else {
            ""
        };
        format!("{open}variant{}", self.shape(item, &inner["kind"]))
    }

    fn function(&self, inner: &Value) -> String {
        let header = &inner["header"];
        let mut text = String::new();
        for (flag, word) in [
            ("is_const", "const "),
            ("is_async", "async "),
            ("is_unsafe", "unsafe "),
        ] {
            if header[flag] == true {
                text += word;
            }
        }
        let signature = &inner["sig"];
        let inputs = signature["inputs"].as_array().unwrap().iter();
        let inputs = list(inputs.map(|input| self.input(input)));
        let output = &signature["output"];
        let output = if output.is_null() {
            String::new()
        } else {
            format!(" -> {}", self.kind(output))
        };
        let generics = self.generics(&inner["generics"]);
        let clauses = self.clauses(&inner["generics"]);
        let body = if inner["has_body"] == false { ";" } else { "" };
        format!("{text}fn{generics}({inputs}){output}{clauses}{body}")
    }

    /// Names of arguments are no part of a signature, but `self` is.
    fn input(&self, input: &Value) -> String {
        let kind = self.kind(&input[1]);
        if input[0] != "self" {
            return kind;
        }
        match kind.as_str() {
            "Self" => "self".to_owned(),
            "&Self" => "&self".to_owned(),
            "&mut Self" => "&mut self".to_owned(),
            _ => format!("self: {kind}"),
        }
    }

    /// What an inherent impl asks of its type, behind each of its members.
    pub(crate) fn inherent(&self, inner: &Value) -> String {
        let generics = self.generics(&inner["generics"]);
        let clauses = self.clauses(&inner["generics"]);
        if generics.is_empty() && clauses.is_empty() {
            return String::new();
        }
        format!(" [impl{generics} {}{clauses}]", self.kind(&inner["for"]))
    }

    /// The line of an impl of a trait; `None` for what the compiler writes by itself.
    pub(crate) fn implementation(&self, item: Item<'_>) -> Option<String> {
        let (_, inner) = item.inner();
        if !inner["blanket_impl"].is_null() {
            return None;
        }
        let of_trait = &inner["trait"];
        let name = of_trait["path"].as_str()?.rsplit("::").next()?;
        let negative = inner["is_negative"] == true;
        // Of the traits that the compiler derives by itself, only what a type is not is a surprise.
        if inner["is_synthetic"] == true && !(negative && ["Send", "Sync"].contains(&name)) {
            return None;
        }
        // Part of `derive(PartialEq)`.
        if name == "StructuralPartialEq" {
            return None;
        }
        let nameless = self.names.nameless.borrow().clone();
        let (kind, path) = (self.kind(&inner["for"]), self.path(of_trait));
        // Of a hidden trait, or for a hidden type: programs cannot use it.
        if *self.names.nameless.borrow() != nameless {
            self.names.nameless.replace(nameless);
            return None;
        }
        let generics = self.generics(&inner["generics"]);
        let clauses = self.clauses(&inner["generics"]);
        let not = if negative { "!" } else { "" };
        let types = item
            .all(&inner["items"])
            .filter(|member| member.inner().0 == "assoc_type");
        let types = types.map(|member| format!("{}: {}", member.name(), self.item(member)));
        let types = list(types);
        let types = if types.is_empty() {
            types
        } else {
            format!(" {{ {types} }}")
        };
        Some(format!(
            "impl{generics} {not}{path} for {kind}{clauses}{types}"
        ))
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    parts.join(", ")
}
