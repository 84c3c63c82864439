//! Attributes, docs, constants, types, macros and other methods of the block are kept.
#![deny(warnings)]

use ws_server::prelude::*;

struct Room {
    said: Vec<String>,
}

macro_rules! greeting {
    () => {
        fn greeting() -> &'static str {
            "hello"
        }
    };
}

/// A room in which everything is remembered.
#[allow(clippy::needless_pass_by_value)]
#[ws_handler]
#[expect(non_upper_case_globals)]
impl Room {
    const limit: usize = 3;

    greeting!();

    /// Makes a room.
    #[must_use]
    #[inline]
    pub fn init() -> Self {
        Self { said: Vec::new() }
    }

    /// Remembers and answers.
    #[inline(never)]
    pub(crate) fn message(
        &mut self,
        #[allow(unused_mut)] mut text: String,
    ) -> Option<&'static str> {
        self.said.push(text);
        self.is_full().then(Self::greeting)
    }

    /// A helper with a name like a hook's is no hook.
    fn handle_info(&self) -> usize {
        self.said.len()
    }

    /// Nor is one that is called here.
    fn terminated(&mut self) {
        self.said.clear();
    }

    pub fn is_full(&mut self) -> bool {
        let full = self.handle_info() >= Self::limit;
        if full {
            self.terminated();
        }
        full
    }
}

pub(crate) fn main() {
    let mut room = Room::init();
    assert_eq!(room.message("a".to_owned()), None);
    assert_eq!(room.message("b".to_owned()), None);
    assert_eq!(room.message("c".to_owned()), Some("hello"));
    assert!(room.said.is_empty());
}
