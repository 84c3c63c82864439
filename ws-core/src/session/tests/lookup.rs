//! Requests with several session cookies.

use proptest::prelude::*;

use super::*;

/// The most distinct values that are looked up.
const MAX_LOOKUPS: usize = 4;

/// A request with these cookies, each in its own line or all in one.
fn lines(values: &[String], in_one: bool) -> HeaderMap {
    let mut pairs: Vec<_> = values
        .iter()
        .map(|value| format!("z_sid={value}"))
        .collect();
    if in_one {
        pairs = vec![pairs.join("; ")];
    }
    let pairs = pairs.iter().filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| (http::header::COOKIE, HeaderValue::from_str(pair).unwrap()));
    pairs.collect()
}

fn stale() -> String {
    SessionToken::new().unwrap().cookie_value()
}

async fn identified(sessions: &Sessions, values: &[String]) -> Result<Session, NoSession> {
    let [several, one] = [false, true].map(|in_one| lines(values, in_one));
    let found = sessions.identify(&several, false).await.unwrap();
    assert_eq!(found, sessions.identify(&one, false).await.unwrap());
    found
}

#[tokio::test(start_paused = true)]
async fn identical_session_cookies_count_once() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let twice = vec![token.cookie_value(); 2];
    assert_eq!(identified(&sessions, &twice).await, Ok(session.clone()));
    let often = vec![token.cookie_value(); 100];
    assert_eq!(identified(&sessions, &often).await, Ok(session));
    let stale_values = vec![stale(); 100];
    assert_eq!(
        identified(&sessions, &stale_values).await,
        Err(NoSession::Ended)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_cookie_does_not_hide_a_live_session() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let live = token.cookie_value();
    for other in [
        stale(),
        String::new(),
        "made-up".to_owned(),
        format!("{live}A"),
    ] {
        for values in [[other.clone(), live.clone()], [live.clone(), other.clone()]] {
            let found = identified(&sessions, &values).await;
            assert_eq!(found, Ok(session.clone()), "{values:?}");
        }
    }
    let (_, ended) = {
        let (other, token) = sessions.begin().await.unwrap();
        sessions.end(&other).await.unwrap();
        (other, token)
    };
    let values = [ended.cookie_value(), live.clone()];
    assert_eq!(identified(&sessions, &values).await, Ok(session.clone()));
    // The cookie from before a logon, and the one from after it.
    let (renewed, token) = sessions.renew(&session, user("ada")).await.unwrap();
    let values = [live.clone(), token.cookie_value()];
    assert_eq!(identified(&sessions, &values).await, Ok(renewed));
    assert_eq!(
        identified(&sessions, &[live]).await,
        Err(NoSession::Renewed)
    );
}

#[tokio::test(start_paused = true)]
async fn at_most_four_different_session_cookies_are_looked_up() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let mut values: Vec<_> = std::iter::repeat_with(stale)
        .take(MAX_LOOKUPS - 1)
        .collect();
    values.push(token.cookie_value());
    // An invalid token is not looked up.
    values.extend(["junk".to_owned(), "\"x\"".to_owned(), values[0].clone()]);
    assert_eq!(identified(&sessions, &values).await, Ok(session));
    values.push(stale());
    assert_eq!(
        identified(&sessions, &values).await,
        Err(NoSession::TooMany)
    );
}

#[tokio::test(start_paused = true)]
async fn two_live_sessions_are_an_error() {
    let sessions = Sessions::default();
    let (mine, my_token) = sessions.begin().await.unwrap();
    let (yours, your_token) = sessions.begin().await.unwrap();
    let values = [my_token.cookie_value(), stale(), your_token.cookie_value()];
    assert_eq!(
        identified(&sessions, &values).await,
        Err(NoSession::Ambiguous)
    );
    sessions.end(&yours).await.unwrap();
    assert_eq!(identified(&sessions, &values).await, Ok(mine));
}

#[tokio::test(start_paused = true)]
async fn a_missing_session_has_its_reason() {
    let sessions = Sessions::default();
    assert_eq!(identified(&sessions, &[]).await, Err(NoSession::NoCookie));
    let other = cookie("z_sid2", &stale());
    let found = sessions.identify(&other, false).await.unwrap();
    assert_eq!(found, Err(NoSession::NoCookie));
    for value in ["", "made-up", &stale()] {
        let found = identified(&sessions, &[value.to_owned()]).await;
        assert_eq!(found, Err(NoSession::Ended), "{value}");
    }
}

proptest! {
    #[test]
    fn the_only_live_session_among_at_most_four_tokens_is_found(
        picked in proptest::collection::vec(0..9_usize, 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let sessions = Sessions::default();
            let live = [sessions.begin().await.unwrap(), sessions.begin().await.unwrap()];
            // Two live ones, five stale ones, and two that are not valid tokens.
            let mut values: Vec<_> = live.iter().map(|(_, token)| token.cookie_value()).collect();
            values.extend(std::iter::repeat_with(stale).take(5));
            values.extend([String::new(), "junk".to_owned()]);
            let sent: Vec<_> = picked.iter().map(|at| values[*at].clone()).collect();
            let mut tokens: Vec<_> = picked.iter().copied().filter(|at| *at < 7).collect();
            tokens.sort_unstable();
            tokens.dedup();
            let expected = match tokens[..] {
                _ if picked.is_empty() => Err(NoSession::NoCookie),
                _ if tokens.len() > MAX_LOOKUPS => Err(NoSession::TooMany),
                [0, 1, ..] => Err(NoSession::Ambiguous),
                [at @ (0 | 1), ..] => Ok(live[at].0.clone()),
                _ => Err(NoSession::Ended),
            };
            assert_eq!(identified(&sessions, &sent).await, expected, "{picked:?}");
        });
    }
}
