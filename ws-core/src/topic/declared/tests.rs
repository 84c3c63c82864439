//! The names of declared topics.

use super::*;
use crate::topic::Part;

struct Price(&'static str);

impl DeclaredTopic for Price {
    type Value = String;

    const DECLARATION: &'static Declaration = &Declaration::new(
        "price/{symbol}/last",
        &[Part::Text("price"), Part::Parameter, Part::Text("last")],
    );

    fn write_name(&self, name: &mut NameWriter) {
        name.text("price/");
        name.param(self.0);
        name.text("/last");
    }
}

#[test]
fn parameters_are_percent_encoded_and_name_no_other_topic() {
    let name = |symbol| Price(symbol).name();
    assert_eq!(name("EUR"), "price/EUR/last");
    assert_eq!(name("a-b.c_d~e"), "price/a-b.c_d~e/last");
    assert_eq!(name("EUR/last"), "price/EUR%2Flast/last");
    assert_eq!(name("%2F"), "price/%252F/last");
    assert_eq!(name("é #{}"), "price/%C3%A9%20%23%7B%7D/last");
    assert_eq!(name(""), "price//last");
}

#[test]
fn a_long_parameter_is_shortened_and_names_stay_different() {
    let long = |last| -> &'static str { format!("{}{last}", "x".repeat(300)).leak() };
    let name = Price(long('a')).name();
    assert_eq!(name.len(), 256);
    assert!(name.starts_with("price/xxx"), "{name}");
    assert_ne!(name, Price(long('b')).name());
}
