//! The expected texts of `ui.rs` must be the same on every machine; and the book of mistakes must
//! explain every message of the macros, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_tests::files;

/// The messages of the book, each as the texts between its `…`s.
fn book() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-server/src/mistakes.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let messages = rows.filter_map(|row| row.split_once(" | ").map(|(message, _)| message));
    messages
        .filter(|message| *message != "message")
        .map(|message| {
            let parts = message.split('…').map(str::to_owned).collect();
            (message.to_owned(), parts)
        })
        .collect()
}

/// The files of the cases that must fail, with this extension, sorted.
fn cases(extension: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile/ui");
    let mut found = Vec::new();
    for directory in fs::read_dir(root).unwrap() {
        let fail = directory.unwrap().path().join("fail");
        let files = fs::read_dir(fail).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

/// The first lines of all messages in the expected texts.
fn expected() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in cases("stderr") {
        let text = fs::read_to_string(path).unwrap();
        found.extend(text.lines().filter_map(message).map(str::to_owned));
    }
    found
}

/// The message of an error without its code, or of a warning without the deprecated item.
fn message(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("error")?;
    let (_, message) = rest.split_once(": ")?;
    let warning = message.strip_prefix("use of deprecated ");
    Some(warning.map_or(message, |note| note.split_once(": ").unwrap().1))
}

/// Whether a message begins with the first of these texts and contains the others in order.
fn matches(message: &str, parts: &[String]) -> bool {
    let (first, others) = parts.split_first().unwrap();
    let Some(mut rest) = message.strip_prefix(&**first) else {
        return false;
    };
    for part in others {
        let Some((_, after)) = rest.split_once(&**part) else {
            return false;
        };
        rest = after;
    }
    true
}

#[test]
fn every_message_is_in_the_book() {
    let book = book();
    let missing: Vec<_> = expected()
        .into_iter()
        .filter(|message| !book.iter().any(|(_, parts)| matches(message, parts)))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_message_of_the_book_is_expected_by_a_test() {
    let expected = expected();
    let unknown: Vec<_> = book()
        .into_iter()
        .filter(|(_, parts)| !expected.iter().any(|message| matches(message, parts)))
        .map(|(message, _)| message)
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

/// The guide shows the actual messages of the compiler.
#[test]
fn the_guide_shows_the_messages_of_five_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapter = fs::read_to_string(root.join("../docs/src/tables.md")).unwrap();
    let case = root.join("compile/ui/dispatch/fail/five_mistakes");
    let read = |kind: &str| fs::read_to_string(case.with_extension(kind)).unwrap();
    let stderr = read("stderr").replace("ui/dispatch/fail/five_mistakes.rs", "src/main.rs");
    assert_eq!(stderr.matches("error: ").count(), 5);
    assert!(chapter.contains(stderr.trim_end()));
    let source = read("rs");
    let (code, _main) = source.split_once("\nfn main").unwrap();
    let (_head, code) = code.split_once("pub struct Room;\n\n").unwrap();
    assert!(chapter.contains(code.trim_end()));
}

/// The compiler quotes lines of the standard library only if its sources are installed.
#[test]
fn no_text_quotes_the_standard_library() {
    let texts = cases("stderr");
    assert!(!texts.is_empty());
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        let shown = text.lines().find(|line| {
            let sources = ["$RUST", "/rustc/", "/rustlib/"];
            sources.iter().any(|part| line.contains(part))
        });
        assert_eq!(
            shown,
            None,
            "{}: assert the lines that matter in a test of their own",
            path.display()
        );
    }
}

/// The types and traits that the documentation hides, because only expansions use them.
fn hidden_names() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for library in ["../ws-core/src", "../ws-server/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(library);
        sources.extend(files(&root, "rs"));
    }
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(source).unwrap();
        let mut lines = text.lines().map(str::trim);
        while lines.by_ref().any(|line| line == "#[doc(hidden)]") {
            let item = lines.find(|line| !line.starts_with('#')).unwrap_or("");
            let mut words = words(item).skip_while(|word| *word == "pub");
            let keyword = words.next().unwrap_or("");
            if ["enum", "struct", "trait", "type"].contains(&keyword) {
                names.extend(words.next().map(str::to_owned));
            }
        }
    }
    names
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty())
}

/// A user cannot know names that only exist in expansions.
#[test]
fn no_text_contains_a_hidden_name() {
    let hidden = hidden_names();
    assert!(hidden.contains("NameChar"), "{hidden:?}");
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-server/src/mistakes.md");
    let mut shown = Vec::new();
    for path in cases("stderr").into_iter().chain([book]) {
        let text = fs::read_to_string(&path).unwrap();
        // The compiler underlines with underscores.
        let is_reserved =
            |word: &&str| word.starts_with("__") && word.contains(char::is_alphanumeric);
        let hidden_words = words(&text).filter(|word| is_reserved(word) || hidden.contains(*word));
        let hidden_words: BTreeSet<_> = hidden_words.map(str::to_owned).collect();
        if !hidden_words.is_empty() {
            shown.push((path, hidden_words));
        }
    }
    assert!(shown.is_empty(), "{shown:#?}");
}

/// A text without a case is never compared.
#[test]
fn every_case_has_an_expected_text_and_the_reverse() {
    let without_extension = |extension| {
        let paths = cases(extension).into_iter();
        paths
            .map(|path| path.with_extension(""))
            .collect::<Vec<_>>()
    };
    assert_eq!(without_extension("rs"), without_extension("stderr"));
}
