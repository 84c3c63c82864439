//! What the manifest of the calling crate says of the library, for the message about a dependency
//! of another name. Nothing is expanded differently for it.

use std::path::Path;
use std::sync::OnceLock;
use std::{env, fs};

/// How the calling crate can name the library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Library {
    /// As `::ws_server`; or nothing is known.
    AsItself,
    /// As the dependency of this name.
    Renamed(String),
    /// Not at all: it is no dependency.
    Absent,
}

impl Library {
    /// What is wrong with `::ws_server`.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::AsItself => None,
            Self::Renamed(name) => Some(format!("this crate has the library as `{name}`")),
            Self::Absent => Some("`ws-server` is no dependency of this crate".to_owned()),
        }
    }

    /// The path by another name.
    pub fn path(&self) -> Option<syn::Path> {
        match self {
            Self::Renamed(name) => syn::parse_str(&format!("::{name}")).ok(),
            Self::AsItself | Self::Absent => None,
        }
    }
}

/// What is known of the crate that is compiled. Without a compiler or without Cargo that is nothing.
pub fn library() -> Library {
    static FOUND: OnceLock<Library> = OnceLock::new();
    if !proc_macro::is_available() {
        return Library::AsItself;
    }
    let found = FOUND.get_or_init(|| {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .and_then(|dir| fs::read_to_string(Path::new(&dir).join("Cargo.toml")).ok());
        manifest.map_or(Library::AsItself, |manifest| library_in(&manifest))
    });
    found.clone()
}

const PACKAGE: &str = "ws-server";
const NAME: &str = "ws_server";

/// What a manifest says, as far as its lines do so plainly.
fn library_in(manifest: &str) -> Library {
    let mut section = "";
    let mut renamed = None;
    for line in manifest.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if dependency_of(section).is_some_and(|name| crate_name(name) == NAME) {
                return Library::AsItself;
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let key = key.trim();
        if section == "package" {
            if key == "name" && value.contains(&format!("\"{PACKAGE}\"")) {
                return Library::AsItself;
            }
            continue;
        }
        let package = format!("package=\"{PACKAGE}\"");
        let names_package = line.replace(' ', "").contains(&package);
        if let Some(name) = dependency_of(section) {
            renamed = renamed.or(names_package.then(|| crate_name(name)));
        } else if section.ends_with("dependencies") {
            let name = crate_name(key.split('.').next().unwrap_or(key));
            if name == NAME || is_inherited(key, value) {
                return Library::AsItself;
            }
            renamed = renamed.or(names_package.then_some(name));
        }
    }
    renamed.map_or(Library::Absent, Library::Renamed)
}

/// The dependency that a section is about: `live` of `dependencies.live`.
fn dependency_of(section: &str) -> Option<&str> {
    section.rsplit_once("dependencies.").map(|(_, name)| name)
}

/// The package of such a dependency is in another manifest.
fn is_inherited(key: &str, value: &str) -> bool {
    key.ends_with(".workspace") || value.replace(' ', "").contains("workspace=true")
}

fn crate_name(key: &str) -> String {
    key.trim_matches('"').replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_of_another_name_is_found() {
        for manifest in [
            "[dependencies]\nlive = { version = \"1\", package = \"ws-server\" }",
            "[dependencies.live]\nversion = \"1\"\npackage = \"ws-server\"",
            "[target.'cfg(unix)'.dependencies]\n\"live\" = {package=\"ws-server\"}",
        ] {
            let found = library_in(&format!("[package]\nname = \"app\"\n{manifest}"));
            assert_eq!(found, Library::Renamed("live".to_owned()), "{manifest}");
        }
    }

    #[test]
    fn a_dependency_of_its_own_name_is_found() {
        for manifest in [
            "[dependencies]\nws-server = \"1\"",
            "[dev-dependencies]\nws_server = { path = \"..\" }",
            "[dependencies.ws-server]\nversion = \"1\"",
            "[package]\nname = \"ws-server\"",
            "[dependencies]\nlive = { package = \"ws-server\" }\nws-server.workspace = true",
        ] {
            assert_eq!(library_in(manifest), Library::AsItself, "{manifest}");
        }
    }

    #[test]
    fn a_manifest_without_it_says_so_unless_it_inherits_dependencies() {
        let manifest = "[package]\nname = \"app\"\n[dependencies]\nserde = \"1\"";
        assert_eq!(library_in(manifest), Library::Absent);
        for inherited in ["live.workspace = true", "live = { workspace = true }"] {
            let manifest = format!("{manifest}\n{inherited}");
            assert_eq!(library_in(&manifest), Library::AsItself, "{inherited}");
        }
    }
}
