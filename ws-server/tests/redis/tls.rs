//! TLS: the server proves who it is.

#![cfg(feature = "redis-tls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ws_server::cluster::{Engine, Lane, Lanes, READ_ENTRIES};
use ws_server::redis::{Redis, RedisEngine, RedisError};
use ws_server::testkit::engines::{new_append, new_read};

use crate::server::RedisServer;

/// A server with a certificate of an authority, and the certificate of that authority.
fn server() -> (RedisServer, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let server = RedisServer::with_tls(&certificate.pem(), &key.serialize_pem(), &authority.pem());
    (server, authority.pem())
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
