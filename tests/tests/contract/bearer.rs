//! `Bearer`: the sources of a token, and the responses to clients without a valid one.

use ws_core::testkit::{ClientBuilder, TestKit};
use ws_server::extract::Bearer;
use ws_server::extract::NoState;
use ws_server::prelude::*;

/// Sends its token and the negotiated subprotocol.
struct Device(String);

#[ws_handler]
impl Device {
    fn init(bearer: Bearer, handshake: &Handshake) -> Result<Self, Refusal> {
        if bearer.token() == "revoked" {
            return Err(Bearer::invalid());
        }
        let protocol = handshake.protocol().unwrap_or("none");
        Ok(Device(format!("{} over {protocol}", bearer.token())))
    }

    fn message(&mut self, _: String) -> String {
        self.0.clone()
    }
}

/// Accepts every client, and sends the client's token.
struct Lobby(Option<Bearer>);

#[ws_handler]
impl Lobby {
    fn init(bearer: Option<Bearer>) -> Self {
        Lobby(bearer)
    }

    fn message(&mut self, _: String) -> String {
        let token = self.0.as_ref().map(Bearer::token);
        token.unwrap_or("nobody").to_owned()
    }
}

dispatch! {
    struct Routes;
    defaults { require_session: false, origins: any, protocols: ["v2", "v1"] }

    device: "/device" => Device;
    lobby: "/lobby" => Lobby;
}

fn builder(path: &str) -> ClientBuilder {
    TestKit::table(Routes::table(), NoState).unwrap().open(path)
}

/// The handler's text, or the status, challenge and body of the refusal.
async fn response(builder: ClientBuilder) -> Result<String, (u16, String, String)> {
    match builder.connect().await {
        Ok(mut client) => {
            client.send("who?").await;
            Ok(client.text().await)
        }
        Err(refusal) => {
            let response = refusal.into_response();
            let challenge = response.headers().get("www-authenticate");
            let challenge = challenge.map_or("none", |value| value.to_str().unwrap());
            let (status, challenge) = (response.status().as_u16(), challenge.to_owned());
            Err((status, challenge, response.into_body()))
        }
    }
}

fn offering(path: &str, protocols: &str) -> ClientBuilder {
    builder(path).header("sec-websocket-protocol", protocols)
}

fn refused(challenge: &str, body: &str) -> Result<String, (u16, String, String)> {
    Err((401, challenge.to_owned(), format!("{body}\n")))
}

const INVALID_REQUEST: &str = "Bearer error=\"invalid_request\"";

#[tokio::test(start_paused = true)]
async fn a_token_is_read_from_the_header_or_after_bearer_in_the_subprotocols() {
    let echoed = |text: &str| Ok(text.to_owned());
    let builder = || builder("/device");
    let offering = |protocols| offering("/device", protocols);
    assert_eq!(
        response(builder().bearer("a.b-c_d~e+/==")).await,
        echoed("a.b-c_d~e+/== over none")
    );
    // `bearer` replaces the token of an earlier call.
    assert_eq!(
        response(builder().bearer("old").bearer("new")).await,
        echoed("new over none")
    );
    assert_eq!(
        response(offering("v1, bearer, t0k")).await,
        echoed("t0k over v1")
    );
    assert_eq!(
        response(offering("bearer, t0k, v1, v2")).await,
        echoed("t0k over v2")
    );
    assert_eq!(
        response(offering("bearer, v2")).await,
        echoed("v2 over none")
    );
    assert_eq!(
        response(offering("v2, bearer, t0k").bearer("header")).await,
        echoed("header over v2")
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_query_is_ignored() {
    let nobody = refused("Bearer", "this endpoint requires a bearer token");
    for query in ["?access_token=t0k", "?bearer=t0k", ""] {
        assert_eq!(response(builder(&format!("/device{query}"))).await, nobody);
    }
}

/// RFC 6750, section 3.1: no error code if the request uses another scheme.
#[tokio::test(start_paused = true)]
async fn another_scheme_counts_as_a_missing_token() {
    let nobody = refused("Bearer", "this endpoint requires a bearer token");
    let basic = builder("/device").header("authorization", "Basic YTpi");
    assert_eq!(response(basic).await, nobody);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_token_is_an_invalid_request() {
    let header = |value| builder("/device").header("authorization", value);
    let no_token = refused(INVALID_REQUEST, "the bearer token is malformed");
    for wrong in ["Bearer", "Bearer a b", "Bearer ,", "Bearer token=abc"] {
        assert_eq!(response(header(wrong)).await, no_token, "{wrong}");
    }
    let twice = refused(INVALID_REQUEST, "`Authorization` appears more than once");
    assert_eq!(
        response(header("Bearer a").header("authorization", "Bearer a")).await,
        twice
    );
    let lone = refused(INVALID_REQUEST, "no token follows `bearer`");
    assert_eq!(response(offering("/device", "v2, bearer")).await, lone);
    let two = refused(INVALID_REQUEST, "`bearer` appears more than once");
    assert_eq!(
        response(offering("/device", "bearer, a, bearer, b")).await,
        two
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_application_rejects_is_invalid() {
    let refused = refused(
        "Bearer error=\"invalid_token\"",
        "the bearer token is not valid",
    );
    assert_eq!(
        response(builder("/device").bearer("revoked")).await,
        refused
    );
}

#[tokio::test(start_paused = true)]
async fn an_optional_token_may_be_missing_but_not_malformed() {
    let echoed = |text: &str| Ok(text.to_owned());
    let header = |value| builder("/lobby").header("authorization", value);
    assert_eq!(response(builder("/lobby")).await, echoed("nobody"));
    assert_eq!(response(header("Basic YTpi")).await, echoed("nobody"));
    assert_eq!(response(offering("/lobby", "v2")).await, echoed("nobody"));
    assert_eq!(response(header("Bearer t0k")).await, echoed("t0k"));
    assert_eq!(
        response(offering("/lobby", "v2, bearer, t0k")).await,
        echoed("t0k")
    );
    let no_token = refused(INVALID_REQUEST, "the bearer token is malformed");
    assert_eq!(response(header("Bearer a b")).await, no_token);
    let lone = refused(INVALID_REQUEST, "no token follows `bearer`");
    assert_eq!(response(offering("/lobby", "bearer")).await, lone);
}

#[tokio::test(start_paused = true)]
async fn debug_output_contains_no_part_of_a_token() {
    let builder = offering("/device?token=secret", "v2, bearer, secret").bearer("secret");
    assert_eq!(
        format!("{builder:?}"),
        "ClientBuilder { path: \"/device\", peer: None, .. }"
    );
}
