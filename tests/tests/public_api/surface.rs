//! The walk over what is public: every item under the path that users name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::crates::{Crate, Crates, Item};
use super::render::{Names, Renderer};

/// The public API of a crate, line by line.
pub(crate) struct Surface {
    items: BTreeSet<String>,
    impls: BTreeSet<String>,
    /// Types and traits of other crates that signatures name.
    pub external: BTreeSet<String>,
    /// Types of our crates that signatures name and no public path leads to.
    pub nameless: BTreeSet<String>,
}

impl Surface {
    pub(crate) fn of(crates: &Crates, name: &str) -> Self {
        let facade = crates.get(name).unwrap();
        let mut paths = Paths::default();
        paths.walk(crates, facade, facade.root(), name);
        let names = Names {
            public: paths.by_definition(),
            external: RefCell::default(),
            nameless: RefCell::default(),
        };
        let mut surface = Lines {
            names: &names,
            items: BTreeSet::new(),
            impls: BTreeSet::new(),
            seen: HashSet::new(),
        };
        for (path, found) in &paths.found {
            surface.add(path, found);
        }
        let (items, impls) = (surface.items, surface.impls);
        Self {
            items,
            impls,
            external: names.external.into_inner(),
            nameless: names.nameless.into_inner(),
        }
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let lines = |lines: &BTreeSet<String>| {
            lines
                .iter()
                .fold(String::new(), |text, line| text + line + "\n")
        };
        format!(
            "# Items\n\n{}\n# Implementations\n\n{}\n# Types of other crates\n\n{}",
            lines(&self.items),
            lines(&self.impls),
            lines(&self.external),
        )
    }
}

/// The items of our crates at the public paths of a crate, each once.
pub(crate) fn items<'c>(crates: &'c Crates, name: &str) -> Vec<(String, Item<'c>)> {
    let facade = crates.get(name).unwrap();
    let mut paths = Paths::default();
    paths.walk(crates, facade, facade.root(), name);
    let names = paths.by_definition();
    let items = paths.found.iter().filter_map(|(path, found)| {
        let (path, _) = path.split_once(' ')?;
        let name = found.definition().and_then(|of| names.get(&of));
        match found {
            Found::Item(item) if name.is_none_or(|name| name == path) => {
                Some((path.to_owned(), *item))
            }
            _ => None,
        }
    });
    items.collect()
}

/// The item at a public path.
enum Found<'c> {
    Item(Item<'c>),
    /// An item of a crate that is not described: its definition and kind.
    Foreign(String, String),
}

impl Found<'_> {
    fn definition(&self) -> Option<String> {
        match self {
            Self::Foreign(path, _) => Some(path.clone()),
            Self::Item(item) => {
                let definition = item.of.definition(item.id())?;
                Some(format!("{} {}", definition.kind, definition.path))
            }
        }
    }
}

/// Every public path.
#[derive(Default)]
struct Paths<'c> {
    found: BTreeMap<String, Found<'c>>,
}

impl<'c> Paths<'c> {
    fn walk(&mut self, crates: &'c Crates, of: &'c Crate, module: Item<'c>, path: &str) {
        let (_, inner) = module.inner();
        for child in module.all(&inner["items"]) {
            let (kind, inner) = child.inner();
            if kind == "impl" {
                continue;
            }
            let (name, found) = if kind == "use" {
                assert_eq!(inner["is_glob"], false, "{path} re-exports a whole module");
                let name = inner["name"].as_str().unwrap();
                (name, Self::target(crates, of, &inner["id"]))
            } else {
                (child.name(), Found::Item(child))
            };
            let path = format!("{path}::{name}");
            if let Found::Item(item) = &found
                && item.inner().0 == "module"
            {
                self.walk(crates, item.of, *item, &path);
            }
            // A derive and its trait have one name.
            let kind = match &found {
                Found::Item(item) => item.inner().0.to_owned(),
                Found::Foreign(_, kind) => kind.clone(),
            };
            self.found.insert(format!("{path} {kind}"), found);
        }
    }

    fn target(crates: &'c Crates, of: &'c Crate, id: &Value) -> Found<'c> {
        if let Some(item) = crates.find(of, id) {
            return Found::Item(item);
        }
        let definition = of.definition(id).expect("a re-export leads to something");
        Found::Foreign(definition.path, definition.kind)
    }

    /// The name of each item: in a module of its own before the root, and never the prelude.
    fn by_definition(&self) -> HashMap<String, String> {
        let mut names: HashMap<String, String> = HashMap::new();
        let rank = |path: &str| {
            (
                path.contains("::prelude::"),
                path.matches("::").count(),
                path.len(),
            )
        };
        for (path, found) in &self.found {
            let path = path.split(' ').next().unwrap_or_default();
            if let Some(definition) = found.definition() {
                let name = names.entry(definition).or_insert_with(|| path.to_owned());
                if rank(path) < rank(name) {
                    path.clone_into(name);
                }
            }
        }
        names
    }
}

struct Lines<'n> {
    names: &'n Names,
    items: BTreeSet<String>,
    impls: BTreeSet<String>,
    /// Items and impls that are listed already.
    seen: HashSet<(String, String)>,
}

impl Lines<'_> {
    fn add(&mut self, path: &str, found: &Found<'_>) {
        let (path, kind) = path.split_once(' ').unwrap();
        let name = found
            .definition()
            .and_then(|definition| self.names.public.get(&definition).cloned());
        match found {
            _ if name.as_ref().is_some_and(|name| name != path) => {
                self.items.insert(format!("{path} = {}", name.unwrap()));
            }
            Found::Foreign(definition, kind) => {
                self.items.insert(format!("{path}: {kind} {definition}"));
            }
            Found::Item(_) if kind == "module" => {
                self.items.insert(format!("{path}: module"));
            }
            Found::Item(item) => self.item(path, *item),
        }
    }

    fn item(&mut self, path: &str, item: Item<'_>) {
        let renderer = Renderer::new(self.names, item.of);
        let (kind, inner) = item.inner();
        self.items
            .insert(format!("{path}: {}", renderer.item(item)));
        match kind {
            "struct" => self.fields(path, item, &inner["kind"]),
            "enum" => {
                for variant in item.all(&inner["variants"]) {
                    let path = format!("{path}::{}", variant.name());
                    self.items
                        .insert(format!("{path}: {}", renderer.variant(variant)));
                    let (_, of_variant) = variant.inner();
                    self.fields(&path, variant, &of_variant["kind"]);
                }
            }
            "trait" => {
                for member in item.all(&inner["items"]) {
                    let path = format!("{path}::{}", member.name());
                    self.items
                        .insert(format!("{path}: {}", renderer.item(member)));
                }
            }
            _ => {}
        }
        for list in ["impls", "implementations"] {
            for implementation in item.all(&inner[list]) {
                self.implementation(path, implementation);
            }
        }
    }

    /// Named fields; those of tuples are part of the line of their type.
    fn fields(&mut self, path: &str, item: Item<'_>, kind: &Value) {
        let renderer = Renderer::new(self.names, item.of);
        for name in ["plain", "struct"] {
            for field in item.all(&kind[name]["fields"]) {
                let (_, kind) = field.inner();
                let line = format!("{path}.{}: {}", field.name(), renderer.kind(kind));
                self.items.insert(line);
            }
        }
    }

    fn implementation(&mut self, path: &str, item: Item<'_>) {
        if !self
            .seen
            .insert((item.of.name.clone(), item.id().to_string()))
        {
            return;
        }
        let renderer = Renderer::new(self.names, item.of);
        let (_, inner) = item.inner();
        if inner["trait"].is_null() {
            let head = renderer.inherent(inner);
            for member in item.all(&inner["items"]) {
                let line = format!("{path}::{}: {}{head}", member.name(), renderer.item(member));
                self.items.insert(line);
            }
        } else if let Some(line) = renderer.implementation(item) {
            self.impls.insert(line);
        }
    }
}
