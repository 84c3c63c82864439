//! Every error of the library: its text is one sentence, and no cause is repeated by its parent.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use http::header;
use ws_core::admit::{
    AllowedOriginError, ForwardedError, MissingVisitor, NetworkError, OriginError,
};
use ws_core::hub::NoPermit;
use ws_core::page::NoPage;
use ws_core::presence::record::MalformedRecord;
use ws_core::protocol::ProtocolError;
use ws_core::protocol::utf8::InvalidUtf8;
use ws_core::session::{NoSession, SessionOptionsError};
use ws_server::EnterError;
use ws_server::call::{Call, Checked};
use ws_server::close::{CloseCode, InvalidCloseCode};
use ws_server::decode::DecodeError;
use ws_server::error::{EncodeError, NotifyError, Refusal, SendError, SpawnError};
use ws_server::extract::ResponseHeaderError;
use ws_server::limits::LimitError;
use ws_server::page::PageSubscribeError;
use ws_server::route::RouterError;
use ws_server::session::{SessionError, SessionSubscribeError, StoreError};
use ws_server::tls::TlsError;
use ws_server::topic::{PublishError, SinceError};

/// An error of a library below: two texts that no error of ours may repeat.
#[derive(Debug)]
struct Upper(Lower);

#[derive(Debug)]
struct Lower;

impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upper cause")
    }
}

impl Error for Upper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for Lower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lower cause")
    }
}

impl Error for Lower {}

fn upper() -> Box<dyn Error + Send + Sync> {
    Box::new(Upper(Lower))
}

/// Errors with the name of their type.
type Named = Vec<(&'static str, Box<dyn Error>)>;

macro_rules! named {
    ($($name:ident: $($error:expr),+;)*) => {
        vec![$($((stringify!($name), Box::new($error) as Box<dyn Error>)),+),*]
    };
}

fn limit() -> LimitError {
    LimitError::Zero { name: "mailbox" }
}

fn file() -> PathBuf {
    PathBuf::from("key.pem")
}

/// One error of each variant that has a text of its own.
fn all() -> Named {
    let checked: Call<Checked<u8>> = serde_json::from_str(r#"{"call":7,"body":"no"}"#).unwrap();
    let second = Duration::from_secs(1);
    named! {
        Error: ws_server::Error::Signal(io::Error::other(upper()));
        Refusal: Refusal::FORBIDDEN;
        EncodeError: EncodeError::new(upper());
        SendError: SendError::Full(()), SendError::Closed(()),
            SendError::<()>::from(EncodeError::new(upper()));
        NotifyError: NotifyError::Full(()), NotifyError::Closed(());
        SpawnError: SpawnError::Full, SpawnError::Closed;
        DecodeError: DecodeError::ExpectedText, DecodeError::ExpectedBinary,
            DecodeError::malformed(upper());
        StoreError: StoreError::Full, StoreError::failed(upper());
        SessionError: SessionError::Store(upper()), SessionError::TimedOut, SessionError::Full,
            SessionError::TooMany, SessionError::Ended, SessionError::TooLarge { limit: 1 },
            SessionError::from(EncodeError::new(upper())), SessionError::Random,
            SessionError::Foreign;
        SessionOptionsError: SessionOptionsError::from(limit()),
            SessionOptionsError::CookieName { name: "a b".to_owned() },
            SessionOptionsError::SameName { name: "z_sid".to_owned() },
            SessionOptionsError::MaxAge { age: second },
            SessionOptionsError::Domain { domain: "com".to_owned() };
        ResponseHeaderError: ResponseHeaderError::InvalidName,
            ResponseHeaderError::InvalidValue { name: header::HOST },
            ResponseHeaderError::Reserved { name: header::UPGRADE }, ResponseHeaderError::TooLarge;
        LimitError: limit(),
            LimitError::PingNotBelowIdle { ping: second, idle: second },
            LimitError::TooSmall { name: "outbox", value: 1, minimum: 2 };
        RouterError:
            RouterError::Limit { name: "room", path: "/room".to_owned(), error: limit() },
            RouterError::Conflict { first: "/{a}".to_owned(), second: "/{b}".to_owned() },
            RouterError::TooManySegments { path: "/a".to_owned(), segments: 33 };
        NoPage: NoPage::NoId, NoPage::Repeated, NoPage::Foreign, NoPage::Malformed, NoPage::Old;
        NoSession: NoSession::NoCookie, NoSession::Ended, NoSession::Renewed, NoSession::Ambiguous,
            NoSession::TooMany, NoSession::Unknown;
        MissingVisitor: MissingVisitor::Session(NoSession::Ended), MissingVisitor::Page(NoPage::Old), MissingVisitor::Proof;
        NoPermit: NoPermit::Server, NoPermit::Address;
        InvalidCloseCode: InvalidCloseCode(1005);
        BodyError: checked.body.0.unwrap_err();
        ProtocolError: ProtocolError::ReservedBits, ProtocolError::ReservedOpcode(3),
            ProtocolError::UnmaskedFrame, ProtocolError::MaskedFrame,
            ProtocolError::NonMinimalLength, ProtocolError::LengthOverflow,
            ProtocolError::ControlTooLong, ProtocolError::FragmentedControl,
            ProtocolError::UnexpectedContinuation, ProtocolError::ExpectedContinuation,
            ProtocolError::InvalidUtf8, ProtocolError::InvalidDeflate,
            ProtocolError::TooBig { limit: 1, size: 2 }, ProtocolError::CloseLength,
            ProtocolError::CloseCode(1005);
        InvalidUtf8: InvalidUtf8; OriginError: OriginError; NetworkError: NetworkError;
        AllowedOriginError: AllowedOriginError::NoOrigin, AllowedOriginError::Star,
            AllowedOriginError::EveryHost, AllowedOriginError::TopLevel;
        ForwardedError: ForwardedError::NoEquals, ForwardedError::Name,
            ForwardedError::UnfinishedQuote, ForwardedError::AfterQuote, ForwardedError::Value,
            ForwardedError::Repeated, ForwardedError::TooManyPairs;
        PublishError: PublishError::TooLarge { len: 1 },
            PublishError::from(EncodeError::new(upper()));
        SinceError: SinceError::Gap, SinceError::TooFarBehind, SinceError::Invalid, SinceError::OfAnotherTopic;
        PageSubscribeError: PageSubscribeError::Ended, PageSubscribeError::TooMany { max: 1 },
            PageSubscribeError::Since(SinceError::Gap);
        SessionSubscribeError: SessionSubscribeError::Ended, SessionSubscribeError::TooMany { max: 1 },
            SessionSubscribeError::Since(SinceError::Gap);
        EnterError: EnterError::InvalidKey { len: 0 }, EnterError::TooLarge { len: 1 },
            EnterError::TopicFull, EnterError::ServerFull, EnterError::TooManyMembers,
            EnterError::TooManySubscriptions, EnterError::Closed,
            EnterError::from(EncodeError::new(upper()));
        MalformedRecord: MalformedRecord;
        TlsError: TlsError::NoCertificates, TlsError::Read { path: file(), source: io::Error::other(upper()) },
            TlsError::NoCertificate { path: file() }, TlsError::NoKey { path: file() },
            TlsError::Malformed { path: file() }, TlsError::Expired { path: file() };
    }
}

#[test]
fn no_error_repeats_its_cause() {
    for (name, error) in all() {
        let mut texts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            texts.push(cause.to_string());
            next = cause.source();
        }
        for (at, text) in texts.iter().enumerate() {
            for cause in &texts[at + 1..] {
                assert!(
                    !text.contains(&**cause),
                    "{name}: {text:?} repeats {cause:?}"
                );
            }
        }
    }
}

#[test]
fn no_error_loses_the_cause_that_it_was_made_of() {
    let mut kept = BTreeSet::new();
    for (name, error) in all() {
        if error
            .source()
            .is_some_and(<dyn std::error::Error>::is::<Upper>)
        {
            let lower = error.source().unwrap().source().unwrap();
            assert!(lower.is::<Lower>(), "{name}");
            kept.insert(name);
        }
    }
    let expected = [
        "DecodeError",
        "EncodeError",
        "EnterError",
        "PublishError",
        "SendError",
        "SessionError",
        "StoreError",
    ];
    assert_eq!(kept, BTreeSet::from(expected));
}

/// A name in quotes may begin it; names of the field keep their capitals.
#[test]
fn each_text_is_one_sentence_in_lower_case() {
    for (name, error) in all() {
        let text = error.to_string();
        let first = text.chars().next().unwrap();
        assert!(
            first.is_lowercase() || "`\"".contains(first),
            "{name}: {text}"
        );
        assert!(!text.ends_with(['.', '!', '\n']), "{name}: {text}");
        assert!(!text.contains(". "), "{name}: {text}");
    }
}

#[test]
fn the_alternate_form_has_the_causes_except_those_that_quote_clients() {
    for (name, error) in all() {
        let has_cause = error.source().is_some() && name != "DecodeError";
        let causes = if has_cause {
            ": the upper cause: the lower cause"
        } else {
            ""
        };
        assert_eq!(format!("{error:#}"), format!("{error}{causes}"), "{name}");
    }
}

#[test]
fn what_a_client_can_cause_knows_its_status() {
    let statuses = [
        (EncodeError::new("x").status(), 500),
        (StoreError::Full.status(), 503),
        (StoreError::failed("x").status(), 503),
        (NoPage::NoId.status(), 403),
        (NoPage::Malformed.status(), 400),
        (MissingVisitor::from(NoPage::Malformed).status(), 400),
        (NoSession::NoCookie.status(), 403),
        (MissingVisitor::Proof.status(), 403),
        (ForwardedError::Name.status(), 400),
    ];
    for (status, expected) in statuses {
        assert_eq!(status, expected);
    }
    assert_eq!(
        DecodeError::malformed("x").close_code(),
        CloseCode::INVALID_PAYLOAD
    );
}

/// The files of a folder and of all below it.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// An error that is new must be listed above.
#[test]
fn every_error_of_the_library_is_checked() {
    let mut files = Vec::new();
    for crate_name in ["ws-core", "ws-macros", "ws-server"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        sources(&root.join(crate_name).join("src"), &mut files);
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    // These tests do not enable the feature `redis`.
    files.retain(|path| !path.ends_with("redis/error.rs"));
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let derived = text.split("thiserror::Error").skip(1);
        // The errors of tests, and those within a crate, are private.
        let derived = derived.filter_map(|rest| {
            let items = ["pub", "enum", "struct"];
            let mut lines = rest.lines();
            let item = lines.find(|line| items.iter().any(|item| line.starts_with(item)))?;
            item.strip_prefix("pub ")?
                .split([' ', '<', ';', '(', '{'])
                .nth(1)
        });
        found.extend(derived.map(str::to_owned));
        let by_hand = text.split("std::error::Error for ").skip(1);
        found.extend(by_hand.map(|rest| rest.split(' ').next().unwrap().to_owned()));
    }
    let listed = all().into_iter().map(|(name, _)| name.to_owned());
    assert_eq!(found, listed.collect::<BTreeSet<_>>());
}
