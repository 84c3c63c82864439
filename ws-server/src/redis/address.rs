//! The URLs of servers, of sentinels, and of the nodes of a Redis Cluster.

use ::redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};

use super::RedisError;

/// The port of a sentinel, unless the URL names another one.
const SENTINEL_PORT: u16 = 26_379;

/// The port of a server, unless the URL names another one.
const SERVER_PORT: u16 = 6_379;

/// The most sentinels, or nodes of a cluster, of one URL.
const MAX_HOSTS: usize = 16;

/// What a URL names.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A server.
    Server(Box<ConnectionInfo>),
    /// The primary that sentinels know by this name.
    Primary(Box<Sentinels>),
    /// Nodes of a Redis Cluster, at least one.
    Cluster(Vec<ConnectionInfo>),
}

/// Sentinels, and how to log on to the primary that they name.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    pub(super) name: String,
    pub(super) all: Vec<ConnectionInfo>,
    /// User, password, database and TLS of the primary; its host and port are those of the first
    /// sentinel.
    pub(super) primary: ConnectionInfo,
}

impl Place {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// [`RedisError::Url`] or [`RedisError::TlsDisabled`].
    pub(super) fn parse(url: &str) -> Result<Self, RedisError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisError::Url)?;
        let is_tls = scheme.starts_with("rediss");
        if is_tls && cfg!(not(feature = "redis-tls")) {
            return Err(RedisError::TlsDisabled);
        }
        match scheme {
            "redis" | "rediss" => Ok(Self::Server(Box::new(info(url)?))),
            "redis-sentinel" => sentinels("redis", rest).map(Self::Primary),
            "rediss-sentinel" => sentinels("rediss", rest).map(Self::Primary),
            "redis-cluster" => nodes("redis", rest).map(Self::Cluster),
            "rediss-cluster" => nodes("rediss", rest).map(Self::Cluster),
            _ => Err(RedisError::Url),
        }
    }

    /// The host and the port, without user and password. That of sentinels ends with the name of
    /// the primary.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Server(server) => server.addr().to_string(),
            Self::Primary(of) => {
                format!("{}/{}", list(&of.all), of.name)
            }
            Self::Cluster(nodes) => list(nodes),
        }
    }

    /// Trusts this certificate of an authority in place of those of the system.
    ///
    /// # Errors
    ///
    /// [`RedisError::Certificate`].
    #[cfg(feature = "redis-tls")]
    pub(super) fn trust(&mut self, pem: &[u8]) -> Result<(), RedisError> {
        let trust = |info: &mut ConnectionInfo| {
            let certificates = ::redis::TlsCertificates {
                client_tls: None,
                root_cert: Some(pem.to_vec()),
            };
            let client = ::redis::Client::build_with_tls(info.clone(), certificates);
            let client = client.map_err(|_| RedisError::Certificate)?;
            *info = client.get_connection_info().clone();
            Ok(())
        };
        match self {
            Self::Server(server) => trust(server),
            Self::Primary(of) => {
                trust(&mut of.primary)?;
                of.all.iter_mut().try_for_each(trust)
            }
            Self::Cluster(nodes) => nodes.iter_mut().try_for_each(trust),
        }
    }

    /// The database.
    pub(super) fn database(&self) -> i64 {
        match self {
            Self::Server(server) => server.redis_settings().db(),
            Self::Primary(of) => of.primary.redis_settings().db(),
            Self::Cluster(_) => 0,
        }
    }
}

/// The addresses of these servers.
pub(super) fn list(all: &[ConnectionInfo]) -> String {
    let all = all.iter().map(|info| info.addr().to_string());
    all.collect::<Vec<_>>().join(",")
}

/// The host and the port of a server.
pub(super) fn host_and_port(info: &ConnectionInfo) -> Option<(String, u16)> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

/// Whether the connection uses TLS.
pub(super) fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// The same user, password and TLS for another server.
pub(super) fn with_host(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    let addr = match info.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    info.clone().set_addr(addr)
}

/// Splits `user:password@host:port,host:port` into `user:password@` and the hosts.
fn split_user(hosts: &str) -> (&str, &str) {
    match hosts.rfind('@') {
        Some(at) => hosts.split_at(at + 1),
        None => ("", hosts),
    }
}

/// Parses each host of a list. `before` is the scheme, and perhaps a user.
fn hosts(before: &str, hosts: &str, default_port: u16) -> Result<Vec<ConnectionInfo>, RedisError> {
    let host = |host: &str| {
        // An IPv6 address has brackets around its colons.
        let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
        let port = if has_port {
            String::new()
        } else {
            format!(":{default_port}")
        };
        info(&format!("{before}{host}{port}/0"))
    };
    let all: Vec<_> = hosts.split(',').map(host).collect::<Result<_, _>>()?;
    if all.len() > MAX_HOSTS {
        return Err(RedisError::Url);
    }
    Ok(all)
}

/// Parses the part behind the scheme: `user:password@host:port,host:port`. A cluster has only the
/// first database. `scheme` is that of a server.
fn nodes(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, RedisError> {
    let rest = rest.strip_suffix("/0").unwrap_or(rest);
    let (user, all) = split_user(rest.strip_suffix('/').unwrap_or(rest));
    if all.contains(['/', '?', '#']) {
        return Err(RedisError::Url);
    }
    hosts(&format!("{scheme}://{user}"), all, SERVER_PORT)
}

/// Parses the part behind the scheme: `user:password@host:port,host:port/name/database`, and
/// behind it perhaps `?sentinel-user=ada&sentinel-password=secret`. `scheme` is that of a server.
fn sentinels(scheme: &str, rest: &str) -> Result<Box<Sentinels>, RedisError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (names, path) = rest.split_once('/').ok_or(RedisError::Url)?;
    let (user, names) = split_user(names);
    let (name, database) = path.split_once('/').unwrap_or((path, "0"));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RedisError::Url);
    }
    let sentinel_user = sentinel_user(query)?;
    let before = format!("{scheme}://{sentinel_user}");
    let all = hosts(&before, names, SENTINEL_PORT)?;
    let first = names.split(',').next().unwrap_or_default();
    Ok(Box::new(Sentinels {
        name: name.to_owned(),
        all,
        primary: info(&format!("{scheme}://{user}{first}/{database}"))?,
    }))
}

/// The user and the password for the sentinels, as a part of a URL.
fn sentinel_user(query: &str) -> Result<String, RedisError> {
    let (mut user, mut password) = ("", None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel-user", value)) => user = value,
            Some(("sentinel-password", value)) => password = Some(value),
            _ => return Err(RedisError::Url),
        }
    }
    Ok(match password {
        Some(password) => format!("{user}:{password}@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    })
}

/// Parses the URL of one server.
fn info(url: &str) -> Result<ConnectionInfo, RedisError> {
    let info = url.into_connection_info().map_err(|_| RedisError::Url)?;
    if !matches!(
        info.addr(),
        ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { .. }
    ) {
        return Err(RedisError::Url);
    }
    let settings = settings(info.redis_settings());
    Ok(info.set_redis_settings(settings))
}

/// The third version of the protocol reports the end of an idle connection at once.
fn settings(settings: &RedisConnectionInfo) -> RedisConnectionInfo {
    let settings = settings.clone();
    settings
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("ws-server", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<String, RedisError> {
        Place::parse(url).map(|place| place.address())
    }

    #[test]
    fn a_url_names_a_server_with_optional_port_user_and_database() {
        assert_eq!(address("redis://10.0.0.5").unwrap(), "10.0.0.5:6379");
        assert_eq!(
            address("redis://ada:secret@redis.example:7000/3").unwrap(),
            "redis.example:7000"
        );
        assert_eq!(address("redis://[::1]:7000").unwrap(), "::1:7000");
    }

    #[test]
    fn a_url_names_sentinels_and_their_primary() {
        let url = "redis-sentinel://ada:s%40cret@10.0.0.5,[::1],s3.example:7000/main/3\
            ?sentinel-user=eve&sentinel-password=h%40dden";
        let place = Place::parse(url).unwrap();
        let expected = "10.0.0.5:26379,::1:26379,s3.example:7000/main";
        assert_eq!((&*place.address(), place.database()), (expected, 3));
        let Place::Primary(of) = place else {
            panic!("{place:?}");
        };
        let primary = of.primary.redis_settings();
        let login = (primary.username(), primary.password());
        assert_eq!(login, (Some("ada"), Some("s@cret")));
        for sentinel in &of.all {
            let settings = sentinel.redis_settings();
            let login = (settings.username(), settings.password(), settings.db());
            assert_eq!(login, (Some("eve"), Some("h@dden"), 0));
        }
        let place = Place::parse("redis-sentinel://10.0.0.5/main").unwrap();
        assert_eq!(place.database(), 0);
    }

    #[test]
    fn a_url_names_nodes_of_a_cluster() {
        let url = "redis-cluster://ada:s%40cret@10.0.0.5,[::1],s3.example:7000";
        for end in ["", "/", "/0"] {
            let place = Place::parse(&format!("{url}{end}")).unwrap();
            let expected = "10.0.0.5:6379,::1:6379,s3.example:7000";
            assert_eq!((&*place.address(), place.database()), (expected, 0));
            let Place::Cluster(nodes) = place else {
                panic!("{place:?}");
            };
            for node in &nodes {
                let settings = node.redis_settings();
                let login = (settings.username(), settings.password());
                assert_eq!(login, (Some("ada"), Some("s@cret")));
            }
        }
    }

    #[test]
    fn another_server_has_the_same_user() {
        let (one, two) = (info("redis://ada:secret@a:1").unwrap(), ("b".to_owned(), 2));
        let other = with_host(&one, &two.0, two.1);
        assert_eq!((host_and_port(&other), is_tls(&other)), (Some(two), false));
        assert_eq!(other.redis_settings().password(), Some("secret"));
    }

    #[test]
    fn an_invalid_url_is_not_shown() {
        for url in [
            "",
            "10.0.0.5",
            "http://10.0.0.5",
            "redis://:secret@host:port",
            "redis://:secret@host/database",
            "redis+unix:///run/redis.sock",
            "unix:///run/redis.sock",
            "redis-sentinel://10.0.0.5",
            "redis-sentinel://10.0.0.5/",
            "redis-sentinel:///main",
            "redis-sentinel://10.0.0.5,/main",
            "redis-sentinel://10.0.0.5/main/database",
            "redis-sentinel://10.0.0.5/main?password=secret",
            "redis-cluster://",
            "redis-cluster://10.0.0.5,",
            "redis-cluster://10.0.0.5/1",
            "redis-cluster://10.0.0.5?password=secret",
        ] {
            assert_eq!(address(url), Err(RedisError::Url), "{url}");
        }
        let many = vec!["10.0.0.5"; MAX_HOSTS + 1].join(",");
        for url in [
            format!("redis-sentinel://{many}/main"),
            format!("redis-cluster://{many}"),
        ] {
            assert_eq!(address(&url), Err(RedisError::Url));
        }
        assert!(!RedisError::Url.to_string().contains("secret"));
    }

    #[test]
    fn tls_requires_its_feature() {
        for (url, expected) in [
            ("rediss://10.0.0.5", "10.0.0.5:6379"),
            ("rediss-sentinel://10.0.0.5/main", "10.0.0.5:26379/main"),
            ("rediss-cluster://10.0.0.5", "10.0.0.5:6379"),
        ] {
            let address = address(url);
            if cfg!(feature = "redis-tls") {
                assert_eq!(address.unwrap(), expected);
            } else {
                assert_eq!(address, Err(RedisError::TlsDisabled));
            }
        }
    }
}
