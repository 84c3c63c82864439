//! A client and a task that count, for the tests of outboxes and topics.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use super::DirectWrite;

/// A client that accepts a limited number of bytes, and counts the writes.
pub(crate) struct CountingClient(Mutex<ClientState>);

struct ClientState {
    room: usize,
    writes: usize,
    written: Vec<u8>,
}

impl CountingClient {
    pub(crate) fn with_room(room: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(ClientState {
            room,
            writes: 0,
            written: Vec::new(),
        })))
    }

    pub(crate) fn make_room(&self) {
        self.0.lock().unwrap().room = usize::MAX;
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.0.lock().unwrap().written.clone()
    }

    /// The number of writes that the client has accepted, and the bytes.
    pub(crate) fn seen(&self) -> (usize, Vec<u8>) {
        let state = self.0.lock().unwrap();
        (state.writes, state.written.clone())
    }
}

impl DirectWrite for CountingClient {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut client = self.0.lock().unwrap();
        if client.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        client.writes += 1;
        let mut count = 0;
        for slice in slices {
            let len = slice.len().min(client.room);
            client.written.extend_from_slice(&slice[..len]);
            client.room -= len;
            count += len;
        }
        Ok(count)
    }
}

/// Counts the wake-ups of the connection's task.
#[derive(Default)]
pub(crate) struct CountingTask(AtomicUsize);

impl Wake for CountingTask {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl CountingTask {
    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
