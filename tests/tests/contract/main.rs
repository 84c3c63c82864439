//! The contract of a connection, sentence by sentence.
//!
//! The second column names the tests of each sentence; `terminate::*` are all tests of a module.
//! Errors at compile time have their tests in `tests/compile/ui`, sockets and HTTP in `tests/wire`.
//!
//! | sentence | tests |
//! |---|---|
//! | **Hooks** | |
//! | `init` runs before the response to the handshake | `hooks::the_response_to_the_handshake_follows_init` |
//! | it returns `Self`, or `Result` with anything that becomes a `Refusal` | `hooks::a_refusal_carries_status_headers_and_body` |
//! | it extracts from the connection and the handshake | `hooks::init_extracts_from_the_handshake_and_message_from_the_connection` |
//! | also a `Bearer` | `bearer::*` |
//! | and types of the application, which may wait and refuse | the same, `hooks::an_extractor_of_the_application_can_refuse` |
//! | `message` takes each payload type | `payloads::a_payload_of_every_type_arrives` |
//! | or a `Result`, to get the decode error | `payloads::a_hook_that_takes_a_result_gets_the_decode_error` |
//! | it returns each type of reply, as `info` does | `payloads::a_reply_of_nothing` to `payloads::the_err_of_a_result_closes` |
//! | `info` gets the values of `notify`, `notify_after`, `notify_every` | `mailbox::info_gets_notifications_and_timers_and_its_replies_are_sent` |
//! | and of `listen` | `topics::listen_delivers_to_info_instead_of_the_client` |
//! | `terminate` runs exactly once for every `init` that succeeded, whatever ends the connection | `terminate::*`, one for each `CloseCause` |
//! | and for no other | `terminate::terminate_is_not_called_if_init_refused` |
//! | it takes the handler by value or by reference, the reason, and more | `terminate::terminate_borrows_the_handler_and_gets_reason_hub_state_and_session` |
//! | the reason is that of the first end | `terminate::the_first_reason_is_kept` |
//! | hooks are `fn` or `async fn`, and never overlap | `hooks::hooks_of_one_connection_never_run_at_the_same_time` |
//! | hooks of different connections do | `hooks::hooks_of_different_connections_run_at_the_same_time` |
//! | while a hook waits, queued messages are written | `hooks::messages_of_other_tasks_are_written_while_a_hook_waits` |
//! | a bounded amount is read ahead | `limits::a_bounded_amount_is_read_while_a_hook_waits`, `limits::one_large_message_is_not_read_to_its_end_while_a_hook_waits` |
//! | pings are answered | `hooks::pings_are_answered_while_a_hook_waits` |
//! | a Close is noticed | `hooks::a_waiting_hook_sees_the_close_of_the_client`, `hooks::a_waiting_hook_sees_that_the_client_is_gone` |
//! | clocks stop while the connection does not read | `limits::clocks_stop_while_a_hook_stops_reading`, `limits::clocks_stop_while_a_reply_waits_for_room` |
//! | and only then | `limits::clocks_run_while_a_hook_waits_and_nothing_is_unread` |
//! | `spawn` runs beside the hooks; its output is a reply | `spawn::a_spawned_future_runs_beside_the_hooks_and_its_output_is_a_reply`, `spawn::the_output_of_a_spawned_future_waits_for_room` |
//! | it is cancelled at the end | `spawn::a_spawned_future_is_cancelled_at_the_end` |
//! | a bounded number runs | `spawn::a_bounded_number_of_futures_runs_beside_one_connection` |
//! | without `message`, data closes with 1003 | `payloads::a_handler_without_message_closes_with_1003` |
//! | the wrong kind closes with 1003 | `payloads::a_message_of_the_wrong_kind_closes_with_1003` |
//! | a payload that does not decode closes with 1007 | `payloads::a_payload_that_does_not_decode_closes_with_1007` |
//! | a `Call` is answered by an `Answer` with its id | `calls::an_answer_is_ok_or_a_typed_error_with_the_id_of_its_call` and its neighbours |
//! | a message that is not a call closes with 1007 | `calls::a_message_that_is_not_a_call_closes_with_1007` |
//! | but a `Checked` body is answered | `calls::a_checked_body_that_does_not_decode_is_answered_and_the_connection_stays_open` |
//! | `or_refuse` and `or_close` hide the error | `hooks::or_refuse_and_or_close_hide_the_error` |
//! | and log it | `logs::panics_and_errors_are_logged_at_error_with_the_name_of_the_hook` |
//! | the application's own `From` stays possible | `hooks::an_error_type_of_the_application_chooses_the_close` |
//! | a `Refusal` carries status, headers and body | `hooks::a_refusal_carries_status_headers_and_body` |
//! | `Message::concat` makes one message of chunks | `payloads::concat_makes_one_message_of_chunks` |
//! | **Sending** | |
//! | a reply waits for room while reading stops | `sending::a_reply_waits_for_room_while_reading_stops` |
//! | messages are compressed if that was negotiated | `deflate::*` |
//! | `send` never waits: past the limit it closes with 1013 | `sending::send_past_the_limit_closes_with_1013`, `sending::the_number_of_frames_is_limited_too` |
//! | or returns the message | `sending::send_past_the_limit_returns_the_message_if_the_route_refuses` |
//! | `send_async` waits | `sending::send_async_waits_for_room`, `topics::send_async_follows_a_publish_that_is_not_written_yet` |
//! | what leads to a topic names it, and a publish returns a receipt | `names::whatever_leads_to_a_topic_names_it`, `names::a_receipt_outlives_all_that_it_was_made_with` |
//! | topic frames follow the policy: `close` | `topics::by_default_a_slow_subscriber_is_closed` |
//! | `drop_oldest`, `drop_newest`, `latest` | `topics::drop_oldest_makes_room_for_the_newest`, `topics::drop_newest_keeps_the_waiting_frames`, `topics::latest_keeps_only_the_newest` |
//! | a drop touches only frames of its topic and is counted | `topics::a_drop_touches_only_frames_of_its_topic`, `topics::a_new_frame_is_dropped_and_counted_if_other_frames_fill_the_outbox`, `topics::a_frame_that_is_half_written_is_never_dropped` |
//! | `publish_volatile` skips subscribers with a backlog | `topics::publish_volatile_skips_subscribers_with_a_backlog` |
//! | `listen` delivers to `info` instead, through `From` | `topics::listen_delivers_to_info_instead_of_the_client`, `topics::a_handler_that_listens_too_slowly_is_closed`, `listening::*` |
//! | one message above the limit fits an empty outbox | `sending::one_message_above_the_limit_fits_an_empty_outbox` |
//! | no progress within `stall` closes | `sending::a_client_that_reads_nothing_for_stall_is_closed`, `sending::a_client_that_reads_slowly_is_not_stalled` |
//! | a client that makes progress is alive, one that reads too little is closed | `liveness::*` |
//! | after a pause of the process clients are pinged first, and time-outs start again | `pauses::*` |
//! | sending to a closed connection returns `Closed` | `closing::after_the_end_send_notify_and_spawn_return_closed_and_timers_stop`, `sending::a_waiting_send_async_fails_at_the_end` |
//! | **Mailbox** | |
//! | `notify` returns the value in `Full` and `Closed` | `mailbox::a_full_mailbox_returns_the_value`, `closing::after_the_end_send_notify_and_spawn_return_closed_and_timers_stop` |
//! | `notify_async` waits | `mailbox::notify_async_waits_for_room`, `mailbox::a_waiting_notify_async_fails_at_the_end` |
//! | timers count against a bound | `mailbox::timers_count_against_a_bound_of_their_own`, `mailbox::values_of_timers_in_the_mailbox_do_not_use_its_capacity` |
//! | dropping a handle cancels nothing, `cancel` does | `mailbox::dropping_a_handle_keeps_its_timer_and_cancel_stops_it` |
//! | late ticks coalesce | `mailbox::late_ticks_coalesce` |
//! | code of the application that the library calls may call the library | `reentrant::*` |
//! | **Order** | |
//! | FIFO per source | `order::messages_are_answered_in_order`, `order::notifications_of_one_task_arrive_in_order`, `order::messages_of_one_task_arrive_in_order_on_a_slow_network`, `order::a_hook_that_waits_keeps_its_place` |
//! | frames of different senders never interleave | `order::frames_of_different_senders_never_interleave` |
//! | one task's `send`, `subscribe`, `publish` keep their order | `order::send_subscribe_publish_and_the_reply_of_one_hook_keep_their_order`, `order::a_task_outside_of_hooks_keeps_its_order`, `topics::a_task_writes_the_rest_of_a_publish_in_order` |
//! | messages and notifications take turns | `order::messages_and_notifications_that_waited_for_a_hook_take_turns`, `order::messages_and_notifications_take_turns_in_a_burst` |
//! | neither of them starves | `order::endless_notifications_do_not_starve_messages`, `order::a_flood_of_messages_does_not_starve_notifications` |
//! | **Closing** | |
//! | the client's Close keeps its place, then is echoed | `closing::the_close_of_the_client_waits_for_earlier_messages_and_their_replies`, `closing::the_close_of_the_client_waits_for_replies_that_wait_for_room` |
//! | `closed().await` resolves on receipt | `closing::closed_resolves_when_the_close_of_the_client_arrives` |
//! | our Close follows the messages in the outbox | `closing::our_close_follows_the_queued_messages` |
//! | nothing follows it, and later data of the client is discarded | `closing::data_after_our_close_is_discarded_and_nothing_follows_the_close`, `sending::nothing_follows_the_close_of_a_hook_that_closes_and_then_replies` |
//! | the answer is awaited for `close_timeout` | `closing::the_answer_of_the_client_is_awaited_for_close_timeout` |
//! | overflow and stall discard at a frame boundary | `closing::an_overflow_discards_the_outbox_at_a_frame_boundary`, `closing::an_overflow_discards_a_frame_that_was_not_begun`, `closing::a_stall_discards_the_outbox_at_a_frame_boundary` |
//! | FIN without Close is a lost connection | `closing::a_stream_that_ends_without_a_close_is_a_lost_connection` |
//! | afterwards `send` and `notify` return `Closed`, timers stop | `closing::after_the_end_send_notify_and_spawn_return_closed_and_timers_stop`, `closing::no_hook_is_called_between_our_close_and_the_answer` |
//! | a running hook is not dropped before `hook_timeout` | `closing::a_running_hook_outlives_the_client_until_hook_timeout`, `closing::a_hook_is_cut_at_hook_timeout_and_not_before` |
//! | then `terminate`, within `terminate_timeout` | `shutdown::terminate_is_cut_after_terminate_timeout` |
//! | a shutdown cuts every other time-out: of hooks and answers | `shutdown::a_shutdown_cuts_hooks_and_closes_and_reserves_time_for_terminate`, `shutdown::a_shutdown_cuts_the_wait_for_an_answer` |
//! | of `init`, of `stall`, of a running `terminate` | `init::a_shutdown_cuts_an_init_that_is_under_way`, `shutdown::a_shutdown_cuts_a_stall`, `shutdown::a_shutdown_cuts_a_terminate_that_is_under_way` |
//! | and reserves time for `terminate`, for which it waits | `shutdown::a_shutdown_cuts_hooks_and_closes_and_reserves_time_for_terminate`, `shutdown::a_shutdown_waits_for_every_terminate` |
//! | a synchronous hook cannot be cut | `shutdown::a_synchronous_hook_cannot_be_cut` |
//! | **Presence** | |
//! | a watcher gets a snapshot and then every change, none twice | `presence::a_watcher_gets_a_snapshot_and_then_every_change`, `presence::floods::watchers_know_the_members_whatever_the_order` |
//! | changes within a tick are one event | `presence::changes_within_a_tick_are_one_event`, `presence::floods::a_flood_of_enter_and_leave_is_at_most_one_event_per_tick` |
//! | several connections of a key are one member | `presence::tabs_of_one_user_are_one_member` |
//! | a member that returns within `linger` has not left | `presence::a_reload_shows_nothing` |
//! | every end of a connection leaves | `presence::every_end_of_a_connection_leaves`, `presence::a_refusal_in_init_leaves`, `presence::a_shutdown_leaves` |
//! | a handler gets the events in `info` | `presence::a_handler_gets_the_events_in_info` |
//! | a large topic sends counts | `presence::floods::above_500_members_watchers_get_counts`, `presence::floods::many_watchers_of_many_members_get_few_bytes` |
//! | keys, members, topics and subscriptions have limits | `presence::keys_and_members_have_limits`, `presence::enter_closes_where_try_enter_fails`, `presence::entered_and_watched_topics_count_as_subscriptions` |
//! | **init** | |
//! | time-out 503, panic 500 | `init::an_init_that_takes_too_long_is_refused_with_503_and_undone`, `init::an_init_that_panics_is_refused_with_500_and_undone` |
//! | its future is dropped when the client is gone | `init::an_init_is_dropped_when_the_client_is_gone` |
//! | bytes behind the request wait for `init` | `init::data_behind_the_request_waits_for_init` |
//! | when the upgrade fails, `terminate` runs | `terminate::an_upgrade_that_fails` |
//! | after it refused, subscriptions are undone and sockets return `Closed` | `init::a_refusal_in_init_undoes_subscriptions_and_tasks` |
//! | **start** | |
//! | it keeps the handler, refuses, or chooses another one | `start::*` |
//! | **Pages** | |
//! | pushes wait from the rendering on, in order | `pages::pushes_before_the_page_attaches_arrive_in_order` |
//! | lost frames are sent again, and no frame arrives twice | `pages::messages_lost_with_a_connection_are_sent_again_and_received_ones_are_not`, `pages::random::*` |
//! | a page without a socket ends after its grace time | `pages::a_page_without_a_connection_ends_after_its_grace_time_and_not_before`, `pages::a_page_that_never_connects_ends_after_its_grace_time` |
//! | past its limit a queue becomes a reset | `pages::a_queue_past_its_limit_becomes_a_reset` |
//! | the newest socket owns the page | `pages::the_newest_connection_owns_the_page_and_the_older_is_closed_with_4409` |
//! | a push reaches its scope | `pages::scopes::*` |
//! | a handler with `attach: page` lives as long as the page | `pages::handlers::*` |
//! | each protocol violation of a page has its answer | `pages::bad_input::*` |
//! | a page that acknowledges loses nothing, however fast its handler is | `pages::handlers::pressure::*` |
//! | a blocking callback for messages of pages blocks one thread | `pages::blocking::*` |
//! | all pages together hold a bounded number of bytes, and each address a bounded number of pages | `pages::memory::*` |
//! | the page of the test kit behaves like the browser client | `pages::kit::*` |
//! | **Panics** | |
//! | a panic closes that connection with 1011, and no other | `panics::a_panic_closes_that_connection_with_1011_and_no_other`, `panics::a_panic_of_a_payload_a_reply_or_a_timers_value_is_a_panic_of_the_hook`, `spawn::a_panic_or_an_error_of_a_spawned_future_closes_with_1011` |
//! | `terminate` gets the state as the panic left it | the first of these, `panics::terminate_gets_the_state_as_the_panic_of_an_async_hook_left_it`, `panics::terminate_is_called_after_a_cut_hook_panics_while_it_is_dropped` |
//! | `terminate` itself may panic | `panics::a_panic_in_terminate_leaks_nothing` |
//! | **Expiry** | |
//! | `expire_at` closes with 4401 | `limits::expire_at_closes_at_its_time_however_busy_the_connection_is`, `terminate::the_expiry_of_the_connection` |
//! | **Logs** | |
//! | a span with id, route and peer is entered while a hook runs | `logs::a_span_with_id_route_and_peer_is_entered_while_a_plain_hook_runs` and its async twin |
//! | faults of a client at `debug` | `logs::faults_of_a_client_are_logged_at_debug_and_no_higher` |
//! | panics and errors at `error` with the hook's name | `logs::panics_and_errors_are_logged_at_error_with_the_name_of_the_hook` |
//! | with the causes of the error | `names::the_log_has_the_causes_of_an_error_but_not_what_a_client_has_sent` |
//! | a hook that blocks its thread at `warn` with its name and route | `logs::a_hook_that_blocks_its_thread_is_logged_with_its_name_and_route` |
//! | never query strings, cookies, tokens or payloads | `logs::query_strings_cookies_tokens_and_payloads_are_never_logged` |
//! | the log of a refused origin shows both sites and names the fix | `proxies::a_refused_origin_is_logged_with_the_servers_own_and_every_remedy` |
//! | a refusal names the missing requirement, and the log the exceeded limit | `refusals::*` |
//! | a possible proxy that is not trusted is logged | `proxies::a_private_address_at_its_limit_is_logged_as_a_possible_proxy` |
//! | an error gives its own text, keeps its cause as its source, and knows its status or close code | `errors::*` |
//! | **Defaults** | |
//! | the table of defaults | `limits::every_limit_has_its_documented_default` |
//! | message size, rate, ping and idle have their effect | `limits::a_message_above_max_message_closes_with_1009`, `limits::a_rate_allows_one_burst_in_every_interval`, `limits::a_client_that_answers_pings_stays_connected`, `terminate::a_client_that_answers_no_ping`, `terminate::an_idle_client_without_pings` |

#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "hooks have the signatures of the contract"
)]

#[macro_use]
mod journal;
mod probe;
mod promises;
mod tab;

mod backlog;
mod bearer;
mod calls;
mod closing;
mod declared;
mod deflate;
mod disconnect;
mod errors;
mod hooks;
mod init;
mod limits;
mod listening;
mod liveness;
mod logs;
mod mailbox;
mod names;
mod order;
mod pages;
mod panics;
mod pauses;
mod payloads;
mod presence;
mod proxies;
mod quiet;
mod reentrant;
mod refusals;
mod regressions;
mod sending;
mod sessions;
mod shutdown;
mod spawn;
mod start;
mod stats;
mod terminate;
mod topics;
mod tracing;
mod visits;
