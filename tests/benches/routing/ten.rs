//! 10 routes; `main.rs` documents how the lines are generated.

use ws_server::prelude::*;

use super::Any;

dispatch! {
    pub(super) struct Routes;

    accounts: "/accounts" => Any; accounts_one: "/accounts/{id: u64}" => Any; accounts_set: "/accounts/{id: u64}/settings" => Any; accounts_log: "/accounts/{id: u64}/events/{name}" => Any; accounts_raw: "/accounts/{id: u64}/raw/{*rest}" => Any;
    admin_accounts: "/admin/accounts" => Any; admin_accounts_one: "/admin/accounts/{id: u64}" => Any; admin_accounts_set: "/admin/accounts/{id: u64}/settings" => Any; admin_accounts_log: "/admin/accounts/{id: u64}/events/{name}" => Any; admin_accounts_raw: "/admin/accounts/{id: u64}/raw/{*rest}" => Any;
}
