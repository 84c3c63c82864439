//! Types, bounds and generics as text.

use serde_json::Value;

use super::{Renderer, list};

/// Crates whose types are named by their last part.
const STANDARD: &[&str] = &["std", "core", "alloc"];

/// Crates that are one with the facade.
const OWN: &[&str] = &["ws_core", "ws_server", "ws_macros"];

impl Renderer<'_> {
    /// A path with its arguments, by the name that users write.
    pub(super) fn path(&self, path: &Value) -> String {
        let name = self.name(path);
        name + &self.arguments(&path["args"])
    }

    fn name(&self, path: &Value) -> String {
        let written = path["path"].as_str().unwrap_or_default();
        let last = written.rsplit("::").next().unwrap_or_default();
        let Some(definition) = self.of.definition(&path["id"]) else {
            return last.to_owned();
        };
        let crate_name = definition.crate_name();
        if STANDARD.contains(&crate_name) {
            return last.to_owned();
        }
        if !OWN.contains(&crate_name) {
            self.names
                .external
                .borrow_mut()
                .insert(definition.path.clone());
            return definition.path;
        }
        let key = format!("{} {}", definition.kind, definition.path);
        if let Some(public) = self.names.public.get(&key) {
            return public
                .strip_prefix("ws_server::")
                .unwrap_or(public)
                .to_owned();
        }
        self.names
            .nameless
            .borrow_mut()
            .insert(definition.path.clone());
        definition.path
    }

    pub(super) fn arguments(&self, arguments: &Value) -> String {
        if let Some(inner) = arguments.get("angle_bracketed") {
            let of = inner["args"].as_array().into_iter().flatten();
            let of = of.map(|argument| self.argument(argument));
            let constraints = inner["constraints"].as_array().into_iter().flatten();
            let constraints = constraints.map(|constraint| self.constraint(constraint));
            let all = list(of.chain(constraints));
            return if all.is_empty() {
                all
            } else {
                format!("<{all}>")
            };
        }
        if let Some(inner) = arguments.get("parenthesized") {
            let inputs = inner["inputs"].as_array().into_iter().flatten();
            let inputs = list(inputs.map(|input| self.kind(input)));
            let output = &inner["output"];
            let output = if output.is_null() {
                String::new()
            } else {
                format!(" -> {}", self.kind(output))
            };
            return format!("({inputs}){output}");
        }
        String::new()
    }

    fn argument(&self, argument: &Value) -> String {
        if let Some(kind) = argument.get("type") {
            self.kind(kind)
        } else if let Some(lifetime) = argument.get("lifetime") {
            text(lifetime)
        } else if let Some(constant) = argument.get("const") {
            text(&constant["expr"])
        } else {
            "_".to_owned()
        }
    }

    fn constraint(&self, constraint: &Value) -> String {
        let name = text(&constraint["name"]) + &self.arguments(&constraint["args"]);
        let binding = &constraint["binding"];
        match binding.get("equality") {
            Some(term) => format!("{name} = {}", self.argument(term)),
            None => name + &self.bounds_after_colon(&binding["constraint"]),
        }
    }

    /// A type.
    pub(crate) fn kind(&self, kind: &Value) -> String {
        let Some((form, inner)) = kind.as_object().and_then(|kind| kind.iter().next()) else {
            return "_".to_owned();
        };
        match form.as_str() {
            "resolved_path" => self.path(inner),
            "generic" | "primitive" => text(inner),
            "tuple" => {
                let parts = inner.as_array().into_iter().flatten();
                format!("({})", list(parts.map(|part| self.kind(part))))
            }
            "slice" => format!("[{}]", self.kind(inner)),
            "array" => format!("[{}; {}]", self.kind(&inner["type"]), text(&inner["len"])),
            "impl_trait" => format!("impl {}", self.bounds(inner)),
            "borrowed_ref" => {
                let lifetime = inner["lifetime"].as_str().map(|name| format!("{name} "));
                let mutable = if inner["is_mutable"] == true {
                    "mut "
                } else {
                    ""
                };
                let of = self.kind(&inner["type"]);
                format!("&{}{mutable}{of}", lifetime.unwrap_or_default())
            }
            "dyn_trait" => {
                let traits = inner["traits"].as_array().into_iter().flatten();
                let traits = traits.map(|one| self.higher_ranked(one) + &self.path(&one["trait"]));
                let lifetime = inner["lifetime"].as_str().map(str::to_owned);
                let all: Vec<_> = traits.chain(lifetime).collect();
                format!("dyn {}", all.join(" + "))
            }
            "function_pointer" => {
                let inputs = inner["sig"]["inputs"].as_array().into_iter().flatten();
                let inputs = list(inputs.map(|input| self.kind(&input[1])));
                let output = &inner["sig"]["output"];
                let output = if output.is_null() {
                    String::new()
                } else {
                    format!(" -> {}", self.kind(output))
                };
                format!("fn({inputs}){output}")
            }
            "qualified_path" => {
                let of = self.kind(&inner["self_type"]);
                let name = text(&inner["name"]) + &self.arguments(&inner["args"]);
                if inner["trait"].is_null() || text(&inner["trait"]["path"]).is_empty() {
                    format!("{of}::{name}")
                } else {
                    format!("<{of} as {}>::{name}", self.path(&inner["trait"]))
                }
            }
            other => panic!("a type of the form {other}"),
        }
    }

    pub(super) fn bounds(&self, bounds: &Value) -> String {
        let bounds = bounds.as_array().into_iter().flatten();
        let bounds: Vec<_> = bounds.map(|bound| self.bound(bound)).collect();
        bounds.join(" + ")
    }

    pub(super) fn bounds_after_colon(&self, bounds: &Value) -> String {
        let bounds = self.bounds(bounds);
        if bounds.is_empty() {
            bounds
        } else {
            format!(": {bounds}")
        }
    }

    fn bound(&self, bound: &Value) -> String {
        if let Some(inner) = bound.get("trait_bound") {
            let optional = if inner["modifier"] == "maybe" {
                "?"
            } else {
                ""
            };
            return format!(
                "{optional}{}{}",
                self.higher_ranked(inner),
                self.path(&inner["trait"])
            );
        }
        if let Some(used) = bound.get("use") {
            let used = used.as_array().into_iter().flatten();
            let used = used.map(|one| {
                one.as_object()
                    .map_or_else(|| text(one), |one| one.values().map(text).collect())
            });
            return format!("use<{}>", list(used));
        }
        text(&bound["outlives"])
    }

    /// `for<'a> `, in front of a bound.
    fn higher_ranked(&self, of: &Value) -> String {
        let parameters = of["generic_params"].as_array().into_iter().flatten();
        let parameters = list(parameters.map(|parameter| self.parameter(parameter)));
        if parameters.is_empty() {
            parameters
        } else {
            format!("for<{parameters}> ")
        }
    }

    pub(super) fn generics(&self, generics: &Value) -> String {
        let parameters = generics["params"].as_array().into_iter().flatten();
        // `impl Trait` as an argument is written there.
        let parameters = parameters.filter(|one| one["kind"]["type"]["is_synthetic"] != true);
        let parameters = list(parameters.map(|parameter| self.parameter(parameter)));
        if parameters.is_empty() {
            parameters
        } else {
            format!("<{parameters}>")
        }
    }

    fn parameter(&self, parameter: &Value) -> String {
        let name = text(&parameter["name"]);
        let kind = &parameter["kind"];
        if let Some(lifetime) = kind.get("lifetime") {
            let outlives = lifetime["outlives"].as_array().into_iter().flatten();
            let outlives: Vec<_> = outlives.map(text).collect();
            return if outlives.is_empty() {
                name
            } else {
                format!("{name}: {}", outlives.join(" + "))
            };
        }
        if let Some(constant) = kind.get("const") {
            return format!("const {name}: {}", self.kind(&constant["type"]));
        }
        let bounds = self.bounds_after_colon(&kind["type"]["bounds"]);
        let default = &kind["type"]["default"];
        if default.is_null() {
            name + &bounds
        } else {
            format!("{name}{bounds} = {}", self.kind(default))
        }
    }

    pub(super) fn clauses(&self, generics: &Value) -> String {
        let predicates = generics["where_predicates"]
            .as_array()
            .into_iter()
            .flatten();
        let clauses = predicates.map(|predicate| {
            if let Some(inner) = predicate.get("bound_predicate") {
                let of = self.kind(&inner["type"]);
                let bounds = self.bounds_after_colon(&inner["bounds"]);
                format!("{}{of}{bounds}", self.higher_ranked(inner))
            } else if let Some(inner) = predicate.get("lifetime_predicate") {
                let outlives = inner["outlives"].as_array().into_iter().flatten();
                let outlives: Vec<_> = outlives.map(text).collect();
                format!("{}: {}", text(&inner["lifetime"]), outlives.join(" + "))
            } else {
                "_".to_owned()
            }
        });
        let clauses = list(clauses);
        if clauses.is_empty() {
            clauses
        } else {
            format!(" where {clauses}")
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
