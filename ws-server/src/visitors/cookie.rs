//! `Set-Cookie` (RFC 6265, section 4.1).

use http::HeaderValue;

/// A cookie for the whole site. Scripts cannot read it, and requests from other sites do not
/// contain it, except for links (`SameSite=Lax`): a visitor who follows one is still logged on. It
/// lives as long as the browser's session.
pub(super) fn set(name: &str, value: &str, secure: bool) -> HeaderValue {
    header(name, value, secure, "")
}

/// Removes the cookie from the browser.
pub(super) fn remove(name: &str, secure: bool) -> HeaderValue {
    header(name, "", secure, "; Max-Age=0")
}

fn header(name: &str, value: &str, secure: bool, more: &str) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
    HeaderValue::try_from(text).expect("`build` takes only names that are valid in a cookie")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_its_flags() {
        assert_eq!(
            set("z_sid", "x", false),
            "z_sid=x; Path=/; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            set("__Host-z_sid", "x", true),
            "__Host-z_sid=x; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            remove("z_sid", false),
            "z_sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
}
