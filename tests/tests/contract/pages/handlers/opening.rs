//! Which sockets get the handler of a page: two at once, slow ones, and those from before a logon.

use std::time::Duration;

use super::*;

/// A tab whose `init` takes longer than pages wait in this test.
fn slow(office: &Office, page: &Page) -> Tab {
    let mut tab = office.tab_of(page);
    tab.change_handshake = |builder| {
        let builder = builder.header("x-slow", "5");
        JOURNAL.with(|journal| journal.borrow().as_ref().unwrap().attach(builder))
    };
    tab
}

#[tokio::test(start_paused = true)]
async fn the_refusal_of_init_is_the_response_to_the_handshake() {
    let mut office = Office::new().await;
    office.visitor.logon("eve").await;
    let refused = Err((403, "not you".to_owned()));
    assert_eq!(office.tab().connect().await, refused);
    assert_eq!(office.journal.lines(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_sockets_that_connect_at_once_share_one_handler() {
    let office = Office::new().await;
    let page = office.visitor.page();
    let (mut one, mut two) = (office.tab_of(&page), office.tab_of(&page));
    let connected = tokio::join!(one.connect(), two.connect());
    assert_eq!(connected, (Ok(()), Ok(())));
    settle().await;
    assert_eq!(office.journal.lines_of("init").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_gives_up_does_not_end_the_page_for_another() {
    let office = Office::with(PageLimits::DEFAULT.grace(secs(2)));
    let office = office.await;
    let page = office.visitor.page();
    page.push("early", &1);
    let (mut one, mut two) = (slow(&office, &page), slow(&office, &page));
    let gone = async {
        let gone = tokio::time::timeout(secs(1), two.connect()).await;
        assert_eq!(gone.ok(), None, "`init` still runs");
    };
    let (connected, ()) = tokio::join!(one.connect(), gone);
    connected.unwrap();
    assert_eq!(one.received_so_far().await, [event("early", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_handler_starts_is_not_evicted() {
    let office = Office::with(PageLimits::DEFAULT.grace(secs(2)).per_session(1));
    let office = office.await;
    let page = office.visitor.page();
    page.push("early", &1);
    let mut tab = slow(&office, &page);
    let other = async {
        tokio::time::sleep(secs(1)).await;
        let other = office.visitor.page();
        assert_eq!((other.epoch(), other.push("n", &1)), (None, 0));
    };
    let both = tokio::join!(tab.connect(), other);
    both.0.unwrap();
    assert_eq!(tab.received_so_far().await, [event("early", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_logon_gives_the_page_a_new_handler() {
    let mut office = Office::new().await;
    let page = office.visitor.page();
    let mut tab = office.tab_of(&page).connected().await;
    tab.send("a").await;
    assert_eq!(tab.received_so_far().await, [text_event("1 a of nobody")]);
    office.visitor.logon("ada").await;
    tab.send("b").await;
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    assert_eq!(
        tab.received_so_far().await,
        [renewed, text_event("2 b of nobody")]
    );
    tab.disconnect().await;
    tab.set_visitor(&office.visitor);
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
    tab.send("c").await;
    assert_eq!(tab.received_so_far().await, [text_event("1 c of ada")]);
    assert_eq!(
        office.journal.lines_of("terminate"),
        ["terminate Lost 1006"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_init_does_not_lose_its_page() {
    let office = Office::new().await;
    let page = office.visitor.page();
    tokio::time::sleep(secs(19)).await;
    page.push("early", &1);
    let mut tab = office.tab_of(&page);
    tab.change_handshake = |builder| {
        let builder = builder.header("x-slow", "5");
        JOURNAL.with(|journal| journal.borrow().as_ref().unwrap().attach(builder))
    };
    let mut tab = tab.connected().await;
    assert_eq!(tab.received_so_far().await, [event("early", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_push_to_a_page_ends_the_handler_from_before_the_logon() {
    let mut office = Office::new().await;
    let planted = office.visitor.page();
    let mut attacker = office.tab_of(&planted).connected().await;
    attacker.send("a").await;
    assert_eq!(
        attacker.received_so_far().await,
        [text_event("1 a of nobody")]
    );
    office.visitor.logon("ada").await;
    let hub = office.kit.hub();
    let session = office.visitor.session();
    let page = hub.find_page(session, planted.id()).unwrap();
    assert_eq!(page.push("secret", &1), 1);
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    let closed = TabEvent::Closed(1012, "the visitor has logged on".to_owned());
    assert_eq!(attacker.received_so_far().await, [renewed, closed]);
    assert_eq!(
        office.journal.lines_of("terminate"),
        ["terminate Lost 1006"]
    );
    let mut tab = office.tab_of(&planted).connected().await;
    let reset = TabEvent::Reset("restart".to_owned());
    assert_eq!(tab.received_so_far().await, [reset, event("secret", 1)]);
    tab.send("b").await;
    assert_eq!(tab.received_so_far().await, [text_event("1 b of ada")]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_starts_during_a_logon_is_replaced() {
    let mut office = Office::new().await;
    let page = office.visitor.page();
    let mut before = slow(&office, &page);
    let late = async {
        tokio::time::sleep(secs(1)).await;
        office.visitor.logon("ada").await;
        let mut tab = office.tab_of(&page);
        tab.connect().await.unwrap();
        tab.send("a").await;
        tab.stay(1).await
    };
    let (_, got) = tokio::join!(before.connect(), late);
    assert_eq!(got.last(), Some(&text_event("1 a of ada")));
    assert_eq!(office.journal.lines_of("init"), ["init nobody", "init ada"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_an_earlier_script_are_not_seen_for_the_next() {
    let office = Office::new().await;
    let page = office.visitor.page();
    let long = "x".repeat(60_000);
    let mut before = office.tab_of(&page).connected().await;
    before.send("slow 5").await;
    for _ in 0..4 {
        before.send(&long).await;
    }
    before.send("slow 5").await;
    settle().await;
    let mut next = office.tab_of(&page).connected().await;
    for _ in 0..4 {
        next.send(&long).await;
    }
    // The handler is at the last message of the earlier script, and reads a little ahead.
    next.stay(7).await;
    assert!((2..4).contains(&next.unseen()), "{}", next.unseen());
    next.stay(7).await;
    assert_eq!(
        (next.unseen(), office.journal.lines_of("message").len()),
        (0, 10)
    );
}

/// A tab of this page whose `init` takes longer than its deadline.
fn hanging(office: &Office, page: &Page) -> Tab {
    let mut tab = office.tab_of(page);
    tab.change_handshake = |builder| {
        let builder = builder.header("x-slow", "1000");
        JOURNAL.with(|journal| journal.borrow().as_ref().unwrap().attach(builder))
    };
    tab
}

#[tokio::test(start_paused = true)]
async fn sockets_that_wait_for_a_hanging_init_are_refused_after_one_init_timeout() {
    let office = Office::new().await;
    let page = office.visitor.page();
    let since = tokio::time::Instant::now();
    let tabs = (0..6).map(|_| {
        let mut tab = hanging(&office, &page);
        async move {
            let (status, _) = tab.connect().await.unwrap_err();
            (status, crate::journal::seconds(since))
        }
    });
    assert_eq!(futures::future::join_all(tabs).await, [(503, 10); 6]);
    // A later socket has an attempt of its own.
    let mut tab = office.tab_of(&page).connected().await;
    tab.send("a").await;
    assert_eq!(tab.received_so_far().await, [text_event("1 a of nobody")]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_keeps_its_own_deadline_when_another_gives_up() {
    let office = Office::new().await;
    let page = office.visitor.page();
    let (mut first, mut second) = (hanging(&office, &page), hanging(&office, &page));
    let since = tokio::time::Instant::now();
    let gives_up = tokio::time::timeout(secs(4), first.connect());
    let waits = async {
        tokio::time::sleep(secs(2)).await;
        let (status, _) = second.connect().await.unwrap_err();
        (status, crate::journal::seconds(since))
    };
    let (gone, waited) = tokio::join!(gives_up, waits);
    assert_eq!(gone.ok(), None, "`init` still runs");
    assert_eq!(waited, (503, 12), "2 seconds waited, and 8 in `init`");
}

#[tokio::test(start_paused = true)]
async fn sockets_that_wait_share_the_refusal_of_init() {
    let mut office = Office::new().await;
    office.visitor.logon("eve").await;
    let page = office.visitor.page();
    let (mut one, mut two) = (slow(&office, &page), slow(&office, &page));
    let since = tokio::time::Instant::now();
    let results = tokio::join!(one.connect(), two.connect());
    let refused = Err((403, "not you".to_owned()));
    assert_eq!(results, (refused.clone(), refused));
    assert_eq!(crate::journal::seconds(since), 5, "`init` ran once");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_refused_for_its_offset_starts_no_handler() {
    let office = Office::new().await;
    let mut tab = office.tab();
    tab.offset = 99_999;
    let refused = (
        400,
        "`offset` is of a message that was never sent".to_owned(),
    );
    assert_eq!(tab.connect().await, Err(refused));
    assert_eq!(office.journal.lines_of("init"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_sockets_that_wait_for_init_restarts_after_a_pause() {
    let office = Office::new().await;
    let page = office.visitor.page();
    let tabs = [office.tab_of(&page), office.tab_of(&page)].map(|mut tab| {
        tab.change_handshake = |builder| {
            let builder = builder.header("x-slow", "75");
            JOURNAL.with(|journal| journal.borrow().as_ref().unwrap().attach(builder))
        };
        tab
    });
    let [mut first, mut second] = tabs;
    let pause = async {
        settle().await;
        tokio::time::advance(secs(70)).await;
    };
    let (one, two, ()) = tokio::join!(first.connect(), second.connect(), pause);
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(office.journal.lines_of("init").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_does_not_extend_the_grace_of_its_page() {
    let refusals: [(&str, u64, u16); 2] = [("ada", 99, 400), ("eve", 0, 403)];
    for (user, offset, status) in refusals {
        let mut office = Office::new().await;
        office.visitor.logon(user).await;
        let grace = PageLimits::DEFAULT.grace;
        let page = office.visitor.page();
        assert_eq!(office.kit.hub().page_count(), 1, "{user}");
        tokio::time::sleep(grace.saturating_sub(secs(1))).await;
        let mut tab = office.tab_of(&page);
        tab.offset = offset;
        assert_eq!(tab.connect().await.unwrap_err().0, status, "{user}");
        assert_eq!(office.kit.hub().page_count(), 1, "{user}");
        tokio::time::sleep(secs(2)).await;
        assert_eq!(office.kit.hub().page_count(), 0, "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_expires_during_init_ends_if_no_socket_connects() {
    let office = Office::with(PageLimits::DEFAULT.grace(secs(2)));
    let office = office.await;
    let page = office.visitor.page();
    let mut tab = slow(&office, &page);
    let opening = tokio::time::timeout(secs(3), tab.connect());
    let counted = async {
        tokio::time::sleep(Duration::from_millis(2900)).await;
        office.kit.hub().page_count()
    };
    let (opened, while_init_ran) = tokio::join!(opening, counted);
    assert_eq!(opened.ok(), None, "the client gives up");
    assert_eq!((while_init_ran, office.kit.hub().page_count()), (1, 0));
}
