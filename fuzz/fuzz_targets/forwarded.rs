//! The elements that a client puts before that of its proxy never change the client's address.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use ws_core::admit::AdmissionPolicy;

fuzz_target!(|data: &[u8]| {
    let proxy = "10.0.0.0/8".parse().expect("a network");
    let policy = AdmissionPolicy {
        trusted_proxies: [proxy].into_iter().collect(),
        ..AdmissionPolicy::default()
    };
    let peer = "10.0.0.1:4711".parse().ok();
    for (name, appended) in [
        ("forwarded", "for=192.0.2.7"),
        ("x-forwarded-for", "192.0.2.7"),
    ] {
        let text = [data, b", ", appended.as_bytes()].concat();
        let Ok(value) = HeaderValue::from_bytes(&text) else {
            continue;
        };
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        // A malformed header is refused.
        if let Ok(client) = policy.client(peer, &headers) {
            assert_eq!(client.peer, "192.0.2.7:0".parse().ok());
        }
    }
});
