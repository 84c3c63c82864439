//! 100 routes; `main.rs` documents how the lines are generated.

use ws_server::prelude::*;

use super::Any;

dispatch! {
    pub(super) struct Routes;

    accounts: "/accounts" => Any; accounts_one: "/accounts/{id: u64}" => Any; accounts_set: "/accounts/{id: u64}/settings" => Any; accounts_log: "/accounts/{id: u64}/events/{name}" => Any; accounts_raw: "/accounts/{id: u64}/raw/{*rest}" => Any;
    actions: "/actions" => Any; actions_one: "/actions/{id: u64}" => Any; actions_set: "/actions/{id: u64}/settings" => Any; actions_log: "/actions/{id: u64}/events/{name}" => Any; actions_raw: "/actions/{id: u64}/raw/{*rest}" => Any;
    addresses: "/addresses" => Any; addresses_one: "/addresses/{id: u64}" => Any; addresses_set: "/addresses/{id: u64}/settings" => Any; addresses_log: "/addresses/{id: u64}/events/{name}" => Any; addresses_raw: "/addresses/{id: u64}/raw/{*rest}" => Any;
    agents: "/agents" => Any; agents_one: "/agents/{id: u64}" => Any; agents_set: "/agents/{id: u64}/settings" => Any; agents_log: "/agents/{id: u64}/events/{name}" => Any; agents_raw: "/agents/{id: u64}/raw/{*rest}" => Any;
    alerts: "/alerts" => Any; alerts_one: "/alerts/{id: u64}" => Any; alerts_set: "/alerts/{id: u64}/settings" => Any; alerts_log: "/alerts/{id: u64}/events/{name}" => Any; alerts_raw: "/alerts/{id: u64}/raw/{*rest}" => Any;
    apps: "/apps" => Any; apps_one: "/apps/{id: u64}" => Any; apps_set: "/apps/{id: u64}/settings" => Any; apps_log: "/apps/{id: u64}/events/{name}" => Any; apps_raw: "/apps/{id: u64}/raw/{*rest}" => Any;
    archives: "/archives" => Any; archives_one: "/archives/{id: u64}" => Any; archives_set: "/archives/{id: u64}/settings" => Any; archives_log: "/archives/{id: u64}/events/{name}" => Any; archives_raw: "/archives/{id: u64}/raw/{*rest}" => Any;
    articles: "/articles" => Any; articles_one: "/articles/{id: u64}" => Any; articles_set: "/articles/{id: u64}/settings" => Any; articles_log: "/articles/{id: u64}/events/{name}" => Any; articles_raw: "/articles/{id: u64}/raw/{*rest}" => Any;
    assets: "/assets" => Any; assets_one: "/assets/{id: u64}" => Any; assets_set: "/assets/{id: u64}/settings" => Any; assets_log: "/assets/{id: u64}/events/{name}" => Any; assets_raw: "/assets/{id: u64}/raw/{*rest}" => Any;
    audits: "/audits" => Any; audits_one: "/audits/{id: u64}" => Any; audits_set: "/audits/{id: u64}/settings" => Any; audits_log: "/audits/{id: u64}/events/{name}" => Any; audits_raw: "/audits/{id: u64}/raw/{*rest}" => Any;
    admin_accounts: "/admin/accounts" => Any; admin_accounts_one: "/admin/accounts/{id: u64}" => Any; admin_accounts_set: "/admin/accounts/{id: u64}/settings" => Any; admin_accounts_log: "/admin/accounts/{id: u64}/events/{name}" => Any; admin_accounts_raw: "/admin/accounts/{id: u64}/raw/{*rest}" => Any;
    admin_actions: "/admin/actions" => Any; admin_actions_one: "/admin/actions/{id: u64}" => Any; admin_actions_set: "/admin/actions/{id: u64}/settings" => Any; admin_actions_log: "/admin/actions/{id: u64}/events/{name}" => Any; admin_actions_raw: "/admin/actions/{id: u64}/raw/{*rest}" => Any;
    admin_addresses: "/admin/addresses" => Any; admin_addresses_one: "/admin/addresses/{id: u64}" => Any; admin_addresses_set: "/admin/addresses/{id: u64}/settings" => Any; admin_addresses_log: "/admin/addresses/{id: u64}/events/{name}" => Any; admin_addresses_raw: "/admin/addresses/{id: u64}/raw/{*rest}" => Any;
    admin_agents: "/admin/agents" => Any; admin_agents_one: "/admin/agents/{id: u64}" => Any; admin_agents_set: "/admin/agents/{id: u64}/settings" => Any; admin_agents_log: "/admin/agents/{id: u64}/events/{name}" => Any; admin_agents_raw: "/admin/agents/{id: u64}/raw/{*rest}" => Any;
    admin_alerts: "/admin/alerts" => Any; admin_alerts_one: "/admin/alerts/{id: u64}" => Any; admin_alerts_set: "/admin/alerts/{id: u64}/settings" => Any; admin_alerts_log: "/admin/alerts/{id: u64}/events/{name}" => Any; admin_alerts_raw: "/admin/alerts/{id: u64}/raw/{*rest}" => Any;
    billing_apps: "/billing/apps" => Any; billing_apps_one: "/billing/apps/{id: u64}" => Any; billing_apps_set: "/billing/apps/{id: u64}/settings" => Any; billing_apps_log: "/billing/apps/{id: u64}/events/{name}" => Any; billing_apps_raw: "/billing/apps/{id: u64}/raw/{*rest}" => Any;
    billing_archives: "/billing/archives" => Any; billing_archives_one: "/billing/archives/{id: u64}" => Any; billing_archives_set: "/billing/archives/{id: u64}/settings" => Any; billing_archives_log: "/billing/archives/{id: u64}/events/{name}" => Any; billing_archives_raw: "/billing/archives/{id: u64}/raw/{*rest}" => Any;
    billing_articles: "/billing/articles" => Any; billing_articles_one: "/billing/articles/{id: u64}" => Any; billing_articles_set: "/billing/articles/{id: u64}/settings" => Any; billing_articles_log: "/billing/articles/{id: u64}/events/{name}" => Any; billing_articles_raw: "/billing/articles/{id: u64}/raw/{*rest}" => Any;
    billing_assets: "/billing/assets" => Any; billing_assets_one: "/billing/assets/{id: u64}" => Any; billing_assets_set: "/billing/assets/{id: u64}/settings" => Any; billing_assets_log: "/billing/assets/{id: u64}/events/{name}" => Any; billing_assets_raw: "/billing/assets/{id: u64}/raw/{*rest}" => Any;
    billing_audits: "/billing/audits" => Any; billing_audits_one: "/billing/audits/{id: u64}" => Any; billing_audits_set: "/billing/audits/{id: u64}/settings" => Any; billing_audits_log: "/billing/audits/{id: u64}/events/{name}" => Any; billing_audits_raw: "/billing/audits/{id: u64}/raw/{*rest}" => Any;
}
