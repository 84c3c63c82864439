//! Reads the name of the library from the manifest of the calling crate, for the message about a
//! dependency with another name. It does not change any expansion.

use std::path::Path;
use std::{env, fs};

/// The name of the library in the calling crate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Library {
    /// `::ws_server`, or unknown.
    AsItself,
    /// The name of the dependency.
    Renamed(String),
}

impl Library {
    /// Returns the message about `::ws_server`, and the path to write instead.
    pub(crate) fn fault(&self) -> Option<(String, syn::Path)> {
        let Self::Renamed(name) = self else {
            return None;
        };
        let path = syn::parse_str(&format!("::{name}")).ok()?;
        Some((
            format!("this crate depends on the library as `{name}`"),
            path,
        ))
    }
}

/// Returns the library's name in the crate that is compiled; unknown without a compiler or without
/// Cargo.
///
/// Each call reads the file: an editor expands macros for many crates in one process, while they
/// change.
pub(crate) fn library() -> Library {
    if !proc_macro::is_available() {
        return Library::AsItself;
    }
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|dir| fs::read_to_string(Path::new(&dir).join("Cargo.toml")).ok());
    manifest.map_or(Library::AsItself, |manifest| library_in(&manifest))
}

const PACKAGE: &str = "ws-server";
const NAME: &str = "ws_server";

/// Parses a manifest, as far as it has one plain key per line.
fn library_in(manifest: &str) -> Library {
    let mut section = Vec::new();
    let mut renamed = None;
    for line in manifest.lines() {
        let line = without_comment(line).trim();
        let (path, value) = if let Some(header) = line.strip_prefix('[') {
            section = keys(header.trim_end_matches(']'));
            (section.clone(), None)
        } else if let Some((key, value)) = line.split_once('=') {
            (
                [&section[..], &keys(key)].concat(),
                Some(value.replace(' ', "")),
            )
        } else {
            continue;
        };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let is = |text: &str| {
            value
                .as_deref()
                .is_some_and(|value| unquoted(value) == text)
        };
        if (path == ["package", "name"] && is(PACKAGE)) || (path == ["lib", "name"] && is(NAME)) {
            return Library::AsItself;
        }
        let path = match &path[..] {
            ["target", _, rest @ ..] => rest,
            path => path,
        };
        let [
            "dependencies" | "dev-dependencies" | "build-dependencies",
            rest @ ..,
        ] = path
        else {
            continue;
        };
        let (name, keys) = match (rest, &value) {
            ([name, keys @ ..], _) => (name.replace('-', "_"), keys),
            // All dependencies are in one inline table, which is not parsed.
            ([], Some(_)) => return Library::AsItself,
            ([], None) => continue,
        };
        if name == NAME {
            return Library::AsItself;
        }
        let names_package = match keys {
            [] => value.is_some_and(|value| {
                ['"', '\'']
                    .iter()
                    .any(|quote| value.contains(&format!("package={quote}{PACKAGE}{quote}")))
            }),
            ["package"] => is(PACKAGE),
            _ => false,
        };
        renamed = renamed.or(names_package.then_some(name));
    }
    renamed.map_or(Library::AsItself, Library::Renamed)
}

/// Returns the keys of `target.'cfg(unix)'.dependencies`.
fn keys(text: &str) -> Vec<String> {
    let mut quote = None;
    let parts = text.split(|letter: char| {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
        letter == '.' && quote.is_none()
    });
    parts.map(|part| unquoted(part.trim()).to_owned()).collect()
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let end = line.find(|letter: char| {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
        letter == '#' && quote.is_none()
    });
    &line[..end.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_dependency_is_found() {
        for manifest in [
            "[dependencies]\nlive = { version = \"1\", package = \"ws-server\" }",
            "[dependencies.live]\nversion = \"1\"\npackage = \"ws-server\"",
            "[target.'cfg(unix)'.dependencies]\n\"live\" = {package=\"ws-server\"}",
            "[ dependencies ] # sorted\nserde.workspace = true\nlive = { package = 'ws-server' } # `#`",
            "[dependencies.\"live\"] # pinned\npackage = 'ws-server'",
        ] {
            let found = library_in(&format!("[package]\nname = \"app\"\n{manifest}"));
            assert_eq!(found, Library::Renamed("live".to_owned()), "{manifest}");
        }
    }

    #[test]
    fn a_dependency_that_is_not_renamed_is_found() {
        for manifest in [
            "[dependencies]\nws-server = \"1\"",
            "[dev-dependencies]\nws_server = { path = \"..\" }",
            "[dependencies.ws-server]\nversion = \"1\"",
            "[package]\nname = \"ws-server\"",
            "[package]\nname = \"fork\"\n[lib]\nname = \"ws_server\"",
            "[dependencies] # sorted\n'ws-server' = \"1\"",
            "dependencies.ws-server = \"1\"\n[package]\nname = \"app\"",
            "dependencies = { ws-server = \"1\" }\n[package]\nname = \"app\"",
            "[target.'cfg(unix)']\ndependencies.ws-server = \"1\"",
            "[dependencies]\nlive = { package = \"ws-server\" }\nws-server.workspace = true",
        ] {
            assert_eq!(library_in(manifest), Library::AsItself, "{manifest}");
        }
    }

    #[test]
    fn a_manifest_without_the_library_renames_nothing() {
        for dependencies in [
            "serde = \"1\"",
            "live.workspace = true",
            "# live = { package = \"ws-server\" }",
            "other = { package = \"ws-server-client\" }",
        ] {
            let manifest = format!("[package]\nname = \"app\"\n[dependencies]\n{dependencies}");
            assert_eq!(library_in(&manifest), Library::AsItself, "{dependencies}");
        }
    }
}
