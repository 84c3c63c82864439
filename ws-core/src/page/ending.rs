//! The end of a page on request of the application.

use super::Page;
use crate::close::Close;

impl Page {
    /// Ends the page at once, on this server: drops what waits in its queue, ends its subscriptions,
    /// and closes its connection with this Close, after the messages that are already on their way.
    /// If a handler is attached, `terminate` runs. Returns whether the page was alive; a handle that
    /// was made before a logon ends none that belongs to the new session already.
    ///
    /// The Close decides what the client does. The browser client does not connect again after
    /// [`CloseCode::POLICY`](crate::close::CloseCode::POLICY) or a code of your own from 4000. After
    /// [`Close::GOING_AWAY`] it connects again and gets a reset if it has missed something.
    ///
    /// The id of the page stays valid: a client that has it can connect again, and then another
    /// stream begins, with `init` of another handler. To prevent that, end the session with
    /// [`Sessions::end`](crate::session::Sessions::end), or refuse the client in `init`.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use ws_server::{Close, CloseCode, Hub};
    ///
    /// let hub = Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&session).unwrap();
    /// assert!(page.end(Close::new(CloseCode::POLICY, "removed by a moderator")));
    /// assert_eq!((page.push("news", &1), page.end(Close::NORMAL)), (0, false));
    /// # });
    /// ```
    pub fn end(&self, close: impl Into<Close>) -> bool {
        let stream = self.pages.find(&self.id.text);
        let stream = stream.filter(|stream| !stream.is_renewed(&self.session));
        stream.is_some_and(|stream| self.pages.end(&stream, &close.into()))
    }
}
