//! The declarations that a hub has used: the names of two of them must differ.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::declaration::{Declaration, Part};
use super::key::Declared;

/// Declarations of topics, by their types.
#[derive(Default)]
pub(super) struct Declarations(RwLock<HashMap<TypeId, &'static Declaration>>);

impl Declarations {
    /// Adds a declaration, unless it is known.
    ///
    /// # Panics
    ///
    /// If it names a topic that another declaration names as well. Within one `topics!` block, and
    /// between blocks that are given to the server, the compiler reports that.
    pub(super) fn add(&self, declared: Declared) {
        #[cfg_attr(
            not(feature = "cluster"),
            expect(
                irrefutable_let_patterns,
                reason = "only other nodes declare elsewhere"
            )
        )]
        let Declared::Here { declaration, id } = declared else {
            return;
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&id) {
            return;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut others = known.iter().filter(|(known, _)| **known != id);
        let conflict = others.find_map(|(_, other)| {
            let name = common_name(declaration.parts(), other.parts())?;
            Some((other.pattern(), name))
        });
        if let Some((other, name)) = conflict {
            drop(known);
            let pattern = declaration.pattern();
            panic!("the topics `{other}` and `{pattern}` both name \"{name}\": change one pattern");
        }
        known.insert(id, declaration);
    }
}

/// A name that both patterns have; `{}` is a parameter of both.
fn common_name(first: &[Part], second: &[Part]) -> Option<String> {
    if first.len() != second.len() {
        return None;
    }
    let common = first.iter().zip(second).map(|pair| match pair {
        (Part::Parameter, Part::Parameter) => Some("{}"),
        (Part::Text(text), Part::Parameter) | (Part::Parameter, Part::Text(text)) => Some(*text),
        (Part::Text(first), Part::Text(second)) => (first == second).then_some(*first),
    });
    Some(common.collect::<Option<Vec<_>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::Part::{Parameter, Text};
    use super::*;

    #[test]
    fn patterns_are_compared_segment_by_segment() {
        let room = [Text("room"), Parameter];
        let typing = [Text("room"), Parameter, Text("typing")];
        let both = [Parameter, Parameter];
        let lobby = [Text("room"), Text("lobby")];
        let common = |first: &[Part], second: &[Part]| common_name(first, second);
        assert_eq!(common(&room, &lobby), Some("room/lobby".into()));
        assert_eq!(common(&room, &both), Some("room/{}".into()));
        assert_eq!(common(&both, &lobby), Some("room/lobby".into()));
        assert_eq!(common(&room, &typing), None);
        assert_eq!(
            common(&typing, &[Text("room"), Text("7"), Text("seen")]),
            None
        );
        let seven = [Text("room"), Text("7"), Text("typing")];
        assert_eq!(common(&typing, &seven), Some("room/7/typing".into()));
        assert_eq!(common(&[Text("a")], &[Text("b")]), None);
        assert_eq!(common(&[Parameter], &[Text("b")]), Some("b".into()));
        assert_eq!(common(&room, &[Text("hall"), Parameter]), None);
    }

    #[test]
    fn a_declaration_is_added_once() {
        static ROOM: Declaration = Declaration::new("room/{id}", &[Text("room"), Parameter]);
        static HALL: Declaration = Declaration::new("hall/{id}", &[Text("hall"), Parameter]);
        static LOBBY: Declaration = Declaration::new("room/lobby", &[Text("room"), Text("lobby")]);
        let declarations = Declarations::default();
        let declared = |declaration, id| Declared::Here { declaration, id };
        for _ in 0..2 {
            declarations.add(declared(&ROOM, TypeId::of::<u8>()));
            declarations.add(declared(&HALL, TypeId::of::<u16>()));
        }
        for _ in 0..2 {
            let add = || declarations.add(declared(&LOBBY, TypeId::of::<u32>()));
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(add));
            let text = panic.unwrap_err().downcast::<String>().unwrap();
            let expected = "the topics `room/{id}` and `room/lobby` both name \"room/lobby\": \
                            change one pattern";
            assert_eq!(*text, expected);
        }
    }
}
