//! What rustdoc writes of some crates, and the way from a re-export to the item in another crate.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The version of rustdoc's format that this code reads.
const FORMAT: u64 = 57;

/// Several crates, as rustdoc describes them.
pub(crate) struct Crates {
    crates: Vec<Crate>,
}

/// One crate.
pub(crate) struct Crate {
    pub name: String,
    json: Value,
    /// The ids of the crate's own items by path and kind.
    by_path: HashMap<(String, String), String>,
}

/// One item of a crate.
#[derive(Clone, Copy)]
pub(crate) struct Item<'c> {
    pub of: &'c Crate,
    pub json: &'c Value,
}

/// The place where an item is defined, and what it is: `struct`, `trait`.
pub(crate) struct Definition {
    pub path: String,
    pub kind: String,
}

impl Definition {
    /// The crate that has it.
    pub(crate) fn crate_name(&self) -> &str {
        self.path.split("::").next().unwrap_or_default()
    }
}

impl Crates {
    pub(crate) fn read(directory: &Path, names: &[&str]) -> Self {
        let crates = names.iter().map(|name| Crate::read(directory, name));
        Self {
            crates: crates.collect(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|known| known.name == name)
    }

    /// The item with this id in a crate, or the one in another crate that it leads to.
    pub(crate) fn find<'c>(&'c self, of: &'c Crate, id: &Value) -> Option<Item<'c>> {
        if let Some(item) = of.item(id) {
            return Some(item);
        }
        let Definition { path, kind } = of.definition(id)?;
        let of = self.get(path.split("::").next()?)?;
        let id = of.by_path.get(&(path, kind))?;
        of.item(&Value::String(id.clone()))
    }
}

impl Crate {
    fn read(directory: &Path, name: &str) -> Self {
        let path = directory.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let format = json["format_version"].as_u64();
        assert_eq!(
            format,
            Some(FORMAT),
            "another toolchain, another format: compare `rustdoc-types` of both versions with the \
             code in tests/tests/public_api, then change the number"
        );
        let mut by_path = HashMap::new();
        for (id, summary) in json["paths"].as_object().unwrap() {
            if summary["crate_id"] == 0 {
                let kind = summary["kind"].as_str().unwrap().to_owned();
                by_path.insert((joined(&summary["path"]), kind), id.clone());
            }
        }
        Self {
            name: name.to_owned(),
            json,
            by_path,
        }
    }

    pub(crate) fn root(&self) -> Item<'_> {
        self.item(&self.json["root"]).unwrap()
    }

    pub(crate) fn item(&self, id: &Value) -> Option<Item<'_>> {
        let json = self.json["index"].get(key(id))?;
        Some(Item { of: self, json })
    }

    /// Where the item with this id is defined.
    pub(crate) fn definition(&self, id: &Value) -> Option<Definition> {
        let summary = self.json["paths"].get(key(id))?;
        Some(Definition {
            path: joined(&summary["path"]),
            kind: summary["kind"].as_str()?.to_owned(),
        })
    }
}

impl<'c> Item<'c> {
    /// `struct`, and what is known of it.
    pub(crate) fn inner(self) -> (&'c str, &'c Value) {
        let inner = self.json["inner"].as_object().unwrap();
        let (kind, inner) = inner.iter().next().unwrap();
        (kind, inner)
    }

    pub(crate) fn name(self) -> &'c str {
        self.json["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(self) -> &'c Value {
        &self.json["id"]
    }

    /// The items of this item that one of its lists names.
    pub(crate) fn all(self, ids: &'c Value) -> impl Iterator<Item = Item<'c>> {
        let ids = ids.as_array().into_iter().flatten();
        ids.filter_map(move |id| self.of.item(id))
    }

    pub(crate) fn is_non_exhaustive(self) -> bool {
        let attributes = self.json["attrs"].as_array().into_iter().flatten();
        attributes
            .into_iter()
            .any(|attribute| attribute == "non_exhaustive")
    }
}

/// An id is a number, and a key of an object is text.
fn key(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn joined(path: &Value) -> String {
    let parts = path.as_array().into_iter().flatten();
    let parts: Vec<_> = parts.filter_map(Value::as_str).collect();
    parts.join("::")
}
