//! `Bearer`: the token that authenticates a client (RFC 6750).

use std::fmt;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use super::offers::{Offer, offers};
use super::{FromHandshake, Opening};
use crate::error::Refusal;
use crate::fields::is_token;

/// The bearer token of the request (RFC 6750), in `init` only.
///
/// It comes from `Authorization: Bearer TOKEN`. A browser cannot set that header, so the token may
/// also be in the list of subprotocols, as the element after `bearer`:
///
/// ```text
/// new WebSocket(url, ["v2.devices", "bearer", token])
/// ```
///
/// If both are present, `Authorization` takes precedence. The query is never read: it ends up in
/// the logs of every proxy (RFC 6750, section 5.3). Neither `bearer` nor the token is ever chosen
/// as the subprotocol, so the token is not sent back.
///
/// - In `Authorization` a token has letters, digits and `-._~+/`, and `=` at its end
///   (RFC 6750, section 2.1).
/// - In `Sec-WebSocket-Protocol` it has letters, digits and ``!#$%&'*+-.^_`|~`` (RFC 9110, section
///   5.6.2). Base64url without padding is valid, and so are JWTs. The `/` and `=` of standard
///   Base64 are not; a list that contains them is refused with 400.
/// - A browser fails the connection if it offered subprotocols and the server chose none: give the
///   route `protocols`, and offer one of them in addition to the token.
///
/// The application decides whether the token is valid:
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::extract::Bearer;
///
/// # struct Devices;
/// # impl Devices { fn of_token(&self, token: &str) -> Option<u64> { (token == "t0p").then_some(7) } }
/// fn device(devices: &Devices, bearer: &Bearer) -> Result<u64, Refusal> {
///     devices.of_token(bearer.token()).ok_or_else(Bearer::invalid)
/// }
/// ```
///
/// # Errors
///
/// All are 401 with a `WWW-Authenticate` header. If there is no token, or only another scheme, the
/// header is `Bearer`. If the token is malformed, it is `Bearer error="invalid_request"` (RFC 6750,
/// section 3.1): two `Authorization` headers, two tokens, `bearer` without a token after it, or
/// characters that are not allowed. `Option<Bearer>` is `None` if there is no token, and refuses a
/// malformed one.
#[derive(Clone)]
pub struct Bearer(String);

/// Why there is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BearerError {
    /// There are no credentials, or none of this scheme.
    Absent,
    /// There is a token, but it is malformed.
    Malformed(&'static str),
}

impl Bearer {
    /// The token.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// The refusal for a token that is unknown, expired or revoked: 401 with
    /// `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750, section 3.1).
    pub fn invalid() -> Refusal {
        challenge("Bearer error=\"invalid_token\"").body("the bearer token is not valid")
    }

    /// The token of a request with these headers, if there is a well-formed one.
    pub(crate) fn presented(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers(headers).ok()
    }

    /// Whether this line of `Authorization` has the scheme of tokens.
    pub(crate) fn is_in(line: &[u8]) -> bool {
        credentials(line).is_some()
    }

    fn from_headers(headers: &HeaderMap) -> Result<Self, BearerError> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        match (lines.next(), lines.next()) {
            (Some(_), Some(_)) => Err(BearerError::Malformed(
                "`Authorization` appears more than once",
            )),
            (Some(line), None) => match credentials(line.as_bytes()) {
                Some(token) => Self::validated(token, is_b64token),
                // Browsers send `Basic` credentials on their own.
                None => Self::from_protocols(headers),
            },
            (None, _) => Self::from_protocols(headers),
        }
    }

    fn from_protocols(headers: &HeaderMap) -> Result<Self, BearerError> {
        let mut tokens = offers(headers).filter_map(|offer| match offer {
            Offer::Token(token) => Some(token),
            Offer::Name(_) => None,
        });
        match (tokens.next(), tokens.next()) {
            (None, _) => Err(BearerError::Absent),
            (Some(_), Some(_)) => Err(BearerError::Malformed("`bearer` appears more than once")),
            (Some(None), None) => Err(BearerError::Malformed("no token follows `bearer`")),
            (Some(Some(token)), None) => Self::validated(token, is_token),
        }
    }

    fn validated(token: &[u8], is_valid: fn(&[u8]) -> bool) -> Result<Self, BearerError> {
        match str::from_utf8(token) {
            Ok(text) if is_valid(token) => Ok(Self(text.to_owned())),
            _ => Err(BearerError::Malformed("the bearer token is malformed")),
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl BearerError {
    // No `From`: the compiler would list a private type among those that convert to a refusal.
    fn refusal(self) -> Refusal {
        match self {
            Self::Absent => challenge("Bearer").body("this endpoint requires a bearer token"),
            Self::Malformed(reason) => challenge("Bearer error=\"invalid_request\"").body(reason),
        }
    }
}

/// 401 with the challenge for the client (RFC 9110, section 11.6.1).
fn challenge(challenge: &'static str) -> Refusal {
    Refusal::UNAUTHORIZED.header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// The credentials after the scheme `Bearer`; `None` if the scheme is another one.
fn credentials(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().position(|byte| *byte == b' ');
    let (scheme, token) = line.split_at(end.unwrap_or(line.len()));
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

/// `b64token` of RFC 6750, section 2.1.
fn is_b64token(text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| *byte != b'=');
    let Some(end) = end else { return false };
    text[..=end]
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
}

impl<'a, H, R> FromHandshake<'a, H, R> for Bearer {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Self::from_headers(opening.handshake().headers()).map_err(BearerError::refusal)
    }
}

impl<'a, H, R> FromHandshake<'a, H, R> for Option<Bearer> {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        match Bearer::from_headers(opening.handshake().headers()) {
            Ok(bearer) => Ok(Some(bearer)),
            Err(BearerError::Absent) => Ok(None),
            Err(malformed @ BearerError::Malformed(_)) => Err(malformed.refusal()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: BearerError = BearerError::Malformed("`Authorization` appears more than once");
    const TWO_TOKENS: BearerError = BearerError::Malformed("`bearer` appears more than once");
    const NO_TOKEN: BearerError = BearerError::Malformed("no token follows `bearer`");
    const MALFORMED: BearerError = BearerError::Malformed("the bearer token is malformed");

    /// Reads headers that are written as `a: …` for `Authorization` and `p: …` for
    /// `Sec-WebSocket-Protocol`.
    fn read(lines: &[&str]) -> Result<String, BearerError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let name = match name {
                "a" => AUTHORIZATION,
                _ => http::header::SEC_WEBSOCKET_PROTOCOL,
            };
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Bearer::from_headers(&headers).map(|bearer| bearer.token().to_owned())
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
            assert_eq!(
                read(&[&format!("a: {scheme} aZ0-._~+/==")]).as_deref(),
                Ok("aZ0-._~+/==")
            );
        }
    }

    #[test]
    fn the_subprotocol_after_bearer_is_the_token() {
        assert_eq!(
            read(&["p: v2, bearer, aZ0-._!'"]).as_deref(),
            Ok("aZ0-._!'")
        );
        assert_eq!(read(&["p: Bearer", "p: abc"]).as_deref(), Ok("abc"));
        assert_eq!(
            read(&["a: Basic YTpi", "p: bearer, abc"]).as_deref(),
            Ok("abc")
        );
    }

    #[test]
    fn the_header_takes_precedence() {
        assert_eq!(
            read(&["a: Bearer one", "p: bearer, two"]).as_deref(),
            Ok("one")
        );
        assert_eq!(read(&["a: Bearer a b", "p: bearer, two"]), Err(MALFORMED));
    }

    #[test]
    fn other_credentials_mean_no_token() {
        assert_eq!(read(&[]), Err(BearerError::Absent));
        assert_eq!(read(&["p: v2, v1"]), Err(BearerError::Absent));
        for other in ["a: Basic YTpi", "a: Bearers abc", "a: bear abc", "a: "] {
            assert_eq!(read(&[other]), Err(BearerError::Absent), "{other}");
        }
    }

    #[test]
    fn a_malformed_token_is_an_error() {
        for malformed in [
            "a: Bearer",
            "a: Bearer ",
            "a: Bearer a b",
            "a: Bearer a,b",
            "a: Bearer =",
            "a: Bearer a=b",
            "a: Bearer ä",
            "a: Bearer token=\"abc\"",
            "p: bearer, a b",
            "p: bearer, YQ==",
            "p: bearer, a/b",
            "p: bearer, ä",
        ] {
            assert_eq!(read(&[malformed]), Err(MALFORMED), "{malformed}");
        }
        assert_eq!(read(&["a: Bearer one", "a: Bearer one"]), Err(TWICE));
        assert_eq!(read(&["a: Bearer one", "a: Basic YTpi"]), Err(TWICE));
        assert_eq!(read(&["p: bearer, one, bearer, two"]), Err(TWO_TOKENS));
        assert_eq!(read(&["p: v2, bearer"]), Err(NO_TOKEN));
    }

    #[test]
    fn every_refusal_has_a_challenge() {
        let challenge = |refusal: Refusal| {
            let response = refusal.into_response();
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            (response.status().as_u16(), challenge.to_owned())
        };
        let with = |error: &str| (401, format!("Bearer error=\"{error}\""));
        assert_eq!(
            challenge(BearerError::Absent.refusal()),
            (401, "Bearer".to_owned())
        );
        assert_eq!(challenge(MALFORMED.refusal()), with("invalid_request"));
        assert_eq!(challenge(Bearer::invalid()), with("invalid_token"));
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert_eq!(format!("{:?}", Bearer("secret".to_owned())), "Bearer(..)");
    }
}
