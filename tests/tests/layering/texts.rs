//! Texts that belong into one place.

use crate::crate_of;

/// Names of the page protocol that nothing else has.
const NAMES: [&str; 10] = [
    "ack", "bye", "epoch", "offset", "overflow", "renewed", "reset", "seen", "welcome", "why",
];

/// Whether a text is a name of the page protocol, a JSON member of it, or a parameter of its query.
fn is_of_the_page_protocol(text: &str) -> bool {
    let is_member = |name: &&str| text.contains(&format!("\"{name}\":"));
    let is_parameter = |name: &&str| text.contains(&format!("{name}={{"));
    NAMES.contains(&text)
        || is_member(&"type")
        || text == "type"
        || NAMES
            .iter()
            .any(|name| is_member(name) || is_parameter(name))
}

#[test]
fn the_page_protocol_is_written_in_one_module() {
    let mut elsewhere = Vec::new();
    let mut inside = 0;
    for crate_name in ["ws-core", "ws-server"] {
        for text in crate_of(crate_name).texts() {
            if !is_of_the_page_protocol(&text.value) {
                continue;
            }
            if crate_name == "ws-core" && text.module[0] == "wire" {
                inside += 1;
            // The labels of measurements have these names on purpose.
            } else if !["stats", "measurements"].contains(&&*text.module[0]) {
                elsewhere.push(format!("{crate_name}/src/{text}"));
            }
        }
    }
    assert!(inside >= 3, "{inside} texts of `wire` are found");
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn names_members_and_parameters_of_the_page_protocol_are_recognized() {
    for text in [
        "seen",
        "type",
        r#"{"type":"ack","offset":"#,
        r#"{{"page":"{}","epoch":"{}"}}"#,
        "&epoch={epoch}&offset={}",
    ] {
        assert!(is_of_the_page_protocol(text), "{text}");
    }
    for text in [
        "",
        "id",
        "the session was seen",
        r#"{"call":7}"#,
        "the offset",
    ] {
        assert!(!is_of_the_page_protocol(text), "{text}");
    }
}

/// Names of the facade, which the engine does not know.
const FACADE: [&str; 5] = ["Server::", "ServeError", "ws_server", "Ws::", "ws::"];

#[test]
fn errors_and_logs_of_the_engine_do_not_name_the_facade() {
    let core = crate_of("ws-core");
    let texts = core.texts();
    assert!(texts.len() > 500, "{} texts are found", texts.len());
    let of_facade = texts
        .iter()
        .filter(|text| FACADE.iter().any(|name| text.value.contains(name)));
    let found: Vec<_> = of_facade.map(ToString::to_string).collect();
    assert_eq!(found, Vec::<String>::new());
}
