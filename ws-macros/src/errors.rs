//! Collects all mistakes of one macro call, so that the user sees them in one run.

use std::cell::RefCell;
use std::fmt::Display;
use std::thread;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far.
///
/// Rules report into it through a shared reference and continue. Call [`finish`](Self::finish) in
/// the end: an `Errors` that is dropped without that panics, because a mistake would be lost.
#[derive(Debug)]
pub(crate) struct Errors {
    /// `None` after `finish` was called.
    found: RefCell<Option<Vec<syn::Error>>>,
}

impl Errors {
    /// Creates an empty collection.
    pub(crate) fn new() -> Self {
        Self {
            found: RefCell::new(Some(Vec::new())),
        }
    }

    /// Adds a mistake at these tokens.
    pub(crate) fn push(&self, tokens: impl ToTokens, message: impl Display) {
        self.push_syn(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake at this span.
    pub(crate) fn push_at(&self, span: Span, message: impl Display) {
        self.push_syn(syn::Error::new(span, message));
    }

    /// Adds the error of a parser.
    pub(crate) fn push_syn(&self, error: syn::Error) {
        if let Some(found) = self.found.borrow_mut().as_mut() {
            found.push(error);
        }
    }

    /// Returns the number of mistakes found so far.
    pub(crate) fn count(&self) -> usize {
        self.found.borrow().as_ref().map_or(0, Vec::len)
    }

    /// Returns the mistake that was found last.
    pub(crate) fn last(&self) -> Option<syn::Error> {
        self.found.borrow().as_ref()?.last().cloned()
    }

    /// Returns the value; a parser's error is added and becomes `None`.
    pub(crate) fn ok_or_report<T>(&self, parsed: syn::Result<T>) -> Option<T> {
        parsed.map_err(|error| self.push_syn(error)).ok()
    }

    /// Ends the collection.
    ///
    /// # Errors
    ///
    /// Returns one `compile_error!` for each mistake, with its span.
    pub(crate) fn finish(self) -> Result<(), TokenStream> {
        let found = self.found.borrow_mut().take().unwrap_or_default();
        if found.is_empty() {
            return Ok(());
        }
        Err(found.iter().map(syn::Error::to_compile_error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        let is_finished = self.found.borrow().is_none();
        assert!(
            is_finished || thread::panicking(),
            "the errors of a macro call were dropped without `finish`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_mistake_there_is_nothing_to_report() {
        assert_eq!(
            Errors::new().finish().map_err(|tokens| tokens.to_string()),
            Ok(())
        );
    }

    #[test]
    fn every_mistake_is_reported_in_the_order_it_was_found() {
        let errors = Errors::new();
        errors.push(quote::quote!(a), "first");
        errors.push_at(Span::call_site(), "second");
        assert_eq!(errors.ok_or_report(syn::parse_str::<syn::Ident>("7")), None);
        let reported = errors.finish().unwrap_err().to_string();
        let places: Vec<_> = ["first", "second", "expected identifier"]
            .map(|text| reported.find(text))
            .to_vec();
        assert!(places.iter().all(Option::is_some), "{reported}");
        assert!(places.is_sorted(), "{reported}");
        assert_eq!(reported.matches("compile_error").count(), 3);
    }

    #[test]
    fn a_parsed_value_is_returned() {
        let errors = Errors::new();
        let name = errors.ok_or_report(syn::parse_str::<syn::Ident>("room"));
        assert_eq!(name.map(|name| name.to_string()).as_deref(), Some("room"));
        let reported = errors.finish().map_err(|errors| errors.to_string());
        assert_eq!(reported, Ok(()));
    }

    #[test]
    #[should_panic(expected = "the errors of a macro call were dropped without `finish`")]
    fn dropping_unfinished_errors_panics() {
        Errors::new().push_at(Span::call_site(), "lost");
    }
}
