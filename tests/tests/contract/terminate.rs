//! `terminate`: exactly once for every `init` that succeeded, whatever ends the connection, and
//! with the reason of that end.

use ws_core::protocol::OpCode;
use ws_core::testkit::TestKit;
use ws_server::CloseCause;
use ws_server::SendError;
use ws_server::limits::Rate;
use ws_server::prelude::*;

use crate::journal::{Journal, assert_ended, limits, secs, settle};
use crate::probe::Probe;

on_both_transports! {
    async fn a_close_of_the_client(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.close(CloseCode::GOING_AWAY, "tab closed").await;
        assert_eq!(client.closed().await, (CloseCode::GOING_AWAY, String::new()));
        assert_ended(&client, &journal, CloseCause::ClientClosed, 1001, "tab closed").await;
    }

    async fn a_close_of_the_client_without_a_code(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send_frame(OpCode::Close, true, b"").await;
        assert_eq!(client.closed().await, (CloseCode::NO_STATUS, String::new()));
        assert_ended(&client, &journal, CloseCause::ClientClosed, 1005, "").await;
    }

    async fn a_close_that_a_hook_returns(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("leave").await;
        assert_eq!(client.closed().await, (CloseCode::NORMAL, "bye".to_owned()));
        client.close(CloseCode::NORMAL, "").await;
        assert_ended(&client, &journal, CloseCause::ServerClosed, 1000, "bye").await;
    }

    async fn a_close_of_the_application(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.socket::<Probe>().close(Close::policy("spam"));
        assert_eq!(client.closed().await, (CloseCode::POLICY, "spam".to_owned()));
        client.close(CloseCode::POLICY, "spam").await;
        assert_ended(&client, &journal, CloseCause::ServerClosed, 1008, "spam").await;
    }

    async fn the_end_of_the_stream_without_a_close(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.end().await;
        assert_ended(&client, &journal, CloseCause::Lost, 1006, "").await;
    }

    async fn a_reset(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.reset().await;
        assert_ended(&client, &journal, CloseCause::Lost, 1006, "").await;
    }

    async fn a_write_that_fails(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut client = builder.connect().await.unwrap();
        client.send("many 2 1000").await;
        settle().await;
        client.reset().await;
        assert_ended(&client, &journal, CloseCause::Lost, 1006, "").await;
    }

    async fn a_client_that_answers_no_ping(on_transport: TransportChoice) {
        let journal = Journal::new();
        let client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        assert_ended(&client, &journal, CloseCause::PingTimeout, 1001, "nothing was received").await;
    }

    async fn an_idle_client_without_pings(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let client = builder.limits(limits(|limits| limits.ping = None)).connect().await.unwrap();
        assert_ended(&client, &journal, CloseCause::IdleTimeout, 1001, "nothing was received").await;
    }

    async fn a_client_that_does_not_read(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let mut client = builder.connect().await.unwrap();
        client.send("many 1 1000").await;
        assert_ended(&client, &journal, CloseCause::Stalled, 1013, "the client reads too slowly").await;
    }

    async fn a_full_outbox(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox = 100));
        let client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let long = || "x".repeat(90);
        socket.send(long()).unwrap();
        assert_eq!(socket.send(long()), Err(SendError::Closed(long().into())));
        assert_ended(&client, &journal, CloseCause::Overflow, 1013, "too slow").await;
    }

    async fn a_shutdown(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let mut client = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let hub = kit.hub().clone();
        let shutdown = tokio::spawn(async move { hub.shutdown(secs(10)).await });
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
        client.close(CloseCode::GOING_AWAY, "").await;
        shutdown.await.unwrap();
        let text = "the server shuts down";
        assert_ended(&client, &journal, CloseCause::Shutdown, 1001, text).await;
    }

    async fn an_error_of_a_hook(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("fail").await;
        assert_eq!(client.closed().await, (CloseCode::POLICY, "no".to_owned()));
        client.close(CloseCode::POLICY, "").await;
        assert_ended(&client, &journal, CloseCause::HookError, 1008, "no").await;
    }

    async fn a_panic_in_a_hook(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("panic").await;
        assert_eq!(client.closed().await, (CloseCode::INTERNAL_ERROR, String::new()));
        client.close(CloseCode::INTERNAL_ERROR, "").await;
        assert_ended(&client, &journal, CloseCause::HookPanic, 1011, "").await;
    }

    async fn a_hook_that_takes_too_long(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("hold").await;
        assert_eq!(client.closed().await, (CloseCode::INTERNAL_ERROR, String::new()));
        client.close(CloseCode::INTERNAL_ERROR, "").await;
        assert_ended(&client, &journal, CloseCause::HookTimeout, 1011, "").await;
    }

    async fn a_breach_of_the_protocol(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        // A frame without a mask.
        client.send_bytes(b"\x81\x02hi").await;
        assert_eq!(client.closed().await.0, CloseCode::PROTOCOL_ERROR);
        client.end().await;
        let text = "a client frame is not masked";
        assert_ended(&client, &journal, CloseCause::ProtocolError, 1002, text).await;
    }

    async fn text_that_is_not_utf_8(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send_frame(OpCode::Text, true, b"\xff").await;
        assert_eq!(client.closed().await.0, CloseCode::INVALID_PAYLOAD);
        client.end().await;
        assert_ended(&client, &journal, CloseCause::InvalidPayload, 1007, "text is not UTF-8").await;
    }

    async fn a_message_of_the_wrong_type(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send(Message::binary(&b"x"[..])).await;
        assert_eq!(client.closed().await.0, CloseCode::UNSUPPORTED_DATA);
        client.close(CloseCode::UNSUPPORTED_DATA, "").await;
        assert_ended(&client, &journal, CloseCause::InvalidPayload, 1003, "text expected").await;
    }

    async fn more_messages_than_the_rate_allows(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let rate = Some(Rate::new(2, secs(1)));
        let mut client = builder.limits(limits(|limits| limits.rate = rate)).connect().await.unwrap();
        for _ in 0..3 {
            client.send("say yes").await;
        }
        assert_eq!(client.text().await, "yes");
        assert_eq!(client.text().await, "yes");
        assert_eq!(client.closed().await.0, CloseCode::POLICY);
        client.close(CloseCode::POLICY, "").await;
        assert_ended(&client, &journal, CloseCause::RateLimit, 1008, "too many messages").await;
    }

    async fn the_expiry_of_the_connection(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.socket::<Probe>().expire_at(tokio::time::Instant::now() + secs(9));
        assert_eq!(client.closed().await, (CloseCode::UNAUTHORIZED, "expired".to_owned()));
        client.close(CloseCode::UNAUTHORIZED, "").await;
        assert_ended(&client, &journal, CloseCause::Expired, 4401, "expired").await;
    }

    async fn an_upgrade_that_fails(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let client = builder.fail_upgrade().await.unwrap();
        let text = "the response to the handshake was sent, but the upgrade failed";
        assert_ended(&client, &journal, CloseCause::UpgradeFailed, 1006, text).await;
    }
}

/// Has every argument that `terminate` may have, and borrows the handler.
struct Lent(Journal);

#[ws_handler]
impl Lent {
    fn init(journal: Journal) -> Self {
        Lent(journal)
    }

    async fn terminate(
        &mut self,
        reason: CloseReason,
        hub: &Hub,
        state: State<u32>,
        session: Session,
    ) {
        tokio::task::yield_now().await;
        let count = hub.connection_count();
        let session = session.id();
        self.0
            .note(format!("{} {count} {} {session}", reason.cause, *state));
    }
}

dispatch! {
    struct Routes;
    state: u32;

    lent: "/lent" => Lent { require_page: false };
}

#[tokio::test(start_paused = true)]
async fn terminate_borrows_the_handler_and_gets_reason_hub_state_and_session() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let ada = kit.user("ada").await;
    let builder = kit
        .clone()
        .with_table(Routes::table(), 7)
        .unwrap()
        .open("/lent")
        .session(&ada);
    let mut client = journal.attach(builder).connect().await.unwrap();
    client.end().await;
    client.terminated().await;
    let id = ada.session().id();
    assert_eq!(journal.lines(), [format!("connection lost 1 7 {id}")]);
}

#[tokio::test(start_paused = true)]
async fn terminate_is_not_called_if_init_refused() {
    struct Refuses(NoteOnDrop);

    #[ws_handler]
    impl Refuses {
        fn init(journal: Journal) -> Result<Self, Refusal> {
            let _never = Refuses(NoteOnDrop(journal, "dropped"));
            Err(Refusal::FORBIDDEN)
        }

        fn terminate(self) {
            self.0.0.note("terminate");
        }
    }

    use crate::journal::NoteOnDrop;
    let (kit, journal) = (TestKit::new(), Journal::new());
    let refused = journal.client::<Refuses>(&kit).connect().await;
    assert_eq!(refused.unwrap_err(), Refusal::FORBIDDEN);
    settle().await;
    assert_eq!(journal.lines(), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_reason_is_kept() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    let socket = client.socket::<Probe>();
    socket.close(Close::policy("first"));
    socket.close(Close::normal("second"));
    client.send("panic").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::POLICY, "first".to_owned())
    );
    client.close(CloseCode::NORMAL, "third").await;
    assert_ended(&client, &journal, CloseCause::ServerClosed, 1008, "first").await;
}
