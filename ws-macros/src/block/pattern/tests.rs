use super::*;

/// Returns the segments of a path, one letter each, or the messages about it.
fn read(path: &str) -> Result<String, String> {
    let errors = Errors::new();
    let path = LitStr::new(path, Span::call_site());
    let pattern = Pattern::parse(&path, Syntax::Path, &errors);
    let shape = pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Typed { name, written, .. } => format!("/{name}={written}"),
        Segment::Text { name } => format!("/{name}"),
        Segment::Rest { name } => format!("/*{name}"),
    });
    let shape = shape.collect();
    errors
        .finish()
        .map(|()| shape)
        .map_err(|tokens| tokens.to_string())
}

#[test]
fn literals_and_parameters_are_distinguished() {
    assert_eq!(read("/").as_deref(), Ok(""));
    assert_eq!(
        read("/rooms/{id: u64}/chat").as_deref(),
        Ok("/rooms/id=u64/chat")
    );
    assert_eq!(read("/{name}/{*rest}").as_deref(), Ok("/name/*rest"));
    assert_eq!(read("/{name: String}").as_deref(), Ok("/name"));
    assert_eq!(
        read("/{id : std::net::IpAddr}").as_deref(),
        Ok("/id=std::net::IpAddr")
    );
    assert_eq!(
        read("/{type: u8}/{r#match}").as_deref(),
        Ok("/r#type=u8/r#match")
    );
    assert_eq!(read("/{gen}/{try: u8}").as_deref(), Ok("/r#gen/r#try=u8"));
    assert_eq!(
        read("/{id: Of<u8, { N / 2 }>}/x").as_deref(),
        Ok("/id=Of<u8,{N/2}>/x")
    );
    assert_eq!(read("/v1.0/a-b_c~/@me").as_deref(), Ok("/v1.0/a-b_c~/@me"));
}

#[test]
fn every_mistake_of_a_path_is_quoted() {
    let wrong = [
        ("rooms", "must begin with `/`"),
        ("", "must begin with `/`"),
        ("/a//b", "empty segment"),
        ("/a/", "has no effect"),
        ("/{id", "`{id` is not closed"),
        ("/{id/x", "`{id` is not closed"),
        ("/{id: Of<{ N }>/x", "is not closed"),
        ("/{{id}}", "`{id}` in `{{id}}` is not a valid name"),
        ("/{1d}", "`1d` in `{1d}` is not a valid name"),
        ("/{}", "`` in `{}` is not a valid name"),
        ("/{self}", "`self` in `{self}` is not a valid name"),
        ("/{a}/{a}", "two parameters are named `a`"),
        ("/a{b}", "`a{b}` mixes"),
        ("/{a}{b}", "`{a}{b}` mixes"),
        ("/{*a}/b", "`{*a}` must come last"),
        ("/{*a: u64}", "a wildcard has no type: it is always text"),
        ("/a b", "` ` in `a b`"),
        ("/a?b", "`?` in `a?b`"),
        ("/caf\u{e9}", "`\u{e9}` in `caf\u{e9}`"),
        ("/a%20b", "`%` in `a%20b`"),
        ("/../b", "`..` segment"),
        ("/:id", "another router: `:id`"),
        ("/*", "another router: `*`"),
        ("/a}", "`a}` has a `}`"),
        ("/{id: &str}", "`&str` in `{id: &str}` is not a valid type"),
        ("/{id:}", "is not a valid type"),
    ];
    for (path, part) in wrong {
        let messages = read(path).expect_err(path);
        assert!(messages.contains(part), "{path}: {messages}");
        assert_eq!(
            messages.matches("compile_error").count(),
            1,
            "{path}: {messages}"
        );
    }
}

#[test]
fn a_path_has_at_most_32_segments() {
    assert_eq!(read(&"/x".repeat(32)), Ok("/x".repeat(32)));
    assert!(
        read(&"/x".repeat(33))
            .unwrap_err()
            .contains("the path has 33 segments")
    );
}
