//! The trace that a request belongs to (W3C Trace Context).

use std::fmt;

use http::HeaderMap;
use http::header::HeaderName;

/// The names of the headers.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// The maximum number of members of a `tracestate`.
const MAX_MEMBERS: usize = 32;

/// The maximum length of a member's key and of its value.
const MAX_PART: usize = 256;

/// The trace that a request belongs to: the headers `traceparent` and `tracestate` ([W3C Trace
/// Context]), checked. Returned by [`Handshake::trace_context`](super::Handshake::trace_context).
///
/// Its `Display` output is the `traceparent` of version 00.
///
/// ```
/// use ws_server::prelude::*;
///
/// struct Chat;
///
/// #[ws_handler]
/// impl Chat {
///     fn init(handshake: &Handshake) -> Self {
///         if let Some(trace) = handshake.trace_context() {
///             tracing::info!(%trace, "the page belongs to this trace");
///         }
///         Chat
///     }
/// }
/// ```
///
/// With OpenTelemetry, the parts make a remote parent:
///
/// ```ignore
/// let parent = SpanContext::new(
///     TraceId::from_bytes(trace.trace_id()),
///     SpanId::from_bytes(trace.parent_id()),
///     TraceFlags::new(trace.flags()),
///     true,
///     trace.state().and_then(|state| state.parse().ok()).unwrap_or_default(),
/// );
/// ```
///
/// [W3C Trace Context]: https://www.w3.org/TR/trace-context/
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TraceContext {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
    state: Option<String>,
}

impl TraceContext {
    /// The context in these headers; `None` if there is no `traceparent`, several, or an invalid
    /// one. An invalid `tracestate` is ignored.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = parents.next()?;
        if parents.next().is_some() {
            return None;
        }
        let mut context = Self::parse(parent.as_bytes())?;
        context.state = state(headers);
        Some(context)
    }

    fn parse(parent: &[u8]) -> Option<Self> {
        let (fixed, rest) = parent.split_at_checked(LENGTH)?;
        let [version] = hex(&fixed[..2])?;
        // Later versions may append fields, after a dash.
        let is_complete = match version {
            0x00 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let has_dashes = [2, 35, 52].iter().all(|dash| fixed[*dash] == b'-');
        if !is_complete || !has_dashes {
            return None;
        }
        let [flags] = hex(&fixed[53..])?;
        let context = Self {
            trace_id: hex(&fixed[3..35])?,
            parent_id: hex(&fixed[36..52])?,
            flags,
            state: None,
        };
        let is_zero = context.trace_id == [0; 16] || context.parent_id == [0; 8];
        (!is_zero).then_some(context)
    }

    /// The id of the trace, never zero.
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The id of the span that sent the request, never zero.
    pub const fn parent_id(&self) -> [u8; 8] {
        self.parent_id
    }

    /// The flags; see [`is_sampled`](Self::is_sampled) for the most important one.
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded the trace.
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The `tracestate`: the positions of other tracing systems in the trace, as `key=value`
    /// members that are separated by commas.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.parent_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

/// Decodes lowercase hexadecimal digits, two for each byte.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut decoded = [0; N];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in decoded.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(decoded)
}

/// The members of all `tracestate` headers; `None` if there are none, or one is invalid.
fn state(headers: &HeaderMap) -> Option<String> {
    let mut members = Vec::new();
    for header in headers.get_all(TRACESTATE) {
        let members_of_header = header.to_str().ok()?.split(',');
        members.extend(members_of_header.map(|member| member.trim_matches([' ', '\t'])));
    }
    // Empty members are allowed, and carry nothing.
    members.retain(|member| !member.is_empty());
    let mut keys = Vec::with_capacity(members.len().min(MAX_MEMBERS));
    for member in &members {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() >= MAX_MEMBERS {
            return None;
        }
        keys.push(key);
    }
    (!members.is_empty()).then(|| members.join(","))
}

fn is_key(key: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let first = key.as_bytes().first();
    key.len() <= MAX_PART
        && first.is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.bytes().all(allowed)
}

fn is_value(value: &str) -> bool {
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= MAX_PART && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn context(parents: &[&str], states: &[&str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for (name, values) in [(TRACEPARENT, parents), (TRACESTATE, states)] {
            for value in values {
                headers.append(&name, HeaderValue::from_str(value).unwrap());
            }
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_valid_context_has_all_its_parts() {
        let states = ["rojo=00f067aa0ba902b7 , , tenant@vendor=a b", "congo=t61"];
        let context = context(&[PARENT], &states).unwrap();
        assert_eq!(context.trace_id()[..3], [0x0a, 0xf7, 0x65]);
        assert_eq!(context.parent_id()[6..], [0x33, 0x31]);
        assert_eq!((context.flags(), context.is_sampled()), (1, true));
        let state = "rojo=00f067aa0ba902b7,tenant@vendor=a b,congo=t61";
        assert_eq!(context.state(), Some(state));
        assert_eq!(context.to_string(), PARENT);
    }

    #[test]
    fn a_later_version_may_have_more_fields() {
        let later = PARENT.replacen("00", "cc", 1);
        for rest in ["", "-", "-what-the-future-brings"] {
            let context = context(&[&format!("{later}{rest}")], &[]).unwrap();
            assert_eq!(context.to_string(), PARENT, "{rest}");
        }
        assert_eq!(context(&[&format!("{later}.rest")], &[]), None);
    }

    #[test]
    fn an_invalid_parent_is_no_context() {
        let changed = |from, to| PARENT.replacen(from, to, 1);
        let invalid = [
            String::new(),
            changed("00", "ff"),
            changed("00", "0"),
            changed("af7", "AF7"),
            changed("0af7", "0xf7"),
            changed("-b7", "_b7"),
            changed("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            changed("b7ad6b7169203331", &"0".repeat(16)),
            changed("-01", "-0g"),
            format!("{PARENT}-00"),
            format!("{PARENT} "),
            PARENT[..54].to_owned(),
        ];
        for parent in invalid {
            assert_eq!(context(&[&parent], &["a=b"]), None, "{parent}");
        }
        assert_eq!(context(&[PARENT, PARENT], &[]), None);
        assert_eq!(context(&[], &["a=b"]), None);
    }

    #[test]
    fn an_invalid_state_is_ignored() {
        let many: Vec<_> = (0..=MAX_MEMBERS).map(|key| format!("k{key}=v")).collect();
        let long = format!("{}=v", "k".repeat(MAX_PART + 1));
        for state in [
            "a",
            "a=",
            "=b",
            "A=b",
            "a=b,a=c",
            "a=b=c",
            &many.join(","),
            &long,
        ] {
            let context = context(&[PARENT], &[state]).unwrap();
            assert_eq!(context.state(), None, "{state}");
        }
        let full = many[..MAX_MEMBERS].join(",");
        assert_eq!(context(&[PARENT], &[&full]).unwrap().state(), Some(&*full));
    }
}
