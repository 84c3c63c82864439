use super::*;

/// Returns the segments of a path, one letter each, or the messages about it.
fn read(path: &str) -> Result<String, String> {
    read_as(path, Syntax::Path)
}

fn read_as(text: &str, syntax: Syntax) -> Result<String, String> {
    let errors = Errors::new();
    let text = LitStr::new(text, Span::call_site());
    let pattern = Pattern::parse(&text, syntax, &errors);
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

#[test]
fn the_pattern_of_a_topic_begins_with_no_slash() {
    let read = |text| read_as(text, Syntax::TopicName);
    assert_eq!(read("lobby").as_deref(), Ok("/lobby"));
    assert_eq!(
        read("room/{id: u64}/typing").as_deref(),
        Ok("/room/id=u64/typing")
    );
    assert_eq!(read("{a}/{type}/..").as_deref(), Ok("/a/r#type/.."));
    let many = ["x"; 40].join("/");
    assert_eq!(read(&many), Ok(format!("/{many}")));
}

#[test]
fn every_mistake_in_the_pattern_of_a_topic_is_quoted() {
    let wrong = [
        ("", "is empty"),
        ("/", "is empty"),
        ("/room/{id}", "must not begin with `/`"),
        ("room/", "must not end with `/`"),
        ("room//x", "has an empty segment"),
        (
            "room/{*rest}",
            "`{*rest}` cannot be in the pattern of a topic",
        ),
        ("room/:id", "syntax of another library: `:id`"),
        ("room/*", "syntax of another library: `*`"),
        (
            "room/<id>/{rest..}",
            "syntax of another library: `<id>`, `{rest..}`",
        ),
        ("room:{id}", "`room:{id}` mixes"),
        ("room/{id", "is not closed"),
        ("room/{1d}", "`1d` in `{1d}` is not a valid name"),
        ("room/{a}/{a}", "two parameters are named `a`"),
        ("room/{id: &str}", "implements `Display`"),
        (
            "room/{x: f64}",
            "`f64` in `{x: f64}` cannot identify a topic",
        ),
        ("a b", "` ` in `a b` cannot be in the pattern of a topic"),
        ("a%20b", "`%` in `a%20b`"),
        ("caf\u{e9}", "`\u{e9}` in `caf\u{e9}`"),
        ("a}", "`a}` has a `}`"),
    ];
    for (text, part) in wrong {
        let messages = read_as(text, Syntax::TopicName).expect_err(text);
        assert!(messages.contains(part), "{text}: {messages}");
        assert_eq!(
            messages.matches("compile_error").count(),
            1,
            "{text}: {messages}"
        );
    }
}

#[test]
fn the_literals_of_a_topic_have_at_most_256_bytes() {
    let read = |len| read_as(&format!("{}/{{id}}", "x".repeat(len)), Syntax::TopicName);
    assert_eq!(read(255).map(|text| text.len()), Ok(259));
    let message = read(256).unwrap_err();
    assert!(
        message.contains("at least 257 bytes, but at most 256 are allowed"),
        "{message}"
    );
}
