//! `Set-Cookie` (RFC 6265, section 4.1).

use std::fmt::Write;

use http::HeaderValue;
use ws_core::session::CookieOptions;

/// Writes the cookies of one response. They are for the whole site, and scripts cannot read them.
#[derive(Clone, Copy)]
pub(super) struct CookieWriter<'o> {
    pub(super) options: &'o CookieOptions,
    /// Whether the browser uses TLS.
    pub(super) secure: bool,
}

impl CookieWriter<'_> {
    /// The cookie of the session, which has the `Max-Age` of the options.
    pub(super) fn session(self, name: &str, value: &str) -> HeaderValue {
        self.header(name, value, self.options.max_age_seconds())
    }

    /// The cookie of the page, which ends with the browser's session.
    pub(super) fn page(self, name: &str, value: &str) -> HeaderValue {
        self.header(name, value, None)
    }

    /// Removes a cookie from the browser.
    pub(super) fn remove(self, name: &str) -> HeaderValue {
        self.header(name, "", Some(0))
    }

    fn header(self, name: &str, value: &str, max_age: Option<u64>) -> HeaderValue {
        let same_site = self.options.same_site_value().as_str();
        let mut text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}");
        if self.secure {
            text.push_str("; Secure");
        }
        if let Some(domain) = self.options.domain_name() {
            let _ = write!(text, "; Domain={domain}");
        }
        if let Some(seconds) = max_age {
            let _ = write!(text, "; Max-Age={seconds}");
        }
        HeaderValue::try_from(text).expect("`build` takes only names that are valid in a cookie")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ws_core::session::SameSite;

    use super::*;

    #[test]
    fn a_cookie_has_its_flags() {
        let options = CookieOptions::new();
        let [plain, secure] = [false, true].map(|secure| CookieWriter {
            options: &options,
            secure,
        });
        assert_eq!(
            plain.session("z_sid", "x"),
            "z_sid=x; Path=/; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            secure.session("__Host-z_sid", "x"),
            "__Host-z_sid=x; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            plain.remove("z_sid"),
            "z_sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }

    #[test]
    fn a_cookie_has_the_attributes_of_the_options() {
        let options = CookieOptions::new()
            .max_age(Duration::from_millis(60_999))
            .same_site(SameSite::Strict)
            .domain("example.com");
        let writer = CookieWriter {
            options: &options,
            secure: true,
        };
        let attributes = "Path=/; HttpOnly; SameSite=Strict; Secure; Domain=example.com";
        assert_eq!(
            writer.session("a", "x"),
            format!("a=x; {attributes}; Max-Age=60")
        );
        assert_eq!(writer.page("a", "x"), format!("a=x; {attributes}"));
        assert_eq!(writer.remove("a"), format!("a=; {attributes}; Max-Age=0"));
    }
}
