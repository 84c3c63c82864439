//! From an admitted request to its handshake and the response.

use http::{HeaderMap, Response, Uri};

use super::{Accept, Admission};
use crate::extract::{Admitted, Handshake, Params, ResponseHeaders};
use crate::hub::Permit;
use crate::protocol::Deflate;

/// The contents of the 101 response to an admitted request.
#[derive(Debug)]
pub struct UpgradeResponse {
    accept: Accept,
    protocol: Option<&'static str>,
    deflate: Option<Deflate>,
    added: ResponseHeaders,
}

impl UpgradeResponse {
    /// The 101 response that opens the connection, with the headers that `init` has added.
    pub fn response(self) -> Response<()> {
        let mut response = self.accept.response(self.protocol, self.deflate);
        response.headers_mut().extend(self.added.take());
        response
    }
}

impl Admission<Permit> {
    /// Converts the admission into the admitted request with this target, these headers and path
    /// parameters, and the response that opens the connection.
    pub fn handshake(
        self,
        uri: Uri,
        headers: HeaderMap,
        params: Params,
    ) -> (Admitted, UpgradeResponse) {
        let added = ResponseHeaders::default();
        let admitted = Admitted {
            handshake: Handshake {
                uri,
                headers,
                peer: self.client.peer,
                counted_address: self.client.counted_address(),
                protocol: self.protocol.map(str::to_owned),
                params,
                visitor: self.visitor,
                resume: None,
                response: added.clone(),
            },
            permit: Some(self.permit),
            deflate: self.deflate,
        };
        let response = UpgradeResponse {
            accept: self.accept,
            protocol: self.protocol,
            deflate: self.deflate,
            added,
        };
        (admitted, response)
    }
}
