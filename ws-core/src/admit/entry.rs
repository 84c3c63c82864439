//! From an admitted request to its handshake, and to its answer.

use http::{HeaderMap, Response, Uri};

use super::{Accept, Entry};
use crate::extract::{Admitted, Handshake, Params};
use crate::hub::Permit;
use crate::protocol::Deflate;

/// What the 101 to an admitted request is made of.
#[derive(Debug)]
pub struct Welcome {
    accept: Accept,
    protocol: Option<&'static str>,
    deflate: Option<Deflate>,
}

impl Welcome {
    /// The 101 that opens the connection.
    pub fn response(self) -> Response<()> {
        self.accept.response(self.protocol, self.deflate)
    }
}

impl Entry<Permit> {
    /// The request with this target, these headers and parameters of the path, admitted; and the
    /// answer to it, for the time when the connection is open.
    pub fn handshake(self, uri: Uri, headers: HeaderMap, params: Params) -> (Admitted, Welcome) {
        let admitted = Admitted {
            handshake: Handshake {
                uri,
                headers,
                peer: self.client.peer,
                counted: self.client.counted_address(),
                protocol: self.protocol.map(str::to_owned),
                params,
                visitor: self.visitor,
            },
            permit: Some(self.permit),
            deflate: self.deflate,
        };
        let welcome = Welcome {
            accept: self.accept,
            protocol: self.protocol,
            deflate: self.deflate,
        };
        (admitted, welcome)
    }
}
