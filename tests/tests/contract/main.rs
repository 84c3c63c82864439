//! The contract of a connection, sentence by sentence: section 3 of the design.
//!
//! A name stands for a test of its module; `terminate::*` are all of them. What is said
//! at compile time has its test in `tests/ui`, what is said of sockets and HTTP in the
//! tests that speak bytes.
//!
//! | sentence | tests |
//! |---|---|
//! | **Hooks** | |
//! | `init` runs before the handshake is answered | `hooks::the_handshake_is_answered_when_init_has_ended` |
//! | it returns `Self`, or `Result` with anything that becomes a `Refusal` | `hooks::a_refusal_carries_status_headers_and_body` |
//! | it takes what the connection and the handshake have | `hooks::init_takes_what_the_handshake_has_and_message_what_the_connection_has` |
//! | `Bearer` among it | `bearer::*` |
//! | and the user's own types, which may wait and refuse | the same, `hooks::an_argument_of_the_applications_own_may_refuse` |
//! | `message` takes each payload type | `payloads::a_payload_of_every_type_arrives` |
//! | or a `Result`, to see what does not decode | `payloads::a_hook_that_takes_a_result_sees_what_does_not_decode` |
//! | it returns each type of reply, as `info` does | `payloads::a_reply_of_nothing` to `payloads::the_err_of_a_result_closes` |
//! | `info` gets what came by `notify`, `notify_after`, `notify_every` | `mailbox::info_gets_what_came_through_notify_and_timers_and_replies` |
//! | and by `listen` | `topics::listen_delivers_to_info_instead_of_the_client` |
//! | `terminate` runs exactly once for every `init` that succeeded, whatever the end | `terminate::*`, one for each `CloseCause` |
//! | and for no other | `terminate::terminate_is_not_called_where_init_refused` |
//! | it takes the handler by value or lent, the reason, and more | `terminate::terminate_takes_the_handler_lent_and_reason_hub_state_and_session` |
//! | the reason is that of the first end | `terminate::the_first_reason_stands` |
//! | hooks are `fn` or `async fn`, and never overlap | `hooks::hooks_of_one_connection_never_run_at_the_same_time` |
//! | those of different connections do | `hooks::hooks_of_different_connections_run_at_the_same_time` |
//! | while a hook waits, what is queued is written | `hooks::while_a_hook_waits_what_others_send_is_written` |
//! | a bounded amount is read ahead | `limits::a_bounded_amount_is_read_while_a_hook_waits`, `limits::one_large_message_is_not_read_to_its_end_while_a_hook_waits` |
//! | pings are answered | `hooks::while_a_hook_waits_pings_are_answered` |
//! | a close is seen | `hooks::while_a_hook_waits_it_sees_the_close_of_the_client`, `hooks::while_a_hook_waits_it_sees_that_the_client_is_gone` |
//! | clocks stand still while we do not read | `limits::clocks_stand_still_while_a_hook_keeps_us_from_reading`, `limits::clocks_stand_still_while_a_reply_waits_for_room` |
//! | and only then | `limits::clocks_go_on_while_a_hook_waits_and_nothing_is_left_unread` |
//! | `spawn` runs beside the hooks; its output is a reply | `spawn::a_spawned_future_runs_beside_the_hooks_and_its_output_is_a_reply`, `spawn::the_output_of_a_spawned_future_waits_for_room` |
//! | it is cancelled at the end | `spawn::a_spawned_future_is_cancelled_at_the_end` |
//! | a bounded number runs | `spawn::a_bounded_number_of_futures_runs_beside_one_connection` |
//! | without `message`, data closes with 1003 | `payloads::a_handler_without_message_closes_with_1003_when_data_comes` |
//! | the wrong kind closes with 1003 | `payloads::a_message_of_the_wrong_kind_closes_with_1003` |
//! | what does not decode closes with 1007 | `payloads::a_payload_that_does_not_decode_closes_with_1007` |
//! | a `Call` is answered by an `Answer` that names it | `calls::an_answer_is_ok_or_a_typed_error_and_names_its_call` and its neighbours |
//! | what is no call closes with 1007 | `calls::what_is_no_call_closes_with_1007` |
//! | but a `Checked` body is answered | `calls::a_checked_body_that_does_not_decode_is_answered_and_the_connection_goes_on` |
//! | `or_refuse` and `or_close` hide the error | `hooks::or_refuse_and_or_close_show_nothing_of_the_error` |
//! | and log it | `logs::panics_and_errors_are_logged_at_error_with_the_name_of_the_hook` |
//! | the user's own `From` stays possible | `hooks::an_error_of_the_applications_own_closes_as_it_says` |
//! | a `Refusal` carries status, headers and body | `hooks::a_refusal_carries_status_headers_and_body` |
//! | `Message::concat` makes one message of chunks | `payloads::concat_makes_one_message_of_chunks` |
//! | **Sending** | |
//! | a reply waits for room while reading stops | `sending::a_reply_waits_for_room_while_reading_stops` |
//! | messages go compressed where that was agreed on | `deflate::*` |
//! | `send` never waits: past the limit it closes with 1013 | `sending::send_past_the_limit_closes_with_1013`, `sending::the_number_of_frames_is_limited_too` |
//! | or gives the message back | `sending::send_past_the_limit_gives_the_message_back_where_the_route_refuses` |
//! | `send_async` waits | `sending::send_async_waits_for_room`, `topics::send_async_sees_the_room_that_the_task_of_a_publish_makes` |
//! | topic frames follow the policy: `close` | `topics::by_default_a_client_that_cannot_follow_is_closed` |
//! | `drop_oldest`, `drop_newest`, `latest` | `topics::drop_oldest_makes_room_for_the_newest`, `topics::drop_newest_keeps_what_waits`, `topics::latest_keeps_only_the_newest` |
//! | a drop touches only frames of its topic and is counted | `topics::a_drop_touches_only_frames_of_its_topic`, `topics::where_others_fill_the_outbox_the_new_frame_is_dropped_and_counted`, `topics::a_frame_that_is_half_written_is_never_dropped` |
//! | `publish_volatile` skips who has a backlog | `topics::publish_volatile_skips_who_has_a_backlog` |
//! | `listen` delivers to `info` instead, through `From` | `topics::listen_delivers_to_info_instead_of_the_client`, `topics::a_handler_that_does_not_follow_what_it_listens_to_is_closed`, `listening::*` |
//! | one message above the limit fits an empty outbox | `sending::one_message_above_the_limit_fits_an_empty_outbox` |
//! | no progress for `stall` closes | `sending::a_client_that_takes_nothing_for_the_time_of_stall_is_closed`, `sending::a_client_that_reads_slowly_is_not_stalled` |
//! | a client that makes progress is alive, one that takes too little is closed | `liveness::*` |
//! | after a pause of the process clients are pinged first, and time-outs start again | `pauses::*` |
//! | sending to who is gone is `Closed`, never silence | `closing::after_the_end_send_notify_and_spawn_say_closed_and_timers_stop`, `sending::send_async_that_waits_learns_of_the_end` |
//! | **Mailbox** | |
//! | `notify` gives the value back in `Full` and `Closed` | `mailbox::a_full_mailbox_gives_the_value_back`, `closing::after_the_end_send_notify_and_spawn_say_closed_and_timers_stop` |
//! | `notify_async` waits | `mailbox::notify_async_waits_for_room`, `mailbox::notify_async_that_waits_learns_of_the_end` |
//! | timers count against a bound | `mailbox::timers_count_against_a_bound_of_their_own`, `mailbox::what_timers_left_in_the_mailbox_takes_no_place_of_others` |
//! | a dropped handle cancels nothing, `cancel` does | `mailbox::a_dropped_handle_leaves_its_timer_set_and_cancel_takes_it_back` |
//! | late ticks coalesce | `mailbox::late_ticks_coalesce` |
//! | code of the application that the library calls may call it | `reentrant::*` |
//! | **Order** | |
//! | FIFO per source | `order::messages_are_answered_in_order`, `order::notifications_of_one_task_arrive_in_order`, `order::messages_of_one_task_arrive_in_order_whatever_the_network_takes`, `order::a_hook_that_waits_keeps_its_place` |
//! | frames of different senders never interleave | `order::frames_of_different_senders_never_interleave` |
//! | one task's `send`, `subscribe`, `publish` keep their order | `order::send_subscribe_publish_and_the_reply_of_one_hook_keep_their_order`, `order::the_task_outside_of_hooks_keeps_its_order_too`, `topics::what_one_publish_does_not_write_itself_a_task_writes_in_order` |
//! | messages and notifications take turns | `order::messages_and_notifications_that_waited_for_a_hook_take_turns`, `order::messages_and_notifications_take_turns_in_a_burst` |
//! | neither starves | `order::endless_notifications_do_not_starve_messages`, `order::a_flood_of_messages_does_not_starve_notifications` |
//! | **Closing** | |
//! | the client's Close keeps its place, then is echoed | `closing::the_close_of_the_client_waits_for_earlier_messages_and_their_replies`, `closing::the_close_of_the_client_waits_for_replies_that_have_no_room` |
//! | `closed().await` resolves on receipt | `closing::closed_resolves_when_the_close_of_the_client_arrives` |
//! | ours follows what is in the outbox | `closing::our_close_follows_what_waits_in_the_outbox` |
//! | nothing follows it, and later data is discarded | `closing::data_after_our_close_is_discarded_and_nothing_follows_the_close`, `sending::nothing_follows_the_close_of_a_hook_that_closes_and_then_replies` |
//! | the answer is awaited for `close_timeout` | `closing::the_answer_of_the_client_is_awaited_for_close_timeout` |
//! | overflow and stall discard at a frame boundary | `closing::an_overflow_discards_the_outbox_at_a_frame_boundary`, `closing::an_overflow_before_the_frame_was_begun_discards_it_too`, `closing::a_stall_discards_the_outbox_at_a_frame_boundary` |
//! | FIN without Close is a lost connection | `closing::a_stream_that_ends_without_a_close_is_a_lost_connection` |
//! | afterwards `send` and `notify` say `Closed`, timers stop | `closing::after_the_end_send_notify_and_spawn_say_closed_and_timers_stop`, `closing::no_hook_is_called_between_our_close_and_the_answer` |
//! | a running hook is not dropped before `hook_timeout` | `closing::a_running_hook_outlives_the_client_until_hook_timeout`, `closing::a_hook_is_cut_at_hook_timeout_and_not_before` |
//! | then `terminate`, within `terminate_timeout` | `shutdown::terminate_is_cut_after_terminate_timeout` |
//! | a shutdown cuts every other time-out: of hooks and answers | `shutdown::a_shutdown_cuts_hooks_and_closes_and_keeps_room_for_terminate`, `shutdown::a_shutdown_cuts_the_wait_for_an_answer` |
//! | of `init`, of `stall`, of a `terminate` under way | `init::a_shutdown_cuts_an_init_that_is_under_way`, `shutdown::a_shutdown_cuts_a_stall`, `shutdown::a_shutdown_cuts_a_terminate_that_is_under_way` |
//! | and keeps room for `terminate`, for which it waits | `shutdown::a_shutdown_cuts_hooks_and_closes_and_keeps_room_for_terminate`, `shutdown::a_shutdown_waits_for_every_terminate` |
//! | a synchronous hook cannot be cut | `shutdown::a_synchronous_hook_cannot_be_cut` |
//! | **init** | |
//! | time-out 503, panic 500 | `init::an_init_that_takes_too_long_is_answered_with_503_and_undone`, `init::an_init_that_panics_is_answered_with_500_and_undone` |
//! | its future is dropped when the client is gone | `init::an_init_is_dropped_when_the_client_is_gone` |
//! | bytes behind the request wait for it | `init::what_the_client_sends_behind_its_request_waits_for_init` |
//! | when the upgrade fails, `terminate` runs | `terminate::an_upgrade_that_fails` |
//! | when it refused, subscriptions are undone, sockets say `Closed` | `init::an_init_that_refuses_is_undone` |
//! | **start** | |
//! | it keeps, refuses, or hands the connection to another handler | `start::*` |
//! | **Pages** | |
//! | what is pushed waits from the rendering on, in order | `pages::what_is_pushed_before_the_page_attaches_arrives_in_order` |
//! | lost frames come again, and none twice | `pages::what_was_lost_with_a_connection_comes_again_and_what_arrived_does_not`, `pages::random::*` |
//! | a page without a socket ends after its grace time | `pages::a_page_without_a_connection_ends_after_its_grace_time_and_not_before`, `pages::a_page_that_was_rendered_and_never_came_ends_too` |
//! | past its limit a queue becomes a reset | `pages::a_queue_past_its_limit_becomes_a_reset` |
//! | the newest socket owns the page | `pages::the_newest_connection_owns_the_page_and_the_older_is_closed_with_4409` |
//! | a push reaches its scope | `pages::scopes::*` |
//! | a handler with `attach: page` lives as long as the page | `pages::handlers::*` |
//! | what a page must not do has its answer | `pages::bad_input::*` |
//! | a page that follows loses nothing, however fast its handler is | `pages::handlers::pressure::*` |
//! | a function for messages of pages that blocks holds one thread | `pages::blocking::*` |
//! | all pages together hold a bounded number of bytes, and one address so many pages | `pages::memory::*` |
//! | the page of the test kit does as the browser's client | `pages::kit::*` |
//! | **Panics** | |
//! | 1011 for that connection and no other | `panics::a_panic_closes_that_connection_with_1011_and_no_other`, `panics::a_payload_a_reply_or_a_timers_value_that_panics_is_a_panic_of_the_hook`, `spawn::a_panic_or_an_error_of_a_spawned_future_closes_with_1011` |
//! | `terminate` gets the state as the panic left it | the first of these, `panics::terminate_gets_the_state_as_the_panic_of_an_async_hook_left_it`, `panics::terminate_is_called_where_a_hook_that_is_cut_panics_while_it_is_dropped` |
//! | `terminate` itself may panic | `panics::a_panic_in_terminate_leaves_nothing_behind` |
//! | **Expiry** | |
//! | `expire_at` closes with 4401 | `limits::expire_at_closes_at_its_time_however_busy_the_connection_is`, `terminate::the_expiry_of_the_connection` |
//! | **Logs** | |
//! | a span with id, route and peer is entered while a hook runs | `logs::a_span_with_id_route_and_peer_is_entered_while_a_plain_hook_runs` and its async twin |
//! | faults of a client at `debug` | `logs::faults_of_a_client_are_logged_at_debug_and_no_higher` |
//! | panics and errors at `error` with the hook's name | `logs::panics_and_errors_are_logged_at_error_with_the_name_of_the_hook` |
//! | a hook that blocks its thread at `warn` with its name and route | `logs::a_hook_that_blocks_its_thread_is_logged_with_its_name_and_route` |
//! | never query strings, cookies, tokens or payloads | `logs::query_strings_cookies_tokens_and_payloads_are_never_logged` |
//! | the log of a refused origin shows both sites and names the fix | `proxies::a_refused_origin_is_logged_beside_the_own_one_with_every_remedy` |
//! | a refusal names what is missing, and the log the limit that is reached | `refusals::*` |
//! | a proxy that nobody has named is hinted at | `proxies::a_private_address_without_places_is_said_to_be_a_proxy_perhaps` |
//! | **Defaults** | |
//! | the table | `limits::the_defaults_are_those_of_the_design` |
//! | message size, rate, ping and idle have their effect | `limits::a_message_above_max_message_closes_with_1009`, `limits::a_rate_allows_its_burst_in_every_interval`, `limits::a_client_that_answers_pings_stays`, `terminate::a_client_that_answers_no_ping`, `terminate::a_client_that_is_idle_where_there_are_no_pings` |

#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the contract gives hooks their shape"
)]

#[macro_use]
mod journal;
mod probe;
mod tab;

mod bearer;
mod calls;
mod closing;
mod deflate;
mod hooks;
mod init;
mod limits;
mod listening;
mod liveness;
mod logs;
mod mailbox;
mod order;
mod pages;
mod panics;
mod pauses;
mod payloads;
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
mod terminate;
mod topics;
mod visits;
