//! Reads the `use` lines and paths of a crate's sources: which file uses an item of which other
//! file of the crate.
//!
//! A name that a module re-exports leads to the file that defines it. So a parent that only
//! re-exports items of its children uses none of them. Code under `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, Ident, Literal, Spacing, TokenStream, TokenTree};
use ws_tests::files;

/// A path of modules below the root of a crate; the root is empty.
pub(crate) type Module = Vec<String>;

/// One file uses an item of another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Use {
    pub from: Module,
    /// The file that defines the item.
    pub to: Module,
    /// The top-level module by which the path names it.
    pub through: String,
    pub line: usize,
}

/// A string of a source, and its place. Documentation is none.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub module: Module,
    /// As it is written, without quotes, and with quotes inside as they are.
    pub value: String,
    pub line: usize,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            module,
            value,
            line,
        } = self;
        write!(f, "{}.rs:{line}: {value}", module.join("/"))
    }
}

/// A path as it is written, and its place.
#[derive(Clone)]
struct Written {
    segments: Vec<String>,
    line: usize,
}

/// A name that a `use` line brings in, or re-exports.
struct Import {
    path: Written,
    /// `None` for a glob, and for `as _`.
    name: Option<String>,
    is_public: bool,
}

/// What one file contains.
#[derive(Default)]
struct File {
    /// Modules with a file of their own, by whether they are tests.
    children: BTreeMap<String, Purpose>,
    imports: Vec<Import>,
    paths: Vec<Written>,
    words: BTreeSet<String>,
    /// Strings, each with its line.
    texts: Vec<(String, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Code,
    Tests,
}

/// The files of one crate, without its root's own uses and without tests.
pub(crate) struct Crate {
    files: BTreeMap<Module, File>,
}

impl Crate {
    /// Reads the sources below this directory.
    pub(crate) fn read(source: &Path) -> Self {
        let texts = files(source, "rs").into_iter().map(|path| {
            let inner = path.strip_prefix(source).unwrap().with_extension("");
            let module = inner.iter().map(|part| part.to_str().unwrap().to_owned());
            (module.collect(), fs::read_to_string(&path).unwrap())
        });
        Self::of(texts)
    }

    /// The crate of these files: `page/id.rs` is `["page", "id"]`, and `lib.rs` `["lib"]`.
    pub(crate) fn of(texts: impl IntoIterator<Item = (Module, String)>) -> Self {
        let mut files = BTreeMap::new();
        for (mut module, text) in texts {
            if module == ["lib"] {
                module.clear();
            }
            let tokens: TokenStream = text.parse().expect("a source that compiles");
            let mut file = File::default();
            file.walk(tokens, 0);
            files.insert(module, file);
        }
        let all: Vec<Module> = files.keys().cloned().collect();
        for module in all {
            let is_test = (1..=module.len()).any(|depth| {
                let parent = files.get(&module[..depth - 1]);
                let purpose = parent.and_then(|file| file.children.get(&module[depth - 1]));
                purpose.is_none_or(|purpose| *purpose == Purpose::Tests)
            });
            if is_test {
                files.remove(&module);
            }
        }
        Self { files }
    }

    /// The files, without the root.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys().filter(|module| !module.is_empty())
    }

    /// The strings of all files, but for those of tests.
    pub(crate) fn texts(&self) -> Vec<Text> {
        let files = self.files.iter();
        let texts = files.flat_map(|(module, file)| {
            file.texts.iter().map(|(value, line)| Text {
                module: module.clone(),
                value: value.clone(),
                line: *line,
            })
        });
        texts.collect()
    }

    /// Every use of an item of another file, without those from and to the root.
    pub(crate) fn uses(&self) -> BTreeSet<Use> {
        let mut found = BTreeSet::new();
        for (from, file) in self.files.iter().filter(|(from, _)| !from.is_empty()) {
            let imports = file.imports.iter().filter(|import| {
                let name = import.name.as_ref();
                !import.is_public || name.is_some_and(|name| file.words.contains(name))
            });
            let paths = imports.map(|import| &import.path).chain(&file.paths);
            for written in paths {
                let to = self.find(from, &written.segments, &mut BTreeSet::new());
                if let Some(to) = to.filter(|to| to != from && !to.is_empty()) {
                    let through = Self::named(from, &written.segments);
                    let through = through.unwrap_or_else(|| to[0].clone());
                    let (from, line) = (from.clone(), written.line);
                    found.insert(Use {
                        from,
                        to,
                        through,
                        line,
                    });
                }
            }
        }
        found
    }

    /// The file that defines the item of this path, seen from this file. `None` if it is of
    /// another crate.
    fn find(
        &self,
        from: &[String],
        segments: &[String],
        seen: &mut BTreeSet<(Module, String)>,
    ) -> Option<Module> {
        let mut at = from.to_vec();
        for (index, segment) in segments.iter().enumerate() {
            let file = self.files.get(&at)?;
            match &**segment {
                "crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop();
                }
                name if file.children.get(name) == Some(&Purpose::Code) => at.push(name.to_owned()),
                name => {
                    let import = file.imports.iter();
                    let mut import = import.filter(|it| it.name.as_deref() == Some(name));
                    if let Some(import) = import.next()
                        && seen.insert((at.clone(), name.to_owned()))
                    {
                        let rest = &segments[index + 1..];
                        let path: Vec<_> =
                            import.path.segments.iter().chain(rest).cloned().collect();
                        return self.find(&at, &path, seen);
                    }
                    return (index > 0).then_some(at);
                }
            }
        }
        Some(at)
    }

    /// The top-level module that a path names, whatever that re-exports. `None` if the path begins
    /// with a name of its file, which has an import of its own.
    fn named(from: &[String], segments: &[String]) -> Option<String> {
        let mut at = from.to_vec();
        for (index, segment) in segments.iter().enumerate() {
            match &**segment {
                "crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop();
                }
                _ if index == 0 => return None,
                name => at.push(name.to_owned()),
            }
        }
        at.into_iter().next()
    }
}

impl File {
    /// Goes through code that lies in so many modules within the file.
    fn walk(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut test = false;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    // `#![doc = "…"]` is about the file.
                    at += usize::from(is_punct(tokens.get(at + 1), '!'));
                    if let Some(TokenTree::Group(group)) = tokens.get(at + 1) {
                        test |= is_test(group);
                        let is_doc = group.stream().to_string().starts_with("doc");
                        if !is_doc && !test {
                            self.note_texts(group.stream());
                        }
                        at += 1;
                    }
                }
                // An item of a test ends with its body, or with a semicolon.
                TokenTree::Group(group) if test && group.delimiter() == Delimiter::Brace => {
                    test = false;
                }
                TokenTree::Punct(end) if test && end.as_char() == ';' => test = false,
                TokenTree::Ident(word) if *word == "mod" && is_punct(tokens.get(at + 2), ';') => {
                    let purpose = if test { Purpose::Tests } else { Purpose::Code };
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        self.children.insert(name.to_string(), purpose);
                    }
                    at += 1;
                }
                _ if test => {}
                TokenTree::Ident(word) if *word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let is_public = at > 0 && !ends_item(&tokens[at - 1]);
                    at = self.imports(&tokens, at + 1, depth, is_public);
                }
                TokenTree::Ident(word) if !is_behind_path(&tokens, at) => {
                    self.words.insert(word.to_string());
                    if let Some(path) = path(&tokens[at..], word, depth) {
                        self.paths.push(path);
                    }
                }
                TokenTree::Literal(literal) => self.note(literal),
                TokenTree::Group(group) => {
                    let is_module = group.delimiter() == Delimiter::Brace
                        && at >= 2
                        && is_word(tokens.get(at - 2), "mod");
                    self.walk(group.stream(), depth + usize::from(is_module));
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn note_texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => self.note(&literal),
                TokenTree::Group(group) => self.note_texts(group.stream()),
                _ => {}
            }
        }
    }

    /// Notes a literal, if it is a string.
    fn note(&mut self, literal: &Literal) {
        let text = literal.to_string();
        if let Some((_, rest)) = text.split_once('"')
            && let Some((inside, _)) = rest.rsplit_once('"')
        {
            let inside = inside.replace("\\\"", "\"");
            self.texts.push((inside, literal.span().start().line));
        }
    }

    /// Reads a `use` line from here on. Returns the position of its end.
    fn imports(
        &mut self,
        tokens: &[TokenTree],
        begin: usize,
        depth: usize,
        is_public: bool,
    ) -> usize {
        let rest = tokens[begin..].iter();
        let length = rest.take_while(|token| !is_punct(Some(token), ';')).count();
        let mut written = Vec::new();
        tree(&tokens[begin..begin + length], &[], &mut written);
        for (path, name) in written {
            if let Some(path) = out_of(path, depth) {
                self.imports.push(Import {
                    path,
                    name,
                    is_public,
                });
            }
        }
        begin + length
    }
}

/// The paths of a tree of `use`, each with the name that it brings in.
fn tree(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<(Written, Option<String>)>) {
    let mut segments = prefix.to_vec();
    let mut line = 0;
    let mut name = None;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if *word == "as" => {
                let alias = tokens.get(at + 1).map(ToString::to_string);
                name = alias.filter(|alias| alias != "_");
                break;
            }
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                name = Some(word.to_string());
                segments.push(word.to_string());
            }
            TokenTree::Punct(star) if star.as_char() == '*' => {
                line = star.span().start().line;
                name = None;
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    if !branch.is_empty() {
                        tree(branch, &segments, found);
                    }
                }
                return;
            }
            _ => {}
        }
        at += 1;
    }
    // `use a::b::{self}` brings in `b`.
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
        name = name.map(|name| match &*name {
            "self" => segments.last().cloned().unwrap_or_default(),
            _ => name,
        });
    }
    found.push((Written { segments, line }, name));
}

/// A path in code that begins with this word.
fn path(tokens: &[TokenTree], first: &Ident, depth: usize) -> Option<Written> {
    let mut segments = vec![first.to_string()];
    let mut at = 1;
    while is_path_separator(&tokens[at..])
        && let Some(TokenTree::Ident(word)) = tokens.get(at + 2)
    {
        segments.push(word.to_string());
        at += 3;
    }
    let line = first.span().start().line;
    let is_path = segments.len() > 1;
    is_path.then(|| out_of(Written { segments, line }, depth))?
}

/// The path as the file's own module would write it; `None` if it stays in a module within the
/// file.
fn out_of(mut path: Written, depth: usize) -> Option<Written> {
    for _ in 0..depth {
        match &**path.segments.first()? {
            "super" => {
                path.segments.remove(0);
            }
            "crate" => break,
            _ => return None,
        }
    }
    if path.segments.is_empty() {
        path.segments.push("self".to_owned());
    }
    Some(path)
}

/// Whether an attribute is `#[cfg(test)]`, or demands tests and something else.
fn is_test(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
}

/// Whether an item can begin behind this token: `use` has no visibility then.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(_) => true,
        TokenTree::Group(group) => group.delimiter() != Delimiter::Parenthesis,
        _ => false,
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    let joined = |token: Option<&TokenTree>| match token {
        Some(TokenTree::Punct(colon)) => {
            colon.as_char() == ':' && colon.spacing() == Spacing::Joint
        }
        _ => false,
    };
    joined(tokens.first()) && is_punct(tokens.get(1), ':')
}

fn is_behind_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_path_separator(&tokens[at - 2..])
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn is_word(token: Option<&TokenTree>, expected: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if *word == expected)
}
