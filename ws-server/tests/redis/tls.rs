//! TLS: the server proves who it is.

#![cfg(feature = "redis-tls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ws_server::cluster::{Engine, Lane, Lanes, READ_ENTRIES};
use ws_server::redis::{Redis, RedisEngine, RedisError};
use ws_server::testkit::engines::{check_engine, new_append, new_read};

use crate::clustered::RedisCluster;
use crate::server::RedisServer;

/// A server with a certificate of an authority, and the certificate of that authority.
fn server() -> (RedisServer, String) {
    let [certificate, key, authority] = certificate("127.0.0.1");
    let server = RedisServer::with_tls(&certificate, &key, &authority);
    (server, authority)
}

/// A certificate for this name, its key, and the certificate of its authority.
fn certificate(name: &str) -> [String; 3] {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Redis takes a certificate whose issuer has its own name for a self-signed one.
    let issuer = &mut params.distinguished_name;
    issuer.push(DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    [certificate.pem(), key.serialize_pem(), authority.pem()]
}

fn redis(server: &RedisServer) -> Redis {
    Redis::new(&server.url(":right@").replace("redis://", "rediss://")).unwrap()
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_used() {
    const LANE: Lane = Lane(0);
    let (server, authority) = server();
    let redis = redis(&server)
        .root_certificate(authority.as_bytes())
        .unwrap();
    let engine = RedisEngine::new(redis, Lanes::DEFAULT);
    engine.connected().await.unwrap();
    let opened = engine.open(LANE).await.unwrap();
    engine
        .append(&new_append(LANE, &opened, 1, "sealed"))
        .await
        .unwrap();
    let read = engine
        .read(&[new_read(LANE, &opened, opened.start)], READ_ENTRIES)
        .await;
    assert_eq!(read.unwrap()[0].entries[0].1, "sealed");
}

#[tokio::test]
async fn a_server_with_a_certificate_of_another_authority_is_not_used() {
    let (server, _) = server();
    let (_other, authority) = self::server();
    for redis in [
        redis(&server),
        redis(&server)
            .root_certificate(authority.as_bytes())
            .unwrap(),
    ] {
        let engine = RedisEngine::new(redis, Lanes::DEFAULT);
        let error = engine.open(Lane(0)).await.unwrap_err().to_string();
        assert!(error.contains("invalid peer certificate: "), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_expects_tls_does_not_answer_without_it() {
    let (server, _) = server();
    let plain = Redis::new(&server.url(":right@")).unwrap();
    let engine = RedisEngine::new(plain, Lanes::DEFAULT);
    let error = engine.open(Lane(0)).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_at_once() {
    let (server, authority) = server();
    let error = |redis: Redis, pem: &str| redis.root_certificate(pem.as_bytes()).unwrap_err();
    let plain = Redis::new(&server.url("")).unwrap();
    assert_eq!(error(plain, &authority), RedisError::Certificate);
    let broken = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    assert_eq!(error(redis(&server), broken), RedisError::Certificate);
}

/// Their certificates have no addresses: only the names that they announce connect to the other nodes.
#[tokio::test]
async fn the_nodes_of_a_cluster_are_called_by_the_names_in_their_certificates() {
    let [certificate, key, authority] = certificate("localhost");
    let files = (&*certificate, &*key, &*authority);
    let (cluster, ports) = RedisCluster::with_tls(2, "localhost", files).await;
    let url = format!("rediss-cluster://localhost:{}", ports[0]);
    let redis = || Redis::new(&url).unwrap();
    let trusting = redis().root_certificate(authority.as_bytes()).unwrap();
    let engine = RedisEngine::new(trusting, Lanes::DEFAULT);
    engine.connected().await.unwrap();
    check_engine(&engine).await;
    for lane in Lanes::DEFAULT.iter() {
        engine.open(lane).await.unwrap();
    }
    for node in &cluster.nodes {
        assert!(!node.keys("ws:*:generation").is_empty(), "it has lanes");
    }
    let [_, _, other] = self::certificate("localhost");
    for redis in [redis(), redis().root_certificate(other.as_bytes()).unwrap()] {
        let engine = RedisEngine::new(redis, Lanes::DEFAULT);
        let error = engine.open(Lane(0)).await.unwrap_err().to_string();
        assert!(error.contains("invalid peer certificate: "), "{error}");
    }
}
