//! Types of the library that cannot contain data borrowed for one call of a hook.
//!
//! The compiler has no readable message for a lifetime that is too short, and `#[ws_handler]` sees
//! only how a type is written. So if a type is written with such a lifetime, the macro checks here
//! whether it is one of these: a type of the application may have the same name.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::{Path, Query, State};
use crate::close::Close;
use crate::decode::Json;

/// A type in the signature of a hook that borrows something.
#[derive(Debug)]
pub struct Borrowing<T>(PhantomData<T>);

impl<T> Borrowing<T> {
    /// Starts the check of a type.
    #[expect(clippy::new_without_default, reason = "named by `#[ws_handler]` alone")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The result for a type that must own its data.
#[derive(Debug)]
pub struct Borrowed;

/// The result for any other type.
#[derive(Debug)]
pub struct NotBorrowed;

/// Implemented by a result for `T` if `T` may be an argument of `init`.
#[diagnostic::on_unimplemented(
    message = "the arguments of `init` are decoded from the request, so `{T}` must own its data",
    label = "borrowed",
    note = "write `String` for `&str`; in a type of your own, use owned fields, and remove the \
            lifetime"
)]
pub trait OwnedArgument<T>: Sized {
    /// Called by `#[ws_handler]` to check the type.
    fn check(self) {}
}

#[diagnostic::do_not_recommend]
impl<T> OwnedArgument<T> for NotBorrowed {}

/// A part of the request that is decoded for `init`, or a part of the state.
pub trait PartOfRequest {}
impl<T> PartOfRequest for Path<T> {}
impl<T> PartOfRequest for Query<T> {}
impl<T> PartOfRequest for State<T> {}

/// A message that is decoded for `message`.
pub trait Decoded {}
impl<T> Decoded for Json<T> {}
#[cfg(feature = "msgpack")]
impl<T> Decoded for crate::decode::MsgPack<T> {}
impl<T: Decoded, E> Decoded for Result<T, E> {}

/// Text that is sent after the call, or a reply that contains such text.
pub trait TextOfReply {}
impl TextOfReply for &str {}
impl TextOfReply for Cow<'_, str> {}
impl<T: TextOfReply> TextOfReply for Option<T> {}
impl<T: TextOfReply> TextOfReply for Vec<T> {}
impl<T: TextOfReply> TextOfReply for (T, Close) {}
impl<T: TextOfReply, E> TextOfReply for Result<T, E> {}

// Inherent functions take precedence over those of a trait.

impl<T: PartOfRequest> Borrowing<T> {
    /// The type of an argument of `init`.
    pub fn in_request(&self) -> Borrowed {
        Borrowed
    }
}

impl<T: Decoded> Borrowing<T> {
    /// The type of the message.
    pub fn in_message(&self) -> Borrowed {
        Borrowed
    }
}

impl<T: TextOfReply> Borrowing<T> {
    /// The type that a hook returns.
    pub fn in_reply(&self) -> Borrowed {
        Borrowed
    }
}

/// The functions of [`Borrowing`] for all other types.
pub trait OtherType {
    /// See [`Borrowing::in_request`].
    fn in_request(&self) -> NotBorrowed {
        NotBorrowed
    }

    /// See [`Borrowing::in_message`].
    fn in_message(&self) -> NotBorrowed {
        NotBorrowed
    }

    /// See [`Borrowing::in_reply`].
    fn in_reply(&self) -> NotBorrowed {
        NotBorrowed
    }
}

impl<T> OtherType for Borrowing<T> {}

#[cfg(test)]
mod tests {
    use super::{Borrowing, Json, OtherType as _, Path, Query, State};
    use std::any::type_name_of_val as name;

    /// A type of the application, named as one of the library, with a lifetime.
    struct BorrowedField<'a>(&'a str);

    #[test]
    fn only_types_of_the_library_must_own_their_data() {
        let borrowed = name(&super::Borrowed);
        let other = name(&super::NotBorrowed);
        assert_ne!(borrowed, other);
        assert_eq!(BorrowedField("text").0, "text");

        assert_eq!(name(&Borrowing::<Path<&str>>::new().in_request()), borrowed);
        assert_eq!(
            name(&Borrowing::<Query<BorrowedField<'_>>>::new().in_request()),
            borrowed
        );
        assert_eq!(
            name(&Borrowing::<State<&str>>::new().in_request()),
            borrowed
        );
        assert_eq!(
            name(&Borrowing::<BorrowedField<'_>>::new().in_request()),
            other
        );

        assert_eq!(name(&Borrowing::<Json<&str>>::new().in_message()), borrowed);
        assert_eq!(
            name(&Borrowing::<Result<Json<BorrowedField<'_>>, u8>>::new().in_message()),
            borrowed
        );
        assert_eq!(
            name(&Borrowing::<BorrowedField<'_>>::new().in_message()),
            other
        );

        assert_eq!(name(&Borrowing::<Option<&str>>::new().in_reply()), borrowed);
        assert_eq!(
            name(&Borrowing::<Vec<BorrowedField<'_>>>::new().in_reply()),
            other
        );
        assert_eq!(
            name(&Borrowing::<BorrowedField<'_>>::new().in_reply()),
            other
        );
    }
}
