//! The types that a handler may send.

/// Declares that a handler may send values of type `M` to its clients, in addition to its replies.
///
/// [`Socket::send`](super::Socket::send), [`send_async`](super::Socket::send_async),
/// [`subscribe`](super::Socket::subscribe), [`subscribe_with`](super::Socket::subscribe_with) and
/// [`spawn`](super::Socket::spawn) require it. `#[ws_handler]` implements it for every type.
/// `#[ws_handler(sends(Event, Notice))]` implements it only for the listed types, so that the
/// compiler rejects all others:
///
/// ```
/// use serde::Serialize;
/// use ws_server::prelude::*;
///
/// #[derive(Serialize)]
/// enum Event { Welcome }
///
/// struct Room;
///
/// #[ws_handler(sends(Event))]
/// impl Room {
///     fn init(socket: &Socket<Self>) -> Self {
///         let _ = socket.send(Json(Event::Welcome));
///         Room
///     }
/// }
/// ```
///
/// The value of `Json(event)` is the event, that of a topic is the type published to it, and that
/// of each text type is `String`: see [`IntoMessage::Value`](super::IntoMessage::Value) and
/// [`IntoReply::Value`](crate::reply::IntoReply::Value).
///
/// Code that is generic over the handler takes a [`Sender`](super::Sender), which can send
/// everything, or names the type in a bound:
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::socket::Sends;
///
/// fn greet<H: Sends<String>>(socket: &Socket<H>) {
///     let _ = socket.send("hello");
/// }
/// ```
///
/// A handler that implements `Handler` without the macro needs one line:
///
/// ```
/// # struct Own;
/// impl<M: ?Sized> ws_server::socket::Sends<M> for Own {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare that it sends `{M}`; add it: \
               `#[ws_handler(sends({M}, …))]`",
    label = "not declared by `{Self}`",
    note = "without `sends(…)` a handler may send every type, as a `socket.sender()` always may",
    note = "code that is generic over the handler takes a `Sender`, or has the bound \
            `H: Sends<{M}>`"
)]
pub trait Sends<M: ?Sized> {}
