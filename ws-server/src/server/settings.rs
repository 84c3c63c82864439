//! The settings of a configuration, before it is built.

use std::sync::Arc;

use ws_core::admit::{
    AdmissionPolicy, AllowedOrigin, AllowedOrigins, ForwardedPort, Network, Origin, RequestLog,
    TrustedProxies,
};
use ws_core::hub::Hub;
use ws_core::limits::{LimitOptions, ServerLimits};
use ws_core::over_http::Attachments;
use ws_core::session::{Secrets, SessionOptions};

use crate::base::{self, BasePath};
use crate::client;
use crate::failure::Error;
use crate::peer::PeerSource;
use crate::shared::{Http2, PlainGets};

/// The settings of a configuration, without the table and its state.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) limits: LimitOptions,
    pub(super) server_limits: ServerLimits,
    pub(super) sessions: SessionOptions,
    /// Random if `None`.
    pub(super) secrets: Option<Secrets>,
    #[cfg(feature = "cluster")]
    pub(super) cluster: super::cluster::ClusterSettings,
    /// Unparsed; `build` checks them, so that setters return no `Result`.
    pub(super) origins: Origins,
    pub(super) public_url: Option<String>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) forwarded_port: ForwardedPort,
    pub(super) client_path: Option<String>,
    pub(super) base: Option<String>,
    pub(super) plain_gets: PlainGets,
    /// The page streams over HTTP, if the server offers them.
    pub(super) over_http: Option<Arc<Attachments>>,
    pub(super) http2: Http2,
    pub(super) peer: PeerSource,
}

/// The text for proxies that connect through a Unix socket.
const UNIX: &str = "unix:";

#[derive(Debug, Default)]
pub(super) enum Origins {
    #[default]
    Same,
    Any,
    Listed(Vec<String>),
}

impl Settings {
    /// Parses the texts of the configuration.
    pub(super) fn policy(&self) -> Result<AdmissionPolicy, Error> {
        let origin = |value: &String| {
            value
                .parse::<AllowedOrigin>()
                .map_err(|reason| Error::Origin {
                    value: value.clone(),
                    reason: reason.to_string(),
                })
        };
        let origins = match &self.origins {
            Origins::Same => AllowedOrigins::Same,
            Origins::Any => AllowedOrigins::Any,
            Origins::Listed(listed) => {
                AllowedOrigins::Listed(listed.iter().map(origin).collect::<Result<_, _>>()?)
            }
        };
        let public_url = self.public_url.as_deref().map(public_url).transpose()?;
        let trusted_proxies = self.trusted_proxies()?;
        Ok(AdmissionPolicy {
            origins,
            public_url,
            trusted_proxies,
            forwarded_port: self.forwarded_port,
            page_posts: self.over_http.is_some(),
            request_log: RequestLog::default(),
        })
    }

    /// The path below which browsers find the browser client.
    pub(super) fn client_path(&self) -> Result<String, Error> {
        match &self.client_path {
            None => Ok(client::PREFIX.to_owned()),
            Some(path) if base::check(path).is_ok() => Ok(path.clone()),
            Some(path) => Err(Error::ClientPath {
                value: path.clone(),
            }),
        }
    }

    /// The base path, empty if there is none.
    pub(super) fn base(&self) -> Result<BasePath, Error> {
        let Some(path) = &self.base else {
            return Ok(BasePath::default());
        };
        BasePath::parse(path).map_err(|reason| Error::Base {
            value: path.clone(),
            reason,
        })
    }

    /// Creates the hub of the server.
    #[cfg(feature = "cluster")]
    pub(super) fn create_hub(&mut self, limits: &ServerLimits) -> Result<Hub, Error> {
        let sessions = std::mem::take(&mut self.sessions);
        let cluster = std::mem::take(&mut self.cluster);
        cluster.hub(limits, sessions, self.secrets.take())
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unnecessary_wraps, reason = "only a shared log can be wrong")]
    pub(super) fn create_hub(&mut self, limits: &ServerLimits) -> Result<Hub, Error> {
        let sessions = ws_core::session::Sessions::new(std::mem::take(&mut self.sessions));
        let secrets = self.secrets.take().unwrap_or_default();
        Ok(Hub::with_secrets(*limits, sessions, secrets))
    }

    fn trusted_proxies(&self) -> Result<TrustedProxies, Error> {
        let network = |value: &String| {
            value.parse::<Network>().map_err(|_| Error::TrustedProxy {
                value: value.clone(),
            })
        };
        let (unix, networks): (Vec<_>, Vec<_>) = self
            .trusted_proxies
            .iter()
            .partition(|value| *value == UNIX);
        let proxies: TrustedProxies = networks
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()?;
        Ok(if unix.is_empty() {
            proxies
        } else {
            proxies.without_address()
        })
    }
}

/// Parses the origin of a public URL; a slash at its end is ignored.
fn public_url(value: &str) -> Result<Origin, Error> {
    let origin = value.strip_suffix('/').unwrap_or(value).parse::<Origin>();
    match origin {
        Ok(origin) if matches!(origin.scheme(), "http" | "https") => Ok(origin),
        _ => Err(Error::PublicUrl {
            value: value.to_owned(),
        }),
    }
}
